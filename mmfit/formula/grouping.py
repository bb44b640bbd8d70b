"""Grouping factors as codes, and the names and order of random terms in lme4."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfit.expression.labels import Labels, require_distinct
from mmfit.expression.values import FactorValues
from mmfit.formula.partition import Partition
from mmfit.formula.variables import match_levels


@dataclass(frozen=True, slots=True, eq=False)
class GroupCoding:
    """The levels of a grouping factor.

    Attributes
    ----------
    factor : tuple of str or Labels, the own levels of the (slowest) factor.
    rest : GroupCoding of the factors that follow it, or None.
    keys : (L,) int64 array, ascending: the combinations that occur, each as the place among the
        factor's own levels times the number of levels of the rest, plus the place among these. A
        key counts combinations of two levels that occur, so it stays below n^2 for n rows,
        however many factors are combined.
    levels : tuple of str or Labels, length L, ``a:b``.
    """

    factor: tuple[str, ...] | Labels
    rest: "GroupCoding | None"
    keys: np.ndarray
    levels: tuple[str, ...] | Labels

    @property
    def parts(self) -> tuple[tuple[str, ...] | Labels, ...]:
        """Per factor, its own levels."""
        return (self.factor, *(self.rest.parts if self.rest else ()))

    def codes(self, factors: Sequence[FactorValues]) -> np.ndarray:
        """The level of each row of new data; -1 where it is none of these. (n,) intp."""
        own = match_levels(factors[0], self.factor)
        if self.rest is None:
            return own
        others = self.rest.codes(factors[1:])
        key = own.astype(np.int64) * len(self.rest.levels) + others
        place = np.searchsorted(self.keys, key)
        place[place == len(self.keys)] = 0
        known = (self.keys[place] == key) & (own >= 0) & (others >= 0)
        return np.where(known, place, -1).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The groups that rows belong to.

    Attributes
    ----------
    codes : (n,) intp array, the level of each row;  coding : GroupCoding.
    """

    codes: np.ndarray
    coding: GroupCoding


def code_groups(factor: FactorValues, rest: Groups | None = None) -> Groups:
    """The groups of a factor, or of its combinations with others that occur (lme4's ``%i%``).

    Of the combinations the factor is the slowest, before those that are combined in ``rest``.

    Parameters
    ----------
    factor : FactorValues, nothing missing;  rest : Groups, those of the factors that follow it.

    Raises
    ------
    LabelError
        Where two combinations have one label; for labels that are not formed yet, when they are.
    """
    own = len(factor.levels)
    if rest is None:
        keys = np.arange(own, dtype=np.int64)
        return Groups(factor.codes, GroupCoding(factor.levels, None, keys, factor.levels))
    others = len(rest.coding.levels)
    codes, first, second = _combine(factor.codes, own, rest.codes, others)
    keys = first.astype(np.int64) * others + second
    slow, fast = factor.levels, rest.coding.levels

    def join() -> list[str]:
        a, b = tuple(slow), tuple(fast)
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        labels = [f"{a[i]}:{b[j]}" for i, j in pairs]
        # a:b with c and a with b:c; only a colon in the slower labels can do that.
        if any(":" in label for label in a):
            require_distinct(labels, [(a[i], b[j]) for i, j in zip(first, second, strict=True)])
        return labels

    levels = Labels(len(keys), join)
    # Else when the labels are formed.
    if isinstance(slow, tuple) and any(":" in label for label in slow):
        tuple(levels)
    return Groups(codes, GroupCoding(factor.levels, rest.coding, keys, levels))


def _combine(
    a: np.ndarray, count_a: int, b: np.ndarray, count_b: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the pairs of codes that occur, and the parts (a, b) of each pair; a slowest.

    Where one of the two is nested in the other, its levels are the pairs: they are only put into
    order, without a look at the pairs of single rows.
    """
    one, other = Partition(a, count_a), Partition(b, count_b)
    if count_a >= count_b:
        parent = _occupied_parents(one, other)
        if parent is not None:
            return a, np.arange(count_a), parent
    else:
        parent = _occupied_parents(other, one)
        if parent is not None:
            order = np.argsort(parent, kind="stable")
            place = np.empty(count_b, dtype=np.intp)
            place[order] = np.arange(count_b)
            return place[b], parent[order], order
    met = one.meet(other)
    return met.place, met.first, met.second


def _occupied_parents(inner: Partition, outer: Partition) -> np.ndarray | None:
    """The parents of the levels, where every level has a row and one parent."""
    parent = inner.parents(outer)
    return parent if parent is not None and parent.min() >= 0 else None


def term_order(level_counts: Sequence[int]) -> list[int]:
    """lme4's order of random terms: by number of levels, decreasing.

    Ties stay as written where the terms were in decreasing order already, and are reversed where
    they had to be sorted: lme4's ``mkReTrms`` takes ``rev(order(nl))``.
    """
    positions = list(range(len(level_counts)))
    if all(b <= a for a, b in pairwise(level_counts)):
        return positions
    return sorted(positions, key=lambda k: level_counts[k])[::-1]


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of random terms as ``VarCorr`` gives them.

    Where a grouping factor occurs twice, lme4 passes all names through R's ``make.names``: the
    second is ``Subject.1``, and ``clinic:region`` becomes ``clinic.region``.
    """
    if len(set(names)) == len(names):
        return tuple(names)
    valid = [_valid_name(name) for name in names]
    taken = set(valid)
    counts: dict[str, int] = {}
    result = []
    for name in valid:
        if name not in counts:
            counts[name] = 1
            result.append(name)
            continue
        while f"{name}.{counts[name]}" in taken:
            counts[name] += 1
        result.append(f"{name}.{counts[name]}")
        taken.add(result[-1])
    return tuple(result)


def _valid_name(name: str) -> str:
    plain = re.sub(r"[^\w.]", ".", name)
    return plain if re.match(r"[^\W\d_]|\.(?!\d)", plain) else f"X{plain}"
