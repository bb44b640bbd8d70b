"""Nested grouping factors (a single factor is the chain of length one).

Every level of a factor lies inside one level of the next coarser one, so the factors can be
eliminated from the innermost to the outermost, level by level, with small dense blocks and no
fill-in: after the elimination of factor i the cross-products of what remains are those under
V_i^-1, V_i = I + sum over j <= i of Z_j Psi_j Z_j'. Time and memory are linear in the number of
levels. (The multifrontal view of the block Cholesky factor in Bates, Maechler, Bolker & Walker
2015, section 5.4.)
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from mmfit.engine.batched import (
    cholesky,
    group_products,
    inverse_one_plus,
    log_det_from_cholesky,
    segment_sum,
    solve_lower,
)
from mmfit.engine.solvers.nested_traces import chain_traces
from mmfit.engine.system import System


@dataclass(frozen=True, slots=True)
class Link:
    """One factor of the chain, innermost first; its levels are sorted by their ancestors.

    Attributes
    ----------
    group : int, index in the system.
    order : (levels,) intp, chain position -> level of the group.
    parents : tuple over the coarser factors j of (levels,) intp, the ancestor of each level.
    starts : tuple over the coarser factors j of (levels_j,) intp, where its descendants begin.
    columns : tuple of slices, where factor i, i + 1, ... and R lie in ``products``.
    products : (levels, q, width) array, Z_i'[Z_i Z_i+1 ... X y] by level.
    """

    group: int
    order: np.ndarray
    parents: tuple[np.ndarray, ...]
    starts: tuple[np.ndarray, ...]
    columns: tuple[slice, ...]
    products: np.ndarray


class NestedSolver:
    """Cross-products of a chain of nested factors."""

    name = "nested"

    def __init__(self, system: System, chain: list[int]):
        """``chain``: group indices, innermost first, each nested in the next."""
        self.sizes = [system.groups[g].size for g in chain]
        self.groups = len(system.groups)
        R = np.column_stack([system.X, system.y])
        self.total = R.T @ R
        self.links = _build_links(system, chain, R)

    def factorize(self, lambdas: list[np.ndarray]) -> "NestedFactorization":
        return NestedFactorization(self, [lambdas[link.group] for link in self.links])


def nesting_chain(system: System) -> list[int] | None:
    """Groups from innermost to outermost when they form a chain, else None."""
    order = sorted(range(len(system.groups)), key=lambda g: -system.groups[g].levels)
    for inner, outer in pairwise(order):
        child, parent = system.groups[inner], system.groups[outer]
        if not np.array_equal(_parent_of(child, parent)[child.codes], parent.codes):
            return None
    return order


def _parent_of(child, parent) -> np.ndarray:
    ancestor = np.zeros(child.levels, dtype=np.intp)
    ancestor[child.codes] = parent.codes
    return ancestor


def _build_links(system: System, chain: list[int], R: np.ndarray) -> list[Link]:
    groups = [system.groups[g] for g in chain]
    orders, ranks = _chain_orders(groups)
    links = []
    for i, group in enumerate(groups):
        parents = tuple(
            ranks[j][_parent_of(group, groups[j])][orders[i]] for j in range(i + 1, len(groups))
        )
        starts = tuple(np.searchsorted(p, np.arange(p[-1] + 1)) for p in parents)
        width = np.cumsum([0, *(g.size for g in groups[i:]), R.shape[1]])
        columns = tuple(slice(a, b) for a, b in pairwise(width))
        right = np.hstack([*(g.model for g in groups[i:]), R])
        products = group_products(group.codes, group.levels, group.model, right)[orders[i]]
        links.append(Link(chain[i], orders[i], parents, starts, columns, products))
    return links


def _chain_orders(groups) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sort each factor's levels by ancestor, so that descendants are consecutive."""
    orders, ranks = [None] * len(groups), [None] * len(groups)
    for i in reversed(range(len(groups))):
        if i == len(groups) - 1:
            orders[i] = np.arange(groups[i].levels)
        else:
            parent = ranks[i + 1][_parent_of(groups[i], groups[i + 1])]
            orders[i] = np.argsort(parent, kind="stable")
        ranks[i] = np.empty_like(orders[i])
        ranks[i][orders[i]] = np.arange(len(orders[i]))
    return orders, ranks


class NestedFactorization:
    """Elimination of a chain at one theta; see :class:`base.Factorization`."""

    def __init__(self, solver: NestedSolver, lambdas: list[np.ndarray]):
        self.solver, self.lambdas = solver, lambdas
        self.psis = [lam @ lam.T for lam in lambdas]
        # products[i] after the elimination of all finer factors
        self.products = [link.products for link in solver.links]
        self.log_det, self.reduced = 0.0, solver.total.copy()
        for i in range(len(lambdas)):
            self._eliminate(i)

    def _eliminate(self, i: int) -> None:
        link, lam = self.solver.links[i], self.lambdas[i]
        q = len(lam)
        own, rest = self.products[i][:, :, :q], self.products[i][:, :, q:]
        C = cholesky(np.eye(q) + lam.T @ own @ lam)
        self.log_det += log_det_from_cholesky(C)
        Y = solve_lower(C, lam.T @ rest)
        for step, starts in enumerate(link.starts):
            j = i + 1 + step
            left = link.columns[1 + step]
            a, b = left.start - q, left.stop - q
            update = segment_sum(np.swapaxes(Y[:, :, a:b], 1, 2) @ Y[:, :, a:], starts)
            self.products[j] = self.products[j] - update
        last = Y[:, :, -len(self.reduced) :].reshape(-1, len(self.reduced))
        self.reduced -= last.T @ last

    @cached_property
    def shrink(self) -> list[np.ndarray]:
        """(I + S_i Psi_i)^-1 by level, S_i = Z_i'V_{i-1}^-1 Z_i."""
        return [
            inverse_one_plus(products[:, :, : len(psi)], psi)
            for products, psi in zip(self.products, self.psis, strict=True)
        ]

    @cached_property
    def coupled(self) -> list[np.ndarray]:
        """Z_i'V_i^-1 [Z_i Z_i+1 ... R] by level."""
        return [g @ products for g, products in zip(self.shrink, self.products, strict=True)]

    @cached_property
    def precision(self) -> list[np.ndarray]:
        """W_i = Psi_i (I + S_i Psi_i)^-1, conditional covariance given all coarser effects."""
        return [psi @ g for psi, g in zip(self.psis, self.shrink, strict=True)]

    def cross(self) -> list[np.ndarray]:
        right = [c[:, :, link.columns[-1]] for c, link in self._linked(self.coupled)]
        return self._unsort(self._back_substitute(right))

    def _linked(self, values):
        return zip(values, self.solver.links, strict=True)

    def _back_substitute(self, right: list[np.ndarray]) -> list[np.ndarray]:
        """Z_i'V^-1 r from Z_i'V_i^-1 r, outermost factor first."""
        out: list[np.ndarray] = [np.empty(0)] * len(right)
        effects: list[np.ndarray] = [np.empty(0)] * len(right)
        for i in reversed(range(len(right))):
            link, value = self.solver.links[i], right[i]
            for step, parents in enumerate(link.parents):
                columns = self.coupled[i][:, :, link.columns[1 + step]]
                value = value - columns @ effects[i + 1 + step][parents]
            out[i] = value
            effects[i] = self.psis[i] @ value
        return out

    def _unsort(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """From chain order to the system's groups and levels."""
        out: list[np.ndarray] = [np.empty(0)] * self.solver.groups
        for value, link in self._linked(values):
            out[link.group] = np.empty_like(value)
            out[link.group][link.order] = value
        return out

    def multiply(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        links = self.solver.links
        sorted_blocks = [blocks[link.group][link.order] for link in links]
        right = self._apply_crossproducts(sorted_blocks)
        for i, link in enumerate(links):
            weighted = self.precision[i] @ right[i]
            for step, starts in enumerate(link.starts):
                columns = self.products[i][:, :, link.columns[1 + step]]
                update = segment_sum(np.swapaxes(columns, 1, 2) @ weighted, starts)
                right[i + 1 + step] = right[i + 1 + step] - update
            right[i] = self.shrink[i] @ right[i]
        return self._unsort(self._back_substitute(right))

    def _apply_crossproducts(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """Z'Z times a block vector, from the raw products."""
        out = []
        for block, link in self._linked(blocks):
            out.append(link.products[:, :, link.columns[0]] @ block)
        for i, link in enumerate(self.solver.links):
            for step, (parents, starts) in enumerate(zip(link.parents, link.starts, strict=True)):
                j = i + 1 + step
                columns = link.products[:, :, link.columns[1 + step]]
                out[i] = out[i] + columns @ blocks[j][parents]
                out[j] = out[j] + segment_sum(np.swapaxes(columns, 1, 2) @ blocks[i], starts)
        return out

    @cached_property
    def path_covariance(self) -> list[np.ndarray]:
        """Joint posterior covariance of a level's effect and its ancestors' (factors i, i+1, ...).

        Given the ancestors' effects b, this level's has covariance W_i and mean -W_i U b + const,
        U = Z_i'V_{i-1}^-1 [Z_i+1 ...].
        """
        out: list[np.ndarray] = [np.empty(0)] * len(self.psis)
        for i in reversed(range(len(self.psis))):
            link, W = self.solver.links[i], self.precision[i]
            if not link.parents:
                out[i] = W
                continue
            above = out[i + 1][link.parents[0]]
            H = W @ self.products[i][:, :, link.columns[1].start : link.columns[-1].start]
            side = H @ above
            top = np.concatenate([W + side @ np.swapaxes(H, 1, 2), -side], axis=2)
            bottom = np.concatenate([-np.swapaxes(side, 1, 2), above], axis=2)
            out[i] = np.concatenate([top, bottom], axis=1)
        return out

    def posterior_blocks(self) -> list[np.ndarray]:
        own = [
            c[:, : len(p), : len(p)] for c, p in zip(self.path_covariance, self.psis, strict=True)
        ]
        return self._unsort(own)

    def trace_blocks(self) -> list[np.ndarray]:
        out: list[np.ndarray] = [np.empty(0)] * self.solver.groups
        for i, link in enumerate(self.solver.links):
            q = len(self.psis[i])
            total = self.coupled[i][:, :, :q].sum(axis=0)
            if link.parents:
                C = self.coupled[i][:, :, q : link.columns[-1].start]
                above = self.path_covariance[i + 1][link.parents[0]]
                total = total - np.einsum("lab,lbc,ldc->ad", C, above, C, optimize=True)
            out[link.group] = total
        return out

    def traces(self, directions: list[tuple[int, np.ndarray]]) -> np.ndarray:
        position = {link.group: i for i, link in enumerate(self.solver.links)}
        return chain_traces(self, [(position[g], E) for g, E in directions])
