"""A single factor whose levels all differ: sums over levels as matrix products.

Where nothing can be pooled (:mod:`classes`), the products of columns by level would only take
memory. One response and many levels are better served by BLAS, on r itself.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.directions import Directions
from mmfit.engine.solvers.levels.blocks import multiply
from mmfit.engine.solvers.levels.classes import packed_pairs


@dataclass(frozen=True, slots=True)
class LevelRows:
    """Of one response and no coarser factor: every level is a class, and there is one parent.

    Attributes
    ----------
    T : (q, q, L, 1), Z = Q T' by level;  counts : (L, 1), ones.
    level_class : (L,), every level its own;  rows : (m, q, L), R'Q by level.
    """

    T: np.ndarray
    counts: np.ndarray
    level_class: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, T: np.ndarray, design: np.ndarray, responses: np.ndarray) -> "LevelRows":
        """From T (q, q, L), Q'X (q, p, L) and Q'y (q, L, 1)."""
        levels = T.shape[2]
        rows = np.concatenate([design.transpose(1, 0, 2), responses.transpose(2, 0, 1)])
        return cls(T[..., None], np.ones((levels, 1)), np.arange(levels), rows)

    @property
    def S(self) -> np.ndarray:
        """(q, q, L, 1): Z'Z by level."""
        return multiply(self.T, self.T.swapaxes(0, 1))

    def gather(self, weights: np.ndarray, members) -> np.ndarray:
        """See :class:`mmfit.engine.solvers.contract.pooled_levels.PooledLevels`."""
        m, q, _ = self.rows.shape
        a, b = packed_pairs(q)
        whole = np.empty((*weights.shape[:-3], q, q, len(self.level_class)))
        whole[..., a, b, :] = whole[..., b, a, :] = weights[..., 0]
        weighted = np.einsum("...abl,mbl->...mal", whole, self.rows)
        flat = weighted.reshape(*weights.shape[:-3], m, -1)
        square = self.rows.reshape(m, -1) @ np.swapaxes(flat, -1, -2)
        first, second = packed_pairs(m)
        return square[..., first, second][..., None, None]

    def congruences(self, G: np.ndarray, directions: Directions, members) -> np.ndarray:
        m, q, _ = self.rows.shape
        moved = np.einsum("abl,mbl->mal", G[..., 0], self.rows).reshape(m * q, -1)
        gram = (moved @ moved.T).reshape(m, q, m, q)
        return self._along(gram, directions.row, directions.column) * directions.once[:, None, None]

    def _along(self, gram: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """(len(row), W, 1): r_r'r_c + r_c'r_r from all products (m, q, m, q)."""
        half = gram[:, row, :, column]
        both = half + half.transpose(0, 2, 1)
        return both[:, *packed_pairs(len(gram))][..., None]

    def inner_products(self, weights: np.ndarray, members=None) -> np.ndarray:
        m, q, levels = self.rows.shape
        first, second = packed_pairs(m)
        halves = weights[:, 0] * np.where(first == second, 1.0, 0.5)
        M = np.empty((m, m))
        M[first, second] = M[second, first] = halves
        moved = (M @ self.rows.reshape(m, -1)).reshape(m, q, levels)
        return np.einsum("mal,mbl->abl", self.rows, moved)[..., None]
