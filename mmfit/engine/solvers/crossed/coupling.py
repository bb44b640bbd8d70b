"""The coupling A = Q_1'Z_t of the eliminated factor with all others, in two representations.

Sparse designs use a map that is constant over all evaluations (:mod:`pair_map`); designs in which
almost every level meets almost every other use plain products. What both answer is stated in
:mod:`mmfit.engine.solvers.contract.coupling`.
"""

import numpy as np

from mmfit.engine.solvers.contract.coupling import Coupling
from mmfit.engine.solvers.crossed.products import (
    Neighbours,
    RemainderColumns,
    dense_coupling,
    neighbours,
)
from mmfit.engine.solvers.levels.basis import LevelBasis
from mmfit.engine.system.whitened_system import Group

# Entries of A up to which a dense A is taken unseen.
_SMALL = 200_000
# Nanoseconds per stored number and per floating point operation of a matrix product.
_MAP_COST, _DENSE_COST = 3.0, 0.067
# Numbers of temporary storage that a stack of dense products may take.
_TEMPORARY = 8_000_000


class DenseCoupling:
    """A as a dense array, for small designs and nearly complete ones."""

    whole = True

    def __init__(self, dense: np.ndarray):
        """``dense``: (q, L, T)."""
        self.dense = dense
        self.q, self.levels, self.width = dense.shape
        self.flat = dense.reshape(-1, self.width)
        self.shape = (self.width, self.width)

    def hold(self, index: np.ndarray, values: np.ndarray) -> np.ndarray:
        """(T, T), see :class:`mmfit.engine.solvers.contract.coupling.Coupling`."""
        upper = np.zeros(self.width**2)
        upper[index] = values
        upper = upper.reshape(self.shape)
        return upper + np.triu(upper, 1).T

    def reduced(self, products: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Z_t'Z_t - A'w A, (A, T, T)."""
        return products - self.schur(weights)

    def schur(self, weights: np.ndarray) -> np.ndarray:
        """sum_l A_l' w_l A_l, (A, T, T)."""
        step = max(1, _TEMPORARY // self.flat.size)
        if len(weights) <= step:
            return self._schur(weights)
        parts = range(0, len(weights), step)
        return np.concatenate([self._schur(weights[i : i + step]) for i in parts])

    def _schur(self, weights):
        if self.q == 1:
            return self.flat.T @ (weights.reshape(-1, self.levels, 1) * self.flat)
        weighted = np.einsum("aijl,jlt->ailt", weights, self.dense)
        return self.flat.T @ weighted.reshape(-1, *self.flat.shape)

    def adjoint(self, J: np.ndarray) -> np.ndarray:
        """A_l J A_l', (A, q, q, L), for symmetric J (A, T, T)."""
        step = max(1, _TEMPORARY // self.flat.size)
        if len(J) <= step:
            return self._adjoint(J)
        return np.concatenate([self._adjoint(J[i : i + step]) for i in range(0, len(J), step)])

    def _adjoint(self, J):
        moved = self.flat @ J
        if self.q == 1:
            return np.einsum("alt,lt->al", moved, self.flat)[:, None, None]
        return np.einsum("ailt,jlt->aijl", moved.reshape(-1, *self.dense.shape), self.dense)

    def transposed(self, x: np.ndarray) -> np.ndarray:
        """A'x, (A, c, T), for x (A, c, q, L)."""
        return x.reshape(*x.shape[:2], -1) @ self.flat

    def apply(self, u: np.ndarray) -> np.ndarray:
        """A u, (A, c, q, L), for u (A, c, T)."""
        return (u @ self.flat.T).reshape(*u.shape[:2], self.q, self.levels)


def build_coupling(lead: LevelBasis, groups: list[Group], remainder: RemainderColumns) -> Coupling:
    """The cheaper representation of the coupling."""
    if lead.levels * lead.size * remainder.width <= _SMALL:
        return DenseCoupling(dense_coupling(lead, groups, remainder))
    return represent(neighbours(lead, groups, remainder))


def represent(found: Neighbours) -> Coupling:
    """The cheaper representation of a coupling that is known by its neighbours."""
    q = len(found.values)
    by_map = _MAP_COST * found.pair_count() * (q * (q + 1) // 2)
    flops = q * (len(found.indptr) - 1) * float(found.width) ** 2
    if _DENSE_COST * flops < by_map:
        return DenseCoupling(found.dense())
    # Imports scipy.sparse, which small models can do without.
    from mmfit.engine.solvers.crossed.pair_map import PairMap

    return PairMap(found)
