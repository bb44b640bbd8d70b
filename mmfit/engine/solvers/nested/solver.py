"""Nested grouping factors: elimination from the innermost to the outermost, without fill.

Every level of a factor lies inside one level of the next coarser one. The cross-products of the
rows of one level, [Q_i Q_i+1 ... R]' V_{i-1}^-1 [Q_i Q_i+1 ... R] with V_{i-1} = I + sum over j < i
of Z_j Psi_j Z_j' and Z_i = Q_i T_i' by level, form its front; eliminating Z_i leaves an update that
is added to the front of the level that contains it (the multifrontal form of the block Cholesky
factor in Bates, Maechler, Bolker & Walker 2015, section 5.4; Liu 1992). What is left beyond the
outermost factor is R'V^-1 R. The innermost factor is pooled (:mod:`classes`), so that a front per
level of the second remains.

Where large variances ask for it, the columns of a front are without the shifts c of this factor
and the coarser ones (:mod:`shifts`). With S and r the own and the other part of the own
rows, D the other part, M = T'Lambda, G = (I + S MM')^-1 and W = MM'G, the update in columns that
have the shift back is

    D - r'(W r - G'c) + c'(G r + G S c),

in which r is small and nothing else is a difference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.engine.covariance.directions import entry_order
from mmfit.engine.solvers.contract.composition import VarianceLimits, factorize_in_two, unless_all
from mmfit.engine.solvers.contract.solver import (
    COPIES,
    Factorization,
    IdentityMoments,
    SecondOrderCost,
)
from mmfit.engine.solvers.levels.blocks import (
    conditional,
    congruence,
    eliminate_front,
    kernel,
    multiply,
    segment_sum,
)
from mmfit.engine.solvers.levels.classes import packed, pool_levels, unpack
from mmfit.engine.solvers.nested.chain import Chain
from mmfit.engine.solvers.nested.derivatives import (
    FirstSweep,
    SecondSweep,
    first_sweep,
    second_sweep,
)
from mmfit.engine.solvers.nested.identity_moments import nested_moments
from mmfit.engine.solvers.nested.links import Link, build_links
from mmfit.engine.solvers.nested.modes import back_substitute, path_covariances
from mmfit.engine.system.whitened_system import System


class NestedSolver:
    """Cross-products of a chain of nested factors.

    Attributes
    ----------
    links : list of Link, innermost first;  pooled : the first link, pooled;  chain : Chain.
    within : (B, m, m), what the levels of the innermost factor leave of R'R.
    taken : (B, p), see :class:`Factorization`.
    entries : EntryOrder, of Psi, by link.
    """

    name = "nested"
    second_order_is_cheap = True

    def __init__(
        self,
        system: System,
        chain: Chain,
        rows: Callable[[], System] | None = None,
        exact: bool = False,
    ):
        """``rows`` as in :func:`mmfit.engine.solvers.choose_solver`;  ``exact`` as in
        :func:`mmfit.engine.solvers.nested.links.build_links`."""
        self.chain = chain
        self.columns = system.nfixed + 1
        self.batch = len(system.y)
        self.links, within = build_links(system, chain, exact)
        self.within, self.taken = within.products, within.taken
        self._precision, self._rows = VarianceLimits(system), rows or (lambda: system)
        bottom = self.links[0]
        self.pooled = pool_levels(
            bottom.T[..., 0],
            bottom.products.design,
            bottom.products.responses,
            chain.parents[0],
            len(chain.orders[1]),
        )
        self.entries = entry_order(system.layout, chain.groups)

    def identity_moments(self) -> IdentityMoments:
        return nested_moments(self.links, self.chain.parents, self.entries)

    def second_order_cost(self) -> SecondOrderCost:
        """The second derivatives of every front beyond the innermost, link by link."""
        f, small, numbers = len(self.links[0].directions), 0.0, 0.0
        for link in self.links[1:]:
            o, w = len(link.directions), link.width + link.q
            entries = (f + o) ** 2 * w**2 * link.T.shape[2]
            small += 4 * link.q * entries
            numbers = max(numbers, COPIES * entries)
            f += o
        return SecondOrderCost(0.0, small, numbers)

    @cached_property
    def exact(self) -> "NestedSolver":
        """The same with the digits that large variances ask for."""
        return NestedSolver(self._rows(), self.chain, exact=True)

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> Factorization:
        wanted = self._precision.wanted(lambdas)
        return factorize_in_two(
            wanted, self.plainly, lambda *given: self.exact.plainly(*given), lambdas, members
        )

    def plainly(self, lambdas: list[np.ndarray], members: np.ndarray) -> "NestedFactorization":
        """As this solver's products allow."""
        ordered = [lambdas[g] for g in self.chain.groups]
        return NestedFactorization(self, ordered, unless_all(members, self.batch))


@dataclass(frozen=True, slots=True)
class Elimination:
    """One link eliminated, see the module; the shift c is in C and H.

    Attributes
    ----------
    G : T G, C : T (G r + G S c), F : T G S T', which are parts of Z_i'V_i^-1;
    H : W r - G'c;  W : (I + S MM')^-1 between the own rows;  all (q, ., levels, A).
    """

    G: np.ndarray
    C: np.ndarray
    H: np.ndarray
    W: np.ndarray
    F: np.ndarray


class NestedFactorization:
    """See :class:`Factorization`."""

    def __init__(self, solver: NestedSolver, lambdas, members: np.ndarray | None):
        self.solver, self.members = solver, members
        self.lambdas = [lam.transpose(1, 2, 0) for lam in lambdas]
        pooled, links = solver.pooled, solver.links
        self.innermost_K, log_det = kernel(pooled.T, self.lambdas[0])
        self.log_det = (pooled.counts * log_det).sum(axis=0)
        update = unpack(pooled.gather(packed(self.innermost_K), members), links[0].width)
        self.eliminations: list[Elimination] = []
        for link, lam in zip(links[1:], self.lambdas[1:], strict=True):
            update = self._eliminate(link, lam, update)
        within = solver.within if members is None else solver.within[members]
        self.reduced = within + update[:, :, 0].transpose(2, 0, 1)
        self.taken = solver.taken if members is None else solver.taken[members]

    def _eliminate(self, link: Link, lam: np.ndarray, front: np.ndarray) -> np.ndarray:
        """Eliminate one link from the sum of its children's updates; its own update, summed."""
        q = link.q
        rows = front[:q]
        if link.rest is not None:
            rows = rows + link.rest.of(self.members)
        S, r = rows[:, :q], rows[:, q:]
        found = eliminate_front(S, link.absent, np.einsum("jil,jka->ikla", link.T[..., 0], lam))
        self.log_det = self.log_det + found.log_det.sum(axis=0)
        C, H = multiply(found.G, r), multiply(found.W, r)
        c = link.shifts(self.members)
        if c is not None:
            C += multiply(found.GS, c)
            H -= multiply(found.G.swapaxes(0, 1), c)
        self.eliminations.append(
            Elimination(
                G=multiply(link.T, found.G),
                C=multiply(link.T, C),
                H=H,
                W=found.W,
                F=multiply(multiply(link.T, found.GS), link.T.swapaxes(0, 1)),
            )
        )
        update = front[q:, q:] - multiply(r.swapaxes(0, 1), H)
        if c is not None:
            update += multiply(c.swapaxes(0, 1), C)
        return segment_sum(update, link.starts)

    @cached_property
    def innermost_G(self) -> np.ndarray:
        """(q, q, C, A): T K of the innermost's classes."""
        return multiply(self.solver.pooled.T, self.innermost_K)

    @cached_property
    def innermost_F(self) -> np.ndarray:
        """(q, q, C, A): G T' of the innermost's classes."""
        return multiply(self.innermost_G, self.solver.pooled.T.swapaxes(0, 1))

    @cached_property
    def innermost_rows(self) -> np.ndarray:
        """(q, w, levels, A): G c of the innermost's levels, in chain order."""
        c = self.solver.links[0].products.of(self.members)
        return multiply(self.innermost_G[:, :, self.solver.pooled.level_class], c)

    @cached_property
    def psis(self) -> list[np.ndarray]:
        """Per link (q, q, 1, A): Psi."""
        return [multiply(lam, lam.swapaxes(0, 1))[:, :, None] for lam in self.lambdas]

    @cached_property
    def covariances(self) -> list[np.ndarray]:
        """Per link (q, q, levels, A): Psi - Psi F Psi, of the effects given those above."""
        pooled = self.solver.pooled
        out = [conditional(pooled.T, self.lambdas[0])[:, :, pooled.level_class]]
        for psi, step in zip(self.psis[1:], self.eliminations, strict=True):
            out.append(psi - multiply(multiply(psi, step.F), psi))
        return out

    @cached_property
    def _first(self) -> FirstSweep:
        return first_sweep(self)

    @cached_property
    def _second(self) -> SecondSweep:
        return second_sweep(self, self._first)

    def trace_slopes(self) -> np.ndarray:
        return self._first.log_det[self.solver.entries.position].T

    def slopes(self) -> np.ndarray:
        return -self._first.reduced[self.solver.entries.position].transpose(3, 0, 1, 2)

    def pairs(self, U: np.ndarray) -> np.ndarray:
        M = U @ np.swapaxes(U, 1, 2)
        return self._ordered(np.einsum("efija,aij->efa", self._second.reduced, M)) / 2

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        places = self.solver.entries.position
        both = self._second.reduced[places[:, None], places]
        return congruence(np.ascontiguousarray(np.moveaxis(both, -1, 0)) / 2, U)

    def traces(self) -> np.ndarray:
        return -self._ordered(self._second.log_det)

    def _ordered(self, values: np.ndarray) -> np.ndarray:
        """From (k, k, A) in chain order to (A, k, k) in the layout's."""
        places = self.solver.entries.position
        return values[places[:, None], places].transpose(2, 0, 1)

    def cross(self) -> list[np.ndarray]:
        return back_substitute(self)

    def posterior_blocks(self) -> list[np.ndarray]:
        return path_covariances(self)
