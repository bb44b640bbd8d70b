"""The coupling of sparse designs: a map from level weights to the Schur term, made once."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from mmfit.engine.solvers.contract.coupling import TriangleStorage
from mmfit.engine.solvers.crossed.products import Neighbours

# The stored map holds one number per pair of neighbours and per entry of w; above this many
# (some 700 MB) it is made anew, piece by piece, whenever it is needed.
_STORED = 60_000_000
_PIECE = 8_000_000


class PairMap:
    """Constant sparse map from the level weights to the entries of the Schur term.

    Of S and J only the upper triangles are made and read: as (A, T, T) arrays, or as (A, rows)
    values in the order of a storage.

    Attributes
    ----------
    shape : tuple of int, of one Schur term.

    Parameters
    ----------
    storage : what says where the entries stand, or None for all of (T, T).
    """

    whole = False
    dense = None

    def __init__(self, found: Neighbours, storage: TriangleStorage | None = None):
        self.width, self.q = found.width, len(found.values)
        self._storage = storage
        self.shape = (self.width, self.width) if storage is None else (storage.size,)
        self._rows = int(np.prod(self.shape))
        self._diagonal = self.places(np.arange(self.width) * (self.width + 1))
        self.levels = len(found.indptr) - 1
        self._found = found
        self._sizes = np.diff(found.indptr)
        self._A = [
            sp.csr_array((v, found.columns, found.indptr), shape=(self.levels, self.width))
            for v in found.values
        ]
        self.entries = [(a, b) for a in range(self.q) for b in range(a, self.q)]
        self._stored = None
        if found.pair_count() * len(self.entries) <= _STORED:
            self._stored = [self._piece(0, self.levels)]

    def places(self, flat: np.ndarray) -> np.ndarray:
        """Where entries of (T, T) stand among the rows of the map."""
        if self._storage is None:
            return flat
        narrow = np.int32 if self._rows < 2**31 else np.int64
        return self._storage.places(flat).astype(narrow)

    def _pieces(self) -> Iterator[tuple[slice, list[sp.csc_array]]]:
        if self._stored is not None:
            yield from self._stored
            return
        pairs = np.cumsum(self._sizes * (self._sizes + 1) // 2)
        targets = np.arange(_PIECE, pairs[-1] + _PIECE, _PIECE)
        bounds = np.unique([0, *np.minimum(np.searchsorted(pairs, targets) + 1, self.levels)])
        for low, high in pairwise(bounds):
            yield self._piece(int(low), int(high))

    def _piece(self, low: int, high: int) -> tuple[slice, list[sp.csc_array]]:
        """The map of the levels ``low`` to ``high``: columns are levels, rows entries of S."""
        found = self._found
        begin, end = int(found.indptr[low]), int(found.indptr[high])
        sizes = self._sizes[low:high]
        local = np.repeat((found.indptr[low + 1 : high + 1] - begin), sizes)
        # entry e pairs with itself and with all later entries of its level
        counts = local - np.arange(end - begin)
        after = np.cumsum(counts)
        total = int(after[-1]) if len(after) else 0
        second = np.arange(total, dtype=np.int32 if total < 2**31 else np.int64)
        shift = np.arange(end - begin) - (after - counts)
        second += np.repeat(shift.astype(second.dtype), counts)
        wide = np.int32 if self.width**2 < 2**31 else np.int64
        columns = found.columns[begin:end].astype(wide, copy=False)
        keys = np.repeat(columns * wide(self.width), counts)
        keys += columns[second]
        keys = self.places(keys)
        pairs = np.concatenate([[0], np.cumsum(sizes * (sizes + 1) // 2)])
        values = found.values[:, begin:end]
        right = [v[second] for v in values]
        left = [np.repeat(v, counts) for v in values]
        shape, maps = (self._rows, high - low), []
        for a, b in self.entries:
            data = left[a] * right[b]
            if a != b:
                data += left[b] * right[a]
            maps.append(sp.csc_array((data, keys, pairs.astype(keys.dtype)), shape=shape))
        return slice(low, high), maps

    def hold(self, index: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(places among the rows of the map, values)."""
        return self.places(index), values

    def reduced(self, products: tuple[np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
        """Z_t'Z_t - sum_l A_l' w_l A_l: the upper triangles, zero below."""
        none = not weights.any()
        S = np.zeros((len(weights), *self.shape)) if none else self.schur(-weights)
        places, values = products
        for member in S:
            member.reshape(-1)[places] += values
        return S

    def schur(self, weights: np.ndarray) -> np.ndarray:
        """sum_l A_l' w_l A_l: the upper triangles, zero below."""
        out = np.empty((len(weights), self._rows))
        for member, row in zip(weights, out, strict=True):
            first = True
            for levels, maps in self._pieces():
                for (a, b), matrix in zip(self.entries, maps, strict=True):
                    part = matrix @ np.ascontiguousarray(member[a, b, levels])
                    row[:] = part if first else row + part
                    first = False
        return out.reshape(-1, *self.shape)

    def adjoint(self, J: np.ndarray) -> np.ndarray:
        """A_l J A_l', (A, q, q, L), from the upper triangles of J."""
        out = np.empty((len(J), self.q, self.q, self.levels))
        J = J.reshape(len(J), -1)
        # taken out and put back, which does not change a bit of it
        diagonal = J[:, self._diagonal]
        J[:, self._diagonal] = 0.5 * diagonal
        for flat, result in zip(J, out, strict=True):
            for levels, maps in self._pieces():
                for (a, b), matrix in zip(self.entries, maps, strict=True):
                    result[a, b, levels] = matrix.T @ flat
        J[:, self._diagonal] = diagonal
        # an entry (t, t') stands for its mirror image too; w_ab for w_ba has been counted already
        for a, b in self.entries:
            if a == b:
                out[:, a, a] *= 2.0
            else:
                out[:, b, a] = out[:, a, b]
        return out

    def transposed(self, x: np.ndarray) -> np.ndarray:
        """A'x, (A, c, T), for x (A, c, q, L)."""
        members, count = x.shape[:2]
        flat = x.reshape(members * count, self.q, self.levels)
        out = self._A[0].T @ flat[:, 0].T
        for i in range(1, self.q):
            out += self._A[i].T @ flat[:, i].T
        return np.ascontiguousarray(out.T).reshape(members, count, self.width)

    def apply(self, u: np.ndarray) -> np.ndarray:
        """A u, (A, c, q, L), for u (A, c, T)."""
        members, count = u.shape[:2]
        flat = np.ascontiguousarray(u.reshape(members * count, self.width).T)
        out = np.empty((members * count, self.q, self.levels))
        for i, matrix in enumerate(self._A):
            out[:, i] = (matrix @ flat).T
        return out.reshape(members, count, self.q, self.levels)
