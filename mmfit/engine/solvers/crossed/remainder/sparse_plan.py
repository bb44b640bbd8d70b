"""Remainders that are sparse, one member at a time."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.contract.solver import COPIES, SecondOrderCost
from mmfit.engine.solvers.crossed.remainder.by_member import RemainderByMember
from mmfit.engine.solvers.crossed.remainder.pattern import RemainderPattern
from mmfit.engine.solvers.crossed.remainder.sparse import SparseMember


@dataclass(frozen=True, slots=True)
class SparsePlan:
    """Of values on a pattern."""

    pattern: RemainderPattern

    name = "sparse"
    second_order_is_cheap = False

    def factorize(self, S: np.ndarray, lambdas: list[np.ndarray]) -> RemainderByMember:
        """See :class:`mmfit.engine.solvers.contract.remainder.RemainderPlan`."""
        members = range(len(S))
        return RemainderByMember(
            [SparseMember(S[a], [lam[a] for lam in lambdas], self.pattern) for a in members]
        )

    def cost(self, passes: float) -> SecondOrderCost:
        plan = self.pattern.plan
        return SecondOrderCost(0.0, passes * 6 * plan.flops, 2 * COPIES * plan.storage)
