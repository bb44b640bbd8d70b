"""Criterion and derivatives: against the n x n definition, finite differences, and each other."""

import numpy as np
import pytest

from mmfit.engine.criterion import Problem
from mmfit.engine.solvers import CrossedSolver, NestedSolver, choose_solver
from mmfit.engine.system import build_system
from tests.engine import oracle
from tests.engine.designs import DESIGNS

CRITERIA = pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
DESIGN = pytest.mark.parametrize("name", DESIGNS)


def _problem(name, reml):
    system = build_system(DESIGNS[name]())
    return Problem(system, choose_solver(system), reml)


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
    expected = oracle.objective(DESIGNS[name](), user, reml)
    assert problem.at(white).objective == pytest.approx(expected, abs=1e-8)


@DESIGN
@CRITERIA
@pytest.mark.parametrize("kind", ["interior", "small", "boundary"])
def test_gradient_against_finite_differences(name, reml, kind):
    problem = _problem(name, reml)
    theta = _theta(problem, kind)
    # a step of the size of theta itself where theta is small, since the criterion is even there
    expected = _differences(lambda x: problem.at(x).objective, theta, h=2e-4)
    np.testing.assert_allclose(problem.at(theta).gradient, expected, rtol=1e-5, atol=2e-6)


@DESIGN
@CRITERIA
@pytest.mark.parametrize("kind", ["interior", "boundary"])
def test_hessian_against_differences_of_the_gradient(name, reml, kind):
    """Of -2 log-likelihood in (theta, sigma), sigma free, at the sigma that profiling gives."""
    problem = _problem(name, reml)
    theta = _theta(problem, kind)
    at = problem.at(theta)
    sigma, k = np.sqrt(at.r2 / problem.nu), len(theta)

    def gradient_at_fixed_sigma(x):
        other = problem.at(x)
        profiled = other.r2 / problem.nu
        # the sigma-dependent part of the gradient is -y'P V_i P y / sigma^2
        return other.gradient + other.y_slopes * (1 / profiled - 1 / sigma**2)

    expected = _differences(gradient_at_fixed_sigma, theta, h=1e-4)
    scale = np.abs(at.hessian).max()
    np.testing.assert_allclose(at.hessian[:k, :k], expected, rtol=1e-6, atol=1e-7 * scale)
    mixed = 2 * at.y_slopes / sigma**3
    np.testing.assert_allclose(at.hessian[:k, k], mixed, rtol=1e-12)

    def in_sigma(s):
        nu = problem.nu
        return 2 * nu * np.log(s[0]) + at.r2 / s[0] ** 2

    second = _differences(lambda s: _differences(in_sigma, s, 1e-3), np.array([sigma]), 1e-3)
    assert at.hessian[k, k] == pytest.approx(second.item(), rel=1e-6)


@DESIGN
@CRITERIA
def test_covariance_slopes_against_finite_differences(name, reml):
    """d (X'V^-1 X) / d theta, what Satterthwaite's method rests on."""
    problem = _problem(name, reml)
    theta = _theta(problem, "interior")
    expected = _differences(lambda x: -problem.at(x).factor.reduced[:-1, :-1], theta, h=1e-4)
    actual = problem.at(theta).x_slopes
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["nested", "nested_intercepts"])
@pytest.mark.parametrize("kind", ["interior", "small", "boundary"])
def test_solvers_agree(name, kind):
    """A nested design solved as if it were crossed gives every quantity of the contract."""
    system = build_system(DESIGNS[name]())
    problems = [
        Problem(system, solver, True)
        for solver in (NestedSolver(system, [0, 1, 2]), CrossedSolver(system))
    ]
    theta = _theta(problems[0], kind)
    one, other = (problem.at(theta) for problem in problems)
    assert one.objective == pytest.approx(other.objective, abs=1e-9)
    for method in ("cross", "posterior_blocks", "trace_blocks"):
        pairs = zip(getattr(one.factor, method)(), getattr(other.factor, method)(), strict=True)
        for left, right in pairs:
            np.testing.assert_allclose(left, right, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(one.hessian, other.hessian, rtol=1e-6, atol=1e-6)
