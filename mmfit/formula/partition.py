"""A partition of the rows, such as the levels of a grouping factor make: one type for all who ask
which factors are the same, nested or crossed, and which levels meet.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.expression.values import compact, present_codes

# Of so many rows it is tried first whether a partition lies inside another one, where they are but
# a small part of all.
_TRIAL = 4096
_TRIAL_SHARE = 8
# Up to this many possible pairs of levels per row a table of all of them beats sorting the rows.
_TABLE = 100


@dataclass(frozen=True, slots=True)
class Meeting:
    """The pairs of levels of two partitions that have rows in common, ordered by the first.

    Attributes
    ----------
    first, second : (c,) integer arrays, the levels of each pair.
    place : (n,) integer array, the pair of each row.
    """

    first: np.ndarray
    second: np.ndarray
    place: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """(c,): how many rows each pair has."""
        return np.bincount(self.place, minlength=len(self.first))


@dataclass(frozen=True, eq=False)
class Partition:
    """Which rows belong together.

    Attributes
    ----------
    codes : (n,) integer array, the level of each row, from 0.
    levels : int, how many there are; of most partitions each has a row.
    """

    codes: np.ndarray
    levels: int

    @cached_property
    def sizes(self) -> np.ndarray:
        """(levels,): the number of rows of each level."""
        return np.bincount(self.codes, minlength=self.levels)

    def parents(self, outer: "Partition") -> np.ndarray | None:
        """(levels,): the level of ``outer`` that each level lies in (-1 where it has no row); None
        where one lies in two of them.
        """
        step = len(self.codes) // _TRIAL
        if step > _TRIAL_SHARE and self._assigned(outer, step) is None:
            return None
        return self._assigned(outer)

    def is_inside(self, outer: "Partition") -> bool:
        """Whether every level lies within one level of ``outer``: nested in it, or the same."""
        return self.parents(outer) is not None

    def same_as(self, other: "Partition") -> bool:
        """Whether the two put the same rows together, whatever the numbers of their levels.

        Each level of either must have a row.
        """
        return self.levels == other.levels and self.is_inside(other)

    def crossed_with(self, other: "Partition") -> bool:
        """Whether neither lies inside the other."""
        return not self.is_inside(other) and not other.is_inside(self)

    def meet(self, other: "Partition") -> Meeting:
        """Which levels of the two have rows in common: the coarsest partition inside both."""
        key = self.codes * np.int64(max(other.levels, 1)) + other.codes
        span = self.levels * other.levels
        if span <= _TABLE * len(key):
            kept, position = present_codes(key, span)
            occurring = np.arange(span) if kept is None else kept
            place = key if position is None else position[key]
        else:
            place, occurring = compact(key, span)
        first, second = np.divmod(occurring, max(other.levels, 1))
        return Meeting(first, second, place)

    def canonical(self) -> "Partition":
        """The same with levels numbered by first appearance: equal partitions get equal codes."""
        n = len(self.codes)
        first = np.full(self.levels, n)
        first[self.codes[::-1]] = np.arange(n)[::-1]  # of repeated indices the last one stays
        occurring = np.flatnonzero(first < n)
        number = np.empty(self.levels, dtype=np.intp)
        number[occurring[np.argsort(first[occurring])]] = np.arange(len(occurring))
        return Partition(number[self.codes], len(occurring))

    def occurring(self) -> tuple["Partition", np.ndarray | None]:
        """The same without levels that have no row, and which levels remain (None: all)."""
        found = self.sizes > 0
        if found.all():
            return self, None
        codes = (np.cumsum(found) - 1)[self.codes]
        return Partition(codes, int(found.sum())), np.flatnonzero(found)

    def of_rows(self, rows: np.ndarray) -> "Partition":
        """On some of the rows (indices or (n,) bool); levels may then have no row."""
        return Partition(self.codes[rows], self.levels)

    def rows(self) -> tuple[np.ndarray, ...]:
        """Per level the places of its rows, ascending."""
        order = np.argsort(self.codes, kind="stable")
        return tuple(np.split(order, np.cumsum(self.sizes)[:-1]))

    def _assigned(self, outer: "Partition", step: int = 1) -> np.ndarray | None:
        inner, above = self.codes[::step], outer.codes[::step]
        parent = np.full(self.levels, -1, dtype=np.intp)
        parent[inner] = above
        return parent if np.array_equal(parent.take(inner), above) else None
