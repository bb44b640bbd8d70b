"""Criterion and derivatives: against the n x n definition, finite differences, and each other."""

import dataclasses

import numpy as np
import pytest

from mmfit.engine.criterion import ML, REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.solvers import choose_solver
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.solvers.nested.chain import nesting_chain
from mmfit.engine.solvers.nested.solver import NestedSolver
from mmfit.engine.system.whitened_system import build_system
from tests.engine.definition import objective
from tests.engine.designs import DESIGNS

CRITERIA = pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
DESIGN = pytest.mark.parametrize("name", DESIGNS)


def _problem(name, reml):
    system = build_system(DESIGNS[name]())
    return EstimationProblem(system, choose_solver(system), REML if reml else ML)


def _theta(problem, kind, seed=0):
    rng = np.random.default_rng(seed)
    layout = problem.system.layout
    theta = rng.normal(scale=0.5, size=len(layout)) + 0.7 * (layout.row == layout.column)
    if kind == "small":
        return 1e-3 * theta
    if kind == "boundary":
        last = layout.term == layout.term.max()
        return np.where(last, 0.0, theta)
    return theta


def _differences(function, x, h=1e-5):
    """Central differences with one Richardson step: error of order h^4."""
    out = []
    for i in range(len(x)):
        e = np.eye(len(x))[i]
        narrow = (function(x + h * e) - function(x - h * e)) / (2 * h)
        broad = (function(x + 2 * h * e) - function(x - 2 * h * e)) / (4 * h)
        out.append((4 * narrow - broad) / 3)
    return np.array(out)


@DESIGN
@CRITERIA
@pytest.mark.parametrize("kind", ["interior", "small", "boundary"])
def test_objective_is_the_definition(name, reml, kind):
    problem = _problem(name, reml)
    white = _theta(problem, kind)
    user = problem.system.theta_jacobian() @ white
    expected = objective(DESIGNS[name](), user, reml)
    assert problem.at(white).objective[0] == pytest.approx(expected, abs=1e-8)


@DESIGN
@CRITERIA
@pytest.mark.parametrize("kind", ["interior", "small", "boundary"])
def test_gradient_against_finite_differences(name, reml, kind):
    problem = _problem(name, reml)
    theta = _theta(problem, kind)
    # a step of the size of theta itself where theta is small, since the criterion is even there
    expected = _differences(lambda x: problem.at(x).objective[0], theta, h=2e-4)
    np.testing.assert_allclose(problem.at(theta).gradient[0], expected, rtol=1e-5, atol=2e-6)


@DESIGN
@CRITERIA
@pytest.mark.parametrize("kind", ["interior", "boundary"])
def test_hessian_against_differences_of_the_gradient(name, reml, kind):
    """Of -2 log-likelihood in (theta, sigma), sigma free, at the sigma that profiling gives."""
    problem = _problem(name, reml)
    theta = _theta(problem, kind)
    at = problem.at(theta)
    r2, k = at.r2[0], len(theta)
    sigma, hessian = np.sqrt(r2 / problem.nu), at.hessian[0]

    def gradient_at_fixed_sigma(x):
        other = problem.at(x)
        # the sigma-dependent part of the gradient is -y'P V_i P y / sigma^2
        share = other.r2[0] * other.y_slopes[0]
        return other.gradient[0] + share * (problem.nu / other.r2[0] - 1 / sigma**2)

    expected = _differences(gradient_at_fixed_sigma, theta, h=1e-4)
    scale = np.abs(hessian).max()
    np.testing.assert_allclose(hessian[:k, :k], expected, rtol=1e-6, atol=1e-7 * scale)

    def in_sigma(x, s):
        return problem.nu * 2 * np.log(s) + problem.at(x).r2[0] / s**2

    def slope_in_sigma(x):
        return _differences(lambda s: in_sigma(x, s[0]), np.array([sigma]), 1e-3)[0]

    mixed = _differences(slope_in_sigma, theta, h=1e-4)
    np.testing.assert_allclose(hessian[:k, k], mixed, rtol=1e-6, atol=1e-7 * scale)
    second = _differences(
        lambda s: _differences(lambda t: in_sigma(theta, t[0]), s, 1e-3), np.array([sigma]), 1e-3
    )
    assert hessian[k, k] == pytest.approx(second.item(), rel=1e-6)


@DESIGN
@CRITERIA
@pytest.mark.parametrize("kind", ["interior", "boundary"])
def test_profiled_hessian_against_differences_of_the_gradient(name, reml, kind):
    problem = _problem(name, reml)
    theta = _theta(problem, kind)
    expected = _differences(lambda x: problem.at(x).gradient[0], theta, h=1e-4)
    actual = problem.at(theta).profiled_hessian[0]
    scale = np.abs(actual).max()
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7 * scale)


@DESIGN
@CRITERIA
def test_covariance_slopes_against_finite_differences(name, reml):
    """d (X'V^-1 X) / d theta, what Satterthwaite's method rests on."""
    problem = _problem(name, reml)
    theta = _theta(problem, "interior")
    expected = _differences(lambda x: -problem.at(x).factor.reduced[0, :-1, :-1], theta, h=1e-4)
    actual = problem.at(theta).x_slopes[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", DESIGNS)
def test_members_of_a_batch_are_evaluated_as_on_their_own(name):
    matrices = DESIGNS[name]()
    responses = matrices.y + np.random.default_rng(2).normal(size=(4, matrices.nobs))
    whole = build_system(matrices, responses)
    batch = EstimationProblem(whole, choose_solver(whole), REML)
    thetas = np.array([_theta(batch, "interior", seed) for seed in range(4)])
    together = batch.at(thetas)
    for i in range(4):
        system = build_system(matrices, responses[i : i + 1])
        alone = EstimationProblem(system, choose_solver(system), REML).at(thetas[i])
        for quantity in ("objective", "gradient", "psi_average", "hessian", "x_slopes"):
            one, other = getattr(alone, quantity)[0], getattr(together, quantity)[i]
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=quantity)


@pytest.mark.parametrize("name", ["nested", "nested_intercepts"])
@pytest.mark.parametrize("kind", ["interior", "small", "boundary"])
@CRITERIA
def test_a_nested_design_solved_as_if_it_were_crossed(name, kind, reml):
    system = build_system(DESIGNS[name]())
    nested = EstimationProblem(
        system, NestedSolver(system, nesting_chain(system.groups)), REML if reml else ML
    )
    crossed = EstimationProblem(system, CrossedSolver(system), REML if reml else ML)
    theta = _theta(nested, kind)
    one, other = nested.at(theta), crossed.at(theta)
    for quantity in ("objective", "gradient", "psi_average", "hessian", "x_slopes"):
        left, right = getattr(one, quantity), getattr(other, quantity)
        scale = 1 + np.abs(right).max()
        np.testing.assert_allclose(left, right, atol=1e-9 * scale, err_msg=quantity)
    for left, right in zip(one.residual_cross(), other.residual_cross(), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-9)


@CRITERIA
def test_an_outer_factor_without_variance_is_not_there(reml):
    """A chain of two whose outer factor has no variance, beside the inner factor on its own."""
    m = DESIGNS["nested"]()
    inner, middle, _ = m.random
    chain = build_system(dataclasses.replace(m, random=(inner, middle)))
    alone = build_system(dataclasses.replace(m, random=(inner,)))
    problems = [
        EstimationProblem(s, choose_solver(s), REML if reml else ML) for s in (chain, alone)
    ]
    assert [p.solver.name for p in problems] == ["nested", "single"]
    theta = np.zeros(len(chain.layout))
    theta[chain.layout.members[0]] = 0.7
    one, other = problems[0].at(theta), problems[1].at(np.array([0.7]))
    assert one.objective[0] == pytest.approx(other.objective[0], abs=1e-10)
    assert one.gradient[0, 0] == pytest.approx(other.gradient[0, 0], abs=1e-10)
    assert one.hessian[0, 0, 0] == pytest.approx(other.hessian[0, 0, 0], rel=1e-10)
