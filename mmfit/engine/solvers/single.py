"""One grouping factor: every quantity is a sum over classes of equal levels.

With G = (I + S Psi)^-1, W = Psi G and F = G S (all q x q, one per class), N = Z'V^-1 Z is block
diagonal with blocks F, and Z'V^-1 R = G r by level. Derivatives of W along a direction E of Psi are
G'E G (Bates, Maechler, Bolker & Walker 2015, section 3, for the factorisation).
"""

from functools import cached_property

import numpy as np

from mmfit.engine.products import LevelSums, response_products
from mmfit.engine.solvers.blank import Blank
from mmfit.engine.solvers.blocks import directions, multiply, shrink
from mmfit.engine.solvers.leaf import Leaf, build_leaf, classify, packed_pairs
from mmfit.engine.solvers.level_rows import LevelRows
from mmfit.engine.system import System

# Numbers that pooling may take where it does not pay; below, fewer calls are worth more.
_CELLS = 20_000


class SingleSolver:
    """Cross-products of one grouping factor.

    Attributes
    ----------
    design : (q, p, L), Z'X by level;  responses : (q, L, B), Z'y;  leaf : the pooled products.
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
            traces=self._pair_traces(S, S * counts),
            trace_slopes=self.directions.traces((S * counts).sum(axis=2)),
            x_pairs=self._pair_traces(S, inner[..., 0]),
            x_slopes=x_slopes[:, :-1, :-1],
            y_slopes=y.T,
        )

    def _pair_traces(self, S: np.ndarray, K: np.ndarray) -> np.ndarray:
        products = np.einsum("ijc,klc->ijkl", S, K)[..., None]
        return self.directions.pair_traces(products)[..., 0]

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
        self.G, log_det = shrink(leaf.S, self.psi)
        self.log_det = (leaf.counts * log_det).sum(axis=0)
        self.W = multiply(self.psi[:, :, None], self.G)
        a, b = packed_pairs(len(self.psi))
        loss = leaf.gather((self.W[a, b] + self.W[b, a]) / 2, members)
        total = solver.nobs * np.eye(solver.columns)
        self.reduced = total - self._square(loss[:, 0])

    def _square(self, packed: np.ndarray) -> np.ndarray:
        """(..., W, A) packed symmetric matrices to (A, ..., m, m)."""
        m = self.solver.columns
        first, second = packed_pairs(m)
        axes = packed.ndim - 1
        values = packed.transpose(axes, *range(axes))
        out = np.empty((*values.shape[:-1], m, m))
        out[..., first, second] = values
        out[..., second, first] = values
        return out

    @cached_property
    def F(self) -> np.ndarray:
        """(q, q, C, A): blocks of Z'V^-1 Z."""
        return multiply(self.G, self.solver.leaf.S)

    def trace_slopes(self) -> np.ndarray:
        total = (self.F * self.solver.leaf.counts).sum(axis=2)
        return self.solver.directions.traces(total).T

    def slopes(self) -> np.ndarray:
        solver = self.solver
        return self._square(solver.leaf.congruences(self.G, solver.directions, self.members))

    def pairs(self, U: np.ndarray) -> np.ndarray:
        M = U @ np.swapaxes(U, 1, 2)
        first, second = packed_pairs(self.solver.columns)
        weights = M[:, first, second].T * np.where(first == second, 1.0, 2.0)[:, None]
        inner = self.solver.leaf.inner_products(weights, self.members)
        outer = multiply(multiply(self.G, inner), np.swapaxes(self.G, 0, 1))
        return self._pair_traces(self.F, outer)

    def traces(self) -> np.ndarray:
        return self._pair_traces(self.F, self.F * self.solver.leaf.counts)

    def _pair_traces(self, F: np.ndarray, K: np.ndarray) -> np.ndarray:
        products = np.einsum("ijca,klca->ijkla", F, K)
        return self.solver.directions.pair_traces(products).transpose(2, 0, 1)

    def cross(self) -> list[np.ndarray]:
        solver, y = self.solver, self.solver.responses
        if self.members is not None:
            y = np.take(y, self.members, axis=-1)
        X = np.broadcast_to(solver.design[..., None], (*solver.design.shape, y.shape[-1]))
        r = np.concatenate([X, y[:, None]], axis=1)
        return [_members_first(multiply(self.G[:, :, solver.leaf.level_class], r))]

    def posterior_blocks(self) -> list[np.ndarray]:
        return [_members_first(self.W[:, :, self.solver.leaf.level_class])]


def _members_first(values: np.ndarray) -> np.ndarray:
    """(a, b, L, A) to (A, L, a, b)."""
    return np.ascontiguousarray(values.transpose(3, 2, 0, 1))
