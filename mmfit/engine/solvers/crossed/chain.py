"""Crossed grouping factors, of which two nested ones are eliminated: pupils in classes, and items.

What pupils leave on the classes is block diagonal, since a pupil is in one class; so the classes
are eliminated too, block by block, and only the rest is a dense system (:mod:`tail_eliminated`).
"""

import numpy as np

from mmfit.engine.solvers.crossed.pair_map import PairMap
from mmfit.engine.solvers.crossed.products import Neighbours, TailColumns, neighbours
from mmfit.engine.solvers.crossed.remainder.eliminated import BlockStorage, EliminatedTail
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.solvers.level_basis import LevelBasis, group_basis
from mmfit.engine.system.whitened_system import System


class ChainSolver(CrossedSolver):
    """The largest group eliminated, then the one that it is nested in, then the rest."""

    name = "crossed, chain eliminated"

    def __init__(
        self,
        system: System,
        order: list[int],
        lead: LevelBasis,
        found: Neighbours,
        storage: BlockStorage,
        rows=None,
    ):
        """``order``: the groups, the two that are eliminated first."""
        self.storage = storage
        super().__init__(system, PairMap(found, storage), order, lead, rows)
        self.second_order_is_cheap = False

    def _products(self, groups):
        index, values = super()._products(groups)
        return self.storage.places(index), values

    def factor_tail(self, S: np.ndarray, lambdas: list[np.ndarray]) -> EliminatedTail:
        return EliminatedTail(S, lambdas, self.storage)


def chain_solver(system: System, order: list[int], rows=None) -> ChainSolver:
    """Eliminate the first two groups of ``order``, the first nested in the second."""
    first, second, *rest = (system.groups[g] for g in order)
    lead = group_basis(first)
    columns = TailColumns.of([second, *rest])
    storage = BlockStorage(second.size, second.levels, TailColumns.of(rest))
    found = neighbours(lead, [second, *rest], columns)
    return ChainSolver(system, order, lead, found, storage, rows)
