"""Remainders that are dense: as one stack where they are small, else one member at a time."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.contract.remainder import MemberRemainder, Remainder
from mmfit.engine.solvers.contract.solver import COPIES, SecondOrderCost
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.remainder.dense import DenseMember
from mmfit.engine.solvers.crossed.remainder.stacked import StackedRemainder

# Up to this order numpy's loops over stacks beat calls of LAPACK from Python.
STACKED = 96


@dataclass(frozen=True, slots=True)
class DensePlan:
    """Of (T, T) matrices, upper triangles unless they are ``whole``."""

    columns: RemainderColumns
    whole: bool

    name = "crossed"

    @property
    def second_order_is_cheap(self) -> bool:
        return self.columns.width <= STACKED

    def factorize(self, S: np.ndarray, lambdas: list[np.ndarray]) -> Remainder:
        """See :class:`mmfit.engine.solvers.contract.remainder.RemainderPlan`."""
        if self.columns.width <= STACKED:
            return StackedRemainder(S, lambdas, self.columns, self.whole)
        return RemainderByMember(
            [
                DenseMember(S[a], [lam[a] for lam in lambdas], self.columns, self.whole)
                for a in range(len(S))
            ]
        )

    def cost(self, passes: float) -> SecondOrderCost:
        width = self.columns.width
        return SecondOrderCost(passes * width**3, 0.0, 2 * COPIES * width**2)


class RemainderByMember:
    """A remainder put together from those of its members.

    Attributes
    ----------
    log_det : (A,), NaN where a member's matrix is not positive definite in double precision.
    """

    def __init__(self, remainders: list[MemberRemainder]):
        self.remainders = remainders
        self.log_det = np.array([remainder.log_det for remainder in remainders])

    def gram(self, rows: np.ndarray) -> np.ndarray:
        return np.stack(
            [remainder.gram(r) for remainder, r in zip(self.remainders, rows, strict=True)]
        )

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = [remainder.solve(r) for remainder, r in zip(self.remainders, rows, strict=True)]
        return np.stack([one for one, _ in both]), np.stack([two for _, two in both])

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        return np.stack(
            [remainder.multiply(r) for remainder, r in zip(self.remainders, rows, strict=True)]
        )

    def covariance(self) -> np.ndarray:
        if len(self.remainders) == 1:
            return self.remainders[0].covariance()[None]
        return np.stack([remainder.covariance() for remainder in self.remainders])

    def trace_blocks(self) -> list[np.ndarray]:
        return _stacked([remainder.trace_blocks() for remainder in self.remainders])

    def posterior(self) -> list[np.ndarray]:
        return _stacked([remainder.posterior() for remainder in self.remainders])

    def products(self, g: int, h: int) -> np.ndarray:
        return np.stack([remainder.products(g, h) for remainder in self.remainders])

    def through(self, inner: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]:
        found = [
            remainder.through([M[a] for M in inner]) for a, remainder in enumerate(self.remainders)
        ]
        sums = [_stacked([member[e] for member, _ in found]) for e in range(len(inner))]
        return sums, np.stack([traces for _, traces in found])


def _stacked(members: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Per group the members' arrays side by side."""
    return [np.stack(blocks) for blocks in zip(*members, strict=True)]
