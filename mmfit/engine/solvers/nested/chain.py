"""The levels of nested grouping factors, ordered so that descendants lie side by side."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfit.engine.solvers.levels.blocks import stable_order
from mmfit.engine.system.whitened_system import Group


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of nested factors, innermost first.

    Attributes
    ----------
    groups : tuple of int, indices in the system.
    ancestors : per factor but the last (levels,) intp, by level the level of the next coarser one.
    orders : per factor (levels,) intp, chain position -> level of the group.
    parents : per factor but the last (levels,) intp, by chain position, the chain position of the
        level of the next coarser factor.
    """

    groups: tuple[int, ...]
    ancestors: tuple[np.ndarray, ...]
    orders: tuple[np.ndarray, ...]
    parents: tuple[np.ndarray, ...]


def nesting_chain(groups: tuple[Group, ...]) -> Chain | None:
    """The chain that the groups form, else None."""
    order = sorted(range(len(groups)), key=lambda g: -groups[g].levels)
    above = []
    for inner, outer in pairwise(order):
        ancestor = groups[inner].partition.parents(groups[outer].partition)
        if ancestor is None:
            return None
        above.append(ancestor)
    return _sorted_chain(tuple(order), above, groups[order[-1]].levels)


def _sorted_chain(groups, above, outermost: int) -> Chain:
    order = np.arange(outermost)
    rank = order
    orders, parents = [order], []
    for ancestor in reversed(above):
        parent = rank[ancestor]
        order = stable_order(parent, len(order))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        orders.append(order)
        parents.append(parent[order])
    return Chain(groups, tuple(above), tuple(orders[::-1]), tuple(parents[::-1]))
