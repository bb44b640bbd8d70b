"""The grouping factors of several models, each partition of the rows once, and how they nest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from mmfit.formula.matrices import RandomTerm
from mmfit.formula.partition import Partition


@dataclass(frozen=True, eq=False)
class GroupingFactor:
    """One partition of the rows with its names.

    Attributes
    ----------
    name : str, the grouping factor as written in the first term that uses it.
    aliases : tuple of str, other names that group the rows in the same way.
    levels : tuple of str, length L;  codes : (n,) array, the level of each row.
    """

    name: str
    aliases: tuple[str, ...]
    levels: tuple[str, ...]
    codes: np.ndarray

    @cached_property
    def partition(self) -> Partition:
        return Partition(self.codes, len(self.levels))


def grouping_factors(terms: Iterable[RandomTerm]) -> tuple[GroupingFactor, ...]:
    """Each different partition once, coarsest first (ties in the order of the terms)."""
    found: dict[bytes, GroupingFactor] = {}
    for term in terms:
        key = Partition(term.codes, len(term.levels)).canonical().codes.tobytes()
        known = found.get(key)
        if known is None:
            found[key] = GroupingFactor(term.grouping, (), term.levels, term.codes)
        elif term.grouping not in (known.name, *known.aliases):
            found[key] = replace(known, aliases=(*known.aliases, term.grouping))
    return tuple(sorted(found.values(), key=lambda factor: len(factor.levels)))


def chains(factors: Sequence[GroupingFactor]) -> tuple[tuple[GroupingFactor, ...], ...]:
    """Chains of nested groupings, outermost first, which together hold every factor.

    A factor that is nested in several is put inside the finest of them. A chain that is the
    beginning of a longer one is left out.
    """
    parents: dict[str, GroupingFactor | None] = {}
    for index, inner in enumerate(factors):
        outer = [g for g in factors[:index] if inner.partition.is_inside(g.partition)]
        parents[inner.name] = outer[-1] if outer else None
    inside = {parent.name for parent in parents.values() if parent is not None}
    lines = []
    for leaf in factors:
        if leaf.name in inside:
            continue
        line = [leaf]
        while (parent := parents[line[0].name]) is not None:
            line.insert(0, parent)
        lines.append(tuple(line))
    return tuple(lines)


def crossed_pairs(
    factors: Sequence[GroupingFactor],
) -> tuple[tuple[GroupingFactor, GroupingFactor], ...]:
    """Pairs of which neither lies inside the other, the coarser one first."""
    return tuple(
        (coarse, fine)
        for coarse, fine in combinations(factors, 2)
        if not fine.partition.is_inside(coarse.partition)
    )
