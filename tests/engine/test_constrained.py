"""Derivatives of the criterion with sigma free and a fixed effect held, in all charts."""

import numpy as np
import pytest

from mmfit.engine.criterion import ML, REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import prepare
from mmfit.engine.profile.constrained_criterion import ConstrainedCriterion, Targets
from mmfit.engine.profile.covariance_coordinates import Charts, make_chart, start_coordinates
from tests.inference.intervals.profile_models import model
from tests.inference.intervals.profile_oracle import Definition

NAMES = ["three effects", "weighted", "crossed", "nested", "no fixed effects"]


def _charts(system):
    out = [make_chart(system)]
    for t, block in enumerate(system.terms):
        for i in range(block.size if block.size > 1 else 0):
            out.append(make_chart(system, t, (i,)))
            out.extend(make_chart(system, t, (i, j)) for j in range(block.size) if j != i)
    return out


def _setting(name, reml):
    """Points near an ML fit: every chart, without a fixed effect held and (by ML) with one."""
    matrices, fit = model(name)
    prepared = prepare(matrices)
    system = prepared.system
    charts, p = _charts(system), system.nfixed
    chart = np.tile(np.arange(len(charts)), 1 if reml or not p else 2)
    contrast = np.zeros((len(chart), p))
    contrast[len(charts) :] = np.cos(1 + np.arange(p))
    targets = Targets(chart, contrast, np.zeros(len(chart), dtype=np.intp))
    problem = EstimationProblem(system, prepared.solver, REML if reml else ML)
    criterion = ConstrainedCriterion(problem, Charts(system, charts), targets)
    theta = np.linalg.solve(system.theta_jacobian(), fit.theta)
    s = float(np.log(fit.sigma / system.scale[0]))
    x = np.array([[*start_coordinates(system, charts[c], theta, s), s, 0.3] for c in chart])
    return matrices, fit, criterion, x


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reml", [False, True])
def test_derivatives(name, reml):
    _, _, criterion, x = _setting(name, reml)
    x = x + 0.1 * np.sin(1 + np.arange(x.size)).reshape(x.shape)
    everyone, step = np.arange(len(x)), 1e-5
    point = criterion.at(x, everyone)
    for i in range(x.shape[1]):
        change = np.zeros(x.shape[1])
        change[i] = step
        above, below = criterion.at(x + change, everyone), criterion.at(x - change, everyone)
        gradient = (above.value - below.value) / (2 * step)
        hessian = (above.gradient - below.gradient) / (2 * step)
        scale = np.abs(point.gradient).max()
        np.testing.assert_allclose(point.gradient[:, i], gradient, rtol=0, atol=1e-7 * scale)
        scale = np.abs(point.hessian).max()
        np.testing.assert_allclose(point.hessian[:, i], hessian, rtol=0, atol=1e-7 * scale)


@pytest.mark.parametrize("name", NAMES)
def test_every_chart_gives_the_fit_and_a_held_effect_the_definition(name):
    matrices, fit, criterion, x = _setting(name, False)
    point = criterion.at(x, np.arange(len(x)))
    free = ~criterion.targets.contrast.any(axis=1)
    np.testing.assert_allclose(point.value[free], fit.objective, rtol=1e-12)
    np.testing.assert_allclose(point.gradient[free], 0, atol=1e-4)
    if not len(fit.fixef):
        return
    # the held function of the whitened coefficients as one of the user's
    system = criterion.problem.system
    held_by = np.linalg.solve(system.back().T, criterion.targets.contrast[-1])
    b = 0.3 * system.scale[0] + held_by @ system.beta_start[0]
    held = _deviance(matrices, fit, held_by, b)
    np.testing.assert_allclose(point.value[~free], held, rtol=1e-10)


def _deviance(matrices, fit, weights, b):
    """With weights'beta = b: the first coefficient eliminated."""
    definition = Definition(matrices)
    X = definition.X
    definition.y = definition.y - X[:, 0] * b / weights[0]
    definition.X = X[:, 1:] - np.outer(X[:, 0], weights[1:] / weights[0])
    return definition.deviance([term.covariance for term in fit.terms], fit.sigma)


def test_long_rows_keep_their_length_where_they_turn():
    _, _, criterion, x = _setting("three effects", False)
    chart = criterion.charts.charts[0]
    row = chart.rows[-1]
    assert [len(r) for r in chart.rows] == [2, 3]
    unit = x[0, row] / np.linalg.norm(x[0, row])
    step = np.zeros(x.shape[1])
    step[row] = 0.2 * np.cross(unit, [0.0, 0.6, 0.8])
    moved = chart.move(x[0], step)
    assert np.linalg.norm(moved[row]) == pytest.approx(np.linalg.norm(x[0, row]), rel=1e-12)
    step[row] = 0.2 * unit
    np.testing.assert_allclose(chart.move(x[0], step)[row], x[0, row] + 0.2 * unit, rtol=1e-12)


def test_second_derivatives_along_turning_rows():
    _, _, criterion, x = _setting("three effects", False)
    x, target = x[:1] + 0.2 * np.cos(np.arange(x.shape[1])), np.zeros(1, dtype=np.intp)
    chart, point = criterion.charts.charts[0], criterion.at(x, target)
    turning = chart.turning(x, point.gradient, point.hessian)[0]
    way = np.sin(2 + np.arange(x.shape[1]))
    t = 1e-4
    values = [criterion.at(chart.move(x[0], s * way)[None], target).value[0] for s in (-t, 0.0, t)]
    second = (values[0] - 2 * values[1] + values[2]) / t**2
    assert way @ turning @ way == pytest.approx(second, rel=1e-5)
    assert way @ point.hessian[0] @ way != pytest.approx(second, rel=1e-3)
