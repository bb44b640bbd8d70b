"""The tail systems of several members, one dense factorisation each."""

import numpy as np

from mmfit.engine.solvers.tail_dense import DenseTail


class TailList:
    """What :class:`tail_stacked.StackedTail` gives, member by member.

    Attributes
    ----------
    log_det : (A,), NaN where a member's matrix is not positive definite in double precision.
    """

    def __init__(self, tails: list[DenseTail]):
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
