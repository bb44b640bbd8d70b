"""The directions of Psi along which V is differentiated, and sums along them.

Psi of a group is linear in its free entries (r, c), r >= c, of one random term each. Entry e stands
for the direction E_e = e_r e_c' + e_c e_r' (e_r e_r' on the diagonal); everything that a solver
differentiates is a contraction with these, for stacks with the components first, (q, q, ...), or
with the batch's members first, (A, q, q, ...).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from mmfit.engine.covariance.layout import Layout

# Up to this many effects a sum over pairs of directions is one contraction with a constant.
_CONTRACTED = 3


class Directions:
    """The directions of one group's Psi, in the order of its thetas.

    Attributes
    ----------
    row, column : (k,) intp arrays;  dense : (k, q, q) array, the E_e.
    once : (k,), 1/2 on the diagonal, 1 off it: e_r e_c' + e_c e_r' counts the diagonal twice.
    """

    def __init__(self, row: np.ndarray, column: np.ndarray, q: int):
        self.row, self.column = row, column
        self.dense = np.zeros((len(row), q, q))
        index = np.arange(len(row))
        self.dense[index, row, column] = self.dense[index, column, row] = 1.0
        self.once = np.where(row == column, 0.5, 1.0)
        # Few calls matter for few effects, few operations for many.
        self._pairs = None
        if q <= _CONTRACTED:
            pairs = np.einsum("eda,fbc->efabcd", self.dense, self.dense)
            self._pairs = pairs.reshape(len(row), len(row), -1)

    def __len__(self) -> int:
        return len(self.row)

    def traces(self, M: np.ndarray) -> np.ndarray:
        """(k, ...): tr(M E_e) for M (q, q, ...)."""
        if len(M) == 1:
            return M[0]
        return np.einsum("eij,ij...->e...", self.dense, M)

    def congruences(self, M: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(k, pairs, ...): (M'E_e M)[a, b] for M (q, w, ...) and the pairs (first, second)."""
        r, c = self.row[:, None], self.column[:, None]
        both = M[r, first] * M[c, second]
        if len(self.row) == 1:
            return both
        both += M[c, first] * M[r, second]
        both *= _like(self.once, both)
        return both

    def pair_traces(self, Q: np.ndarray) -> np.ndarray:
        """(k, k, A): sum of tr(E_e F E_f K) where Q[a, b, c, d, A] sums F[a, b] K[c, d]."""
        if self._pairs is not None:
            return np.einsum("efi,ia->efa", self._pairs, Q.reshape(-1, Q.shape[-1]))
        r, c = self.row[:, None], self.column[:, None]
        u, v = self.row[None, :], self.column[None, :]
        whole = Q[c, u, v, r] + Q[r, u, v, c] + Q[c, v, u, r] + Q[r, v, u, c]
        return whole * _like(self.once[:, None] * self.once, whole)

    def member_traces(self, M: np.ndarray) -> np.ndarray:
        """(A, k): tr(M E_e) for symmetric M (A, q, q)."""
        if M.shape[1] == 1:
            return M[:, 0]
        return 2 * self.once * M[:, self.row, self.column]

    def member_sums(self, M: np.ndarray) -> np.ndarray:
        """(A, k, ...): the sum over the entries (a, b) of E_e of M (A, q, q, ...) at (a, b)."""
        both = M[:, self.row, self.column] + M[:, self.column, self.row]
        return both * self.once.reshape(-1, *(1,) * (M.ndim - 3))

    def along(self, c: np.ndarray) -> np.ndarray:
        """E_e c for every entry e: (A, k, r, q, L) from (A, r, q, L)."""
        if c.shape[2] == 1:
            return c[:, None]
        out = np.zeros((len(c), len(self.row), *c.shape[1:]))
        for e, (i, j) in enumerate(zip(self.row, self.column, strict=True)):
            out[:, e, :, i] = c[:, :, j]
            if i != j:
                out[:, e, :, j] = c[:, :, i]
        return out

    def contract(self, products: np.ndarray, other: "Directions") -> np.ndarray:
        """(..., k, k'): sum of E_e[i, j] F_f[k, m] products[..., i, j, k, m] with another group."""
        if products.shape[-4:] == (1, 1, 1, 1):
            return products[..., 0, 0]
        half = np.einsum("eij,...ijkm->...ekm", self.dense, products)
        return np.einsum("...ekm,fkm->...ef", half, other.dense)


def _like(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))


def directions(layout: Layout, g: int) -> Directions:
    """The directions of group ``g`` of a layout."""
    index = layout.members[g]
    row, column = layout.row[index].tolist(), layout.column[index].tolist()
    return _directions(tuple(row), tuple(column), layout.sizes[g])


@lru_cache(maxsize=64)
def _directions(row: tuple[int, ...], column: tuple[int, ...], q: int) -> Directions:
    return Directions(np.array(row, dtype=np.intp), np.array(column, dtype=np.intp), q)


@dataclass(frozen=True, slots=True)
class EntryOrder:
    """The free entries of all Psi's, group after group in the order in which a solver works.

    Attributes
    ----------
    directions : tuple of Directions, of the groups;  places : tuple of slice, their entries here.
    count : int, k.
    position : (k,) intp, where each entry of the layout stands here;  same : bool, whether that is
        where it stands there.
    """

    directions: tuple[Directions, ...]
    places: tuple[slice, ...]
    count: int
    position: np.ndarray
    same: bool

    def arrange(self, values: np.ndarray, axes: int = 1) -> np.ndarray:
        """(A, k, ...) or, for two ``axes``, (A, k, k, ...), in the layout's order."""
        if self.same:
            return values
        values = values[:, self.position]
        return values[:, :, self.position] if axes == 2 else values


def entry_order(layout: Layout, groups: list[int] | tuple[int, ...]) -> EntryOrder:
    """The entries of the groups in the given order."""
    bounds = np.cumsum([0, *(len(layout.members[g]) for g in groups)]).tolist()
    here = np.concatenate([layout.members[g] for g in groups])
    return EntryOrder(
        directions=tuple(directions(layout, g) for g in groups),
        places=tuple(slice(a, b) for a, b in pairwise(bounds)),
        count=bounds[-1],
        position=np.argsort(here),
        same=bool((here == np.arange(len(here))).all()),
    )
