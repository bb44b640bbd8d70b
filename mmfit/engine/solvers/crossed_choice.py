"""Which solver crossed grouping factors get: by size, fill and memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.solvers.coupling import represent
from mmfit.engine.solvers.crossed import CrossedSolver, elimination_order
from mmfit.engine.solvers.crossed_products import Neighbours, TailColumns, neighbours
from mmfit.engine.system import System
from mmfit.errors import ComputationError

if TYPE_CHECKING:
    from mmfit.engine.sparse import Symbolic

# Up to this many columns the tail is dense in any case.
_DENSE = 1200
# Up to this many the distinct entries of a tail are counted in a table of all entries.
_TABLE = 8000
# A pattern with more than this part of all entries is not worth the analysis.
_FULL = 0.1
# Seconds of a dense factorisation and inversion per T^3; of a sparse one per operation, per double
# of storage and per front (measured; only their ratios matter).
_DENSE_SECONDS = 2.8e-11
_SPARSE_SECONDS = (8e-11, 4e-8, 1e-4)
# Matrices of order T (dense), or storages of the factor (sparse), in use at one time.
_DENSE_COPIES, _SPARSE_COPIES = 8, 6
# Bytes where the system does not tell.
_UNKNOWN_MEMORY = 6e9


def crossed_solver(system: System) -> CrossedSolver:
    """The solver for grouping factors of which at least two are crossed.

    Raises
    ------
    ComputationError
        When what is left after the elimination of the largest group fits in memory neither as a
        dense matrix nor as a sparse factor.
    """
    order = elimination_order(system)
    lead, *others = (system.groups[g] for g in order)
    columns = TailColumns.of(others)
    if columns.width <= _DENSE:
        return CrossedSolver(system)
    return _large_solver(system, columns, neighbours(lead, others, columns))


def _large_solver(system: System, columns: TailColumns, found: Neighbours) -> CrossedSolver:
    # Import scipy.sparse, which small models can do without.
    from mmfit.engine.solvers.pair_map import PairMap
    from mmfit.engine.solvers.tail_pattern import build_pattern, pattern_keys

    width, memory = columns.width, _memory() / 8
    dense_fits = _DENSE_COPIES * width**2 < memory
    coupling = represent(found) if dense_fits else None
    keys = None
    if width > _TABLE or coupling is None:
        keys = pattern_keys(found)
    elif isinstance(coupling, PairMap):
        keys = coupling.occupied()
    if keys is None or (dense_fits and 2 * len(keys) > _FULL * width**2):
        return CrossedSolver(system, coupling)
    pattern = build_pattern(keys, columns)
    sparse_fits = _SPARSE_COPIES * max(pattern.plan.storage, pattern.plan.working_doubles) < memory
    if sparse_fits and (not dense_fits or _is_cheaper(pattern.plan)):
        from mmfit.engine.solvers.crossed_sparse import SparseTailSolver

        return SparseTailSolver(system, found, pattern)
    if dense_fits:
        return CrossedSolver(system, coupling)
    raise ComputationError(
        f"the grouping factors are crossed so densely that {width} columns of their model matrices "
        f"have to be factorised together, which needs more than the {8 * memory / 2**30:.0f} GiB "
        "of memory that a fit may take on this machine; a model without the second largest factor "
        "would fit"
    )


def _is_cheaper(plan: Symbolic) -> bool:
    """Whether a sparse factorisation and inversion takes less time than dense ones."""
    seconds = np.dot(_SPARSE_SECONDS, (plan.flops, plan.storage, len(plan.fronts)))
    return bool(seconds < _DENSE_SECONDS * plan.size**3)


def _memory() -> float:
    """Bytes of memory that a fit may take: three quarters of the machine's."""
    if not hasattr(os, "sysconf"):
        return _UNKNOWN_MEMORY
    return 0.75 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
