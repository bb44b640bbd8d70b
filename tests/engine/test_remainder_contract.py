"""Every coupling and every remainder against dense matrices, in whatever form it has its own."""

from itertools import product

import numpy as np
import pytest

from mmfit.engine.solvers.contract.coupling import Coupling
from mmfit.engine.solvers.contract.pooled_levels import PooledLevels
from mmfit.engine.solvers.contract.remainder import Remainder, RemainderPlan
from mmfit.engine.solvers.contract.solver import Factorization, Solver
from mmfit.engine.solvers.crossed.products import neighbours
from mmfit.engine.solvers.crossed.sparse import pattern_keys
from mmfit.engine.solvers.levels.basis import group_basis
from mmfit.engine.system.whitened_system import build_system
from tests.engine import designs
from tests.engine.definition import model_matrix
from tests.engine.solver_kinds import KINDS, forced

DESIGNS = {
    "crossed": designs.crossed,
    "intercepts": lambda: designs.crossed(slopes=False),
    "pupils": lambda: designs.pupils(2, 2, 1),
    "pupils, items with slopes": lambda: designs.pupils(1, 3, 2),
}
NAMES = tuple(name for name in KINDS if name.startswith(("crossed", "chain", "sparse")))


class Dense:
    """A = Q_1'Z_t and Z_t'Z_t of a solver, and its symmetric matrices as (T, T)."""

    def __init__(self, system, solver):
        first, *others = (system.groups[g] for g in solver.order)
        basis = group_basis(first)
        Q = np.zeros((system.nobs, basis.levels, basis.size))
        for a, column in enumerate(basis.columns):
            Q[np.arange(system.nobs), basis.codes, a] = column * basis.scale[a][basis.codes]
        parts = [model_matrix(g).transpose(0, 2, 1).reshape(system.nobs, -1) for g in others]
        Z = np.concatenate(parts, axis=1)
        self.A, self.own, self.coupling = np.einsum("nla,nt->alt", Q, Z), Z.T @ Z, solver.coupling
        self.keys = pattern_keys(neighbours(basis, others, solver.columns))
        self.places = None
        if len(solver.coupling.shape) == 1:
            self.places = solver.coupling.places(self.keys)

    def whole(self, values):
        """(T, T) of one matrix in the coupling's form; NaN where it has no entry."""
        if self.coupling.whole:
            return values
        T = self.coupling.width
        out = np.full((T, T), np.nan)
        row, column = np.divmod(self.keys, T)
        flat = values.reshape(-1)
        out[row, column] = flat[self.keys if self.places is None else self.places]
        out[column, row] = out[row, column]
        return out

    def schur(self, w):
        return np.einsum("alt,abl,blu->tu", self.A, w, self.A)


def _close(got, expected, limit=1e-10):
    scale = max(np.nanmax(np.abs(expected), initial=0.0), 1e-8)
    there = ~np.isnan(got)
    np.testing.assert_allclose(np.where(there, got - expected, 0.0), 0.0, atol=limit * scale)


def _weights(rng, q, levels, count=2):
    half = rng.normal(size=(count, q, q, levels))
    return half + half.swapaxes(1, 2)


PAIRS = [
    (design, name)
    for design in DESIGNS
    for name in NAMES
    if design.startswith("pupils") or not name.startswith("chain")
]


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair).replace(", ", "-"))
def case(request):
    design, name = request.param
    system = build_system(DESIGNS[design]())
    with forced(name) as build:
        solver = build(system)
        yield solver, Dense(system, solver)


def test_a_coupling_is_its_matrix(case):
    solver, dense = case
    rng, coupling = np.random.default_rng(2), solver.coupling
    w = _weights(rng, coupling.q, coupling.levels)
    S, reduced = coupling.schur(w), solver.reduced_products(w)
    assert S.shape == reduced.shape == (2, *coupling.shape)
    moved = coupling.adjoint(S.copy())
    for a in range(2):
        _close(dense.whole(S[a]), dense.schur(w[a]))
        _close(dense.whole(reduced[a]), dense.own - dense.schur(w[a]))
        expected = np.einsum("alt,tu,blu->abl", dense.A, dense.schur(w[a]), dense.A)
        _close(moved[a], expected)
    x = rng.normal(size=(2, 3, coupling.q, coupling.levels))
    u = rng.normal(size=(2, 3, coupling.width))
    _close(coupling.transposed(x), np.einsum("ncal,alt->nct", x, dense.A))
    _close(coupling.apply(u), np.einsum("nct,alt->ncal", u, dense.A))


def _lambdas(rng, sizes, kind):
    out = []
    for g, q in enumerate(sizes):
        lam = np.tril(rng.normal(size=(3, q, q)))
        if kind == "zero" or (kind == "one group at zero" and g == 0):
            lam[:] = 0.0
        elif kind == "singular":
            lam[:, -1] = 0.0
        elif kind == "mixed sizes":
            lam *= np.array([1e-5, 1.0, 30.0])[:, None, None]
        out.append(lam)
    return out


@pytest.mark.parametrize("kind", ["plain", "zero", "one group at zero", "singular", "mixed sizes"])
def test_a_remainder_is_its_definition(case, kind):
    solver, dense = case
    rng, columns, coupling = np.random.default_rng(3), solver.columns, solver.coupling
    lambdas = _lambdas(rng, columns.sizes, kind)
    # I - K of a factor that is eliminated: from nothing to nearly all of its products
    share = rng.uniform(0, 0.9, (3, 1, 1, coupling.levels)) * np.eye(coupling.q)[:, :, None]
    along = _weights(rng, coupling.q, coupling.levels, 2)
    inner = [np.repeat(w[None], 3, axis=0) for w in along]
    remainder = solver.plan.factorize(solver.reduced_products(share), lambdas)
    rows = rng.normal(size=(3, 4, columns.width))
    J, (effects, left) = remainder.covariance(), remainder.solve(rows)
    found = {"gram": remainder.gram(rows), "effects": effects, "left": left}
    found["rows S"] = remainder.multiply(rows)
    blocks, posterior = remainder.trace_blocks(), remainder.posterior()
    sums, traces = remainder.through([coupling.schur(w) for w in inner])
    limit = 1e-6 if kind == "mixed sizes" else 1e-9
    for a in range(3):
        at = _defined(dense.own - dense.schur(share[a]), [lam[a] for lam in lambdas], columns)
        assert remainder.log_det[a] == pytest.approx(at["log_det"], rel=1e-10, abs=1e-10)
        _close(dense.whole(J[a]), at["J"], limit)
        expected = {"gram": rows[a] @ at["J"] @ rows[a].T, "effects": rows[a] @ at["J"]}
        Q = np.eye(columns.width) - at["J"] @ at["S"]
        expected |= {"left": rows[a] @ Q, "rows S": rows[a] @ at["S"]}
        for what, value in expected.items():
            _close(found[what][a], value, limit)
        M = [dense.schur(w) for w in along]
        for e, f in product(range(2), repeat=2):
            _close(traces[a, e, f], np.trace(M[e] @ at["J"] @ M[f] @ at["J"]), limit)
        for g in range(len(columns.sizes)):
            _close(blocks[g][a], _diagonal(at["N"], columns, g).sum(axis=0), limit)
            _close(posterior[g][a], _diagonal(at["J"], columns, g), limit)
            for e in range(2):
                _close(sums[e][g][a], _diagonal(Q.T @ M[e] @ Q, columns, g).sum(axis=0), limit)
            for h in range(g, len(columns.sizes)):
                found_here = _seen(remainder.products(g, h)[a])
                _close(found_here, _seen(_products(at["N"], columns, g, h)), limit)


def _defined(S, lambdas, columns):
    gamma = np.zeros_like(S)
    for g, lam in enumerate(lambdas):
        for i, j in product(range(columns.sizes[g]), repeat=2):
            place = columns.effects[g]
            gamma[place[i], place[j]] = lam[i, j] * np.eye(columns.levels[g])
    K = np.eye(len(S)) + gamma.T @ S @ gamma
    J = gamma @ np.linalg.solve(K, gamma.T)
    values, vectors = np.linalg.eigh(S)
    half = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    W, s, _ = np.linalg.svd(half @ gamma)
    # S - S J S, without a difference
    N = half @ (W / (1 + s * s)) @ W.T @ half
    return {"S": S, "J": J, "N": N, "log_det": np.linalg.slogdet(K)[1]}


def _blocks(M, columns, g, h):
    """(q, L, p, L') of a (T, T) matrix."""
    part = M[columns.places[g], columns.places[h]]
    return part.reshape(columns.sizes[g], columns.levels[g], columns.sizes[h], -1)


def _diagonal(M, columns, g):
    return np.einsum("iljl->lij", _blocks(M, columns, g, g))


def _products(N, columns, g, h):
    block = _blocks(N, columns, g, h)
    return np.einsum("ilkm,jlnm->ijkn", block, block)


def _seen(products):
    """What symmetric directions see of (q, q, p, p)."""
    products = products + products.swapaxes(0, 1)
    return products + products.swapaxes(2, 3)


def _public(protocol):
    named = {name for name in vars(protocol) if not name.startswith("_")}
    return named | set(protocol.__annotations__)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_a_contract_names_is_there(name):
    with forced(name) as build:
        system = build_system(designs.pupils(2, 2, 1))
        solver = build(system)
        factor = solver.factorize(system.layout.lambdas(np.ones((1, len(system.layout)))), [0])
    parts = [(Solver, solver), (Factorization, factor), (Coupling, solver.coupling)]
    parts += [(RemainderPlan, solver.plan), (Remainder, factor.remainder)]
    for protocol, part in parts:
        assert not [member for member in _public(protocol) if not hasattr(part, member)], protocol


@pytest.mark.parametrize("name", ["single", "single, levels one by one"])
def test_pooled_levels_answer_their_contract(name):
    with forced(name) as build:
        pooled = build(build_system(designs.single())).pooled
    assert not [member for member in _public(PooledLevels) if not hasattr(pooled, member)]
    # stacks of weights, and one set of weights at a time
    q, classes = len(pooled.T), pooled.T.shape[2]
    weights = np.random.default_rng(4).normal(size=(2, q * (q + 1) // 2, classes, 1))
    both = pooled.gather(weights, None)
    for one, other in zip(weights, both, strict=True):
        np.testing.assert_allclose(pooled.gather(one, None), other, rtol=1e-12)
