"""``lmer_many``: one model, thousands of responses (a protein each, a simulated data set each)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfit.arguments import name_list
from mmfit.engine.many import ManyFits, fit_many, many_uncertainty
from mmfit.engine.system import fitted_exactly
from mmfit.errors import DesignError
from mmfit.formula import Formula, ModelMatrices, build, parse
from mmfit.formula.unidentified import unidentified, unidentified_text
from mmfit.responses import check_length, response_columns, row_patterns, stand_in
from mmfit.rows import complete_rows, take_rows

if TYPE_CHECKING:
    import pandas as pd

_EXTREME = (
    "the criterion cannot be evaluated at its start in double precision; a variance ratio is too "
    "extreme for these data"
)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The responses that are observed on the same rows, and their fits.

    Attributes
    ----------
    members : (b,) intp, positions among all responses;  values : (b, n) array.
    """

    members: np.ndarray
    values: np.ndarray
    matrices: ModelMatrices
    fits: ManyFits


class ManyModels:
    """One linear mixed model fitted to each of many responses.

    A response that cannot be fitted has missing estimates, ``converged`` false, and its reason in
    ``message``; the others do not depend on it.

    Attributes
    ----------
    responses : tuple of str, their names;  formula : str;  criterion : ``"REML"`` or ``"ML"``.
    """

    def __init__(self, formula: str, reml: bool, names: tuple, patterns, failures: dict[int, str]):
        self.formula, self.responses = formula, names
        self.criterion = "REML" if reml else "ML"
        self._patterns: list[_Pattern] = patterns
        self._failures = failures

    def __repr__(self) -> str:
        failed = f", {len(self._failures)} not fitted" if self._failures else ""
        return (
            f"<{self.criterion} fits of {self.formula} to {len(self.responses)} responses{failed}>"
        )

    def _series(self, name: str, values, fill) -> pd.Series:
        import pandas as pd

        out = np.full(len(self.responses), fill)
        for pattern in self._patterns:
            out[pattern.members] = values(pattern.fits)
        return pd.Series(out, index=self._index, name=name)

    @cached_property
    def _index(self) -> pd.Index:
        import pandas as pd

        return pd.Index(self.responses, name="response")

    @cached_property
    def objective(self) -> pd.Series:
        """-2 log (restricted) likelihood by response."""
        return self._series("objective", lambda fits: fits.objective, np.nan)

    @property
    def log_lik(self) -> pd.Series:
        """Log (restricted) likelihood by response."""
        return (-0.5 * self.objective).rename("log_lik")

    @cached_property
    def sigma(self) -> pd.Series:
        """Residual standard deviation by response."""
        return self._series("sigma", lambda fits: fits.sigma, np.nan)

    @cached_property
    def singular(self) -> pd.Series:
        """Whether some random term's covariance lacks full rank, by response."""
        return self._series("singular", lambda fits: fits.singular.any(axis=1), False)

    @cached_property
    def converged(self) -> pd.Series:
        """Whether the search ended at a minimum, by response."""
        return self._series("converged", lambda fits: fits.converged, False)

    @cached_property
    def unidentified(self) -> pd.Series:
        """Which covariance parameters the rows of a response do not tell apart; empty for none."""
        import pandas as pd

        out = np.full(len(self.responses), "", dtype=object)
        for pattern in self._patterns:
            out[pattern.members] = unidentified_text(unidentified(pattern.matrices))
        return pd.Series(out, index=self._index, name="unidentified")

    @cached_property
    def evaluations(self) -> pd.Series:
        """Evaluations of the criterion by response."""
        return self._series("evaluations", lambda fits: fits.evaluations, 0)

    @cached_property
    def nobs(self) -> pd.Series:
        """Rows used by response."""
        import pandas as pd

        out = np.zeros(len(self.responses), dtype=int)
        for pattern in self._patterns:
            out[pattern.members] = pattern.matrices.nobs
        return pd.Series(out, index=self._index, name="nobs")

    @cached_property
    def message(self) -> pd.Series:
        """Why a response was not fitted; empty where it was."""
        import pandas as pd

        texts = [self._failures.get(i, "") for i in range(len(self.responses))]
        return pd.Series(texts, index=self._index, name="message", dtype=object)

    @cached_property
    def varcorr(self) -> pd.DataFrame:
        """Columns response, group, term_1, term_2, vcov, sdcor: as of a single fit, stacked."""
        table = self._stacked([_varcorr_rows(pattern) for pattern in self._patterns])
        return table.astype({"term_1": object, "term_2": object})

    def tidy(self, df: str = "satterthwaite") -> pd.DataFrame:
        """Fixed effects with t tests.

        Columns response, term, estimate, std_error, df, statistic, p_value; ``df`` as in
        :func:`mmfit.inference.tidy`.

        Raises
        ------
        MmfitError
            For an unknown ``df``; for ``kenward-roger`` with fits by ML.
        """
        return self._stacked([_tidy_rows(pattern, df) for pattern in self._patterns])

    def _stacked(self, parts: list[tuple[list, dict[str, np.ndarray]]]) -> pd.DataFrame:
        """One frame, response by response in the order given, from (b, rows) arrays."""
        import pandas as pd

        frames = []
        for pattern, columns in zip(self._patterns, parts, strict=True):
            rows = next(iter(columns.values())).shape[1]
            position = np.repeat(pattern.members, rows)
            frame = pd.DataFrame({name: block.ravel() for name, block in columns.items()})
            frame.insert(0, "response", position)
            frames.append(frame)
        if not frames:
            raise DesignError("none of the responses could be fitted; see `message`")
        whole = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        whole = whole.sort_values("response", kind="stable", ignore_index=True)
        whole["response"] = np.array(self.responses, dtype=object)[whole["response"]]
        return whole


def _varcorr_rows(pattern: _Pattern) -> dict[str, np.ndarray]:
    fits, random = pattern.fits, pattern.matrices.random
    labels: list[tuple] = []
    vcov, sdcor = [], []
    for term, block in zip(random, fits.covariances, strict=True):
        q = len(term.effects)
        sd = np.sqrt(np.diagonal(block, axis1=1, axis2=2))
        for i in range(q):
            labels.append((term.group, term.effects[i], None))
            vcov.append(block[:, i, i])
            sdcor.append(sd[:, i])
        for i in range(q):
            for j in range(i + 1, q):
                labels.append((term.group, term.effects[i], term.effects[j]))
                scale = sd[:, i] * sd[:, j]
                vcov.append(block[:, i, j])
                correlation = block[:, i, j] / np.where(scale > 0, scale, 1.0)
                sdcor.append(np.where(scale > 0, correlation, np.nan))
    labels.append(("Residual", None, None))
    vcov.append(fits.sigma**2)
    sdcor.append(fits.sigma)
    names = np.array(labels, dtype=object)
    count = len(fits.sigma)
    columns = {
        name: np.tile(names[:, i], (count, 1))
        for i, name in enumerate(("group", "term_1", "term_2"))
    }
    return columns | {"vcov": np.array(vcov).T, "sdcor": np.array(sdcor).T}


def _tidy_rows(pattern: _Pattern, df: str) -> dict[str, np.ndarray]:
    from mmfit.inference.distributions import t_p_value
    from mmfit.inference.fixed_effects.degrees_of_freedom import check_method, satterthwaite_df

    check_method(df)
    fits = pattern.fits
    count, p = fits.fixef.shape
    std_error = np.sqrt(np.diagonal(fits.vcov, axis1=1, axis2=2))
    if df == "kenward-roger":
        from mmfit.engine.adjusted import many_adjusted
        from mmfit.inference.fixed_effects.kenward_roger import contrast_df, require_reml

        require_reml("REML" if fits.reml else "ML")
        adjusted = many_adjusted(pattern.matrices, pattern.values, fits)
        freedom = contrast_df(adjusted, np.eye(p))
        std_error = np.sqrt(np.diagonal(adjusted.vcov, axis1=1, axis2=2))
    elif df == "satterthwaite":
        covariance, jacobian = many_uncertainty(pattern.matrices, pattern.values, fits)
        slopes = np.diagonal(jacobian, axis1=2, axis2=3)
        variance = np.diagonal(fits.vcov, axis1=1, axis2=2)
        freedom = satterthwaite_df(variance, np.swapaxes(slopes, 1, 2), covariance[:, None])
    else:
        rest = float(pattern.matrices.nobs - p)
        freedom = np.full((count, p), rest if df == "residual" else np.inf)
    statistic = fits.fixef / std_error
    return {
        "term": np.tile(np.array(pattern.matrices.fixed_names, dtype=object), (count, 1)),
        "estimate": fits.fixef,
        "std_error": std_error,
        "df": freedom,
        "statistic": statistic,
        "p_value": t_p_value(statistic, freedom),
    }


def lmer_many(
    formula: str,
    data: Mapping[str, Any],
    responses: Mapping[str, Any] | np.ndarray,
    *,
    reml: bool = True,
    weights: str | np.ndarray | None = None,
    offset: str | np.ndarray | None = None,
    contrasts: Mapping[str, Any] | None = None,
    categorical: Sequence[str] | None = None,
) -> ManyModels:
    """Fit one linear mixed model to each of many responses, each with its own variances.

    Parameters
    ----------
    formula : the right-hand side, e.g. ``"~ Days + (Days | Subject)"``.
    data : DataFrame, or mapping of column names to arrays, with the n rows of the design.
    responses : DataFrame or mapping of names to (n,) columns, or an (n, B) array (whose columns
        are named by their numbers from 1). A missing value leaves its row out for that response.
    reml, weights, offset, contrasts, categorical : as for :func:`mmfit.lmer`.

    Raises
    ------
    FormulaError
        A formula that cannot be read or evaluated, or one with a left-hand side.
    DataError
        Columns that are missing or cannot be used.
    DesignError
        A model that these data cannot identify.
    """
    parsed = parse(formula, response=False)
    names, columns = response_columns(responses)
    usable, rows, given = complete_rows(parsed, data, weights, offset)
    check_length(columns, data)
    values = columns if rows is None else columns[:, rows]
    design = _Design(parsed, data, rows, given, contrasts, name_list(categorical, "categorical"))
    # Built even where no response is complete: a bad design is an error, not a failed response.
    whole = design.build(usable, given, values.shape[1])
    failures = {
        int(i): "it has infinite values" for i in np.flatnonzero(np.isinf(values).any(axis=1))
    }
    patterns = []
    for keep, members in row_patterns(np.isfinite(values), failures):
        try:
            matrices = whole if keep is None else design.on(keep)
        except DesignError as error:
            failures.update(dict.fromkeys(members.tolist(), str(error)))
            continue
        Y = values if len(members) == len(values) else values[members]
        Y = Y if keep is None else np.ascontiguousarray(Y[:, keep])
        patterns.extend(_fit_pattern(matrices, members, Y, reml, failures))
    return ManyModels(formula, reml, names, patterns, failures)


@dataclass(frozen=True, slots=True)
class _Design:
    """What the matrices of any set of rows are built from; ``given`` weights and offset."""

    formula: Formula
    data: Mapping[str, Any]
    rows: np.ndarray | None
    given: Mapping[str, Any]
    contrasts: Mapping[str, Any] | None
    categorical: tuple[str, ...]

    def build(self, data, given: Mapping[str, Any], n: int) -> ModelMatrices:
        """Of all the rows of ``data``, with a response that stands in for those to come."""
        settings = {"contrasts": self.contrasts, "categorical": self.categorical}
        return build(self.formula, data, response=stand_in(n), **settings, **given)

    def on(self, keep: np.ndarray) -> ModelMatrices:
        """Of some of the usable rows."""
        given = {k: v[keep] if isinstance(v, np.ndarray) else v for k, v in self.given.items()}
        places = keep if self.rows is None else self.rows[keep]
        return self.build(take_rows(self.data, places), given, len(keep))


def _fit_pattern(matrices, members, Y, reml, failures) -> list[_Pattern]:
    """At most one pattern; responses that cannot be fitted go to ``failures``."""
    good = np.ones(len(members), dtype=bool)
    reasons = {
        "it is the same in every row, so there is no variance to estimate": Y.min(1) == Y.max(1)
    }
    try:
        if not any(bad.any() for bad in reasons.values()):
            fits = fit_many(matrices, Y, reml=reml)
            if np.isfinite(fits.objective).all():
                return [_Pattern(members, Y, matrices, fits)]
            reasons[_EXTREME] = ~np.isfinite(fits.objective)
    except DesignError:
        pass
    exact = "the fixed effects fit it exactly, so there is no variance to estimate"
    reasons[exact] = fitted_exactly(matrices, Y)
    for reason, bad in reasons.items():
        for member in members[good & bad]:
            failures[int(member)] = reason
        good &= ~bad
    if not good.any():
        return []
    return _fit_pattern(matrices, members[good], np.ascontiguousarray(Y[good]), reml, failures)
