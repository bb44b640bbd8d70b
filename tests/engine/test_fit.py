"""Fits: invariances, boundaries, extreme scales, and the records that they come as."""

import dataclasses

import numpy as np
import pytest

from mmfit.engine import fit_both, fit_from_json, fit_model, fit_to_json, fitted_values
from mmfit.engine.criterion import ML, REML
from mmfit.errors import DataError, DesignError
from tests.engine.definition import objective
from tests.engine.designs import DESIGNS, matrices, term

DESIGN = pytest.mark.parametrize("name", DESIGNS)


def _permuted(m, order):
    """The same model with its rows in another order and its levels renumbered."""
    random = tuple(
        term(t.group, (len(t.levels) - 1 - t.codes)[order], t.model[order], t.grouping)
        for t in m.random
    )
    take = {k: v[order] for k in ("weights", "offset") if (v := getattr(m, k)) is not None}
    return matrices(m.y[order], m.X[order], *random, **take)


@DESIGN
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_objective_at_the_estimate_is_the_definition_and_a_minimum(name, reml):
    m = DESIGNS[name]()
    fit = fit_model(m, criterion=REML if reml else ML)
    assert fit.converged
    assert fit.objective == pytest.approx(objective(m, fit.theta, reml), abs=1e-8)
    rng = np.random.default_rng(0)
    for scale in (1e-3, 1e-2, 0.1, 0.5):
        other = fit.theta + scale * rng.normal(size=len(fit.theta))
        assert objective(m, other, reml) >= fit.objective - 1e-8


@DESIGN
def test_order_of_rows_and_levels_does_not_matter(name):
    m = DESIGNS[name]()
    order = np.random.default_rng(0).permutation(m.nobs)
    one, other = fit_model(m), fit_model(_permuted(m, order))
    assert one.objective == pytest.approx(other.objective, abs=1e-8)
    np.testing.assert_allclose(one.fixef, other.fixef, atol=1e-5)
    np.testing.assert_allclose(one.vcov, other.vcov, rtol=1e-4, atol=1e-8)
    modes, mirrored = one.groups[0].modes, other.groups[0].modes[::-1]
    np.testing.assert_allclose(modes, mirrored, atol=1e-4)


@pytest.mark.parametrize("name", ["single", "nested", "crossed"])
@pytest.mark.parametrize(
    ("scale", "stretch", "shift"), [(1e-6, 1e5, 0), (1e4, 1, 1e5), (1, 1e-4, 10)]
)
def test_units_of_response_and_covariate_do_not_matter(name, scale, stretch, shift):
    """The log-likelihood changes by the Jacobian alone: where lme4's default search fails."""
    m = DESIGNS[name]()
    move = np.array([[1.0, shift], [0.0, stretch]])
    random = tuple(
        dataclasses.replace(t, model=t.model @ move) if t.model.shape[1] == 2 else t
        for t in m.random
    )
    other = fit_model(dataclasses.replace(m, y=m.y * scale, X=m.X @ move, random=random))
    one = fit_model(m)
    nu = m.nobs - m.X.shape[1]
    expected = one.objective + 2 * nu * np.log(scale) + 2 * np.log(stretch)
    assert other.converged
    assert other.objective == pytest.approx(expected, abs=2e-7)
    assert other.sigma == pytest.approx(one.sigma * scale, rel=1e-5)
    np.testing.assert_allclose(
        fitted_values(m, one) * scale, _fitted(m, other, move), atol=1e-4 * scale
    )


def _fitted(m, fit, move):
    random = tuple(
        dataclasses.replace(t, model=t.model @ move) if t.model.shape[1] == 2 else t
        for t in m.random
    )
    return fitted_values(dataclasses.replace(m, X=m.X @ move, random=random), fit)


@pytest.mark.parametrize("ratio", [1e-8, 1e-2, 1.0, 1e4, 1e8])
def test_extreme_variance_ratios(ratio):
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    y = x + np.sqrt(ratio) * rng.normal(size=20)[g] + rng.normal(size=120)
    fit = fit_model(matrices(y, np.column_stack([np.ones(120), x]), term("g", g, np.ones(120))))
    assert fit.converged
    # a grid on the log scale around the estimate, through the definition (which itself loses
    # digits when V is this ill conditioned)
    m = matrices(y, np.column_stack([np.ones(120), x]), term("g", g, np.ones(120)))
    for factor in (0.5, 0.9, 1.1, 2.0):
        other = max(fit.theta[0], 1e-3) * factor
        assert objective(m, np.array([other]), True) > fit.objective - 1e-6


def test_balanced_one_way_is_the_analysis_of_variance():
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(8), 5)
    y = 10 + 2 * rng.normal(size=8)[g] + rng.normal(size=40)
    fit = fit_model(matrices(y, np.ones((40, 1)), term("g", g, np.ones(40))))
    means = np.array([y[g == i].mean() for i in range(8)])
    within = ((y - means[g]) ** 2).sum() / 32
    between = 5 * ((means - y.mean()) ** 2).sum() / 7
    assert fit.sigma**2 == pytest.approx(within, rel=1e-9)
    assert fit.terms[0].covariance[0, 0] == pytest.approx((between - within) / 5, rel=1e-8)
    assert fit.fixef[0] == pytest.approx(y.mean(), rel=1e-12)


def test_negative_intraclass_correlation_ends_exactly_at_zero():
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(10), 4)
    y = rng.normal(size=40)
    y = y - np.array([y[g == i].mean() for i in range(10)])[g]
    fit = fit_model(matrices(y, np.ones((40, 1)), term("g", g, np.ones(40))))
    assert fit.theta.tolist() == [0.0]
    assert fit.singular
    assert fit.singular_groups == ("g",)
    assert fit.converged
    assert not fit.groups[0].modes.any()


def test_perfect_correlation_is_singular_and_named():
    rng = np.random.default_rng(10)
    g, x = np.repeat(np.arange(30), 8), rng.normal(size=240)
    b, h = rng.normal(size=30), np.arange(240) % 7
    X = np.column_stack([np.ones(240), x])
    y = b[g] * (1 + 2 * x) + rng.normal(size=7)[h] + 0.3 * rng.normal(size=240)
    fit = fit_model(matrices(y, X, term("g", g, X), term("h", h, np.ones(240))))
    assert fit.singular_groups == ("g",)
    assert fit.theta[2] == 0.0
    covariance = fit.terms[0].covariance
    assert covariance[0, 1] ** 2 == pytest.approx(covariance[0, 0] * covariance[1, 1], rel=1e-9)


def test_ml_started_at_a_singular_reml_theta_is_the_ml_optimum():
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(12), 6), np.tile(np.arange(6.0), 12)
    X = np.column_stack([np.ones(72), x])
    for seed in range(20):
        y = np.random.default_rng(seed).normal(size=72) + 0.1 * rng.normal(size=12)[g]
        m = matrices(y, X, term("g", g, X))
        both = fit_both(m)
        assert both["ML"].objective == pytest.approx(fit_model(m, criterion=ML).objective, abs=1e-7)


def test_truth_is_recovered():
    """Many levels: estimates within four standard errors of the parameters simulated from."""
    rng = np.random.default_rng(21)
    s, d = rng.integers(0, 400, 8000), rng.integers(0, 300, 8000)
    x = rng.normal(size=8000)
    root = np.array([[1.5, 0.0], [0.4, 0.8]])
    slopes = rng.normal(size=(400, 2)) @ root.T
    y = 3 + 0.5 * x + slopes[s, 0] + slopes[s, 1] * x + 0.7 * rng.normal(size=300)[d]
    y = y + 2 * rng.normal(size=8000)
    X = np.column_stack([np.ones(8000), x])
    fit = fit_model(matrices(y, X, term("s", s, X), term("d", d, np.ones(8000))))
    std_error = np.sqrt(np.diag(fit.vcov))
    assert (np.abs(fit.fixef - [3, 0.5]) < 4 * std_error).all()
    np.testing.assert_allclose(fit.terms[0].covariance, root @ root.T, atol=0.35)
    assert fit.terms[1].covariance[0, 0] == pytest.approx(0.49, abs=0.12)
    assert fit.sigma == pytest.approx(2, abs=0.06)


def test_more_random_effects_never_raise_the_criterion():
    for seed in range(10):
        m = DESIGNS["single"](seed)
        intercept = matrices(m.y, m.X, term("g", m.random[0].codes, np.ones(m.nobs)))
        assert fit_model(m).objective <= fit_model(intercept).objective + 1e-8


@DESIGN
def test_json_gives_the_same_fit_back(name):
    fit = fit_model(DESIGNS[name]())
    text = fit_to_json(fit)
    back = fit_from_json(text)
    assert fit_to_json(back) == text
    assert back.theta.tobytes() == fit.theta.tobytes()
    assert back.groups[0].modes.tobytes() == fit.groups[0].modes.tobytes()
    assert back.optimizer == fit.optimizer


def test_json_of_something_else_is_refused():
    with pytest.raises(DataError, match="not a fit"):
        fit_from_json('{"formula": "y ~ x"}')


def test_no_fixed_effects_at_all():
    rng = np.random.default_rng(41)
    g = np.repeat(np.arange(6), 5)
    y = rng.normal(size=6)[g] + rng.normal(size=30)
    m = matrices(y, np.zeros((30, 0)), term("g", g, np.ones(30)))
    fit = fit_model(m)
    assert fit.objective == pytest.approx(fit_model(m, criterion=ML).objective, abs=1e-9)
    assert fit_from_json(fit_to_json(fit)).vcov.shape == (0, 0)


def test_no_fixed_effects_beside_crossed_factors():
    rng = np.random.default_rng(42)
    g, c = np.arange(600) % 150, rng.integers(0, 30, 600)
    y = rng.normal(size=150)[g] + rng.normal(size=30)[c] + rng.normal(size=600)
    one = np.ones(600)
    crossed, chain = (
        matrices(y, np.zeros((600, 0)), term("g", g, one), *more, term("c", c, one))
        for more in ((), (term("h", g % 50, one),))
    )
    assert fit_model(crossed).converged
    fit = fit_model(chain)
    assert fit.objective <= fit_model(crossed).objective + 1e-9
    assert fit.uncertainty.jacobian.shape == (4, 0, 0)


def test_a_response_that_is_fitted_exactly_is_refused():
    x = np.arange(20.0)
    X = np.column_stack([np.ones(20), x])
    with pytest.raises(DesignError, match="exactly"):
        fit_model(matrices(2 + 3 * x, X, term("g", np.arange(20) % 4, np.ones(20))))


def test_more_fixed_effects_than_rows_are_refused():
    with pytest.raises(DesignError, match="more rows than fixed effects"):
        fit_model(matrices(np.arange(4.0), np.eye(4), term("g", [0, 0, 1, 1], np.ones(4))))
