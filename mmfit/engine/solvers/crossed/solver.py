"""Crossed grouping factors: the largest is eliminated, the rest is one symmetric system.

The eliminated factor's part of Z'Z is block diagonal, so its elimination costs one small block
per level; what it leaves on the other factors (the Schur complement) comes from a constant map or
from plain products (:mod:`coupling`). The rest, of order T = number of the other factors' columns,
is the remainder (:mod:`mmfit.engine.solvers.contract.remainder`).
(Block Cholesky of Bates, Maechler, Bolker & Walker 2015, section 5.4.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmfit.engine.covariance.directions import entry_order
from mmfit.engine.solvers.contract.coupling import Coupling
from mmfit.engine.solvers.contract.identity_moments import moments_from
from mmfit.engine.solvers.contract.remainder import RemainderPlan
from mmfit.engine.solvers.contract.solver import COPIES, IdentityMoments, SecondOrderCost
from mmfit.engine.solvers.crossed.coupling import build_coupling
from mmfit.engine.solvers.crossed.factorization import CrossedFactorization
from mmfit.engine.solvers.crossed.identity_moments import crossed_moments, y_slopes
from mmfit.engine.solvers.crossed.precise import PreciseSource
from mmfit.engine.solvers.crossed.products import upper_products
from mmfit.engine.solvers.crossed.remainder.by_member import DensePlan
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.levels.basis import LevelBasis, group_basis
from mmfit.engine.system.level_sums import Column, LevelSums, response_products
from mmfit.engine.system.whitened_system import System


def elimination_order(system: System) -> list[int]:
    """The groups, the one with the most columns first: that one is eliminated."""
    sizes = [group.levels * group.size for group in system.groups]
    first = sizes.index(max(sizes))
    return [first, *(g for g in range(len(sizes)) if g != first)]


class CrossedSolver:
    """Cross-products of any set of grouping factors, the largest eliminated.

    Attributes
    ----------
    name : str, by the kind of remainder;  second_order_is_cheap : bool; see
        :class:`mmfit.engine.solvers.contract.solver.Solver`.
    order : list of int, the groups, the eliminated one first;  given : where each of them is there.
    columns : RemainderColumns;  coupling : Coupling, Q_1'Z_t, 1 being the eliminated group.
    plan : RemainderPlan, what factorises the remainder.
    T : (q, q, L), Z_1 = Q_1 T' by level.
    precise : PreciseSource, the digits at large variances;  fixed : int, p.
    entries : EntryOrder, of Psi, by group in this order.
    """

    def __init__(
        self,
        system: System,
        coupling: Coupling | None = None,
        plan: RemainderPlan | None = None,
        order: list[int] | None = None,
        lead: LevelBasis | None = None,
        rows: Callable[[], System] | None = None,
    ):
        """``coupling`` and ``lead``, the basis Q_1, where they are at hand already;  ``plan``: a
        dense one unless given;  ``order``: see the attributes;  ``rows``: gives the system with its
        rows, where it is not to be kept."""
        self.order = elimination_order(system) if order is None else order
        self.nobs = system.nobs
        first, *others = (system.groups[g] for g in self.order)
        lead = group_basis(first) if lead is None else lead
        self.columns = RemainderColumns.of(others)
        self.T = lead.T
        self.coupling = coupling or build_coupling(lead, others, self.columns)
        self.plan = plan or DensePlan(self.columns, self.coupling.whole)
        self.name, self.second_order_is_cheap = self.plan.name, self.plan.second_order_is_cheap
        self._products = self.coupling.hold(*upper_products(others, self.columns))
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
        self.entries = entry_order(system.layout, self.order)

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

    def _raw_right(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Z'X (p, q, L) and Z'y (B, q, L) per group."""
        lead, remainder = self._right
        parts = [np.einsum("ijl,bjl->bil", self.T, lead)]
        for size, place in zip(self.columns.sizes, self.columns.places, strict=True):
            parts.append(remainder[:, place].reshape(len(remainder), size, -1))
        return [part[: self.fixed] for part in parts], [part[self.fixed :] for part in parts]

    def _raw_blocks(self, coupling: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
        """(g, h, Z_g'Z_h as (q, L, q', L')) for g <= h but g = h = 0, of a dense coupling."""
        sizes, out = self.columns.sizes, []
        for h, right in enumerate(self.columns.places):
            lead = np.einsum("ijl,jlt->ilt", self.T, coupling[:, :, right])
            out.append((0, h + 1, lead.reshape(*lead.shape[:2], sizes[h], -1)))
            for g, left in enumerate(self.columns.places[: h + 1]):
                block = self._products[left, right]
                shape = sizes[g], -1, sizes[h], self.columns.levels[h]
                out.append((g + 1, h + 1, block.reshape(shape)))
        return out

    def identity_moments(self) -> IdentityMoments:
        """From the raw products where they are dense, else from a factorisation at theta = 0."""
        fixed, responses = self._raw_right()
        if self.coupling.dense is not None:
            blocks = self._raw_blocks(self.coupling.dense)
            return crossed_moments(self.entries, self.T, fixed, responses, blocks)
        zero = [np.zeros((1, *along.dense.shape[1:])) for along in self.entries.directions]
        design = self.factorize([zero[place] for place in self.given], np.arange(1))
        return replace(moments_from(design, design), y_slopes=y_slopes(self.entries, responses))

    def second_order_cost(self) -> SecondOrderCost:
        """Factorise the remainder, and pass it once per entry of the eliminated factor."""
        q, _, levels = self.T.shape
        rows = self.entries.count * (self.fixed + 1)
        columns = q * levels + self.columns.width
        passes = self.plan.cost(3 + 2 * len(self.entries.directions[0]))
        return SecondOrderCost(
            dense=2.0 * rows**2 * columns + passes.dense,
            small=passes.small,
            numbers=COPIES * rows * columns + passes.numbers,
        )

    def reduced_products(self, weights: np.ndarray) -> np.ndarray:
        """S = Z_t'Z_t - A'W A, in the coupling's form, for W (A, q, q, L)."""
        return self.coupling.reduced(self._products, weights)

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
