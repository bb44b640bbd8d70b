"""The free entries of the Psi's by group, in the order in which a crossed solver works."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.layout import Layout


@dataclass(frozen=True, slots=True)
class GroupEntries:
    """The entries of one group.

    Attributes
    ----------
    place : slice, where they stand among all entries of the solver.
    row, column : (k_g,) intp;  directions : (k_g, q, q), the E_e.
    twice : (k_g,), 2 off the diagonal, 1 on it.
    """

    place: slice
    row: np.ndarray
    column: np.ndarray
    directions: np.ndarray
    twice: np.ndarray

    def gather(self, blocks: np.ndarray) -> np.ndarray:
        """(A, k_g): tr(E_e M) for symmetric M (A, q, q)."""
        if blocks.shape[1] == 1:
            return blocks[:, 0]
        return self.twice * blocks[:, self.row, self.column]

    def gather_both(self, M: np.ndarray) -> np.ndarray:
        """(A, k_g, ...): the sum over the entries (a, b) of E_e of M (A, q, q, ...) at (a, b)."""
        extra = (1,) * (M.ndim - 3)
        both = M[:, self.row, self.column] + M[:, self.column, self.row]
        return both * (self.twice / 2).reshape(-1, *extra)

    def along(self, c: np.ndarray) -> np.ndarray:
        """E_e c for every entry e: (A, k_g, r, q, L) from (A, r, q, L)."""
        if c.shape[2] == 1:
            return c[:, None]
        out = np.zeros((len(c), len(self.row), *c.shape[1:]))
        for e, (i, j) in enumerate(zip(self.row, self.column, strict=True)):
            out[:, e, :, i] = c[:, :, j]
            if i != j:
                out[:, e, :, j] = c[:, :, i]
        return out


@dataclass(frozen=True, slots=True)
class Entries:
    """All entries, group after group.

    Attributes
    ----------
    groups : tuple of GroupEntries;  count : int, k.
    position : (k,) intp, where each entry of the layout stands here; None where both agree.
    """

    groups: tuple[GroupEntries, ...]
    count: int
    position: np.ndarray | None

    def arrange(self, values: np.ndarray, axes: int) -> np.ndarray:
        """(A, k, ...) or, for two ``axes``, (A, k, k), in the layout's order."""
        if self.position is None:
            return values
        values = values[:, self.position]
        return values[:, :, self.position] if axes == 2 else values


def group_entries(layout: Layout, order: list[int]) -> Entries:
    """The entries of the groups in the given order."""
    directions, groups, start = layout.directions(), [], 0
    for g in order:
        index = layout.members[g]
        row, column = layout.row[index], layout.column[index]
        stack = np.array([directions[e][1] for e in index])
        place = slice(start, start + len(index))
        twice = np.where(row == column, 1.0, 2.0)
        groups.append(GroupEntries(place, row, column, stack, twice))
        start = place.stop
    here = np.concatenate([layout.members[g] for g in order])
    position = None if (here == np.arange(start)).all() else np.argsort(here)
    return Entries(tuple(groups), start, position)
