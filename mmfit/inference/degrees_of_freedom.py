"""Denominator degrees of freedom of tests on the fixed effects.

Satterthwaite's method as in Kuznetsova, Brockhoff & Christensen 2017 (lmerTest), with exact
derivatives: for one contrast l, nu = 2 (l'Vl)^2 / (g'Ag), V = vcov(beta), g_i = l' dV/dphi_i l,
phi = (theta, sigma), A the covariance of phi.
"""

import numpy as np

from mmfit.engine.records import Fit
from mmfit.errors import MmfitError

METHODS = ("satterthwaite", "residual", "normal")


def check_method(method: str) -> None:
    """Raise MmfitError when ``method`` is not one of METHODS."""
    if method not in METHODS:
        raise MmfitError(f"df={method!r} is not known; choose one of {', '.join(METHODS)}")


def contrast_df(fit: Fit, L: np.ndarray, method: str = "satterthwaite") -> np.ndarray:
    """Degrees of freedom of each row of L (m, p) tested on its own: an (m,) array.

    ``residual`` gives n - p, ``normal`` infinity.
    """
    check_method(method)
    if method == "residual":
        return np.full(len(L), float(fit.nobs - len(fit.fixef)))
    if method == "normal":
        return np.full(len(L), np.inf)
    variance = np.einsum("mp,pq,mq->m", L, fit.vcov, L)
    slopes = np.einsum("mp,ipq,mq->mi", L, fit.uncertainty.jacobian, L)
    return satterthwaite_df(variance, slopes, fit.uncertainty.covariance)


def satterthwaite_df(
    variance: np.ndarray, slopes: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """nu = 2 variance^2 / (slope' A slope) for variances (...), slopes (..., k + 1) and A."""
    spread = ((slopes[..., None, :] @ covariance)[..., 0, :] * slopes).sum(axis=-1)
    return 2 * variance**2 / spread


def joint_df(df: np.ndarray) -> float:
    """Denominator of an F test whose q independent contrasts have degrees of freedom ``df``.

    Fai & Cornelius 1996 as in lmerTest's ``get_Fstat_ddf``: E = sum nu / (nu - 2), 2E / (E - q);
    2 when any nu is at most 2.
    """
    df = np.asarray(df, dtype=float)
    if len(df) == 1 or np.isinf(df).all():
        return float(df[0])
    if df.max() - df.min() < 1e-8 * df[0]:
        return float(df.mean())
    if (df <= 2).any():
        return 2.0
    total = (df / (df - 2)).sum()
    return float(2 * total / (total - len(df)))
