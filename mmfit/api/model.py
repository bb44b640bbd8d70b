"""The face of the package in Python: ``lmer`` and the fitted model that it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfit.api.model_inference import InferenceMethods
from mmfit.common.arguments import name_list
from mmfit.engine import Fit, GroupModes, OptimizerRecord, fit_model
from mmfit.engine.criterion import ML, REML
from mmfit.errors import ComparisonError
from mmfit.formula import ModelMatrices, build_matrices, parse
from mmfit.formula.complete_rows import complete_rows
from mmfit.formula.unidentified import Unidentified
from mmfit.inference.fitted_model import FittedModel

if TYPE_CHECKING:
    import pandas as pd

    from mmfit.selection import Comparison


class LinearMixedModel(InferenceMethods):
    """A fitted linear mixed model: the record of the fit, with the data it was fitted to.

    Attributes
    ----------
    record : Fit, plain numbers (JSON-able);  matrices : ModelMatrices;
    rows : (n,) intp array, positions in the data of the rows used.
    model : FittedModel, the record and the matrices with what follows from both.
    """

    def __init__(self, record: Fit, matrices: ModelMatrices, rows: np.ndarray | None = None):
        self.model = FittedModel(record, matrices)
        self.rows = np.arange(matrices.nobs) if rows is None else rows

    def __repr__(self) -> str:
        return (
            f"<{self.criterion} fit of {self.record.formula}: log_lik {self.log_lik:.4f}, "
            f"{self.nobs} rows{', singular' if self.singular else ''}>"
        )

    @property
    def record(self) -> Fit:
        return self.model.fit

    @property
    def matrices(self) -> ModelMatrices:
        return self.model.matrices

    @property
    def criterion(self) -> str:
        """``"REML"`` or ``"ML"``."""
        return self.record.criterion

    @property
    def objective(self) -> float:
        """-2 log (restricted) likelihood."""
        return self.record.objective

    @property
    def log_lik(self) -> float:
        return self.record.log_lik

    @property
    def aic(self) -> float:
        return self.record.aic

    @property
    def bic(self) -> float:
        return self.record.bic

    @property
    def npar(self) -> int:
        """Fixed effects, thetas and sigma, counted under both criteria as lme4 does."""
        return self.record.npar

    @property
    def nobs(self) -> int:
        return self.record.nobs

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.record.sigma

    @property
    def theta(self) -> np.ndarray:
        """Relative Cholesky factors of the random terms, in lme4's order."""
        return self.record.theta

    @property
    def singular(self) -> bool:
        return self.record.singular

    @property
    def unidentified(self) -> tuple[Unidentified, ...]:
        """Covariance parameters that the design does not tell apart; empty where it tells all."""
        return self.record.unidentified

    @property
    def converged(self) -> bool:
        return self.record.converged

    @property
    def optimizer(self) -> OptimizerRecord:
        return self.record.optimizer

    @cached_property
    def fixef(self) -> pd.Series:
        """Fixed effects by term."""
        return self._by_term(self.record.fixef, "estimate")

    @cached_property
    def std_error(self) -> pd.Series:
        """Standard errors of the fixed effects by term; NaN where no data tell them."""
        known = self.model.precision()
        return self._by_term(known.std_error(np.eye(len(self.fixef))), "std_error")

    def _by_term(self, values, name) -> pd.Series:
        import pandas as pd

        return pd.Series(values, index=list(self.record.fixed_names), name=name)

    @cached_property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the fixed effects, term by term."""
        import pandas as pd

        names = list(self.record.fixed_names)
        return pd.DataFrame(self.record.vcov, index=names, columns=names)

    @cached_property
    def varcorr(self) -> pd.DataFrame:
        """group, term_1, term_2, vcov, sdcor: as lme4's ``as.data.frame(VarCorr())``."""
        from mmfit.inference import varcorr

        return varcorr(self.model)

    @cached_property
    def ranef(self) -> dict[str, pd.DataFrame]:
        """Conditional modes: grouping factor -> levels by effects; NaN where no data tell them."""
        import pandas as pd

        return {
            group.grouping: pd.DataFrame(
                group.modes, index=list(group.levels), columns=list(group.effects)
            )
            for group in self._modes
        }

    @property
    def ranef_cov(self) -> dict[str, np.ndarray]:
        """Conditional covariances of the modes: grouping factor -> (levels, q, q)."""
        return {group.grouping: group.covariance for group in self._modes}

    @cached_property
    def _modes(self) -> tuple[GroupModes, ...]:
        from mmfit.inference.random_part.conditional_modes import identified_modes

        return identified_modes(self.model)

    @property
    def fitted(self) -> np.ndarray:
        """(n,) conditional fitted values, offset included."""
        return self.model.fitted

    @property
    def residuals(self) -> np.ndarray:
        """(n,) response less fitted values, in units of the response."""
        return self.matrices.y - self.fitted

    def glance(self) -> pd.DataFrame:
        """One row of figures about the whole model, named as in broom."""
        import pandas as pd

        names = ("criterion", "npar", "nobs", "sigma", "log_lik")
        row = {name: getattr(self, name) for name in names} | {"deviance": self.objective}
        return pd.DataFrame(
            [row | {name: getattr(self, name) for name in ("aic", "bic", "singular", "converged")}]
        )

    def augment(self) -> pd.DataFrame:
        """One row per row used: row (position in the data), response, fitted, residual, fixed."""
        import pandas as pd

        fixed = self.matrices.X @ self.record.fixef
        if self.matrices.offset is not None:
            fixed = fixed + self.matrices.offset
        return pd.DataFrame(
            {
                "row": self.rows,
                "response": self.matrices.y,
                "fitted": self.fitted,
                "residual": self.residuals,
                "fixed": fixed,
            }
        )

    def refit(self, *, reml: bool) -> LinearMixedModel:
        """The same model by the other (or the same) criterion, started at this fit's theta."""
        if reml == (self.criterion == "REML"):
            return self
        prepared = self.model.prepared
        record = fit_model(
            self.matrices, criterion=REML if reml else ML, start=self.theta, prepared=prepared
        )
        other = LinearMixedModel(record, self.matrices, self.rows)
        other.model = self.model.with_fit(record)
        return other


def compare(
    null: LinearMixedModel,
    alternative: LinearMixedModel,
    null_distribution: str = "auto",
    *,
    replicates: int = 999,
    seed: int = 1,
) -> Comparison:
    """Likelihood-ratio test of two fitted models, by the estimator that the pair needs.

    The models are refitted by REML or ML as necessary. A pair that cannot be tested gives a
    Comparison whose ``valid`` is false and whose ``reason`` says why; one that was given in the
    wrong order is tested the right way round and says so.

    Parameters
    ----------
    null, alternative : fitted models of the same data.
    null_distribution : ``"auto"`` (the best that keeps its level in a sample of this size),
        ``"chi2"``, ``"chibar2"`` (the mixture at the edge of a variance's range), ``"exact"`` (one
        variance), ``"calibrated"`` (either of the former, fitted to bootstrap replicates) or
        ``"bootstrap"``.
    replicates, seed : of the parametric bootstrap, which may end sooner when it is plain that the
        p-value is above 5%.

    Returns
    -------
    Comparison: ``p_value`` by ``null_distribution``, ``p_value_chi2`` by the plain chi-square, and
    in ``distributions`` all null distributions that were found, with their conditions.

    Raises
    ------
    ComparisonError
        For another null distribution than these, or what is no fitted model.
    ComputationError
        When the null fits better than the alternative, so that a fit must have failed.
    """
    from mmfit.selection import Candidate, NullSettings, compare_candidates

    for model in (null, alternative):
        if not isinstance(model, LinearMixedModel):
            raise ComparisonError(
                f"two fitted models are compared, as lmer returns them, not {type(model).__name__}"
            )
    settings = NullSettings(null_distribution, replicates, seed)

    models = {"null": null, "alternative": alternative}
    names = {key: model.record.formula for key, model in models.items()}
    if names["null"] == names["alternative"]:
        names = {key: f"{text} [{key}]" for key, text in names.items()}
    candidates = [
        Candidate(
            names[key],
            model.matrices,
            {"REML": model.refit(reml=True).record, "ML": model.refit(reml=False).record},
            model.model.system,
        )
        for key, model in models.items()
    ]
    return compare_candidates(*candidates, settings)


def lmer(
    formula: str,
    data: Mapping[str, Any],
    *,
    reml: bool = True,
    weights: str | np.ndarray | None = None,
    offset: str | np.ndarray | None = None,
    contrasts: Mapping[str, Any] | None = None,
    categorical: Sequence[str] | None = None,
) -> LinearMixedModel:
    """Fit a linear mixed model written in lme4's formula language.

    Parameters
    ----------
    formula : e.g. ``"Reaction ~ Days + (Days | Subject)"``.
    data : DataFrame, or mapping of column names to arrays; rows with missing values in the
        columns used are left out, as lme4 does.
    reml : REML (default) or ML.
    weights : prior weights (residual variance is sigma^2 / weight): column, expression or array; a
        Series goes by the labels of its index where the data have labels, too.
    offset : known part of the mean: column, expression, array or Series.
    contrasts : per factor ``"treatment"`` (default), ``"sum"``, ``"helmert"``, ``"poly"``.
    categorical : columns whose numbers are labels; grouping factors need not be named.

    Raises
    ------
    FormulaError
        A formula that cannot be read or evaluated.
    DataError
        Columns that are missing or cannot be used.
    DesignError
        A model that these data cannot identify.
    ComputationError
        A criterion that cannot be evaluated.
    """
    parsed = parse(formula)
    data, rows, given = complete_rows(parsed, data, weights, offset)
    matrices = build_matrices(
        parsed,
        data,
        contrasts=contrasts,
        categorical=name_list(categorical, "categorical"),
        **given,
    )
    record = fit_model(matrices, criterion=REML if reml else ML)
    return LinearMixedModel(record, matrices, rows)
