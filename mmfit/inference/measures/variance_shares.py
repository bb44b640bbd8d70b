"""The shares of the response's variance, and Nakagawa's R squared made of them.

A response drawn from the model, at a row drawn from the data, has a variance that is the sum of

    fixed      the variance of X beta over the rows (divisor n - 1);
    random     per random term the mean over the rows of z' Sigma z, which for an intercept is its
               variance (Johnson 2014);
    residual   the mean over the rows of sigma^2 / weight.

R squared is marginal, the share of the fixed part, or conditional, that of the fixed and the random
part (Nakagawa & Schielzeth 2013; Johnson 2014; Nakagawa, Johnson & Schielzeth 2017).

These are the numbers of ``r2_nakagawa`` of the R package performance where that counts all terms:
version 0.10.2 leaves out random effects that are no columns of X (and, as later ones do not,
further terms on the same factor, ``||``), and has no conditional value for singular fits. It also
takes sigma^2 as it stands under prior weights, which depends on the unit of the weights. An offset
is a known part of the mean, not an explained one: what is divided up is the variance of the
response less its offset.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.inference.fitted_model import FittedModel


@dataclass(frozen=True, slots=True)
class VarianceShares:
    """What the variance of the response consists of, in its squared units.

    Attributes
    ----------
    fixed, residual : float.
    groups : tuple of (grouping factor, float), all terms of a factor together, in the terms' order.
    slopes : tuple of str, the factors with effects other than an intercept, whose share is a mean
        over rows that differ.
    """

    fixed: float
    residual: float
    groups: tuple[tuple[str, float], ...]
    slopes: tuple[str, ...]

    @property
    def random(self) -> float:
        """The share of all random terms."""
        return float(sum(value for _, value in self.groups))

    @property
    def total(self) -> float:
        """The variance of the response."""
        return self.fixed + self.random + self.residual


@dataclass(frozen=True, slots=True)
class RSquared:
    """Nakagawa's R squared.

    Attributes
    ----------
    marginal, conditional : float in [0, 1].
    shares : VarianceShares, what they are made of.
    note : str, what is particular to this fit; empty when there is nothing.
    """

    marginal: float
    conditional: float
    shares: VarianceShares
    note: str


def r_squared(model: FittedModel) -> RSquared:
    """Marginal and conditional R squared (Nakagawa & Schielzeth 2013, Johnson 2014).

    By the estimates of ``fit``; REML's variances are the ones usually reported.
    """
    shares = variance_shares(model)
    return RSquared(
        marginal=shares.fixed / shares.total,
        conditional=(shares.fixed + shares.random) / shares.total,
        shares=shares,
        note=shares_note(model, shares),
    )


def variance_shares(model: FittedModel) -> VarianceShares:
    """The variances of the fixed part, of each grouping factor and of the residuals."""
    fit, matrices = model.fit, model.matrices
    # centred first, so that an intercept adds exactly nothing
    fitted = (matrices.X - matrices.X.mean(axis=0)) @ fit.fixef
    groups: dict[str, float] = {}
    slopes: list[str] = []
    for term, estimate in zip(matrices.random, fit.terms, strict=True):
        mean_square = np.einsum("nq,nr->qr", term.model, term.model) / matrices.nobs
        share = float(np.vdot(mean_square, estimate.covariance))
        groups[term.grouping] = groups.get(term.grouping, 0.0) + share
        if (term.model != term.model[0]).any() and term.grouping not in slopes:
            slopes.append(term.grouping)
    inverse_weight = 1.0 if matrices.weights is None else float(np.mean(1 / matrices.weights))
    return VarianceShares(
        fixed=float(fitted @ fitted) / (matrices.nobs - 1),
        residual=fit.sigma**2 * inverse_weight,
        groups=tuple(groups.items()),
        slopes=tuple(slopes),
    )


def shares_note(model: FittedModel, shares: VarianceShares) -> str:
    """What a reader of R squared or an intraclass correlation should know about this fit."""
    fit, matrices = model.fit, model.matrices
    parts = []
    if not shares.groups:
        parts.append("no random effects")
    if shares.slopes:
        names = ", ".join(shares.slopes)
        parts.append(f"the variance by {names} depends on the row; its mean over the rows is used")
    if fit.singular:
        parts.append(f"singular in {', '.join(fit.singular_groups)}")
    if fit.unidentified:
        parts.append(
            "rests on variances that the data do not tell apart, and may be any of several"
        )
    if matrices.weights is not None:
        parts.append("the residual variance is the mean of sigma^2 / weight over the rows")
    if matrices.offset is not None:
        parts.append("of the response less its offset")
    return "; ".join(parts)
