"""The grouping factors of all candidates as partitions of the rows: which lies inside which."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmfit.selection.records import Candidate


@dataclass(frozen=True, slots=True)
class Grouping:
    """One partition of the rows.

    Attributes
    ----------
    name : str, the grouping factor as written in the first candidate that uses it.
    aliases : tuple of str, other names that group the rows in the same way.
    levels : tuple of str, length L;  codes : (n,) array, the level of each row.
    """

    name: str
    aliases: tuple[str, ...]
    levels: tuple[str, ...]
    codes: np.ndarray


def groupings(candidates: Sequence[Candidate]) -> tuple[Grouping, ...]:
    """Each different partition once, coarsest first (ties in the order of the candidates)."""
    found: dict[bytes, Grouping] = {}
    for candidate in candidates:
        for term in candidate.matrices.random:
            key = _canonical(term.codes).tobytes()
            known = found.get(key)
            if known is None:
                found[key] = Grouping(term.grouping, (), term.levels, term.codes)
            elif term.grouping not in (known.name, *known.aliases):
                aliases = (*known.aliases, term.grouping)
                found[key] = Grouping(known.name, aliases, known.levels, known.codes)
    return tuple(sorted(found.values(), key=lambda grouping: len(grouping.levels)))


def is_nested(inner: Grouping, outer: Grouping) -> bool:
    """True where every level of ``inner`` occurs in one level of ``outer`` only."""
    return len(_pairs(inner, outer)) == len(inner.levels)


def chains(all_groupings: Sequence[Grouping]) -> tuple[tuple[Grouping, ...], ...]:
    """Chains of nested groupings, outermost first, which together hold every grouping.

    A grouping that is nested in several is put inside the finest of them. A chain that is the
    beginning of a longer one is left out.
    """
    parents: dict[str, Grouping | None] = {}
    for index, inner in enumerate(all_groupings):
        outer = [g for g in all_groupings[:index] if is_nested(inner, g)]
        parents[inner.name] = outer[-1] if outer else None
    inside = {parent.name for parent in parents.values() if parent is not None}
    lines = []
    for leaf in all_groupings:
        if leaf.name in inside:
            continue
        line = [leaf]
        while (parent := parents[line[0].name]) is not None:
            line.insert(0, parent)
        lines.append(tuple(line))
    return tuple(lines)


def crossed_pairs(all_groupings: Sequence[Grouping]) -> tuple[tuple[Grouping, Grouping], ...]:
    """Pairs of which neither lies inside the other, the coarser one first."""
    return tuple(
        (coarse, fine)
        for coarse, fine in combinations(all_groupings, 2)
        if not is_nested(fine, coarse)
    )


def incidence(rows: Grouping, columns: Grouping) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Combinations that occur: row level, column level and number of rows, each (c,)."""
    pairs, counts = np.unique(
        rows.codes.astype(np.int64) * len(columns.levels) + columns.codes, return_counts=True
    )
    return pairs // len(columns.levels), pairs % len(columns.levels), counts


def _pairs(inner: Grouping, outer: Grouping) -> np.ndarray:
    return np.unique(inner.codes.astype(np.int64) * len(outer.levels) + outer.codes)


def _canonical(codes: np.ndarray) -> np.ndarray:
    """Codes renumbered by first appearance, so that equal partitions give equal arrays."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
