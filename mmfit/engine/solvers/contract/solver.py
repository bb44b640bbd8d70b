"""What the criterion asks of a solver, whatever the structure of the random effects.

Notation, in the whitened system: V = I + Z Psi Z', Psi block diagonal with one q x q block
Psi_g = Lambda_g Lambda_g' per level of group g, R = [X y], m = p + 1 columns. V is linear in the
free entries of the Psi's; entry e changes it along V_e = Z_g (I x E_e) Z_g', where E_e is the
layout's direction (:class:`mmfit.engine.covariance.directions.Directions`). Everything that the
criterion, its exact derivatives, Satterthwaite's and related methods need of n-sized objects is in
the quantities below; they are small, and their cost does not grow with n.

A factorisation is that of a batch of A members, each with its own theta and response; all arrays
have the member as their first axis.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

# Copies of the largest arrays that second-order quantities have in use at one time.
COPIES = 4


@dataclass(frozen=True, slots=True)
class IdentityMoments:
    """Products at V = I, in the layout's directions: what the starting value needs of a design.

    Attributes
    ----------
    traces : (k, k), tr(V_e V_f);  trace_slopes : (k,), tr(V_e).
    x_pairs : (k, k), tr(X'V_e V_f X);  x_slopes : (k, p, p), X'V_e X.
    y_slopes : (B, k), y'V_e y.
    """

    traces: np.ndarray
    trace_slopes: np.ndarray
    x_pairs: np.ndarray
    x_slopes: np.ndarray
    y_slopes: np.ndarray


@dataclass(frozen=True, slots=True)
class SecondOrderCost:
    """What ``pair_blocks`` of all columns of X and ``traces`` take, beyond one factorisation.

    Attributes
    ----------
    dense, small : float, operations in large matrix products, and in sums over many small blocks.
    numbers : float, doubles in use at one time.
    """

    dense: float
    small: float
    numbers: float


class Factorization(Protocol):
    """V factorised at one theta per member.

    Attributes
    ----------
    log_det : (A,) array, log|V|; NaN where V cannot be factorised in double precision.
    reduced : (A, m, m) array, R'V^-1 R.
    taken : (A, p) array, coefficients of what was taken off y to spare its digits: in all
        quantities R = [X, y - X taken], which leaves P as it is.
    """

    log_det: np.ndarray
    reduced: np.ndarray
    taken: np.ndarray

    def trace_slopes(self) -> np.ndarray:
        """(A, k): tr(V^-1 V_e), the derivative of log|V|."""

    def slopes(self) -> np.ndarray:
        """(A, k, m, m): R'V^-1 V_e V^-1 R, minus the derivative of ``reduced``."""

    def pairs(self, U: np.ndarray) -> np.ndarray:
        """(A, k, k): tr(U'R'V^-1 V_e V^-1 V_f V^-1 R U) for U (A, m, r)."""

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        """(A, k, k, r, r): U'R'V^-1 V_e V^-1 V_f V^-1 R U, averaged over the order of e and f."""

    def traces(self) -> np.ndarray:
        """(A, k, k): tr(V^-1 V_e V^-1 V_f), minus the second derivative of log|V|."""

    def cross(self) -> list[np.ndarray]:
        """Z'V^-1 R: per group of the system an array (A, levels, q, m)."""

    def posterior_blocks(self) -> list[np.ndarray]:
        """Per group the (A, levels, q, q) diagonal blocks of Psi - Psi Z'V^-1 Z Psi.

        That is (Z'Z + Psi^-1)^-1, the conditional covariance of the effects in units of sigma^2.
        """


class Solver(Protocol):
    """The cross-products of one system, organised for one structure.

    Attributes
    ----------
    name : str, as recorded in the fit and shown in the report; nothing is decided by it.
    second_order_is_cheap : bool, whether ``traces`` costs about as much as ``slopes`` does.
    """

    name: str
    second_order_is_cheap: bool

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> Factorization:
        """Factorise V for Lambda (A, q, q) of each group and the responses ``members`` (A,)."""

    def identity_moments(self) -> IdentityMoments:
        """Of all responses."""

    def second_order_cost(self) -> SecondOrderCost:
        """Of one response; known before anything is factorised."""
