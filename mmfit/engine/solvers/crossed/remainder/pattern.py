"""The pattern of a sparse remainder: which entries S = Z_t'V_0^-1 Z_t can have, and their order.

Two columns of the remainder share an entry when one level of the eliminated factor meets both.
Only the upper triangle is kept, as values in the order of the flat index into (T, T).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import numpy as np
import scipy.sparse as sp

from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.sparse import Symbolic, analyze


@dataclass(frozen=True, slots=True)
class RemainderPattern:
    """The entries of the upper triangle and the plan of the factorisations.

    Attributes
    ----------
    columns : RemainderColumns;  size : int, nnz.
    keys : (nnz,) sorted flat indices into (T, T);  rows, cols : (nnz,), the same as pairs.
    diagonal : (T,), where the diagonal stands among them.
    indptr, indices : both triangles by columns;  full : of each of their entries, where its value
        stands in the upper triangle;  upper : (nnz,), the way back.
    cells : per pair of groups g <= h the (q_g, q_h, c) places of the entries of the cells that
        occur, level by level; for g = h each pair of levels once.
    once : per pair of groups (c,), 1.0 where a cell is its own mirror image (a level with itself),
        else 2.0.
    plan : Symbolic.
    """

    columns: RemainderColumns
    keys: np.ndarray
    rows: np.ndarray
    cols: np.ndarray
    diagonal: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    full: np.ndarray
    upper: np.ndarray
    cells: dict[tuple[int, int], np.ndarray]
    once: dict[tuple[int, int], np.ndarray]
    plan: Symbolic

    @property
    def size(self) -> int:
        return len(self.keys)

    def places(self, flat: np.ndarray) -> np.ndarray:
        """Where the entries with these flat indices stand."""
        return np.searchsorted(self.keys, flat)

    def matrix(self, values: np.ndarray) -> sp.csc_array:
        """The full symmetric matrix of values of the upper triangle."""
        T = self.columns.width
        return sp.csc_array((values[self.full], self.indices, self.indptr), shape=(T, T))

    def levels(self, g: int) -> np.ndarray:
        """(q, q, L): where the diagonal blocks of group g stand."""
        cells, once = self.cells[g, g], self.once[g, g]
        return cells[:, :, once == 1.0]

    def turn(self, values: np.ndarray, rotations, back: bool = False) -> np.ndarray:
        """U'M U (or U M U') for a symmetric M given by its values; U per group or None."""
        if all(U is None for U in rotations):
            return values
        out = values.copy()
        for (g, h), places in self.cells.items():
            U, W = rotations[g], rotations[h]
            block = values[places]
            if U is not None:
                block = np.einsum("ai,ijc->ajc" if back else "ia,ijc->ajc", U, block)
            if W is not None:
                block = np.einsum("bj,ajc->abc" if back else "jb,ajc->abc", W, block)
            out[places] = block
        return out


def build_pattern(keys: np.ndarray, columns: RemainderColumns) -> RemainderPattern:
    """Order the entries, and plan the factorisation."""
    T = columns.width
    rows, cols = np.divmod(keys, T)
    off = np.flatnonzero(rows != cols)
    i, j = np.concatenate([rows, cols[off]]), np.concatenate([cols, rows[off]])
    value = np.concatenate([np.arange(len(keys)), off])
    order = np.lexsort((i, j))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(j, minlength=T))])
    indices, full = i[order], value[order]
    upper = np.empty(len(keys), dtype=np.int64)
    upper[full[::-1]] = np.arange(len(full))[::-1]
    cells, once = _cells(rows, cols, columns)
    ones = sp.csc_array((np.ones(len(full)), indices, indptr), shape=(T, T))
    return RemainderPattern(
        columns=columns,
        keys=keys,
        rows=rows,
        cols=cols,
        diagonal=np.searchsorted(keys, np.arange(T) * (T + 1)),
        indptr=indptr,
        indices=indices,
        full=full,
        upper=upper,
        cells=cells,
        once=once,
        plan=analyze(ones, ordering="best"),
    )


def _cells(rows, cols, columns: RemainderColumns):
    """See :class:`RemainderPattern`: the entries come in complete blocks of effects."""
    bounds = [p.start for pieces in columns.effects for p in pieces]
    piece_of_row = np.searchsorted(bounds, rows, side="right") - 1
    piece_of_col = np.searchsorted(bounds, cols, side="right") - 1
    key = piece_of_row * len(bounds) + piece_of_col
    order = np.argsort(key, kind="stable")
    edges = np.searchsorted(key[order], np.arange(len(bounds) ** 2 + 1))
    table = [order[a:b] for a, b in pairwise(edges)]
    first = np.cumsum([0, *(len(pieces) for pieces in columns.effects)])
    cells, once = {}, {}
    for g, h in combinations_with_replacement(range(len(columns.sizes)), 2):
        left = range(first[g], first[g + 1])
        right = range(first[h], first[h + 1])
        if g == h:
            cells[g, g] = _own_cells(rows, cols, columns.effects[g], left, table, len(bounds))
        else:
            cells[g, h] = np.array([[table[a * len(bounds) + b] for b in right] for a in left])
        one = cells[g, h][0, 0]
        once[g, h] = np.where(rows[one] == cols[one], 1.0, 2.0)
    return cells, once


def _own_cells(rows, cols, effects, pieces, table, count: int) -> np.ndarray:
    """The cells of one group with itself, the lower level of a pair first."""
    alone = table[pieces[0] * (count + 1)]
    out = np.empty((len(pieces), len(pieces), len(alone)), dtype=np.int64)
    for i, a in enumerate(pieces):
        out[i, i] = table[a * (count + 1)]
        for j in range(i + 1, len(pieces)):
            here = table[a * count + pieces[j]]
            one, two = rows[here] - effects[i].start, cols[here] - effects[j].start
            out[i, j] = here[one <= two]
            # effect i at the higher level: the transposed entry of the pair of levels
            mirrored = np.flatnonzero(one >= two)
            out[j, i] = here[mirrored[np.lexsort((one[mirrored], two[mirrored]))]]
    return out
