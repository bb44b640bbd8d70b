"""What is asked of the covariance structure of a random term: a map theta -> Psi = Lambda Lambda'.

V is linear in the free entries of Psi, along which the solvers differentiate; a structure carries
these derivatives to its thetas. Arrays may have any axes of members in front. Psi, q x q, belongs
to the term's whitened columns; the first axes of its derivatives are the entries, the last the
thetas.
"""

from typing import Protocol

import numpy as np


class CovarianceStructure(Protocol):
    """A map theta -> Psi with its derivatives.

    Attributes
    ----------
    size : int, q;  count : int, k_t thetas.
    row, column : (E,) intp, the free entries (r >= c) of Psi: entry e stands for the direction
        E_e = e_r e_c' + e_c e_r' (e_r e_r' on the diagonal).
    """

    size: int
    count: int
    row: np.ndarray
    column: np.ndarray

    def root(self, theta: np.ndarray) -> np.ndarray:
        """(..., q, q): a new array Lambda, lower triangular, for theta (..., k_t)."""

    def theta(self, root: np.ndarray) -> np.ndarray:
        """(..., k_t): the inverse of :meth:`root`."""

    def psi_jacobian(self, theta: np.ndarray) -> np.ndarray:
        """(..., E, k_t): d Psi_e / d theta_i."""

    def curvature(self, slope: np.ndarray) -> np.ndarray:
        """(..., k_t, k_t): sum of slope_e d2 Psi_e / d theta_i d theta_j, for slope (..., E).

        Without theta, since Psi is quadratic in it.
        """

    def matrix(self, entries: np.ndarray) -> np.ndarray:
        """(..., q, q): Psi from its free entries (..., E)."""

    def slope_matrix(self, slope: np.ndarray) -> np.ndarray:
        """(..., q, q): the symmetric S with df = tr(S dPsi) for df/dPsi_e (..., E)."""

    def change_of_basis(self, inverse: np.ndarray) -> np.ndarray:
        """(k_t, k_t): d theta' / d theta where Lambda' = T^-1 Lambda, T^-1 lower triangular."""
