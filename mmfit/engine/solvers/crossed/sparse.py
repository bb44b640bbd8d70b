"""Crossed grouping factors beyond what a dense tail can hold."""

import numpy as np

from mmfit.engine.solvers.crossed.pair_map import PairMap
from mmfit.engine.solvers.crossed.products import Neighbours
from mmfit.engine.solvers.crossed.remainder.members import TailList
from mmfit.engine.solvers.crossed.remainder.pattern import TailPattern
from mmfit.engine.solvers.crossed.remainder.sparse import SparseTail
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.solvers.level_basis import LevelBasis
from mmfit.engine.system.whitened_system import System


class SparseTailSolver(CrossedSolver):
    """The largest group eliminated, the rest by a sparse factorisation of constant pattern.

    Attributes
    ----------
    pattern : TailPattern.
    """

    name = "sparse"

    def __init__(
        self, system: System, lead: LevelBasis, found: Neighbours, pattern: TailPattern, rows=None
    ):
        self.pattern = pattern
        super().__init__(system, PairMap(found, pattern), lead=lead, rows=rows)

    def _products(self, groups):
        index, values = super()._products(groups)
        return self.pattern.places(index), values

    def factor_tail(self, S: np.ndarray, lambdas: list[np.ndarray]) -> TailList:
        return TailList(
            [SparseTail(S[a], [lam[a] for lam in lambdas], self.pattern) for a in range(len(S))]
        )
