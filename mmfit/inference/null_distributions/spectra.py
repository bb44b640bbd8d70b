"""Eigenvalues that the exact tests of one variance need, from sums by level.

Z'MZ is a diagonal matrix less a matrix of the rank of X. Among m levels with one sum of squares
all but p directions are eigenvectors already, so that only a small matrix is decomposed: in a
balanced design one of order p or less, whatever the number of levels.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.system.orthonormal import orthonormal_rows

# Order up to which a matrix is decomposed; beyond, levels of nearly equal size are pooled.
_ORDER = 1_200
# Steps per unit of log size in which levels are pooled, from fine to coarse.
_POOLS = (10_000, 3_000, 1_000, 300, 100, 30)
# Eigenvalues below this share of the largest are zero; closer than that, they are one.
_ZERO = 1e-10
# Distinct values that the tail is evaluated with; more are pooled, each value within 1/200.
_VALUES, _NEAR = 300, 200


@dataclass(frozen=True, eq=False, slots=True)
class Spectrum:
    """Eigenvalues of Z'MZ and of Z'Z, each distinct value once.

    Attributes
    ----------
    values, counts : (G,) arrays, positive eigenvalues mu of Z'MZ and how often each occurs.
    sizes, size_counts : (H,) arrays, those of Z'Z.
    nobs, nfixed : int, n and the rank p of X.
    """

    values: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    size_counts: np.ndarray
    nobs: int
    nfixed: int

    @property
    def rank(self) -> int:
        """K, the number of positive eigenvalues."""
        return int(self.counts.sum())

    @property
    def residual(self) -> int:
        """n - p - K."""
        return self.nobs - self.nfixed - self.rank

    def _key(self) -> tuple:
        arrays = (self.values, self.counts, self.sizes, self.size_counts)
        return (*(array.tobytes() for array in arrays), self.nobs, self.nfixed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spectrum) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def no_spectrum(nobs: int, nfixed: int) -> Spectrum:
    """That of a linear model."""
    empty = np.empty(0)
    return Spectrum(empty, empty, empty, empty, nobs, nfixed)


def spectrum(
    X: np.ndarray,
    codes: np.ndarray,
    levels: int,
    column: np.ndarray,
    weights: np.ndarray | None = None,
) -> Spectrum:
    """The spectrum of one scalar random term.

    Parameters
    ----------
    X : (n, p) of full column rank, the alternative's.
    codes : (n,) level of each row;  levels : int;  column : (n,) the effect's model column.
    weights : (n,) prior weights or None.
    """
    n, p = X.shape
    rows, z = np.ascontiguousarray(X.T), column
    if weights is not None:
        root = np.sqrt(weights)
        rows, z = rows * root, z * root
    sizes = np.bincount(codes, z * z, levels)
    cross = np.zeros((levels, p))
    if p:
        basis = orthonormal_rows(rows)[0]
        for j in range(p):
            cross[:, j] = np.bincount(codes, z * basis[j], levels)
    kept = sizes > _ZERO * sizes.max()
    values = _downdated(sizes[kept], cross[kept])
    mu, counts = _pooled(*_distinct(values[0], values[1], sizes.max()))
    xi, size_counts = _pooled(*_distinct(sizes[kept], np.ones(kept.sum()), 0.0))
    return Spectrum(mu, counts, xi, size_counts, n, p)


def _downdated(sizes: np.ndarray, cross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of diag(sizes) - cross cross', and how often each stands for."""
    label = _pools(sizes, cross.shape[1])
    diagonal, factors, values, counts = [], [], [], []
    for members in label:
        size = sizes[members].mean()
        R = cross[members]
        if len(R) > R.shape[1]:
            values.append(size)
            counts.append(len(R) - R.shape[1])
            R = np.linalg.qr(R, mode="r")
        diagonal += [size] * len(R)
        factors.append(R)
    C = np.concatenate(factors)
    found = np.linalg.eigvalsh(np.diag(diagonal) - C @ C.T) if len(C) else np.empty(0)
    return np.append(found, values), np.append(np.ones(len(found)), counts)


def _pools(sizes: np.ndarray, p: int) -> list[np.ndarray]:
    """Levels of equal sums of squares; of nearly equal ones where there are very many."""
    order = np.argsort(sizes, kind="stable")
    steps = np.diff(sizes[order]) > _ZERO * sizes.max()
    for pools in (None, *_POOLS):
        if pools is not None:
            steps = np.diff(np.floor(np.log(sizes[order]) * pools)) > 0
        groups = np.split(order, np.flatnonzero(steps) + 1)
        if sum(min(len(group), p) for group in groups) <= _ORDER:
            break
    return groups


def _distinct(values, counts, largest: float) -> tuple[np.ndarray, np.ndarray]:
    """Positive values in ascending order, equal ones together."""
    kept = values > _ZERO * largest
    if not kept.any():
        return np.empty(0), np.empty(0)
    order = np.argsort(values[kept], kind="stable")
    values, counts = values[kept][order], np.asarray(counts, dtype=float)[kept][order]
    starts = np.append(0, np.flatnonzero(np.diff(values) > _ZERO * values[-1]) + 1)
    total = np.add.reduceat(counts, starts)
    return np.add.reduceat(values * counts, starts) / total, total


def _pooled(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most some hundred values, each the mean of those near it; their sum stays."""
    if len(values) <= _VALUES:
        return values, counts
    cell = np.floor(np.log(values) * _NEAR)
    starts = np.append(0, np.flatnonzero(np.diff(cell) > 0) + 1)
    total = np.add.reduceat(counts, starts)
    return np.add.reduceat(values * counts, starts) / total, total
