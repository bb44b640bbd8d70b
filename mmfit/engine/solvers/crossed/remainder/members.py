"""The tail systems of several members, one factorisation each, and which tails are stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.solvers.crossed.products import TailColumns
from mmfit.engine.solvers.crossed.remainder.dense import DenseTail
from mmfit.engine.solvers.crossed.remainder.stacked import StackedTail

if TYPE_CHECKING:
    from mmfit.engine.solvers.crossed.remainder.sparse import SparseTail

# Up to this order numpy's loops over stacks beat calls of LAPACK from Python.
STACKED = 96


def dense_tail(
    S: np.ndarray, lambdas: list[np.ndarray], columns: TailColumns, symmetric: bool
) -> StackedTail | TailList:
    """I + Gamma'S Gamma factorised, for S (A, T, T), the upper triangles unless ``symmetric``."""
    if columns.width <= STACKED:
        return StackedTail(S, lambdas, columns, symmetric)
    members = range(len(S))
    tails = [DenseTail(S[a], [lam[a] for lam in lambdas], columns, symmetric) for a in members]
    return TailList(tails)


class TailList:
    """What :class:`tail_stacked.StackedTail` gives, member by member.

    Attributes
    ----------
    log_det : (A,), NaN where a member's matrix is not positive definite in double precision.
    """

    def __init__(self, tails: list[DenseTail] | list[SparseTail]):
        self.tails = tails
        self.log_det = np.array([tail.log_det for tail in tails])

    def gram(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([tail.gram(r) for tail, r in zip(self.tails, rows, strict=True)])

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = [tail.solve(r) for tail, r in zip(self.tails, rows, strict=True)]
        return np.stack([one for one, _ in both]), np.stack([two for _, two in both])

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([tail.multiply(r) for tail, r in zip(self.tails, rows, strict=True)])

    def covariance(self) -> np.ndarray:
        if len(self.tails) == 1:
            return self.tails[0].covariance()[None]
        return np.stack([tail.covariance() for tail in self.tails])

    def trace_blocks(self) -> list[np.ndarray]:
        return _stacked([tail.trace_blocks() for tail in self.tails])

    def posterior(self) -> list[np.ndarray]:
        return _stacked([tail.posterior() for tail in self.tails])

    def products(self, g: int, h: int) -> np.ndarray:
        return np.stack([tail.products(g, h) for tail in self.tails])

    def through(self, inner: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]:
        found = [tail.through([M[a] for M in inner]) for a, tail in enumerate(self.tails)]
        sums = [_stacked([member[e] for member, _ in found]) for e in range(len(inner))]
        return sums, np.stack([traces for _, traces in found])


def _stacked(members: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Per group the members' arrays side by side."""
    return [np.stack(blocks) for blocks in zip(*members, strict=True)]
