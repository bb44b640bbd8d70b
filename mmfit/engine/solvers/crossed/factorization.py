"""V of crossed factors factorised: one factor eliminated, the remainder factorised."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from mmfit.engine.solvers.contract.remainder import Remainder, RemainderPlan
from mmfit.engine.solvers.crossed.precise import PreciseSource
from mmfit.engine.solvers.crossed.traces import (
    CrossedDesign,
    crossed_pair_blocks,
    crossed_pairs,
    crossed_traces,
)
from mmfit.engine.solvers.levels.blocks import conditional
from mmfit.engine.solvers.levels.member_blocks import between, eliminate_factor, multiply, product


class CrossedProducts(CrossedDesign, Protocol):
    """The cross-products that are factorised; attributes as of :class:`solver.CrossedSolver`."""

    nobs: int
    fixed: int
    order: list[int]
    given: list[int]
    precise: PreciseSource
    plan: RemainderPlan

    def right(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def reduced_products(self, weights: np.ndarray) -> np.ndarray: ...


class CrossedFactorization:
    """See :class:`mmfit.engine.solvers.contract.solver.Factorization`.

    Lists over groups are in the solver's order but for those that the contract names.
    """

    def __init__(self, solver: CrossedProducts, lambdas: list[np.ndarray], members: np.ndarray):
        self.solver, self.size = solver, len(members)
        given = [lambdas[place] for place in solver.given]
        precise = solver.precise.wanted(given)
        self._lambda = lambdas[0]
        self.lead = eliminate_factor(solver.T, lambdas[0])
        self._right, remainder_right = solver.right(members)
        self.taken = np.zeros((self.size, solver.fixed))
        if precise:
            self._right, remainder_right = self._right.copy(), remainder_right.copy()
        for a in precise:
            self.taken[a] = taken = solver.precise.values.taken(members[a])
            for right in (self._right, remainder_right):
                right[a, -1] -= np.tensordot(taken, right[a, :-1], axes=1)
        weighted = multiply(self.lead.weights, self._right)
        self._remainder_right = remainder_right - solver.coupling.transposed(weighted)
        reduced = solver.reduced_products(self.lead.weights)
        self.remainder: Remainder = solver.plan.factorize(reduced, lambdas[1:])
        self.log_det = self.lead.log_det + self.remainder.log_det
        shape = (*self._right.shape[:2], -1)
        explained = self._right.reshape(shape) @ weighted.reshape(shape).swapaxes(1, 2)
        # R'R = n I: X is orthonormal but for the factor sqrt(n), and y orthogonal to it
        total = solver.nobs * np.eye(shape[1])
        self.reduced = total - explained - self.remainder.gram(self._remainder_right)
        for a in precise:
            if np.isfinite(self.log_det[a]):
                lams = [lam[a] for lam in given]
                self.log_det[a], self.reduced[a] = solver.precise.values.at(lams, members[a])

    @cached_property
    def F(self) -> np.ndarray:
        """Z_1'V_0^-1 Z_1 = G T' per level, (A, q, q, L)."""
        return product(self.lead.shrink, self.solver.T.swapaxes(0, 1))

    @cached_property
    def _adjoint(self) -> np.ndarray:
        """A_l J A_l', (A, q, q, L)."""
        return self.solver.coupling.adjoint(self.remainder.covariance())

    @cached_property
    def X(self) -> np.ndarray:
        """G A_l J A_l' G', (A, q, q, L): what the remainder takes from the diagonal of N."""
        return between(self.lead.shrink, self._adjoint)

    @cached_property
    def flat_cross(self) -> list[np.ndarray]:
        """Z'V^-1 R per group, (A, m, q, L)."""
        solver = self.solver
        effects, left = self.remainder.solve(self._remainder_right)
        inner = self._right - solver.coupling.apply(effects)
        out = [multiply(self.lead.shrink, inner)]
        for size, place in zip(solver.columns.sizes, solver.columns.places, strict=True):
            out.append(left[:, :, place].reshape(*left.shape[:2], size, -1))
        return out

    def _as_given(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """A list over the groups in the system's order."""
        out = [np.empty(0)] * len(blocks)
        for g, block in zip(self.solver.order, blocks, strict=True):
            out[g] = block
        return out

    def cross(self) -> list[np.ndarray]:
        return self._as_given([c.transpose(0, 3, 2, 1) for c in self.flat_cross])

    def trace_slopes(self) -> np.ndarray:
        entries = self.solver.entries
        blocks = [(self.F - self.X).sum(axis=3), *self.remainder.trace_blocks()]
        both = zip(entries.directions, blocks, strict=True)
        parts = [along.member_traces(block) for along, block in both]
        return entries.arrange(np.concatenate(parts, axis=1))

    def slopes(self) -> np.ndarray:
        entries, parts = self.solver.entries, []
        for c, along in zip(self.flat_cross, entries.directions, strict=True):
            members, m, q, levels = c.shape
            flat = c.reshape(members, m * q, levels)
            gram = flat @ flat.swapaxes(1, 2)
            if q == 1:
                parts.append(gram[:, None])
                continue
            gram = gram.reshape(members, m, q, m, q).transpose(0, 2, 4, 1, 3)
            parts.append(along.member_sums(gram))
        return entries.arrange(np.concatenate(parts, axis=1))

    def pairs(self, U: np.ndarray) -> np.ndarray:
        return crossed_pairs(self, U)

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        return crossed_pair_blocks(self, U)

    def traces(self) -> np.ndarray:
        return crossed_traces(self)

    def posterior_blocks(self) -> list[np.ndarray]:
        T = self.solver.T
        W = conditional(T[..., None], self._lambda.transpose(1, 2, 0)).transpose(3, 0, 1, 2)
        lead = W + between(product(W, T), self._adjoint)
        return self._as_given([lead.transpose(0, 3, 1, 2), *self.remainder.posterior()])
