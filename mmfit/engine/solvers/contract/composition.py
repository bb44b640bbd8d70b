"""Factorisations put together from others, member by member, and when the precise one is asked for.

A solver that forms R'V^-1 R partly as a difference loses digits where a variance is large. It has
a second one of its kind, made when it is first needed, that spends more on keeping them. Which of
them a member gets depends on its own theta alone, so that its digits do not depend on the others.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mmfit.engine.solvers.contract.solver import Factorization
from mmfit.engine.system.whitened_system import System

# A variance ratio, and one times the mean rows of a level, above which digits would be lost.
_RATIO, _RATIO_BY_ROWS = 300.0, 1e7


class VarianceLimits:
    """How large variances may be, for one system.

    Attributes
    ----------
    bounds : list of float, of the squared length of each group's Lambda.
    """

    def __init__(self, system: System):
        rows = np.array([system.nobs / group.levels for group in system.groups])
        self.bounds = [min(_RATIO, _RATIO_BY_ROWS / float(r)) for r in rows]

    def wanted(self, lambdas: Sequence[np.ndarray]) -> np.ndarray | None:
        """(A,) bool, the members with a larger variance at Lambda (A, q, q); None without any."""
        wanted = None
        for lam, bound in zip(lambdas, self.bounds, strict=True):
            # an entry of this size is needed for the length
            largest = abs(lam.item()) if lam.size == 1 else np.abs(lam).max()
            if not largest * len(lam[0]) > bound**0.5:
                continue
            large = np.einsum("aij,aij->a", lam, lam) > bound
            if large.any():
                wanted = large if wanted is None else wanted | large
        return wanted


def unless_all(members: np.ndarray, batch: int) -> np.ndarray | None:
    """``members``, or None where they are all responses of the batch in their order."""
    everyone = len(members) == batch and bool((members == np.arange(batch)).all())
    return None if everyone else members


def factorize_in_two(
    wanted: np.ndarray | None,
    plain: Callable[[Sequence[np.ndarray], np.ndarray], Factorization],
    precise: Callable[[Sequence[np.ndarray], np.ndarray], Factorization],
    lambdas: Sequence[np.ndarray],
    members: np.ndarray,
) -> Factorization:
    """The members that are ``wanted`` (A,) by ``precise``, the others by ``plain``."""
    if wanted is None:
        return plain(lambdas, members)
    if wanted.all():
        return precise(lambdas, members)
    parts = []
    for where, factorize in ((np.flatnonzero(~wanted), plain), (np.flatnonzero(wanted), precise)):
        part = factorize_some(factorize, [lam[where] for lam in lambdas], members[where])
        parts.append((where, part))
    return Mixed(parts)


def factorize_some(factorize, lambdas: Sequence[np.ndarray], members: np.ndarray) -> Factorization:
    """Of some members of a batch.

    Sums over levels run in another order when the axis of the members has length 1: one that stands
    alone must not have other digits than it would have in company.
    """
    if len(members) > 1:
        return factorize(lambdas, members)
    twice = [np.concatenate([block, block]) for block in lambdas]
    return Alone(factorize(twice, np.concatenate([members, members])))


class Alone:
    """The first of two equal members of a factorisation, as a factorisation of one."""

    def __init__(self, pair: Factorization):
        self.pair = pair
        self.log_det, self.reduced = pair.log_det[:1], pair.reduced[:1]
        self.taken = pair.taken[:1]

    def trace_slopes(self) -> np.ndarray:
        return self.pair.trace_slopes()[:1]

    def slopes(self) -> np.ndarray:
        return self.pair.slopes()[:1]

    def pairs(self, U: np.ndarray) -> np.ndarray:
        return self.pair.pairs(np.concatenate([U, U]))[:1]

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        return self.pair.pair_blocks(np.concatenate([U, U]))[:1]

    def traces(self) -> np.ndarray:
        return self.pair.traces()[:1]

    def cross(self) -> list[np.ndarray]:
        return [block[:1] for block in self.pair.cross()]

    def posterior_blocks(self) -> list[np.ndarray]:
        return [block[:1] for block in self.pair.posterior_blocks()]


class Mixed:
    """Members from several factorisations, each with their places."""

    def __init__(self, parts: list[tuple[np.ndarray, Factorization]]):
        self.parts = parts
        self.log_det = self._joined([part.log_det for _, part in parts])
        self.reduced = self._joined([part.reduced for _, part in parts])
        self.taken = self._joined([part.taken for _, part in parts])

    def _joined(self, blocks: list[np.ndarray]) -> np.ndarray:
        size = sum(len(where) for where, _ in self.parts)
        out = np.empty((size, *blocks[0].shape[1:]))
        for (where, _), block in zip(self.parts, blocks, strict=True):
            out[where] = block
        return out

    def _lists(self, lists: list[list[np.ndarray]]) -> list[np.ndarray]:
        return [self._joined(list(blocks)) for blocks in zip(*lists, strict=True)]

    def trace_slopes(self) -> np.ndarray:
        return self._joined([part.trace_slopes() for _, part in self.parts])

    def slopes(self) -> np.ndarray:
        return self._joined([part.slopes() for _, part in self.parts])

    def pairs(self, U: np.ndarray) -> np.ndarray:
        return self._joined([part.pairs(U[where]) for where, part in self.parts])

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        return self._joined([part.pair_blocks(U[where]) for where, part in self.parts])

    def traces(self) -> np.ndarray:
        return self._joined([part.traces() for _, part in self.parts])

    def cross(self) -> list[np.ndarray]:
        return self._lists([part.cross() for _, part in self.parts])

    def posterior_blocks(self) -> list[np.ndarray]:
        return self._lists([part.posterior_blocks() for _, part in self.parts])
