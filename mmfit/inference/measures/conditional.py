"""Conditional AIC: the model judged by how it predicts new data of the same levels.

AIC and BIC ask how well a model predicts new levels of the grouping factors (new subjects). Where
the levels at hand are what matters, the likelihood is that of y given the random effects, and the
penalty is the number of parameters that the fitted values spend. It lies between that of the fixed
effects alone and that of fixed effects for all levels (Vaida & Blanchard 2005):

    cAIC = -2 log f(y | beta^, b^, sigma^) + 2 df.

Taking the covariances of the random effects as known makes df too small, always in favour of the
larger random part: it chooses a random intercept whenever its variance is not estimated as exactly
zero (Greven & Kneib 2010), which in 10 levels of 5 rows without any variance between levels is in
36 % of 1,500 simulated data sets. ``df`` therefore counts their estimation too (theorem 3 there,
see :mod:`mmfit.engine.derived.effective_df`), which makes that 9 %, and 1 for the residual
variance.

``df`` and ``caic`` are the numbers that the R package cAIC4 1.0 (Saefken, Ruegamer, Kneib & Greven
2021) computes for Gaussian models of lme4, so that they can be compared with published ones. In the
derivative of the covariance estimates cAIC4 takes half of the term that comes from profiling out
the residual variance. With the whole term, df is the trace of the derivative of the fitted values
exactly, as refitting with a changed response confirms; that is ``exact_df`` and ``exact_caic``.
The two differ little: ``exact_df`` is smaller by 0.001 to 0.1 in the usual examples, by up to 0.4
where the levels are few.

Where ``df`` is not cAIC4's number: prior weights multiply rows by their square roots, but cAIC4
confuses weighted and unweighted residuals; three and more correlated effects, whose parameters
cAIC4 takes in the wrong order; a covariance of reduced rank keeps the directions that it has, where
cAIC4 refits a model without every effect whose pivot is zero (and goes far astray when the search
stops just short of zero); and when all variances are zero the residual variance still counts.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.derived.effective_df import EffectiveDf, effective_df
from mmfit.engine.records import Fit
from mmfit.inference.fitted_model import FittedModel


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


def conditional_aic(model: FittedModel) -> ConditionalAIC:
    """Conditional AIC with the degrees of freedom of Greven & Kneib (2010).

    The covariance parameters are taken to follow the response by the criterion that the fit
    minimised, REML or ML, and sigma is that criterion's estimate. Compare values of one criterion
    only.

    Raises
    ------
    DesignError, ComputationError
        As in fitting.
    """
    fit = model.fit
    if np.isnan(fit.sigma):
        return ConditionalAIC(np.nan, np.nan, np.nan, np.nan, np.nan, fit.optimizer.message)
    spent = effective_df(model.system.with_rows, fit)
    log_lik = conditional_log_lik(model)
    df = 1 + spent.hat + spent.estimation_half
    return ConditionalAIC(
        caic=-2 * log_lik + 2 * df,
        df=df,
        log_lik=log_lik,
        exact_df=1 + spent.hat + spent.estimation,
        known_df=1 + spent.hat,
        note=_note(fit, spent),
    )


def conditional_log_lik(model: FittedModel) -> float:
    """Log density of y given the random effects: normal, mean yhat, variance sigma^2 / weight."""
    fit, matrices = model.fit, model.matrices
    residual = matrices.y - model.fitted
    log_weights = 0.0
    if matrices.weights is not None:
        residual = residual * np.sqrt(matrices.weights)
        log_weights = float(np.log(matrices.weights).sum())
    constant = matrices.nobs * np.log(2 * np.pi * fit.sigma**2)
    return float(0.5 * (log_weights - constant - residual @ residual / fit.sigma**2))


def _note(fit: Fit, spent: EffectiveDf) -> str:
    parts = []
    if not len(fit.theta):
        parts.append("no random effects: the conditional likelihood is the likelihood")
    elif fit.singular:
        parts.append(
            f"singular in {', '.join(fit.singular_groups)}: directions without variance are left "
            f"out; {spent.free} of {len(fit.theta)} covariance parameters remain"
        )
    if spent.flat:
        parts.append(
            f"the criterion does not determine {spent.flat} of the covariance parameters, which "
            "count as known"
        )
    return "; ".join(parts)
