"""Which solver crossed grouping factors get: by size, nesting, fill and memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.solvers.crossed.coupling import represent
from mmfit.engine.solvers.crossed.products import Neighbours, neighbours
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.solver import CrossedSolver, elimination_order
from mmfit.engine.solvers.levels.basis import LevelBasis, group_basis
from mmfit.engine.system.whitened_system import System
from mmfit.errors import ComputationError

if TYPE_CHECKING:
    from mmfit.engine.solvers.sparse import Symbolic

Rows = Callable[[], System]

# Up to this many columns the remainder is dense in any case.
_NARROW = 150
# Seconds of one evaluation (measured; mostly their ratios matter). Dense: per T^3. Chain: per T'^3
# and product of factor 2's columns with T'^2. Sparse: per operation, double of storage and front.
_DENSE_SECONDS = 2.8e-11
_CHAIN_SECONDS = (2.8e-11, 1e-10)
_SPARSE_SECONDS = (8e-11, 4e-8, 1e-4)
# A second elimination has to halve the time, and the analysis of a sparse remainder needs more
# seconds than a few evaluations that are faster than this.
_GAIN, _ANALYSIS = 0.5, 0.05
# A pattern with more than this part of all entries is not worth the analysis.
_FULL = 0.05
# Matrices of order T (dense), or storages (chain, sparse), in use at one time.
_DENSE_COPIES, _STORAGES = 8, 6
# Bytes where the system does not tell.
_UNKNOWN_MEMORY = 6e9


def crossed_solver(system: System, rows: Rows | None = None) -> CrossedSolver:
    """The solver for grouping factors of which at least two are crossed.

    ``rows`` as in :func:`mmfit.engine.solvers.choose_solver`.

    Raises
    ------
    ComputationError
        When what is left after the elimination of the largest group fits in memory neither as a
        dense matrix nor as a sparse factor.
    """
    order = elimination_order(system)
    others = [system.groups[g] for g in order[1:]]
    columns = RemainderColumns.of(others)
    width, memory = columns.width, machine_memory() / 8
    if width <= _NARROW:
        return CrossedSolver(system, rows=rows)
    dense_fits = _DENSE_COPIES * width**2 < memory
    seconds = _DENSE_SECONDS * width**3 if dense_fits else np.inf
    chain, chain_seconds = _chain(system, order, memory)
    if chain is not None and chain_seconds < _GAIN * seconds and chain_seconds < _ANALYSIS:
        return _chain_solver(system, chain, rows)
    if seconds < _ANALYSIS:
        return CrossedSolver(system, rows=rows)
    lead = group_basis(system.groups[order[0]])
    found = neighbours(lead, others, columns)
    time = min(seconds, chain_seconds)
    sparse = _sparse_solver(system, columns, lead, found, time, memory, rows)
    if sparse is not None:
        return sparse
    if chain is not None and chain_seconds < _GAIN * seconds:
        return _chain_solver(system, chain, rows)
    if dense_fits:
        return CrossedSolver(system, represent(found), lead=lead, rows=rows)
    raise ComputationError(
        f"the grouping factors are crossed so densely that {width} columns of their model matrices "
        f"have to be factorised together, which needs more than the {8 * memory / 2**30:.0f} GiB "
        "of memory that a fit may take on this machine; a model without the second largest factor "
        "would fit"
    )


def _chain(system: System, order: list[int], memory: float) -> tuple[list[int] | None, float]:
    """(order of elimination with two nested groups first, seconds); None without such groups."""
    lead, sizes = system.groups[order[0]], {}
    for g in order[1:]:
        group = system.groups[g]
        if lead.partition.is_inside(group.partition):
            sizes[g] = group.levels * group.size
    if not sizes:
        return None, np.inf
    second = max(sizes, key=lambda g: (sizes[g], -g))
    rest = [g for g in order[1:] if g != second]
    width = sum(system.groups[g].levels * system.groups[g].size for g in rest)
    storage = sizes[second] * (system.groups[second].size + width) + width**2
    if not rest or _STORAGES * storage > memory:
        return None, np.inf
    seconds = np.dot(_CHAIN_SECONDS, (width**3, sizes[second] * width**2))
    return [order[0], second, *rest], float(seconds)


def _chain_solver(system: System, order: list[int], rows: Rows | None) -> CrossedSolver:
    from mmfit.engine.solvers.crossed.chain import chain_solver

    return chain_solver(system, order, rows)


def _sparse_solver(
    system: System,
    columns: RemainderColumns,
    lead: LevelBasis,
    found: Neighbours,
    seconds: float,
    memory: float,
    rows: Rows | None,
) -> CrossedSolver | None:
    """A solver with a sparse remainder where it takes less than the given time of others."""
    # Import scipy.sparse, which small models can do without.
    from mmfit.engine.solvers.crossed.remainder.pattern import build_pattern
    from mmfit.engine.solvers.crossed.sparse import pattern_keys, sparse_solver

    keys = pattern_keys(found)
    if np.isfinite(seconds) and 2 * len(keys) > _FULL * columns.width**2:
        return None
    pattern = build_pattern(keys, columns)
    plan = pattern.plan
    if _STORAGES * max(plan.storage, plan.working_doubles) > memory:
        return None
    if _seconds(plan) > seconds:
        return None
    return sparse_solver(system, lead, found, pattern, rows)


def _seconds(plan: Symbolic) -> float:
    """Of one factorisation and inversion."""
    return float(np.dot(_SPARSE_SECONDS, (plan.flops, plan.storage, len(plan.fronts))))


def machine_memory() -> float:
    """Bytes of memory that a fit may take: three quarters of the machine's."""
    if not hasattr(os, "sysconf"):
        return _UNKNOWN_MEMORY
    return 0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
