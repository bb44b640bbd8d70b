"""Denominator degrees of freedom of tests on the fixed effects.

Satterthwaite's method as in Kuznetsova, Brockhoff & Christensen 2017 (lmerTest), with exact
derivatives: for one contrast l, nu = 2 (l'Vl)^2 / (g'Ag), V = vcov(beta), g_i = l' dV/dphi_i l,
phi = (theta, sigma), A the covariance of phi. Kenward and Roger's: :mod:`kenward_roger`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.records import Fit
from mmfit.errors import MmfitError

if TYPE_CHECKING:
    from mmfit.engine.derived.kenward_roger import AdjustedCovariance

METHODS = ("satterthwaite", "kenward-roger", "residual", "normal")


def check_method(method: str) -> None:
    """Raise MmfitError when ``method`` is not one of METHODS."""
    if method not in METHODS:
        raise MmfitError(f"df={method!r} is not known; choose one of {', '.join(METHODS)}")


@dataclass(frozen=True, slots=True)
class FixedEffectPrecision:
    """How precisely one method takes the fixed effects of a fit to be known.

    Attributes
    ----------
    fit : Fit;  method : str, one of METHODS.
    adjusted : AdjustedCovariance for Kenward and Roger's method, else None.
    """

    fit: Fit
    method: str
    adjusted: AdjustedCovariance | None

    @property
    def vcov(self) -> np.ndarray:
        """(p, p) covariance of the fixed effects; the adjusted one for ``kenward-roger``."""
        return self.fit.vcov if self.adjusted is None else self.adjusted.vcov[0]

    def unidentified(self, L: np.ndarray) -> np.ndarray:
        """(m,) bool: whether the variance of each row of L beta is one that no data tell."""
        found = self.fit.uncertainty.confounding
        return np.zeros(len(L), dtype=bool) if found is None else found.concerns(L)

    def unidentified_jointly(self, L: np.ndarray) -> bool:
        """Whether that of any combination of the independent rows of L is."""
        found = self.fit.uncertainty.confounding
        return found is not None and found.concerns_any(L)

    def std_error(self, L: np.ndarray) -> np.ndarray:
        """(m,) standard errors of L beta for L (m, p); NaN where no data tell them."""
        variance = np.einsum("mp,pq,mq->m", L, self.vcov, L)
        return np.where(self.unidentified(L), np.nan, np.sqrt(variance))

    def df(self, L: np.ndarray) -> np.ndarray:
        """(m,) degrees of freedom of each row of L (m, p) tested on its own; NaN as for those."""
        return np.where(self.unidentified(L), np.nan, self._df(L))

    def _df(self, L: np.ndarray) -> np.ndarray:
        fit = self.fit
        if np.isnan(fit.sigma):
            return np.full(len(L), np.nan)
        if self.method == "residual":
            return np.full(len(L), float(fit.nobs - len(fit.fixef)))
        if self.method == "normal":
            return np.full(len(L), np.inf)
        if self.adjusted is not None:
            from mmfit.inference.precision.kenward_roger import contrast_df as adjusted_df

            return adjusted_df(self.adjusted, L)[0]
        variance = np.einsum("mp,pq,mq->m", L, fit.vcov, L)
        slopes = np.einsum("mp,ipq,mq->mi", L, fit.uncertainty.jacobian, L)
        return satterthwaite_df(variance, slopes, fit.uncertainty.covariance)

    @property
    def note(self) -> str:
        """What a reader of the tests must know of the method here, in words, or ``""``."""
        parts = []
        if not self.fit.converged:
            parts.append(
                f"The fit is not to be relied on: it has {self.fit.optimizer.message.rstrip('.')}."
            )
        if self.fit.singular and self.method in _AT_THE_EDGE:
            groups = ", ".join(self.fit.singular_groups)
            parts.append(f"The fit is singular ({groups}): {_AT_THE_EDGE[self.method]}")
        hidden = self.adjusted is not None and self.adjusted.confounded[0]
        if hidden and self.fit.uncertainty.confounding is None:
            parts.append(
                "The information about the variances is singular at the estimates; what depends on "
                "it has no degrees of freedom by Kenward-Roger's method."
            )
        return " ".join(parts)


def unidentified_coefficients(fit: Fit) -> np.ndarray:
    """(p,) bool: the fixed effects whose variance depends on what no data of the design tell."""
    found, p = fit.uncertainty.confounding, len(fit.fixef)
    return np.zeros(p, dtype=bool) if found is None else found.concerns(np.eye(p))


def unidentified_note(names: Sequence[str]) -> str:
    """Why these have no standard error, in words; ``""`` for none."""
    if not len(names):
        return ""
    return (
        "The data do not tell all variance parameters apart once the fixed effects are estimated; "
        f"what depends on them ({', '.join(names)}) has no standard error, no degrees of freedom, "
        "no p-value and no interval."
    )


_AT_THE_EDGE = {
    "satterthwaite": (
        "Satterthwaite's method counts no uncertainty of a variance at zero, so that its degrees "
        "of freedom are those of a model without that variance."
    ),
    "kenward-roger": (
        "Kenward-Roger's expansion assumes variances inside their range; it is evaluated at the "
        "estimates on the edge, whose uncertainty still counts."
    ),
}


def satterthwaite_df(
    variance: np.ndarray, slopes: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """nu = 2 variance^2 / (slope' A slope) for variances (...), slopes (..., k + 1) and A.

    Infinite where the variance is certain, NaN where it is.
    """
    # Relative changes, since squares of a variance in extreme units are beyond doubles.
    some = variance != 0
    relative = slopes / np.where(some, variance, 1.0)[..., None]
    spread = ((relative[..., None, :] @ covariance)[..., 0, :] * relative).sum(axis=-1)
    known = ~(spread <= 0)
    return np.where(known, np.where(some, 2.0, 0.0) / np.where(known, spread, 1.0), np.inf)


def joint_df(df: np.ndarray) -> float:
    """Denominator of an F test whose q independent contrasts have degrees of freedom ``df``.

    Fai & Cornelius 1996 as in lmerTest's ``get_Fstat_ddf``: E = sum nu / (nu - 2), 2E / (E - q);
    2 when any nu is at most 2. A nu that is infinite adds 1 to E.
    """
    df = np.asarray(df, dtype=float)
    if len(df) == 1 or np.isinf(df).all():
        return float(df[0])
    if df.max() - df.min() < 1e-8 * df[0]:
        return float(df.mean())
    if (df <= 2).any():
        return 2.0
    over = np.where(np.isinf(df), 0.0, 2 / (np.where(np.isinf(df), 3.0, df) - 2))
    excess = over.sum()
    return float(2 * (excess + len(df)) / excess)
