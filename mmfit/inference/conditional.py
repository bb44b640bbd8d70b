"""Conditional AIC: the model judged by how it predicts new data of the same levels.

AIC and BIC ask how well a model predicts new levels of the grouping factors (new subjects). Where the
levels at hand are what matters, the likelihood is that of y given the random effects, and the penalty
is the number of parameters that the fitted values spend, which lies between that of the fixed effects
alone and that of fixed effects for all levels (Vaida & Blanchard 2005):

    cAIC = -2 log f(y | beta^, b^, sigma^) + 2 df.

Taking the covariances of the random effects as known makes df too small, always in favour of the
larger random part; ``df`` therefore counts their estimation too (Greven & Kneib 2010; see
:mod:`mmfit.engine.effective_df`), and one for the residual variance.

``df`` and ``caic`` are the quantities that the R package cAIC4 (Saefken, Ruegamer, Kneib & Greven 2021)
computes for lme4's Gaussian models, so that they can be compared with published ones. In the
derivative of the covariance estimates cAIC4 takes half of the term that comes from the
profiled residual variance. With the whole term one gets the trace of the derivative of the fitted values
exactly, as refitting with a changed response confirms: that is ``exact_df`` and ``exact_caic``. The two
differ little (by 0.001 to 0.1 in the usual examples, ``exact_df`` being the smaller).

Differences from cAIC4: prior weights enter by multiplying rows by their square roots (cAIC4's own way is
wrong for weights other than 1); a covariance of reduced rank keeps the directions that it has (cAIC4
drops each effect whose pivot is zero and refits a different model); when all variances are zero, the
residual variance still counts as a parameter.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.effective_df import EffectiveDf, effective_df
from mmfit.engine.fit import fitted_values
from mmfit.engine.records import Fit
from mmfit.formula.matrices import ModelMatrices


@dataclass(frozen=True, slots=True)
class ConditionalAIC:
    """Conditional AIC of one fit, by the fit's own criterion.

    Attributes
    ----------
    caic : float, -2 log_lik + 2 df.
    df : float, parameters of the fitted values and of the residual variance, as cAIC4 has them.
    log_lik : float, log density of the response given the conditional modes, at the fit's sigma.
    exact_df : float, 1 + tr(d yhat / dy).
    known_df : float, 1 + the trace of the hat matrix: with the covariances taken as known.
    note : str, what is particular to this fit; empty when there is nothing.
    """

    caic: float
    df: float
    log_lik: float
    exact_df: float
    known_df: float
    note: str

    @property
    def exact_caic(self) -> float:
        """-2 log_lik + 2 exact_df."""
        return -2 * self.log_lik + 2 * self.exact_df


def conditional_aic(fit: Fit, matrices: ModelMatrices) -> ConditionalAIC:
    """Conditional AIC with the degrees of freedom of Greven & Kneib (2010).

    The covariance parameters are taken to follow the response by the criterion that the fit
    minimised, REML or ML, and sigma is that criterion's estimate. Compare values of the same
    criterion only; fits by ML where the fixed parts differ.

    Raises
    ------
    DesignError, ComputationError
        As in fitting.
    """
    spent = effective_df(matrices, fit)
    log_lik = conditional_log_lik(fit, matrices)
    df = 1 + spent.hat + spent.half
    return ConditionalAIC(
        caic=-2 * log_lik + 2 * df,
        df=df,
        log_lik=log_lik,
        exact_df=1 + spent.hat + spent.whole,
        known_df=1 + spent.hat,
        note=_note(fit, spent),
    )


def conditional_log_lik(fit: Fit, matrices: ModelMatrices) -> float:
    """Log density of y given the random effects: normal, mean yhat, variance sigma^2 / weight."""
    residual = matrices.y - fitted_values(matrices, fit)
    weights = matrices.weights
    if weights is not None:
        residual = residual * np.sqrt(weights)
    constant = matrices.nobs * np.log(2 * np.pi * fit.sigma**2)
    squares = float(residual @ residual) / fit.sigma**2
    log_weights = 0.0 if weights is None else float(np.log(weights).sum())
    return float(-0.5 * (constant + squares - log_weights))


def _note(fit: Fit, spent: EffectiveDf) -> str:
    parts = []
    if not len(fit.theta):
        parts.append("no random effects: the conditional likelihood is the likelihood")
    elif fit.singular:
        groups = ", ".join(fit.singular_groups)
        parts.append(
            f"singular in {groups}: directions without variance count as left out, "
            f"{spent.free + spent.flat} of {len(fit.theta)} covariance parameters remain"
        )
    if spent.flat:
        parts.append(
            f"the criterion does not depend on {spent.flat} of the covariance parameters; "
            "they count as known"
        )
    return "; ".join(parts)
