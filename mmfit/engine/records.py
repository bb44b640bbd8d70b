"""The frozen records that a fit consists of."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmfit.common.lazy_fields import LazyField, LazyRecord
from mmfit.formula.unidentified import Unidentified

# Share of a variance's slope along parameters that the data do not tell that is rounding.
_UNTOLD = 1e-6


OUTCOMES = MappingProxyType({True: "converged: ", False: "not converged: "})
"""How the message of an optimizer begins where it has converged, and where it has not."""


@dataclass(frozen=True)
class OptimizerRecord(LazyRecord):
    """How the optimum was sought and what was found there.

    Attributes
    ----------
    solver : str, the structure found in the data: ``single``, ``nested``, ``crossed``, ....
    method : str, ``newton`` (average information) or ``bfgs`` (the fallback).
    evaluations : int, evaluations of the criterion, those from second starts included.
    start_objective, objective : float, -2 log (restricted) likelihood at the start and at the end.
    gradient_norm : float, largest absolute derivative with respect to the free (whitened) theta.
    predicted_decrease : float, decrease of the objective that a further Newton step promises.
    curvature : float, smallest eigenvalue of the exact Hessian in the free theta at the end
        (computed when first asked for).
    converged : bool.
    message : str, the outcome in words.
    first_search : int, those of the evaluations that the search from the first start took; 0 where
        that is not known.
    """

    solver: str
    method: str
    evaluations: int
    start_objective: float
    objective: float
    gradient_norm: float
    predicted_decrease: float
    curvature: float = LazyField()
    converged: bool
    message: str
    first_search: int = 0

    @property
    def detail(self) -> str:
        """``message`` without its beginning, which says no more than ``converged``."""
        return self.message.removeprefix(OUTCOMES[self.converged])


@dataclass(frozen=True, slots=True)
class VarianceTerm:
    """The estimated covariance of one random term.

    Attributes
    ----------
    group : str, as in RandomTerm (``Subject.1`` for a second term on one factor).
    grouping : str, the grouping factor.
    effects : tuple of str, length q.
    covariance : (q, q) array, in squared units of the response.
    """

    group: str
    grouping: str
    effects: tuple[str, ...]
    covariance: np.ndarray


@dataclass(frozen=True, slots=True)
class GroupModes:
    """Conditional modes of the random effects of one grouping factor (all of its terms).

    Attributes
    ----------
    grouping : str.
    effects : tuple of str, length q.
    levels : tuple of str, length L.
    modes : (L, q) array.
    covariance : (L, q, q) array, conditional covariance given y and the estimates (lme4's condVar).
    """

    grouping: str
    effects: tuple[str, ...]
    levels: tuple[str, ...]
    modes: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True, slots=True)
class Confounding:
    """Which contrasts' variances hang on variance parameters that the data do not tell apart.

    Attributes
    ----------
    half : (p, p) array, a root of (X'V^-1 X)^-1 at a fixed V, in the units of X.
    slopes : (d, p, p) array, derivatives along the parameters that are not told, largest entry 1:
        that of the variance of l'beta is r'(slope)r, r = half'l.
    """

    half: np.ndarray
    slopes: np.ndarray

    def concerns(self, L: np.ndarray) -> np.ndarray:
        """(m,) bool: whether the variance of each row of L (m, p) hangs on them."""
        rows = L @ self.half
        length = np.einsum("mp,mp->m", rows, rows)
        moved = np.einsum("mp,dpq,mq->dm", rows, self.slopes, rows)
        return (np.abs(moved) > _UNTOLD * length).any(axis=0)

    def concerns_any(self, L: np.ndarray) -> bool:
        """Whether the variance of any combination of the independent rows of L does."""
        basis = np.linalg.qr((L @ self.half).T)[0]
        return bool(np.abs(basis.T @ self.slopes @ basis).max(initial=0.0) > _UNTOLD)


@dataclass(frozen=True, slots=True)
class VarianceUncertainty:
    """What Satterthwaite's method needs (lmerTest's ``vcov_varpar`` and ``Jac_list``).

    Attributes
    ----------
    covariance : (k + 1, k + 1) array, 2 H+ of the criterion in (theta, sigma).
    jacobian : (k + 1, p, p) array, derivative of vcov(beta) with respect to (theta, sigma).
    confounding : Confounding, or None where the data tell all that the variances hang on.
    """

    covariance: np.ndarray
    jacobian: np.ndarray
    confounding: Confounding | None = None


@dataclass(frozen=True)
class Fit(LazyRecord):
    """One fitted linear mixed model; plain numbers and names only, JSON and back without loss.

    ``groups``, ``uncertainty`` and ``unidentified`` are computed when they are first asked for.

    Attributes
    ----------
    formula : str.
    criterion : ``"REML"`` or ``"ML"``.
    objective : float, -2 log (restricted) likelihood.
    nobs, npar : int; npar = p + number of thetas + 1 under both criteria.
    sigma : float, residual standard deviation.
    theta : (k,) array, lme4's order and scale.
    fixed_names : tuple of str, length p;  fixef : (p,) array;  vcov : (p, p) array.
    dropped : tuple of str, columns left out of a rank-deficient X.
    terms : tuple of VarianceTerm, lme4's order.
    groups : tuple of GroupModes, one per grouping factor, in the order of ``terms``.
    singular : bool;  singular_groups : tuple of str, terms whose covariance lacks full rank.
    unidentified : tuple of Unidentified, the covariance parameters that the design does not tell
        apart: of these the fit has one of many equally good values.
    uncertainty : VarianceUncertainty.
    optimizer : OptimizerRecord.
    """

    formula: str
    criterion: str
    objective: float
    nobs: int
    npar: int
    sigma: float
    theta: np.ndarray
    fixed_names: tuple[str, ...]
    fixef: np.ndarray
    vcov: np.ndarray
    dropped: tuple[str, ...]
    terms: tuple[VarianceTerm, ...]
    groups: tuple[GroupModes, ...] = LazyField()
    singular: bool
    singular_groups: tuple[str, ...]
    unidentified: tuple[Unidentified, ...] = LazyField()
    uncertainty: VarianceUncertainty = LazyField()  # noqa: RUF009
    optimizer: OptimizerRecord

    @property
    def log_lik(self) -> float:
        return -0.5 * self.objective

    @property
    def aic(self) -> float:
        return self.objective + 2 * self.npar

    @property
    def bic(self) -> float:
        return self.objective + np.log(self.nobs) * self.npar

    @property
    def converged(self) -> bool:
        return self.optimizer.converged
