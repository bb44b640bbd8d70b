"""Grouping factors as codes, and the names and order of random terms in lme4."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfit.expression.labels import Labels
from mmfit.expression.values import TABLE_PER_ROW, Factor, present_codes
from mmfit.formula.variables import match_levels

# Rows in which it is tried first whether a factor is nested, and their share of all at most.
_TRIAL = 4096
_TRIAL_SHARE = 8


@dataclass(frozen=True, slots=True, eq=False)
class GroupCoding:
    """The levels of a grouping factor.

    Attributes
    ----------
    parts : per factor, its own levels.
    keys : (L,) int64 array, ascending: the combinations that occur, as mixed-radix numbers with
        the first factor slowest.
    levels : tuple of str or Labels, length L, ``a:b``.
    """

    parts: tuple[tuple[str, ...] | Labels, ...]
    keys: np.ndarray
    levels: tuple[str, ...] | Labels

    def codes(self, factors: Sequence[Factor]) -> np.ndarray:
        """The level of each row of new data; -1 where it is none of these. (n,) intp."""
        pieces = [match_levels(f, part) for f, part in zip(factors, self.parts, strict=True)]
        key = _mixed_radix(pieces, [len(part) for part in self.parts])
        place = np.searchsorted(self.keys, key)
        place[place == len(self.keys)] = 0
        known = (self.keys[place] == key) & (np.min(pieces, axis=0) >= 0)
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


def code_groups(factor: Factor, rest: Groups | None = None) -> Groups:
    """The groups of a factor, or of its combinations with others that occur (lme4's ``%i%``).

    Of the combinations the factor is the slowest, before those that are combined in ``rest``.

    Parameters
    ----------
    factor : Factor, nothing missing;  rest : Groups, those of the factors that follow it.
    """
    own = len(factor.levels)
    if rest is None:
        keys = np.arange(own, dtype=np.int64)
        return Groups(factor.codes, GroupCoding((factor.levels,), keys, factor.levels))
    others = len(rest.coding.keys)
    codes, first, second = _combine(factor.codes, own, rest.codes, others)
    # Sixty-three bits hold three factors of a million levels each.
    radix = math.prod(len(part) for part in rest.coding.parts)
    keys = first.astype(np.int64) * radix + rest.coding.keys[second]
    slow, fast = factor.levels, rest.coding.levels

    def join() -> list[str]:
        a, b = tuple(slow), tuple(fast)
        return [f"{a[i]}:{b[j]}" for i, j in zip(first.tolist(), second.tolist(), strict=True)]

    parts = (factor.levels, *rest.coding.parts)
    return Groups(codes, GroupCoding(parts, keys, Labels(len(keys), join)))


def _combine(
    a: np.ndarray, count_a: int, b: np.ndarray, count_b: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the pairs of codes that occur, and the parts (a, b) of each pair; a slowest.

    Where one of the two is nested in the other, its levels are the pairs: they are only put into
    order, without a look at the pairs of single rows.
    """
    if count_a >= count_b:
        parent = _parents(a, count_a, b)
        if parent is not None:
            return a, np.arange(count_a), parent
    else:
        parent = _parents(b, count_b, a)
        if parent is not None:
            order = np.argsort(parent, kind="stable")
            place = np.empty(count_b, dtype=np.intp)
            place[order] = np.arange(count_b)
            return place[b], parent[order], order
    codes, keys = _compact(a * count_b + b, count_a * count_b)
    return codes, *np.divmod(keys, count_b)


def _parents(inner: np.ndarray, count: int, outer: np.ndarray) -> np.ndarray | None:
    """The level of ``outer`` that each level of ``inner`` lies in, or None where it is in two."""
    step = len(inner) // _TRIAL
    if step > _TRIAL_SHARE and not _nested(inner[::step], count, outer[::step])[1]:
        return None
    parent, nested = _nested(inner, count, outer)
    return parent if nested and parent.min() >= 0 else None


def _nested(inner: np.ndarray, count: int, outer: np.ndarray) -> tuple[np.ndarray, bool]:
    parent = np.full(count, -1, dtype=np.intp)
    parent[inner] = outer
    return parent, bool((parent.take(inner) == outer).all())


def _mixed_radix(codes: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    key = codes[0].astype(np.int64)
    for more, size in zip(codes[1:], sizes[1:], strict=True):
        key = key * size + more
    return key


def _compact(key: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of keys among the sorted distinct ones, and those."""
    if span <= max(TABLE_PER_ROW * len(key), 1024):
        keys, position = present_codes(key, span)
        return (key, np.arange(span)) if position is None else (position[key], keys)
    import pandas as pd

    codes, keys = pd.factorize(key)
    order = np.argsort(keys, kind="stable")
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return place[codes], keys[order]


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
