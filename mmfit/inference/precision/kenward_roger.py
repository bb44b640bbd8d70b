"""Kenward and Roger's t and F tests of the fixed effects.

For q independent rows L, with Theta = L'(L Phi L')^-1 L and the P_r, W of
:mod:`mmfit.engine.derived.kenward_roger`,
    A1 = sum over r, s of W_rs tr(Theta Phi P_r Phi) tr(Theta Phi P_s Phi)
    A2 = sum over r, s of W_rs tr(Theta Phi P_r Phi Theta Phi P_s Phi)
and from these the denominator m and the scale lambda of lambda F ~ F(q, m), F formed with the
adjusted covariance (Kenward & Roger 1997, Biometrics 53: 983-997, section 4, with the modification
that makes the balanced cases exact; Halekoh & Hojsgaard 2014, J. Stat. Software 59(9), section 3
and the guards of their pbkrtest 0.5.2).
"""

import warnings
from dataclasses import dataclass

import numpy as np

from mmfit.engine.derived.kenward_roger import AdjustedCovariance, adjusted_covariance
from mmfit.engine.derived.kenward_roger_cost import AdjustedCost, adjusted_cost, require_affordable
from mmfit.engine.preparation import Prepared, prepare
from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices

# pbkrtest's guards: what counts as zero in numerator and denominator of rho, and the denominators
# about 2 at which the scale, which has a pole there, is taken to be 1.
_ZERO, _ZERO_NUMERATOR, _POLE = 1e-14, 1e-10, 1e-2
# Share of a variance's slopes along parameters without information that is rounding.
_UNSEEN = 1e-6
# Seconds from which on the user is told before.
_LONG = 60


@dataclass(frozen=True, slots=True)
class Approximation:
    """``scale`` F is compared with F(q, ``den_df``)."""

    den_df: float
    scale: float


def require_reml(criterion: str) -> None:
    """Raise MmfitError for a fit by ML, for which Kenward and Roger's method is not derived."""
    if criterion != "REML":
        raise MmfitError(
            "df='kenward-roger' is defined for fits by REML, and this one is by ML; fit with "
            "reml=True (`fit.refit(reml=True)`), or choose df='satterthwaite'"
        )


def kenward_roger(fit: Fit, prepared: Prepared) -> AdjustedCovariance:
    """The adjusted covariance of a REML fit from its prepared system, as a batch of one.

    Raises
    ------
    MmfitError
        For a fit by ML.
    ComputationError
        When the computation would not fit in memory; see :func:`kenward_roger_cost`.

    Warns
    -----
    UserWarning
        With the expected time, before a computation of more than a minute.
    """
    require_reml(fit.criterion)
    cost = adjusted_cost(prepared)
    require_affordable(cost)
    if cost.seconds > _LONG:
        message = f"Kenward-Roger's method will take about {cost.seconds / 60:.1f} minutes ({cost})"
        warnings.warn(message, stacklevel=2)
    return adjusted_covariance(prepared, fit)


def kenward_roger_cost(matrices: ModelMatrices) -> AdjustedCost:
    """What the method takes for this model, known after the cross-products are formed.

    Its text says it in words; ``products``, ``operations``, ``seconds``, ``memory`` (bytes).
    """
    return adjusted_cost(prepare(matrices))


def contrast_df(adjusted: AdjustedCovariance, L: np.ndarray) -> np.ndarray:
    """(B, m) degrees of freedom of each row of L (m, p) tested on its own.

    For one row A1 = A2 = a, lambda = 1 and m = 2 / a, which has the form of Satterthwaite's. NaN
    for a row whose variance depends on what the data do not tell.
    """
    rows = L @ adjusted.half
    length = np.einsum("bmp,bmp->bm", rows, rows)
    moved = np.einsum("bmp,brpq->brmq", rows, adjusted.slopes)
    s = np.einsum("brmq,bmq->bmr", moved, rows) / length[:, :, None]
    a = np.einsum("bmr,brs,bms->bm", s, adjusted.weights, s)
    df = np.where(a > 0, 2 / np.where(a > 0, a, 1.0), np.inf)
    unseen = np.einsum("bmr,brj->bmj", s, adjusted.blind)
    size = np.einsum("bmr,br->bm", np.abs(s), adjusted.units)
    return np.where((np.abs(unseen) > _UNSEEN * size[:, :, None]).any(axis=2), np.nan, df)


def f_approximation(adjusted: AdjustedCovariance, L: np.ndarray) -> Approximation:
    """Denominator and scale for q independent rows L (q, p) and a batch of one.

    The denominator is NaN where a variance of L beta depends on what the data do not tell.
    """
    basis = np.linalg.qr((L @ adjusted.half[0]).T)[0]
    inner = np.einsum("pi,rpq,qj->rij", basis, adjusted.slopes[0], basis)
    unseen = np.einsum("rij,rk->kij", inner, adjusted.blind[0])
    size = np.einsum("rij,r->", np.abs(inner), adjusted.units[0])
    if np.abs(unseen).max() > _UNSEEN * size:
        return Approximation(float("nan"), 1.0)
    traces = np.trace(inner, axis1=1, axis2=2)
    W = adjusted.weights[0]
    A1 = float(traces @ W @ traces)
    A2 = float(np.einsum("rij,rs,sji->", inner, W, inner))
    return approximation(A1, A2, len(L))


def approximation(A1: float, A2: float, q: int) -> Approximation:
    """Denominator and scale from A1, A2 and the number of rows.

    One row is exact: 2 / A2 and 1. Where A2 = 0 the denominator is infinite.
    """
    if not A2 > 0:
        return Approximation(float("inf"), 1.0)
    if q == 1:
        return Approximation(2 / A2, 1.0)
    B = (A1 + 6 * A2) / (2 * q)
    g = ((q + 1) * A1 - (q + 4) * A2) / ((q + 2) * A2)
    with np.errstate(divide="ignore", invalid="ignore"):
        c = np.array([g, q - g, q + 2 - g]) / (3 * q + 2 * (1 - g))
        V0, V1, V2 = 1 + c[0] * B, 1 - c[1] * B, 1 - c[2] * B
        left = 1 - A2 / q
        ratio = 1.0 if max(abs(left), abs(V1)) < _ZERO else left / V1
        V0 = 0.0 if abs(V0) < _ZERO_NUMERATOR else V0
        rho = ratio**2 * V0 / V2 / q
        den_df = 4 + (q + 2) / (q * rho - 1)
        scale = 1.0 if abs(den_df - 2) < _POLE else left * _over(den_df)
    return Approximation(float(den_df), float(scale))


def _over(den_df: float) -> float:
    """m / (m - 2), 1 in the limit."""
    return 1.0 if np.isinf(den_df) else den_df / (den_df - 2)
