"""Polynomials orthogonal over given points (Kennedy & Gentle 1980, Statistical Computing, 343)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class OrthogonalBasis:
    """The three-term recurrence of polynomials that are orthonormal over some points.

    With z = x - center: p_0 = 1, p_{k+1} = (z - alpha_k) p_k - (norm_k / norm_{k-1}) p_{k-1}.

    Attributes
    ----------
    center : float, the mean of the points; taken off first, so that a large offset costs no digits.
    alpha : tuple of float, length degree.
    norms : tuple of float, length degree + 1, squared lengths of p_0, p_1, ...
    """

    center: float
    alpha: tuple[float, ...]
    norms: tuple[float, ...]

    def columns(self, x: np.ndarray) -> np.ndarray:
        """p_1 to p_degree at the points x, each divided by its length; (n, degree)."""
        z = x - self.center
        columns = np.empty((len(x), len(self.alpha)))
        previous, current = np.zeros_like(z), np.ones_like(z)
        for k in range(len(self.alpha)):
            previous, current = current, _next(z, k, self.alpha, self.norms, previous, current)
            columns[:, k] = current / np.sqrt(self.norms[k + 1])
        return columns


def orthogonal_basis(x: np.ndarray, degree: int) -> OrthogonalBasis:
    """The polynomials of degrees 1 to ``degree`` over the points x: R's ``poly(x, degree)``."""
    center = float(np.mean(x))
    z = x - center
    alpha: list[float] = []
    norms = [float(len(z))]
    previous, current = np.zeros_like(z), np.ones_like(z)
    for k in range(degree):
        alpha.append(float(z @ (current * current)) / norms[k])
        previous, current = current, _next(z, k, alpha, norms, previous, current)
        norms.append(float(current @ current))
    return OrthogonalBasis(center, tuple(alpha), tuple(norms))


def _next(z, k, alpha, norms, previous, current) -> np.ndarray:
    ratio = norms[k] / norms[k - 1] if k else 0.0
    return (z - alpha[k]) * current - ratio * previous
