"""What the criterion asks of a solver, whatever the structure of the random effects.

Notation, in the whitened system: V = I + Z Psi Z', Psi block diagonal with one q x q block
Psi_g = Lambda_g Lambda_g' per level of group g, N = Z'V^-1 Z, and R = [X y]. Everything that the
criterion, its derivatives, Satterthwaite's and related methods need of n-sized objects is in the
quantities below; they are small, and their cost does not grow with n.
"""

from typing import Protocol

import numpy as np


class Factorization(Protocol):
    """V factorised at one theta.

    Attributes
    ----------
    log_det : float, log|V|.
    reduced : (p + 1, p + 1) array, R'V^-1 R.
    """

    log_det: float
    reduced: np.ndarray

    def cross(self) -> list[np.ndarray]:
        """Z'V^-1 R: per group an array (levels, q, p + 1)."""

    def trace_blocks(self) -> list[np.ndarray]:
        """Per group the (q, q) sum over levels of the diagonal blocks of N."""

    def posterior_blocks(self) -> list[np.ndarray]:
        """Per group the (levels, q, q) diagonal blocks of (Z'Z + Psi^-1)^-1 = Psi - Psi N Psi."""

    def multiply(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """N times a block vector: per group (levels, q, m) in and out."""

    def traces(self, directions: list[tuple[int, np.ndarray]]) -> np.ndarray:
        """tr(V^-1 V_a V^-1 V_b) for directions (g, E), V_a = Z_g (I x E) Z_g', E symmetric."""


class Solver(Protocol):
    """The cross-products of one system, organised for one structure."""

    name: str

    def factorize(self, lambdas: list[np.ndarray]) -> Factorization:
        """Factorise V for the given Lambda of each group."""
