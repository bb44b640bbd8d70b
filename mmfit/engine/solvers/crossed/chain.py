"""Crossed grouping factors, of which two nested ones are eliminated: pupils in classes, and items.

What pupils leave on the classes is block diagonal, since a pupil is in one class; so the classes
are eliminated too, block by block, and only the rest is a dense system
(:mod:`mmfit.engine.solvers.crossed.remainder.eliminated`).
"""

from mmfit.engine.solvers.crossed.pair_map import PairMap
from mmfit.engine.solvers.crossed.products import neighbours
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.remainder.eliminated import BlockStorage
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.solvers.levels.basis import group_basis
from mmfit.engine.system.whitened_system import System


def chain_solver(system: System, order: list[int], rows=None) -> CrossedSolver:
    """Eliminate the first two groups of ``order``, the first nested in the second."""
    first, second, *rest = (system.groups[g] for g in order)
    lead = group_basis(first)
    columns = RemainderColumns.of([second, *rest])
    storage = BlockStorage(second.size, second.levels, RemainderColumns.of(rest))
    found = neighbours(lead, [second, *rest], columns)
    return CrossedSolver(system, PairMap(found, storage), storage, order, lead, rows)
