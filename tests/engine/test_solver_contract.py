"""Every solver against n x n algebra, at thetas near zero, on the boundary and far from it."""

import numpy as np
import pytest

from mmfit.engine.criterion import REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.solvers import choose_solver
from mmfit.engine.solvers.levels.rows import LevelRows
from mmfit.engine.solvers.single import solver as single
from mmfit.engine.system.whitened_system import build_system
from mmfit.errors import DesignError
from tests.engine.definition import Definition, compare
from tests.engine.designs import DESIGNS, matrices
from tests.engine.solver_kinds import KINDS, forced
from tests.oracle.designs import accepted

POINTS = ("plain", "zero", "singular", "tiny", "large")


def thetas_at(layout, point, count, seed=0):
    """(count, k) thetas of one kind."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(count, len(layout)))
    if point == "zero":
        theta[:] = 0
    elif point == "singular":
        theta[:, layout.column == layout.column.max()] = 0
        theta[:, layout.group == 0] = 0
    elif point == "tiny":
        theta *= 1e-4
    elif point == "large":
        theta *= 300
    return theta


def assert_defined(system, solver, thetas, members, limit=1e-8):
    errors = compare(system, solver, thetas, members, floor=1e-4)
    assert max(errors.values()) < limit, errors


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", DESIGNS)
def test_a_single_response(name, point):
    system = build_system(DESIGNS[name]())
    thetas = thetas_at(system.layout, point, 1)
    # At variance ratios of 1e5 either side loses digits to the condition of Z'Z.
    rtol = 1e-6 if point == "large" else 1e-8
    assert_defined(system, choose_solver(system), thetas, np.arange(1), rtol)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_batch_with_a_theta_for_each_member(name):
    matrices = DESIGNS[name]()
    responses = np.random.default_rng(3).normal(size=(10, matrices.nobs)) + matrices.y
    system = build_system(matrices, responses)
    members = np.array([7, 0, 4])
    thetas = thetas_at(system.layout, "plain", 3)
    assert_defined(system, choose_solver(system), thetas, members)
    everyone = np.arange(10)
    assert_defined(system, choose_solver(system), thetas_at(system.layout, "plain", 10), everyone)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", ["single", "weighted", "wide", "independent"])
def test_levels_one_by_one(name, point, monkeypatch):
    """What many different levels get, forced on few."""
    monkeypatch.setattr(single, "_CELLS", 0)
    system = build_system(DESIGNS[name]())
    solver = choose_solver(system)
    assert isinstance(solver.pooled, LevelRows)
    thetas = thetas_at(system.layout, point, 1)
    rtol = 1e-6 if point == "large" else 1e-8
    assert_defined(system, solver, thetas, np.arange(1), rtol)
    moments, design = solver.identity_moments(), Definition(system, 0 * thetas[0], 0)
    slopes = design.slopes()
    np.testing.assert_allclose(moments.x_slopes, slopes[:, :-1, :-1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moments.y_slopes[0], slopes[:, -1, -1], rtol=1e-9, atol=1e-9)
    p = system.nfixed
    np.testing.assert_allclose(moments.x_pairs, design.pairs(np.eye(p + 1)[:, :p]), atol=1e-8)


@pytest.mark.parametrize("name", DESIGNS)
def test_thetas_beyond_doubles_have_no_criterion_and_raise_nothing(name):
    system = build_system(DESIGNS[name]())
    problem = EstimationProblem(system, choose_solver(system), REML)
    for size in (1e20, 1e100, 1e160, np.inf, np.nan):
        theta = np.where(np.arange(len(system.layout)) % 2 == 0, size, 1.0)
        with np.errstate(all="ignore"):
            found = problem.at(theta)
            assert not np.isfinite(found.objective[0]) or found.gradient.shape == (1, len(theta))
            if not np.isfinite(size):
                assert np.isnan(found.objective[0])


def _ugly_systems(responses=None):
    for design, m in accepted(range(120)):
        rng = np.random.default_rng(design.seed)
        batch = None if responses is None else m.y + np.ptp(m.y) * rng.normal(size=(4, m.nobs))
        try:
            yield design.seed, build_system(m, batch)
        except DesignError:
            continue


def _limit(name, point):
    """A large variance costs digits in Z'Z; a small one in the sparse remainder's (I - P) / s^2."""
    return 1e-7 if point == "large" or name == "sparse" else 1e-11


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_on_ugly_designs(name):
    made = 0
    with forced(name) as build:
        for seed, system in _ugly_systems():
            solver = build(system)
            if solver is None:
                continue
            made += 1
            for point in POINTS:
                thetas = thetas_at(system.layout, point, 1, seed)
                assert_defined(system, solver, thetas, np.arange(1), _limit(name, point))
    assert made >= 3 or name == "linear"


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_in_a_batch(name):
    """Members with thetas of every kind, beside one at zero and one whose variances are huge."""
    with forced(name) as build:
        for seed, system in _ugly_systems(responses=4):
            solver = build(system)
            if solver is None:
                continue
            thetas = np.concatenate([thetas_at(system.layout, p, 1, seed) for p in POINTS])
            for members in (np.array([2, 0, 3, 0, 1]), np.array([3]), np.arange(4)):
                at = thetas[-len(members) :]
                assert_defined(system, solver, at, members, 1e-7)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_the_moments_at_the_identity(name):
    with forced(name) as build:
        for _, system in _ugly_systems(responses=4):
            solver = build(system)
            if solver is None:
                continue
            moments, p = solver.identity_moments(), system.nfixed
            for member in range(4):
                at = Definition(system, np.zeros(len(system.layout)), member)
                slopes = at.slopes()
                _close(moments.y_slopes[member], slopes[:, -1, -1])
            _close(moments.traces, at.traces())
            _close(moments.trace_slopes, at.trace_slopes())
            _close(moments.x_pairs, at.pairs(np.eye(p + 1)[:, :p]))
            _close(moments.x_slopes, slopes[:, :-1, :-1])
            cost = solver.second_order_cost()
            assert min(cost.dense, cost.small) >= 0
            assert cost.numbers > 0


def _close(got, expected):
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * scale)


def test_the_linear_model():
    rng = np.random.default_rng(6)
    X = np.column_stack([np.ones(20), rng.normal(size=20)])
    system = build_system(matrices(rng.normal(size=20), X), rng.normal(size=(3, 20)))
    with forced("linear") as build:
        solver = build(system)
        assert_defined(system, solver, np.zeros((2, 0)), np.array([2, 0]), 1e-12)
        assert solver.identity_moments().y_slopes.shape == (3, 0)
    assert type(choose_solver(system)) is type(solver)
