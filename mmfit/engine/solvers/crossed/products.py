"""Cross-products of crossed grouping factors: which levels meet, and the sums over their rows.

Pairs of levels are integer keys, so nothing here is a sparse matrix with n rows.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.levels.basis import LevelBasis
from mmfit.engine.system.level_sums import level_products
from mmfit.engine.system.whitened_system import Group
from mmfit.formula.partition import Partition


@dataclass(frozen=True, slots=True)
class Cells:
    """The pairs of levels of two factors that occur together, in the order of the first factor.

    Attributes
    ----------
    rows, columns : (c,) integer arrays, the levels.
    values : (q1, q2, c), the sums over the rows of each cell of the products of the columns.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def cells(one: Group | LevelBasis, two: Group) -> Cells:
    """The occupied cells of two grouping factors and Z_1'Z_2 in them."""
    met = Partition(one.codes, one.levels).meet(two.partition)
    values = level_products(met.place, len(met.first), one.columns, two.columns)
    return Cells(met.first, met.second, values)


def upper_products(
    groups: list[Group], remainder: RemainderColumns
) -> tuple[np.ndarray, np.ndarray]:
    """(flat index into (T, T), value) of the upper triangle of Z_t'Z_t where it is not zero."""
    index, values = [], []

    def add(rows, columns, entries):
        index.append(rows * remainder.width + columns)
        values.append(entries)

    for g, group in enumerate(groups):
        level = np.arange(group.levels)
        own = level_products(group.codes, group.levels, group.columns, group.columns)
        pieces = remainder.effects[g]
        for i, left in enumerate(pieces):
            for j in range(i, len(pieces)):
                add(left.start + level, pieces[j].start + level, own[i, j])
        for h in range(g + 1, len(groups)):
            both = cells(group, groups[h])
            for i, left in enumerate(pieces):
                for j, right in enumerate(remainder.effects[h]):
                    add(left.start + both.rows, right.start + both.columns, both.values[i, j])
    return np.concatenate(index), np.concatenate(values)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The remainder columns that each level of the eliminated factor meets: A = Q_1'Z_t by level.

    Attributes
    ----------
    indptr : (L + 1,) integers: level l has the entries ``indptr[l]:indptr[l + 1]``.
    columns : (c,) integers, increasing within a level;  values : (q, c).
    width : int, T.
    """

    indptr: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    width: int

    def pair_count(self) -> int:
        """How many pairs of neighbours of one level there are, each with itself included."""
        sizes = np.diff(self.indptr).astype(np.int64)
        return int((sizes * (sizes + 1) // 2).sum())

    def dense(self) -> np.ndarray:
        """(q, L, T)."""
        q, levels = len(self.values), len(self.indptr) - 1
        out = np.zeros((q, levels, self.width))
        out[:, np.repeat(np.arange(levels), np.diff(self.indptr)), self.columns] = self.values
        return out


def neighbours(lead: LevelBasis, groups: list[Group], remainder: RemainderColumns) -> Neighbours:
    """Merge the cells of the eliminated factor with every remainder factor, level by level."""
    met = [cells(lead, group) for group in groups]
    counts = [np.bincount(c.rows, minlength=lead.levels) for c in met]
    total = sum(size * count for size, count in zip(remainder.sizes, counts, strict=True))
    indptr = np.concatenate([[0], np.cumsum(total)])
    narrow = max(int(indptr[-1]), remainder.width) < 2**31
    columns = np.empty(indptr[-1], dtype=np.int32 if narrow else np.int64)
    values = np.empty((lead.size, indptr[-1]))
    begin = indptr[:-1].copy()
    for g, (cell, count) in enumerate(zip(met, counts, strict=True)):
        within = np.arange(len(cell.rows)) - np.repeat(np.cumsum(count) - count, count)
        for j, piece in enumerate(remainder.effects[g]):
            position = np.repeat(begin, count) + within
            columns[position] = cell.columns + piece.start
            values[:, position] = cell.values[:, j]
            begin += count
    values *= np.repeat(lead.scale, total, axis=1)
    return Neighbours(indptr, columns, values, remainder.width)


def dense_coupling(
    lead: LevelBasis, groups: list[Group], remainder: RemainderColumns
) -> np.ndarray:
    """(q, L, T), A = Q_1'Z_t, summed directly into a dense array."""
    out = np.empty((lead.size, lead.levels, remainder.width))
    for g, group in enumerate(groups):
        key = lead.codes * group.levels + group.codes
        sums = level_products(key, lead.levels * group.levels, lead.columns, group.columns)
        for j, piece in enumerate(remainder.effects[g]):
            out[:, :, piece] = sums[:, j].reshape(lead.size, lead.levels, group.levels)
    out *= lead.scale[:, :, None]
    return out
