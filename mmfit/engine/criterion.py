"""The criteria of estimation, and what they differ in.

REML integrates the likelihood over the p fixed effects, ML has them at their best values. Let q be
how many are integrated over, p or 0. With V = I + Z Psi Z' and beta and sigma profiled out both are
log|V| + log|X_q'V^-1 X_q| + nu (1 + log(2 pi r^2 / nu)), nu = n - q, X_q the columns of X that are
integrated over (:mod:`mmfit.engine.evaluation`): all that differs is q.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


class Criterion(ABC):
    """-2 log of a likelihood, in what depends on the treatment of the fixed effects.

    Attributes
    ----------
    name : str, as records and tables have it.
    """

    name: ClassVar[str]

    @abstractmethod
    def integrated(self, p: int) -> int:
        """q, how many of p fixed effects the likelihood is integrated over."""

    def nu(self, n, p: int):
        """n - q, the degrees of freedom of the residual variance's estimate from n rows."""
        return n - self.integrated(p)

    def fixed_log_det(self, pivots: np.ndarray) -> np.ndarray:
        """(A,) log|X_q'V^-1 X_q| for the diagonal (A, p) of the Cholesky factor of X'V^-1 X."""
        p = pivots.shape[1]
        return 2 * np.log(pivots[:, p - self.integrated(p) :]).sum(axis=1)

    def basis_constant(self, factor: np.ndarray) -> float:
        """What the criterion is larger by for X R than for X; ``factor`` (p, p): R, triangular."""
        p = len(factor)
        return 2 * np.log(np.abs(np.diag(factor)[p - self.integrated(p) :])).sum()


@dataclass(frozen=True, slots=True)
class RestrictedLikelihood(Criterion):
    """The likelihood integrated over all fixed effects (Patterson & Thompson 1971)."""

    name = "REML"

    def integrated(self, p: int) -> int:
        return p


@dataclass(frozen=True, slots=True)
class MaximumLikelihood(Criterion):
    """The likelihood at the best values of the fixed effects."""

    name = "ML"

    def integrated(self, p: int) -> int:
        return 0


REML, ML = RestrictedLikelihood(), MaximumLikelihood()
CRITERIA = {criterion.name: criterion for criterion in (REML, ML)}
"""By their names."""
