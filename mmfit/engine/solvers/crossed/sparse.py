"""Crossed grouping factors beyond what a dense remainder can hold.

The largest is eliminated, the rest factorised sparsely, by a plan that is made once.
"""

import numpy as np
import scipy.sparse as sp

from mmfit.engine.solvers.crossed.pair_map import PairMap
from mmfit.engine.solvers.crossed.products import Neighbours
from mmfit.engine.solvers.crossed.remainder.pattern import RemainderPattern
from mmfit.engine.solvers.crossed.remainder.sparse_plan import SparsePlan
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.solvers.levels.basis import LevelBasis
from mmfit.engine.system.whitened_system import System


def sparse_solver(
    system: System, lead: LevelBasis, found: Neighbours, pattern: RemainderPattern, rows=None
) -> CrossedSolver:
    """Eliminate the largest group; ``pattern`` is that of its neighbours ``found``."""
    coupling = PairMap(found, pattern)
    return CrossedSolver(system, coupling, SparsePlan(pattern), lead=lead, rows=rows)


def pattern_keys(found: Neighbours) -> np.ndarray:
    """The flat indices of the upper triangle of A'A, sorted."""
    shape = (len(found.indptr) - 1, found.width)
    ones = np.ones(len(found.columns), dtype=np.float32)
    A = sp.csr_array((ones, found.columns, found.indptr), shape=shape)
    whole = (A.T @ A).tocoo()
    above = whole.row <= whole.col
    return np.sort(whole.row[above].astype(np.int64) * found.width + whole.col[above])
