"""Whitening, sums by level, pooled levels and late fields."""

import copy
import pickle

import numpy as np
import pytest

from mmfit.common.lazy_fields import Deferred
from mmfit.engine import fit_model
from mmfit.engine.solvers.levels.classes import classify, packed_pairs, pool_levels, unpack
from mmfit.engine.system.level_sums import LevelSums, level_products, response_products
from mmfit.engine.system.orthonormal import orthonormal_rows
from mmfit.engine.system.whitened_system import build_system, fitted_exactly
from tests.engine.designs import DESIGNS, matrices, single, term


@pytest.mark.parametrize(("columns", "rows"), [(1, 7), (3, 40), (4, 5000)])
@pytest.mark.parametrize("condition", [1.0, 1e3, 1e7, 1e11])
def test_orthonormal_rows(columns, rows, condition):
    """Cholesky QR where it is safe, Householder where it is not: orthonormal in either case."""
    rng = np.random.default_rng(columns)
    A = rng.normal(size=(columns, rows))
    A[-1] = A[0] + A[-1] / condition if columns > 1 else A[-1]
    A *= 10.0 ** np.arange(columns)[:, None] ** 2
    Q, R = orthonormal_rows(A)
    np.testing.assert_allclose(Q @ Q.T, np.eye(columns), atol=1e-13)
    norms = np.linalg.norm(A, axis=1, keepdims=True)
    np.testing.assert_allclose(R.T @ Q / norms, A / norms, atol=1e-13)
    assert (np.diag(R) > 0).all()
    assert not np.tril(R, -1).any()


@pytest.mark.parametrize("name", DESIGNS)
def test_the_whitened_system(name):
    m = DESIGNS[name]()
    system = build_system(m)
    n, p = m.X.shape
    np.testing.assert_allclose(system.X @ system.X.T, n * np.eye(p), atol=1e-11 * n)
    np.testing.assert_allclose(system.X @ system.y[0], 0, atol=1e-11 * n)
    assert system.y[0] @ system.y[0] == pytest.approx(n, rel=1e-12)
    root = np.ones(n) if m.weights is None else np.sqrt(m.weights)
    y = m.y if m.offset is None else m.y - m.offset
    fitted = m.X @ system.beta_start[0]
    np.testing.assert_allclose(root * (y - fitted), system.scale[0] * system.y[0], atol=1e-10)
    np.testing.assert_allclose((root[:, None] * m.X).T, system.x_factor.T @ system.X, atol=1e-10)
    for block, random in zip(system.terms, m.random, strict=True):
        group = system.groups[block.group]
        white = np.column_stack([np.broadcast_to(c, n) for c in group.columns])[:, block.place]
        np.testing.assert_allclose(
            white @ block.transform, root[:, None] * random.model, atol=1e-10
        )
        np.testing.assert_allclose(block.inverse @ block.transform, np.eye(block.size), atol=1e-12)


def test_sums_by_level_in_both_forms():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 6, 80)
    u, v = rng.normal(size=80), rng.normal(size=80)
    products = level_products(codes, 6, (2.0, u), (3.0, u, v))
    for level in range(6):
        here = codes == level
        left = np.array([np.full(80, 2.0), u])[:, here]
        right = np.array([np.full(80, 3.0), u, v])[:, here]
        np.testing.assert_allclose(products[:, :, level], left @ right.T, atol=1e-12)
    Y = rng.normal(size=(20, 80))
    few = response_products(LevelSums(codes, 6), (2.0, u), Y[:5])
    many = response_products(LevelSums(codes, 6), (2.0, u), Y)
    assert few.tobytes() == np.ascontiguousarray(many[..., :5]).tobytes()


def test_sums_of_a_coarser_factor_add_up_those_of_a_finer():
    rng = np.random.default_rng(4)
    parent = rng.integers(0, 3, 12)
    fine = rng.integers(0, 12, 90)
    u, v = rng.normal(size=90), rng.normal(size=90)
    finer = LevelSums(fine, 12)
    finer.products((1.0,), (1.0, u))
    coarser = LevelSums(parent[fine], 3, finer, parent)
    direct = level_products(parent[fine], 3, (2.0, v), (1.0, u, v))
    np.testing.assert_allclose(coarser.products((2.0, v), (1.0, u, v)), direct, atol=1e-12)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_equal_levels_are_pooled_whatever_the_rounding(q):
    rng = np.random.default_rng(q)
    # effects of very different sizes, each with its own rounding
    kinds = np.tril(rng.normal(size=(4, q, q))) * (1e-6 ** np.arange(q))[:, None]
    which = rng.integers(0, 4, 50)
    T = kinds[which].transpose(1, 2, 0) * (1 + 1e-15 * rng.normal(size=50))
    label, example = classify(T)
    assert len(example) == 4
    for a in range(50):
        assert (label == label[a]).tolist() == (which == which[a]).tolist()


@pytest.mark.parametrize("parents", [None, 3])
def test_pooled_sums_are_the_sums(parents):
    rng = np.random.default_rng(6)
    L, q, d, B = 40, 2, 3, 2
    kinds = rng.normal(size=(3, q, 4))
    which = rng.integers(0, 3, L)
    S = (kinds @ kinds.transpose(0, 2, 1))[which].transpose(1, 2, 0)
    design, responses = rng.normal(size=(q, d, L)), rng.normal(size=(q, L, B))
    above = None if parents is None else np.sort(rng.integers(0, parents, L))
    pooled = pool_levels(S, design, responses, above, parents or 1)
    assert pooled.S.shape[2] == 3
    assert pooled.counts[:, 0].sum() == L
    W = rng.normal(size=(q, q, 3, B))
    W = W + W.transpose(1, 0, 2, 3)
    a, b = packed_pairs(q)
    got = unpack(pooled.gather(W[a, b], None), d + 1)
    for parent in range(parents or 1):
        for member in range(B):
            expected = np.zeros((d + 1, d + 1))
            for level in range(L):
                if above is None or above[level] == parent:
                    r = np.column_stack([design[..., level], responses[:, level, member]])
                    expected += r.T @ W[:, :, pooled.level_class[level], member] @ r
            np.testing.assert_allclose(got[:, :, parent, member], expected, atol=1e-11)


def test_responses_that_x_fits_exactly_are_told_apart():
    m = single()
    Y = np.array([m.y, 2 + 3 * m.X[:, 1], np.zeros(m.nobs), m.y * 1e-9])
    assert fitted_exactly(m, Y).tolist() == [False, True, True, False]


def test_late_fields_are_computed_once_and_survive_copies():
    fit = fit_model(single())
    assert isinstance(fit.__dict__["groups"], Deferred)
    assert fit.groups is fit.groups
    fresh = fit_model(single())
    for copied in (pickle.loads(pickle.dumps(fresh)), copy.deepcopy(fresh)):
        assert copied.groups[0].modes.tobytes() == fit.groups[0].modes.tobytes()
        assert copied.optimizer.curvature == fit.optimizer.curvature
        assert copied.uncertainty.covariance.tobytes() == fit.uncertainty.covariance.tobytes()


def test_a_fit_keeps_nothing_that_is_n_long():
    m = matrices(
        np.random.default_rng(0).normal(size=5000),
        np.ones((5000, 1)),
        term("g", np.arange(5000) % 10, np.ones(5000)),
    )
    fit = fit_model(m)
    at = fit.__dict__["uncertainty"].function.__self__.at
    assert at.problem.system.X.size == at.problem.system.y.size == 0
    assert all(group.codes.size == 0 for group in at.problem.system.groups)
