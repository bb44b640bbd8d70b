"""The starting value against its definition with n x n matrices."""

import numpy as np
import pytest

from mmfit.engine.criterion import REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import fit_model
from mmfit.engine.optimize.minque_start import starting_theta
from mmfit.engine.solvers import choose_solver
from mmfit.engine.system.whitened_system import build_system
from tests.engine.definition import Definition
from tests.engine.designs import DESIGNS, matrices, term


@pytest.mark.parametrize("name", DESIGNS)
def test_second_moments_at_v_equal_to_the_identity(name):
    m = DESIGNS[name]()
    responses = m.y + np.random.default_rng(4).normal(size=(3, m.nobs))
    system = build_system(m, responses)
    solver = choose_solver(system)
    zero = np.zeros((3, len(system.layout)))
    moments = solver.identity_moments()
    for member in range(3):
        brute = Definition(system, zero[0], member)
        slopes = brute.slopes()
        np.testing.assert_allclose(
            moments.y_slopes[member], slopes[:, -1, -1], rtol=1e-9, atol=1e-9
        )
    p = system.nfixed
    np.testing.assert_allclose(moments.traces, brute.traces(), rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(moments.trace_slopes, brute.trace_slopes(), rtol=1e-9, atol=1e-9)
    pairs = brute.pairs(np.eye(p + 1)[:, :p])
    np.testing.assert_allclose(moments.x_pairs, pairs, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(moments.x_slopes, slopes[:, :-1, :-1], rtol=1e-9, atol=1e-8)


def test_in_a_balanced_design_it_is_the_estimate():
    rng = np.random.default_rng(9)
    g, h, x = np.repeat(np.arange(12), 10), np.tile(np.arange(10), 12), np.tile(np.arange(10.0), 12)
    X = np.column_stack([np.ones(120), x])
    y = rng.normal(size=12)[g] * (1 + x) + 2 * rng.normal(size=12)[g] + rng.normal(size=120)
    y = y + 3 * rng.normal(size=10)[h]
    for random in ([term("g", g, X)], [term("g", g, np.ones(120)), term("h", h, np.ones(120))]):
        fit = fit_model(matrices(y, X, *random))
        assert fit.optimizer.evaluations == 1
        assert fit.optimizer.start_objective == pytest.approx(fit.objective, abs=1e-9)


def test_it_is_never_on_the_boundary():
    rng = np.random.default_rng(10)
    for name in ("single", "nested", "crossed"):
        m = DESIGNS[name]()
        system = build_system(m, rng.normal(size=(30, m.nobs)))
        theta = starting_theta(EstimationProblem(system, choose_solver(system), REML))
        for lam in system.layout.lambdas(theta):
            assert np.linalg.svd(lam, compute_uv=False).min() > 0.02


@pytest.mark.parametrize("crossed", [False, True])
def test_a_covariance_that_no_level_tells_of_starts_at_zero(crossed):
    """Each level has one of two kinds: the model is one variance for each kind."""
    rng = np.random.default_rng(12)
    g, h = np.repeat(np.arange(14), 8), np.tile(np.arange(8), 14)
    kind = (g % 2).astype(float)
    X = np.column_stack([np.ones(112), kind])
    scale = np.where(kind == 1, 3.0, 1.0)
    y = scale * rng.normal(size=14)[g] + rng.normal(size=8)[h] + rng.normal(size=112)
    more = [term("h", h, np.ones(112))] if crossed else []
    together = fit_model(matrices(y, X, term("g", g, np.column_stack([1 - kind, kind])), *more))
    apart = fit_model(matrices(y, X, term("g", g, 1 - kind), term("g", g, kind), *more))
    assert together.objective == pytest.approx(apart.objective, abs=1e-8)
    variances = [apart.terms[k].covariance[0, 0] for k in (0, 1)]
    np.testing.assert_allclose(np.diag(together.terms[0].covariance), variances, rtol=1e-5)
    assert np.isfinite(together.uncertainty.covariance).all()
