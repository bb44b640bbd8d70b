"""What one asks of a fitted model: tests, intervals, measures, predictions, diagnosis.

Methods only; each question has a module of its own under :mod:`mmfit.inference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfit.engine import simulate_responses
from mmfit.inference.fitted_model import FittedModel

if TYPE_CHECKING:
    import pandas as pd

    from mmfit.inference import ICC, ConditionalAIC, Diagnosis, Influence, Profile, RSquared


class InferenceMethods:
    """Mixed into ``LinearMixedModel``, which has the ``model`` that every question is asked of."""

    model: FittedModel

    def tidy(self, df: str = "satterthwaite", level: float = 0.95) -> pd.DataFrame:
        """Fixed effects with t tests and Wald intervals; see :func:`mmfit.inference.tidy`."""
        from mmfit.inference import tidy

        return tidy(self.model, df=df, level=level)

    def anova(
        self, type: int = 3, df: str = "satterthwaite", basis: str = "canonical"
    ) -> pd.DataFrame:
        """F tests of the fixed terms; see :func:`mmfit.inference.anova`."""
        from mmfit.inference import anova

        return anova(self.model, type=type, df=df, basis=basis)

    def contest(
        self,
        L: Any,
        rhs: Any = 0.0,
        *,
        df: str = "satterthwaite",
        joint: bool = True,
        level: float = 0.95,
        basis: str = "canonical",
    ) -> pd.DataFrame:
        """Test L beta = rhs, jointly by F or row by row by t; see :func:`mmfit.inference.contest`.

        ``L`` is (q, p), (p,), a mapping of terms to weights, or several of these; a DataFrame with
        terms as columns.
        """
        from mmfit.inference import contest

        return contest(self.model, L, rhs, df=df, joint=joint, level=level, basis=basis)

    def drop1(self, df: str = "satterthwaite") -> pd.DataFrame:
        """F tests of the fixed terms that can be dropped; see :func:`mmfit.inference.drop1`."""
        from mmfit.inference import drop1

        return drop1(self.model, df=df)

    def ranova(self) -> pd.DataFrame:
        """Likelihood-ratio tests of the random terms; see :func:`mmfit.selection.ranova`."""
        from mmfit.selection import ranova

        return ranova(self.model)

    def confint(
        self,
        method: str = "profile",
        level: float = 0.95,
        *,
        replicates: int = 999,
        seed: int = 1,
        df: str = "normal",
    ) -> pd.DataFrame:
        """Intervals for all parameters: parameter, conf_low, conf_high.

        ``profile`` (likelihood, by ML as in lme4), ``wald`` (fixed effects only; normal quantiles
        as in lme4, or t with the degrees of freedom ``df``) or ``bootstrap`` (parametric); see
        :func:`mmfit.inference.confint`.
        """
        from mmfit.inference import confint

        return confint(
            self.model,
            method=method,
            level=level,
            replicates=replicates,
            seed=seed,
            df=df,
        )

    def profile(self, level: float = 0.99) -> Profile:
        """Profile likelihood of every parameter; see :func:`mmfit.inference.profile_likelihood`."""
        from mmfit.inference import profile_likelihood

        return profile_likelihood(self.model, level=level)

    def r_squared(self) -> RSquared:
        """Nakagawa's marginal and conditional R squared; see :func:`mmfit.inference.r_squared`."""
        from mmfit.inference import r_squared

        return r_squared(self.model)

    def icc(self) -> ICC:
        """Intraclass correlations; see :func:`mmfit.inference.icc`."""
        from mmfit.inference import icc

        return icc(self.model)

    def conditional_aic(self) -> ConditionalAIC:
        """Conditional AIC; see :func:`mmfit.inference.conditional_aic`."""
        from mmfit.inference import conditional_aic

        return conditional_aic(self.model)

    def means(
        self,
        factor: str | Sequence[str],
        *,
        at: Mapping[str, Any] | None = None,
        df: str = "satterthwaite",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Marginal means by the levels of factors; see :func:`mmfit.inference.means`."""
        from mmfit.inference import means

        return means(self.model, factor, at=at, df=df, level=level)

    def contrasts(
        self,
        factor: str | Sequence[str],
        *,
        adjust: str = "tukey",
        at: Mapping[str, Any] | None = None,
        df: str = "satterthwaite",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Differences between marginal means; see :func:`mmfit.inference.contrasts`."""
        from mmfit.inference import contrasts

        return contrasts(self.model, factor, adjust=adjust, at=at, df=df, level=level)

    def slopes(
        self,
        covariate: str,
        by: str | Sequence[str] = (),
        *,
        at: Mapping[str, Any] | None = None,
        df: str = "satterthwaite",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Slopes of a covariate by the levels of factors; see :func:`mmfit.inference.slopes`."""
        from mmfit.inference import slopes

        return slopes(self.model, covariate, by, at=at, df=df, level=level)

    def predict(
        self,
        new_data: Mapping[str, Any] | None = None,
        *,
        random_effects: bool = True,
        std_error: bool = False,
        interval: str | None = None,
        level: float = 0.95,
        offset: Any = None,
        weights: Any = None,
    ) -> np.ndarray | pd.DataFrame:
        """Predictions for new rows, or for the rows of the fit; NaN where the data tell none.

        With ``random_effects`` the conditional modes are added; a level that the fit did not see
        has a mode of zero. An array; with ``std_error`` or ``interval`` ("confidence",
        "prediction") a table. ``offset`` and ``weights`` (n,) of new rows are needed where those
        of the fit were given as numbers; see :func:`mmfit.inference.predict`.
        """
        from mmfit.inference import predict

        return predict(
            self.model,
            new_data,
            random_effects=random_effects,
            std_error=std_error,
            interval=interval,
            level=level,
            offset=offset,
            weights=weights,
        )

    def simulate(self, n: int = 1, seed: int = 0) -> np.ndarray:
        """(nobs, n) responses drawn from the fitted model, random effects drawn anew.

        Replicate i has the i-th stream spawned from ``seed``, so it does not depend on ``n``.
        """
        return simulate_responses(self.model.matrices, self.model.fit, n, seed)

    def diagnose(self) -> Diagnosis:
        """Convergence, singular directions and residual checks in words and numbers.

        See :func:`mmfit.inference.diagnose`.
        """
        from mmfit.inference import diagnose

        return diagnose(self.model)

    def influence(self, group: str | None = None, *, refit: bool = False) -> Influence:
        """What leaving out each level of a grouping factor changes.

        At the covariances of the fit, or with ``refit`` with new ones for each level; see
        :func:`mmfit.inference.influence`.
        """
        from mmfit.inference import influence

        return influence(self.model, group, refit=refit)
