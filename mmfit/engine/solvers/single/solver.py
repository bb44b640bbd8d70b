"""One grouping factor: every quantity is a sum over classes of equal levels.

With Z = Q T' by level (:mod:`basis`), c = Q'R and K = (I + T'Psi T)^-1, all q x q, one per
class: R'V^-1 R is what the levels leave of R'R plus c'K c, Z'V^-1 R = G c with G = T K, and
Z'V^-1 Z is block diagonal with blocks F = T K T'. The derivative of c'K c along a direction E of
Psi is -c'G'E G c (Bates, Maechler, Bolker & Walker 2015, section 3, for the factorisation).
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from mmfit.engine.covariance.directions import directions
from mmfit.engine.solvers.contract.composition import VarianceLimits, factorize_in_two, unless_all
from mmfit.engine.solvers.contract.pooled_levels import PooledLevels
from mmfit.engine.solvers.contract.solver import (
    COPIES,
    Factorization,
    IdentityMoments,
    SecondOrderCost,
)
from mmfit.engine.solvers.levels.basis import exact_within_levels, group_basis, within_levels
from mmfit.engine.solvers.levels.blocks import conditional, congruence, kernel, multiply
from mmfit.engine.solvers.levels.classes import (
    classify,
    packed,
    packed_pairs,
    pool_levels,
    square,
)
from mmfit.engine.solvers.levels.rows import LevelRows
from mmfit.engine.system.whitened_system import System

# Numbers that pooling may take where it does not pay; below, fewer calls are worth more.
_CELLS = 20_000


class SingleSolver:
    """Cross-products of one grouping factor.

    Attributes
    ----------
    design : (q, p, L), Q'X by level;  responses : (q, L, B), Q'y;  pooled : the pooled products.
    within : (B, m, m), what the levels leave of R'R.
    taken : (B, p), see :class:`Factorization`.
    by_level : bool, whether what V lets through is summed up level by level.
    """

    name = "single"
    second_order_is_cheap = True

    def __init__(
        self, system: System, rows: Callable[[], System] | None = None, exact: bool = False
    ):
        """``rows`` as in :func:`mmfit.engine.solvers.choose_solver`;  ``exact`` keeps the digits
        that large variances take."""
        basis, X = group_basis(system.groups[0]), system.columns
        self.design, self.responses = basis.products(X), basis.responses(system.y)
        if exact:
            within = exact_within_levels(basis, X, system.y, self.design, self.responses)
        else:
            within = within_levels(system.nobs, self.design, self.responses)
        self.within, self.taken = within.products, within.taken
        self.by_level = exact and len(basis.T) > 1
        self._precision, self._rows = VarianceLimits(system), rows or (lambda: system)
        self.pooled = _pooled(basis.T, self.design, self.responses)
        self.directions = directions(system.layout, 0)
        self.columns = system.nfixed + 1
        self.batch = len(system.y)

    def identity_moments(self) -> IdentityMoments:
        pooled, m = self.pooled, self.columns
        sums = pooled.congruences(pooled.T, self.directions, None)
        first, second = packed_pairs(m)
        x_slopes = np.empty((len(sums), m, m))
        x_slopes[:, first, second] = x_slopes[:, second, first] = sums[..., 0]
        S, counts = pooled.S[..., 0], pooled.counts[:, 0]
        own = np.where((first == second) & (second < m - 1), 1.0, 0.0)[:, None]
        inner = multiply(multiply(pooled.T, pooled.inner_products(own)), pooled.T.swapaxes(0, 1))
        return IdentityMoments(
            traces=self.pair_traces(S[..., None], (S * counts)[..., None])[0],
            trace_slopes=self.directions.traces((S * counts).sum(axis=2)),
            x_pairs=self.pair_traces(S[..., None], inner[..., :1])[0],
            x_slopes=x_slopes[:, :-1, :-1],
            y_slopes=sums[:, -1].T,
        )

    def pair_traces(self, F: np.ndarray, K: np.ndarray) -> np.ndarray:
        """(A, k, k): the sums over the classes of tr(E_e F E_f K), for F and K (q, q, C, A)."""
        products = np.einsum("ijca,klca->ijkla", F, K)
        return self.directions.pair_traces(products).transpose(2, 0, 1)

    def second_order_cost(self) -> SecondOrderCost:
        """Per pair of entries, products of a class's weights with its pooled products."""
        k, m, (q, _, classes, _) = len(self.directions), self.columns, self.pooled.T.shape
        inner = k * (k + 1) / 2 * q * (q + 1) / 2 * m * (m + 1) / 2 * classes
        weights = k**2 * q**3 * classes
        return SecondOrderCost(0.0, inner + weights, COPIES * (k * q**2 + m * q) * classes)

    @cached_property
    def exact(self) -> "SingleSolver":
        """The same with the digits that large variances ask for."""
        return SingleSolver(self._rows(), exact=True)

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> Factorization:
        wanted = self._precision.wanted(lambdas)
        return factorize_in_two(
            wanted, self.plainly, lambda *given: self.exact.plainly(*given), lambdas, members
        )

    def plainly(self, lambdas: list[np.ndarray], members: np.ndarray) -> "SingleFactorization":
        """As this solver's products allow."""
        return SingleFactorization(self, lambdas[0], unless_all(members, self.batch))


def _pooled(T: np.ndarray, design: np.ndarray, responses: np.ndarray) -> PooledLevels:
    """The levels pooled, or one by one where there are many, all different."""
    q, p, levels = design.shape
    cells = levels * (q * (q + 1) // 2) * ((p + 1) * (p + 2) // 2)
    if responses.shape[2] == 1 and cells > _CELLS:
        _, example = classify(T)
        if 2 * len(example) > levels:
            return LevelRows.of(T, design, responses)
    return pool_levels(T, design, responses, None)


class SingleFactorization:
    """See :class:`Factorization`."""

    def __init__(self, solver: SingleSolver, lam: np.ndarray, members: np.ndarray | None):
        self.solver, self.members = solver, members
        pooled = solver.pooled
        self.lam = lam.transpose(1, 2, 0)
        self.K, log_det = kernel(pooled.T, self.lam)
        self.log_det = (pooled.counts * log_det).sum(axis=0)
        if solver.by_level:
            gain = _gain_by_level(solver, self.lam, members)
        else:
            gain = square(pooled.gather(packed(self.K), members)[:, 0], solver.columns)
        within = solver.within if members is None else solver.within[members]
        self.reduced = within + gain
        self.taken = solver.taken if members is None else solver.taken[members]

    @cached_property
    def G(self) -> np.ndarray:
        """(q, q, C, A): T K, as Z'V^-1 = G Q'."""
        return multiply(self.solver.pooled.T, self.K)

    @cached_property
    def F(self) -> np.ndarray:
        """(q, q, C, A): blocks of Z'V^-1 Z."""
        return multiply(self.G, self.solver.pooled.T.swapaxes(0, 1))

    def trace_slopes(self) -> np.ndarray:
        total = (self.F * self.solver.pooled.counts).sum(axis=2)
        return self.solver.directions.traces(total).T

    def slopes(self) -> np.ndarray:
        solver = self.solver
        return square(
            solver.pooled.congruences(self.G, solver.directions, self.members), solver.columns
        )

    def pairs(self, U: np.ndarray) -> np.ndarray:
        M = U @ np.swapaxes(U, 1, 2)
        first, second = packed_pairs(self.solver.columns)
        weights = M[:, first, second].T * np.where(first == second, 1.0, 2.0)[:, None]
        inner = self.solver.pooled.inner_products(weights, self.members)
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
                gained = solver.pooled.gather(packed(middle), self.members)[:, 0]
                whole[:, e, f] = whole[:, f, e] = square(gained, m)
        return congruence(whole, U)

    def traces(self) -> np.ndarray:
        return self.solver.pair_traces(self.F, self.F * self.solver.pooled.counts)

    def cross(self) -> list[np.ndarray]:
        solver, y = self.solver, self.solver.responses
        if self.members is not None:
            y = np.take(y, self.members, axis=-1)
        X = np.broadcast_to(solver.design[..., None], (*solver.design.shape, y.shape[-1]))
        r = np.concatenate([X, y[:, None]], axis=1)
        return [_members_first(multiply(self.G[:, :, solver.pooled.level_class], r))]

    def posterior_blocks(self) -> list[np.ndarray]:
        W = conditional(self.solver.pooled.T, self.lam)
        return [_members_first(W[:, :, self.solver.pooled.level_class])]


def _gain_by_level(solver: SingleSolver, lam: np.ndarray, members) -> np.ndarray:
    """(A, m, m): the sums of c'K c as squares of (I + s^2)^-1/2 V'c, with T'Lambda = V s U'.

    In a sum of products that are pooled before, directions that a large variance covers would take
    the digits of the others.
    """
    T = solver.pooled.T[:, :, solver.pooled.level_class, 0].transpose(2, 1, 0)
    members = np.arange(solver.batch) if members is None else members
    out = np.empty((len(members), solver.columns, solver.columns))
    for a, member in enumerate(members):
        c = np.concatenate([solver.design, solver.responses[:, None, :, member]], axis=1)
        half = T @ lam[:, :, a]
        if not np.isfinite(half).all():
            out[a] = np.nan
            continue
        V, s, _ = np.linalg.svd(half)
        z = np.einsum("lik,icl,lk->ckl", V, c, 1 / np.sqrt(1 + s * s)).reshape(len(c[0]), -1)
        out[a] = z @ z.T
    return out


def _members_first(values: np.ndarray) -> np.ndarray:
    """(a, b, L, A) to (A, L, a, b)."""
    return np.ascontiguousarray(values.transpose(3, 2, 0, 1))
