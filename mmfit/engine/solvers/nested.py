"""Nested grouping factors: elimination from the innermost to the outermost, without fill.

Every level of a factor lies inside one level of the next coarser one. The cross-products of the
rows of one level, [Z_i Z_i+1 ... R]' V_{i-1}^-1 [Z_i Z_i+1 ... R] with V_{i-1} = I + sum over j < i
of Z_j Psi_j Z_j', form its front; eliminating Z_i leaves an update that is added to the front of
the level that contains it (the multifrontal form of the block Cholesky factor in Bates, Maechler,
Bolker & Walker 2015, section 5.4; Liu 1992). What is left beyond the outermost factor is R'V^-1 R.
The innermost factor is pooled (:mod:`leaf`), so that a front per level of the second remains.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.engine.products import LevelSums, response_products
from mmfit.engine.solvers.blank import Blank
from mmfit.engine.solvers.blocks import (
    Directions,
    congruence,
    directions,
    multiply,
    segment_sum,
    shrink,
)
from mmfit.engine.solvers.chain import Chain
from mmfit.engine.solvers.leaf import Leaf, build_leaf, packed_pairs, unpack
from mmfit.engine.solvers.nested_blank import nested_blank
from mmfit.engine.solvers.nested_derivatives import (
    FirstSweep,
    SecondSweep,
    first_sweep,
    second_sweep,
)
from mmfit.engine.solvers.nested_modes import back_substitute, path_covariances
from mmfit.engine.system import System


@dataclass(frozen=True, slots=True)
class Link:
    """One factor of the chain; its levels are in chain order.

    Attributes
    ----------
    q, p : int;  directions : Directions;  entries : (k_i,) intp, their places in the layout.
    design : (q, d, levels), Z_i'[Z_i Z_i+1 ... X];  responses : (q, levels, B), Z_i'y.
    starts : (coarser levels,) intp, where the children of each coarser level begin; None at the
        top.
    """

    q: int
    p: int
    directions: Directions
    entries: np.ndarray
    design: np.ndarray
    responses: np.ndarray
    starts: np.ndarray | None

    @property
    def fixed(self) -> np.ndarray:
        """(q, p, levels): Z_i'X."""
        return self.design[:, self.design.shape[1] - self.p :]

    @property
    def width(self) -> int:
        """Columns beyond the factor's own: coarser Z's, X and y."""
        return self.design.shape[1] - self.q + 1

    def raw(self, members: np.ndarray | None) -> np.ndarray:
        """(q, w, levels, A): Z_i'[Z_i Z_i+1 ... X y]."""
        y = self.responses if members is None else np.take(self.responses, members, axis=-1)
        q, d, levels = self.design.shape
        out = np.empty((q, d + 1, levels, y.shape[-1]))
        out[:, :d] = self.design[..., None]
        out[:, d] = y
        return out


class NestedSolver:
    """Cross-products of a chain of nested factors.

    Attributes
    ----------
    links : list of Link, innermost first;  leaf : the first link, pooled;  chain : Chain.
    entries : (k,) intp, layout's place of each direction in chain order;  places : its inverse.
    """

    name = "nested"
    second_order_is_cheap = True

    def __init__(self, system: System, chain: Chain):
        self.chain = chain
        self.nobs, self.columns = system.nobs, system.nfixed + 1
        self.batch = len(system.y)
        self.links = _build_links(system, chain)
        self.leaf = _build_leaf(self.links[0], chain)
        self.entries = np.concatenate([link.entries for link in self.links])
        self.places = np.argsort(self.entries)

    def blank(self) -> Blank:
        return nested_blank(self.links, self.chain.parents, self.places)

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> "NestedFactorization":
        everyone = len(members) == self.batch and bool((members == np.arange(self.batch)).all())
        ordered = [lambdas[g] for g in self.chain.groups]
        return NestedFactorization(self, ordered, None if everyone else members)


def _build_links(system: System, chain: Chain) -> list[Link]:
    links, sums, rows = [], None, tuple(system.y)
    for i, g in enumerate(chain.groups):
        group = system.groups[g]
        # Sums of the coarser factors add up those of the finer.
        above = chain.ancestors[i - 1] if i else None
        sums = LevelSums(group.codes, group.levels, sums, above)
        links.append(_build_link(system, chain, i, sums, rows))
    return links


def _build_link(system: System, chain: Chain, i: int, sums: LevelSums, rows) -> Link:
    group = system.groups[chain.groups[i]]
    coarser = [system.groups[g] for g in chain.groups[i:]]
    right = (*(column for other in coarser for column in other.columns), *system.columns)
    order = chain.orders[i]
    products = sums.products(group.columns, right)
    if len(rows) > 1:
        # The digits of a batch do not depend on its size when all sums run over the rows.
        sums = LevelSums(group.codes, group.levels)
    responses = response_products(sums, group.columns, system.y, rows)
    layout, entries = system.layout, system.layout.members[chain.groups[i]]
    starts = None
    if i < len(chain.parents):
        parents = len(chain.orders[i + 1])
        starts = np.searchsorted(chain.parents[i], np.arange(parents))
    return Link(
        q=group.size,
        p=system.nfixed,
        directions=directions(layout, chain.groups[i]),
        entries=entries,
        design=products[..., order],
        responses=responses[:, order],
        starts=starts,
    )


def _build_leaf(link: Link, chain: Chain) -> Leaf:
    own, rest = link.design[:, : link.q], link.design[:, link.q :]
    return build_leaf(own, rest, link.responses, chain.parents[0], len(chain.orders[1]))


@dataclass(frozen=True, slots=True)
class Elimination:
    """One link eliminated: S is its own block of the front, r the rest of its rows.

    Attributes
    ----------
    psi : (q, q, A);  G : (I + S Psi)^-1, C : G r, H : Psi C, W : Psi G, F : G S; (q, ., levels, A).
    """

    psi: np.ndarray
    G: np.ndarray
    C: np.ndarray
    H: np.ndarray
    W: np.ndarray
    F: np.ndarray


class NestedFactorization:
    """See :class:`base.Factorization`."""

    def __init__(self, solver: NestedSolver, lambdas, members: np.ndarray | None):
        self.solver, self.members = solver, members
        self.psis = [(lam @ lam.transpose(0, 2, 1)).transpose(1, 2, 0) for lam in lambdas]
        leaf, links = solver.leaf, solver.links
        self.leaf_G, log_det = shrink(leaf.S, self.psis[0])
        self.log_det = (leaf.counts * log_det).sum(axis=0)
        self.leaf_W = multiply(self.psis[0][:, :, None], self.leaf_G)
        a, b = packed_pairs(links[0].q)
        weights = (self.leaf_W[a, b] + self.leaf_W[b, a]) / 2
        update = -unpack(leaf.gather(weights, members), links[0].width)
        self.eliminations: list[Elimination] = []
        for link, psi in zip(links[1:], self.psis[1:], strict=True):
            update = self._eliminate(link, psi, update)
        total = solver.nobs * np.eye(solver.columns)
        self.reduced = total + update[:, :, 0].transpose(2, 0, 1)

    def _eliminate(self, link: Link, psi: np.ndarray, front: np.ndarray) -> np.ndarray:
        """Eliminate one link from the sum of its children's updates; its own update, summed."""
        q = link.q
        rows = front[:q] + link.raw(self.members)
        S, r = rows[:, :q], rows[:, q:]
        G, log_det = shrink(S, psi)
        self.log_det = self.log_det + log_det.sum(axis=0)
        C = multiply(G, r)
        W = multiply(psi[:, :, None], G)
        H = multiply(psi[:, :, None], C)
        self.eliminations.append(Elimination(psi, G, C, H, W, multiply(G, S)))
        return segment_sum(front[q:, q:] - multiply(np.swapaxes(r, 0, 1), H), link.starts)

    @cached_property
    def leaf_F(self) -> np.ndarray:
        """(q, q, C, A): G S of the leaf's classes."""
        return multiply(self.leaf_G, self.solver.leaf.S)

    @cached_property
    def leaf_rows(self) -> np.ndarray:
        """(q, w, levels, A): G r of the leaf's levels, in chain order."""
        link = self.solver.links[0]
        r = link.raw(self.members)[:, link.q :]
        return multiply(self.leaf_G[:, :, self.solver.leaf.level_class], r)

    @cached_property
    def leaf_level_W(self) -> np.ndarray:
        """(q, q, levels, A): W of the leaf's levels, in chain order."""
        return self.leaf_W[:, :, self.solver.leaf.level_class]

    @cached_property
    def _first(self) -> FirstSweep:
        return first_sweep(self)

    @cached_property
    def _second(self) -> SecondSweep:
        return second_sweep(self, self._first)

    def trace_slopes(self) -> np.ndarray:
        return self._first.log_det[self.solver.places].T

    def slopes(self) -> np.ndarray:
        return -self._first.reduced[self.solver.places].transpose(3, 0, 1, 2)

    def pairs(self, U: np.ndarray) -> np.ndarray:
        M = U @ np.swapaxes(U, 1, 2)
        return self._ordered(np.einsum("efija,aij->efa", self._second.reduced, M)) / 2

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        places = self.solver.places
        both = self._second.reduced[places[:, None], places]
        return congruence(np.ascontiguousarray(np.moveaxis(both, -1, 0)) / 2, U)

    def traces(self) -> np.ndarray:
        return -self._ordered(self._second.log_det)

    def _ordered(self, values: np.ndarray) -> np.ndarray:
        """From (k, k, A) in chain order to (A, k, k) in the layout's."""
        places = self.solver.places
        return values[places[:, None], places].transpose(2, 0, 1)

    def cross(self) -> list[np.ndarray]:
        return back_substitute(self)

    def posterior_blocks(self) -> list[np.ndarray]:
        return path_covariances(self)
