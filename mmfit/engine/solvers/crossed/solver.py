"""Crossed grouping factors: the largest is eliminated, the rest is one symmetric system.

The eliminated factor's part of Z'Z is block diagonal, so its elimination costs one small block
per level; what it leaves on the other factors (the Schur complement) comes from a constant map or
from plain products (:mod:`coupling`). The rest, of order T = number of the other factors' columns,
is a dense Cholesky factorisation (:mod:`tail_dense`, or :mod:`tail_stacked` where T is small).
(Block Cholesky of Bates, Maechler, Bolker & Walker 2015, section 5.4.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.solvers.blocks import conditional
from mmfit.engine.solvers.crossed.coupling import DenseCoupling, build_coupling
from mmfit.engine.solvers.crossed.eliminated import between, eliminate_lead, multiply
from mmfit.engine.solvers.crossed.entries import Entries, group_entries
from mmfit.engine.solvers.crossed.identity_moments import crossed_blank
from mmfit.engine.solvers.crossed.precise import PreciseSource
from mmfit.engine.solvers.crossed.products import TailColumns, upper_products
from mmfit.engine.solvers.crossed.remainder.members import STACKED, dense_tail
from mmfit.engine.solvers.crossed.traces import crossed_pair_blocks, crossed_pairs, crossed_traces
from mmfit.engine.solvers.identity_moments import Blank
from mmfit.engine.solvers.level_basis import LevelBasis, group_basis
from mmfit.engine.system.level_sums import Column, LevelSums, response_products
from mmfit.engine.system.whitened_system import Group, System

if TYPE_CHECKING:
    from mmfit.engine.solvers.crossed.pair_map import PairMap


def elimination_order(system: System) -> list[int]:
    """The groups, the one with the most columns first: that one is eliminated."""
    sizes = [group.levels * group.size for group in system.groups]
    first = sizes.index(max(sizes))
    return [first, *(g for g in range(len(sizes)) if g != first)]


class CrossedSolver:
    """Cross-products of any set of grouping factors, the largest eliminated.

    Attributes
    ----------
    order : list of int, the groups, the eliminated one first;  given : where each of them is there.
    columns : TailColumns;  coupling : Q_1'Z_t, 1 being the eliminated group.
    T : (q, q, L), Z_1 = Q_1 T' by level.
    precise : PreciseSource, the digits at large variances;  fixed : int, p.
    entries : Entries, of Psi, by group in this order.
    second_order_is_cheap : bool, see :class:`base.Solver`.
    """

    name = "crossed"

    def __init__(
        self,
        system: System,
        coupling: PairMap | DenseCoupling | None = None,
        order: list[int] | None = None,
        lead: LevelBasis | None = None,
        rows: Callable[[], System] | None = None,
    ):
        """``coupling`` and ``lead``, the basis Q_1, where they are at hand already;  ``order``: see
        the attributes;  ``rows``: gives the system with its rows, where it is not to be kept."""
        self.order = elimination_order(system) if order is None else order
        self.nobs = system.nobs
        first, *others = (system.groups[g] for g in self.order)
        lead = group_basis(first) if lead is None else lead
        self.columns = TailColumns.of(others)
        self.T = lead.T
        self.second_order_is_cheap = self.columns.width <= STACKED
        self.coupling = coupling or build_coupling(lead, others, self.columns)
        self._tail_products = self._products(others)
        self._right = [_right(lead.sums, lead.columns, system) * lead.scale]
        parts = [_right(LevelSums(g.codes, g.levels), g.columns, system) for g in others]
        self._right.append(
            parts[0].reshape(len(parts[0]), -1)
            if len(parts) == 1
            else np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        )
        self.fixed = system.nfixed
        self.given = [self.order.index(g) for g in range(len(self.order))]
        self.precise = PreciseSource(rows or (lambda: system), system, self.order)
        self.entries: Entries = group_entries(system.layout, self.order)

    def _products(self, groups: list[Group]):
        """Z_t'Z_t: a full matrix beside a dense coupling, else (index, value) of its entries."""
        index, values = upper_products(groups, self.columns)
        if not self.coupling.symmetric:
            return index, values
        T = self.columns.width
        upper = np.zeros(T * T)
        upper[index] = values
        upper = upper.reshape(T, T)
        return upper + np.triu(upper, 1).T

    def right(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Q_1'R, (A, m, q, L), and Z_t'R, (A, m, T), for the responses ``members``."""
        fixed, out = self.fixed, []
        for both in self._right:
            if len(both) == fixed + 1 and len(members) == 1:
                out.append(both[None])
                continue
            whole = np.empty((len(members), fixed + 1, *both.shape[1:]))
            whole[:, :-1] = both[:fixed]
            whole[:, -1] = both[fixed + members]
            out.append(whole)
        return out[0], out[1]

    def raw_right(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Z'X (p, q, L) and Z'y (B, q, L) per group."""
        lead, tail = self._right
        parts = [np.einsum("ijl,bjl->bil", self.T, lead)]
        for size, place in zip(self.columns.sizes, self.columns.places, strict=True):
            parts.append(tail[:, place].reshape(len(tail), size, -1))
        return [part[: self.fixed] for part in parts], [part[self.fixed :] for part in parts]

    def raw_blocks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """(g, h, Z_g'Z_h as (q, L, q', L')) for g <= h but g = h = 0, where they are dense."""
        sizes = self.columns.sizes
        for h, right in enumerate(self.columns.places):
            lead = np.einsum("ijl,jlt->ilt", self.T, self.coupling.dense[:, :, right])
            yield 0, h + 1, lead.reshape(*lead.shape[:2], sizes[h], -1)
            for g, left in enumerate(self.columns.places[: h + 1]):
                block = self._tail_products[left, right]
                yield g + 1, h + 1, block.reshape(sizes[g], -1, sizes[h], self.columns.levels[h])

    def blank(self) -> Blank:
        return crossed_blank(self)

    def reduced_products(self, weights: np.ndarray) -> np.ndarray:
        """S = Z_t'Z_t - A'W A, (A, T, T), for W (A, q, q, L); as ``coupling`` makes it."""
        if self.coupling.symmetric:
            return self._tail_products - self.coupling.schur(weights)
        if weights.any():
            S = self.coupling.schur(-weights)
        else:
            S = np.zeros((len(weights), *self.coupling.shape))
        index, values = self._tail_products
        for member in S:
            member.reshape(-1)[index] += values
        return S

    def factor_tail(self, S: np.ndarray, lambdas: list[np.ndarray]):
        """The tail's system factorised, for S as :meth:`reduced_products` gives it."""
        return dense_tail(S, lambdas, self.columns, self.coupling.symmetric)

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> CrossedFactorization:
        ordered = [lambdas[g] for g in self.order]
        if np.isfinite(sum(lam.sum() for lam in ordered)):
            return CrossedFactorization(self, ordered, members)
        fine = np.logical_and.reduce([np.isfinite(lam).all(axis=(1, 2)) for lam in ordered])
        # Singular values of what is not finite cannot be had, not even for the others.
        ordered = [np.where(fine[:, None, None], lam, 0.0) for lam in ordered]
        found = CrossedFactorization(self, ordered, members)
        found.log_det = np.where(fine, found.log_det, np.nan)
        return found


def _right(sums: LevelSums, columns: tuple[Column, ...], system: System) -> np.ndarray:
    """Z'X and Z'y of the columns Z, one after the other, (p + B, q, L)."""
    p = system.nfixed
    out = np.empty((p + len(system.y), len(columns), sums.levels))
    out[:p] = sums.products(system.columns, columns)
    y = response_products(sums, columns, system.y)
    out[p:] = y.transpose(2, 0, 1)
    return out


class CrossedFactorization:
    """V factorised at one theta per member; see :class:`base.Factorization`.

    Lists over groups are in the solver's order but for those that the contract names.
    """

    def __init__(self, solver: CrossedSolver, lambdas: list[np.ndarray], members: np.ndarray):
        self.solver, self.size = solver, len(members)
        given = [lambdas[place] for place in solver.given]
        precise = solver.precise.wanted(given)
        self._lambda = lambdas[0]
        self.lead = eliminate_lead(solver.T, lambdas[0])
        self._right, tail_right = solver.right(members)
        self.taken = np.zeros((self.size, solver.fixed))
        if precise:
            self._right, tail_right = self._right.copy(), tail_right.copy()
        for a in precise:
            self.taken[a] = taken = solver.precise.values.taken(members[a])
            for right in (self._right, tail_right):
                right[a, -1] -= np.tensordot(taken, right[a, :-1], axes=1)
        weighted = multiply(self.lead.weights, self._right)
        self._tail_right = tail_right - solver.coupling.transposed(weighted)
        self.tail = solver.factor_tail(solver.reduced_products(self.lead.weights), lambdas[1:])
        self.log_det = self.lead.log_det + self.tail.log_det
        shape = (*self._right.shape[:2], -1)
        explained = self._right.reshape(shape) @ weighted.reshape(shape).swapaxes(1, 2)
        # R'R = n I: X is orthonormal but for the factor sqrt(n), and y orthogonal to it
        total = solver.nobs * np.eye(shape[1])
        self.reduced = total - explained - self.tail.gram(self._tail_right)
        for a in precise:
            if np.isfinite(self.log_det[a]):
                lams = [lam[a] for lam in given]
                self.log_det[a], self.reduced[a] = solver.precise.values.at(lams, members[a])

    @cached_property
    def F(self) -> np.ndarray:
        """Z_1'V_0^-1 Z_1 = G T' per level, (A, q, q, L)."""
        if len(self.solver.T) == 1:
            return self.lead.shrink * self.solver.T
        return np.einsum("aijl,kjl->aikl", self.lead.shrink, self.solver.T)

    @cached_property
    def _adjoint(self) -> np.ndarray:
        """A_l J A_l', (A, q, q, L)."""
        return self.solver.coupling.adjoint(self.tail.covariance())

    @cached_property
    def X(self) -> np.ndarray:
        """G A_l J A_l' G', (A, q, q, L): what the tail takes from the diagonal of N."""
        return between(self.lead.shrink, self._adjoint)

    @cached_property
    def flat_cross(self) -> list[np.ndarray]:
        """Z'V^-1 R per group, (A, m, q, L)."""
        solver = self.solver
        effects, left = self.tail.solve(self._tail_right)
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
        blocks = [(self.F - self.X).sum(axis=3), *self.tail.trace_blocks()]
        parts = [group.gather(block) for group, block in zip(entries.groups, blocks, strict=True)]
        return entries.arrange(np.concatenate(parts, axis=1), 1)

    def slopes(self) -> np.ndarray:
        entries, parts = self.solver.entries, []
        for c, group in zip(self.flat_cross, entries.groups, strict=True):
            members, m, q, levels = c.shape
            flat = c.reshape(members, m * q, levels)
            gram = flat @ flat.swapaxes(1, 2)
            if q == 1:
                parts.append(gram[:, None])
                continue
            gram = gram.reshape(members, m, q, m, q).transpose(0, 2, 4, 1, 3)
            parts.append(group.gather_both(gram))
        return entries.arrange(np.concatenate(parts, axis=1), 1)

    def pairs(self, U: np.ndarray) -> np.ndarray:
        return crossed_pairs(self, U)

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        return crossed_pair_blocks(self, U)

    def traces(self) -> np.ndarray:
        return crossed_traces(self)

    def posterior_blocks(self) -> list[np.ndarray]:
        T = self.solver.T
        W = conditional(T[..., None], self._lambda.transpose(1, 2, 0)).transpose(3, 0, 1, 2)
        lead = W + between(np.einsum("aijl,jkl->aikl", W, T), self._adjoint)
        return self._as_given([lead.transpose(0, 3, 1, 2), *self.tail.posterior()])
