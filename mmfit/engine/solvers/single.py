"""One grouping factor: every quantity is a sum over classes of equal levels.

With G = (I + S Psi)^-1, W = Psi G and F = G S (all q x q, one per class), N = Z'V^-1 Z is block
diagonal with blocks F, and Z'V^-1 R = G r by level. Derivatives of W along a direction E of Psi are
G'E G (Bates, Maechler, Bolker & Walker 2015, section 3, for the factorisation).
"""

from functools import cached_property

import numpy as np

from mmfit.engine.products import LevelSums, response_products
from mmfit.engine.solvers.blank import Blank
from mmfit.engine.solvers.blocks import congruence, directions, kernel, multiply, roots, shrink
from mmfit.engine.solvers.leaf import Leaf, build_leaf, classify, packed, packed_pairs, square
from mmfit.engine.solvers.level_rows import LevelRows
from mmfit.engine.system import System

# Numbers that pooling may take where it does not pay; below, fewer calls are worth more.
_CELLS = 20_000
# Below this part of a response within levels, the part is computed from the rows.
_CANCELS = 0.05


class SingleSolver:
    """Cross-products of one grouping factor.

    Attributes
    ----------
    design : (q, p, L), Z'X by level;  responses : (q, L, B), Z'y;  leaf : the pooled products.
    T, inverse : (q, q, C, 1), S = TT' and T^+, by class;  within : (B, m, m), see ``_within``.
    """

    name = "single"
    second_order_is_cheap = True

    def __init__(self, system: System):
        group = system.groups[0]
        q, p = group.size, system.nfixed
        sums = LevelSums(group.codes, group.levels)
        products = sums.products(group.columns, (*group.columns, *system.columns))
        self.design = products[:, q:]
        self.responses = response_products(sums, group.columns, system.y)
        self.leaf = _leaf(products[:, :q], self.design, self.responses)
        self.directions = directions(system.layout, 0)
        self.nobs, self.columns = system.nobs, p + 1
        self.batch = len(system.y)
        self.T, self.inverse = (block[..., None] for block in roots(self.leaf.S[..., 0]))
        self.within = self._within(system)

    def _within(self, system: System) -> np.ndarray:
        """(B, m, m): R'R less its projection on Z, level by level."""
        weights = packed(np.einsum("kilx,kjlx->ijlx", self.inverse, self.inverse))
        loss = self.leaf.gather(weights, None)[:, 0]
        within = self.nobs * np.eye(self.columns) - square(loss, self.columns)
        # Response by response: the digits of one must not depend on its neighbours.
        lost = np.flatnonzero(within[:, -1, -1] <= _CANCELS * self.nobs)
        if len(lost):
            within[lost] = self._within_from_rows(system, lost)
        return within

    def _within_from_rows(self, system: System, members: np.ndarray) -> np.ndarray:
        """The same where the levels explain nearly all, and a difference would lose the rest."""
        group, label = system.groups[0], self.leaf.level_class
        half = self.inverse[:, :, label, 0]
        rows = np.concatenate([system.X, system.y[members]])
        responses = self.responses[..., members].transpose(0, 2, 1)
        r = np.concatenate([self.design, responses], axis=1)
        effects = np.einsum("kil,kcl->icl", half, np.einsum("kil,icl->kcl", half, r))
        for a, column in enumerate(group.columns):
            rows = rows - effects[a][:, group.codes] * column
        p = system.nfixed
        X, y = rows[:p], rows[p:]
        out = np.empty((len(y), p + 1, p + 1))
        out[:, :p, :p] = X @ X.T
        out[:, :p, p] = out[:, p, :p] = np.einsum("bn,pn->bp", y, X)
        out[:, p, p] = np.einsum("bn,bn->b", y, y)
        return out

    def blank(self) -> Blank:
        leaf, m = self.leaf, self.columns
        sums = leaf.totals(self.directions)
        first, second = packed_pairs(m)
        y, x = sums[:, -1], sums[..., 0]
        x_slopes = np.empty((len(x), m, m))
        x_slopes[:, first, second] = x_slopes[:, second, first] = x
        S, counts = leaf.S[..., 0], leaf.counts[:, 0]
        inner = leaf.inner_products(
            np.where((first == second) & (second < m - 1), 1.0, 0.0)[:, None]
        )
        return Blank(
            traces=self.pair_traces(S[..., None], (S * counts)[..., None])[0],
            trace_slopes=self.directions.traces((S * counts).sum(axis=2)),
            x_pairs=self.pair_traces(S[..., None], inner[..., :1])[0],
            x_slopes=x_slopes[:, :-1, :-1],
            y_slopes=y.T,
        )

    def pair_traces(self, F: np.ndarray, K: np.ndarray) -> np.ndarray:
        """(A, k, k): the sums over the classes of tr(E_e F E_f K), for F and K (q, q, C, A)."""
        products = np.einsum("ijca,klca->ijkla", F, K)
        return self.directions.pair_traces(products).transpose(2, 0, 1)

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> "SingleFactorization":
        everyone = len(members) == self.batch and bool((members == np.arange(self.batch)).all())
        return SingleFactorization(self, lambdas[0], None if everyone else members)


def _leaf(own: np.ndarray, design: np.ndarray, responses: np.ndarray) -> Leaf | LevelRows:
    """The levels pooled, or one by one where there are many, all different."""
    q, p, levels = design.shape
    cells = levels * (q * (q + 1) // 2) * ((p + 1) * (p + 2) // 2)
    if responses.shape[2] == 1 and cells > _CELLS:
        _, example = classify(own)
        if 2 * len(example) > levels:
            return LevelRows.of(own, design, responses)
    return build_leaf(own, design, responses, None)


class SingleFactorization:
    """See :class:`base.Factorization`."""

    def __init__(self, solver: SingleSolver, lam: np.ndarray, members: np.ndarray | None):
        self.solver, self.members = solver, members
        leaf = solver.leaf
        self.psi = (lam @ lam.transpose(0, 2, 1)).transpose(1, 2, 0)
        K, log_det = kernel(solver.T, lam.transpose(1, 2, 0))
        self.log_det = (leaf.counts * log_det).sum(axis=0)
        # R'V^-1 R = R'R less its projection on Z, and of the projection what V lets through
        self._half = multiply(K, solver.inverse)
        through = multiply(solver.inverse.swapaxes(0, 1), self._half)
        gain = leaf.gather(packed(through), members)
        within = solver.within if members is None else solver.within[members]
        self.reduced = within + square(gain[:, 0], solver.columns)

    @cached_property
    def G(self) -> np.ndarray:
        """(q, q, C, A): (I + S Psi)^-1 as it acts on the range of S, T (I + T'Psi T)^-1 T^+."""
        return multiply(self.solver.T, self._half)

    @cached_property
    def F(self) -> np.ndarray:
        """(q, q, C, A): blocks of Z'V^-1 Z."""
        return multiply(self.G, self.solver.leaf.S)

    def trace_slopes(self) -> np.ndarray:
        total = (self.F * self.solver.leaf.counts).sum(axis=2)
        return self.solver.directions.traces(total).T

    def slopes(self) -> np.ndarray:
        solver = self.solver
        return square(
            solver.leaf.congruences(self.G, solver.directions, self.members), solver.columns
        )

    def pairs(self, U: np.ndarray) -> np.ndarray:
        M = U @ np.swapaxes(U, 1, 2)
        first, second = packed_pairs(self.solver.columns)
        weights = M[:, first, second].T * np.where(first == second, 1.0, 2.0)[:, None]
        inner = self.solver.leaf.inner_products(weights, self.members)
        outer = multiply(multiply(self.G, inner), np.swapaxes(self.G, 0, 1))
        return self.solver.pair_traces(self.F, outer)

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        # G'E_e F E_f G is what stands between r' and r; one pair at a time, as k^2 q^2 is large.
        solver, G = self.solver, self.G
        moved = np.einsum("eij,jvca->eivca", solver.directions.dense, G)
        through = np.einsum("ijca,ejvca->eivca", self.F, moved)
        k, m = len(moved), solver.columns
        whole = np.empty((G.shape[3], k, k, m, m))
        for e in range(k):
            for f in range(e, k):
                middle = np.einsum("iuca,ivca->uvca", moved[e], through[f])
                middle = (middle + middle.swapaxes(0, 1)) / 2
                gained = solver.leaf.gather(packed(middle), self.members)[:, 0]
                whole[:, e, f] = whole[:, f, e] = square(gained, m)
        return congruence(whole, U)

    def traces(self) -> np.ndarray:
        return self.solver.pair_traces(self.F, self.F * self.solver.leaf.counts)

    def cross(self) -> list[np.ndarray]:
        solver, y = self.solver, self.solver.responses
        if self.members is not None:
            y = np.take(y, self.members, axis=-1)
        X = np.broadcast_to(solver.design[..., None], (*solver.design.shape, y.shape[-1]))
        r = np.concatenate([X, y[:, None]], axis=1)
        return [_members_first(multiply(self.G[:, :, solver.leaf.level_class], r))]

    def posterior_blocks(self) -> list[np.ndarray]:
        W = multiply(self.psi[:, :, None], shrink(self.solver.leaf.S, self.psi)[0])
        return [_members_first(W[:, :, self.solver.leaf.level_class])]


def _members_first(values: np.ndarray) -> np.ndarray:
    """(a, b, L, A) to (A, L, a, b)."""
    return np.ascontiguousarray(values.transpose(3, 2, 0, 1))
