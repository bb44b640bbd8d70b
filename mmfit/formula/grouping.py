"""Grouping factors as codes, and the names and order of random terms in lme4."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfit.expression.values import Factor
from mmfit.formula.variables import match_levels

_TABLE_PER_ROW = 4


@dataclass(frozen=True, slots=True, eq=False)
class GroupCoding:
    """The levels of a grouping factor.

    Attributes
    ----------
    parts : per factor, its own levels.
    keys : (L,) int64 array, ascending: the combinations that occur, as mixed-radix numbers with
        the first factor slowest.
    levels : tuple of str, length L, ``a:b``.
    """

    parts: tuple[tuple[str, ...], ...]
    keys: np.ndarray
    levels: tuple[str, ...]

    def codes(self, factors: Sequence[Factor]) -> np.ndarray:
        """The level of each row of new data; -1 where it is none of these. (n,) intp."""
        pieces = [match_levels(f, part) for f, part in zip(factors, self.parts, strict=True)]
        key = _mixed_radix(pieces, [len(part) for part in self.parts])
        place = np.searchsorted(self.keys, key)
        place[place == len(self.keys)] = 0
        known = (self.keys[place] == key) & (np.min(pieces, axis=0) >= 0)
        return np.where(known, place, -1).astype(np.intp)


def code_groups(factors: Sequence[Factor]) -> tuple[np.ndarray, GroupCoding]:
    """Codes of the combinations of factors that occur, first factor slowest (lme4's ``%i%``).

    Returns
    -------
    codes : (n,) intp array;
    coding : GroupCoding.
    """
    parts = tuple(factor.levels for factor in factors)
    if len(factors) == 1:
        keys = np.arange(len(parts[0]), dtype=np.int64)
        return factors[0].codes, GroupCoding(parts, keys, parts[0])
    sizes = [len(part) for part in parts]
    key = _mixed_radix([factor.codes for factor in factors], sizes)
    codes, keys = _compact(key, int(np.prod([float(size) for size in sizes])))
    rest, pieces = keys, []
    for size in reversed(sizes):
        rest, digit = np.divmod(rest, size)
        pieces.append(digit.tolist())
    columns = [[part[d] for d in digits] for part, digits in zip(parts, pieces[::-1], strict=True)]
    levels = tuple(map(":".join, zip(*columns, strict=True)))
    return codes, GroupCoding(parts, keys, levels)


def _mixed_radix(codes: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    # Sixty-three bits hold three factors of a million levels each.
    key = codes[0].astype(np.int64)
    for more, size in zip(codes[1:], sizes[1:], strict=True):
        key = key * size + more
    return key


def _compact(key: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of keys among the sorted distinct ones, and those."""
    if span <= max(_TABLE_PER_ROW * len(key), 1024):
        keys = np.flatnonzero(np.bincount(key, minlength=span))
        place = np.empty(span, dtype=np.intp)
        place[keys] = np.arange(len(keys))
        return place[key], keys
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
