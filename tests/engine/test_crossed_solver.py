"""The crossed solvers against n x n algebra: every quantity, structure, path and kind of theta."""

from dataclasses import fields

import numpy as np
import pytest

from mmfit.engine.solvers.contract.identity_moments import moments_from
from mmfit.engine.solvers.crossed import choice as choice_module
from mmfit.engine.solvers.crossed.choice import crossed_solver
from mmfit.engine.solvers.crossed.coupling import DenseCoupling
from mmfit.engine.solvers.crossed.pair_map import PairMap
from mmfit.engine.solvers.crossed.remainder.by_member import DensePlan, RemainderByMember
from mmfit.engine.solvers.crossed.remainder.sparse_plan import SparsePlan
from mmfit.engine.solvers.crossed.remainder.stacked import StackedRemainder
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.system.whitened_system import build_system
from mmfit.errors import ComputationError
from tests.engine import designs
from tests.engine.definition import compare
from tests.engine.solver_kinds import CROSSED, forced


def _two(seed=11, q=(1, 1), weights=False, n=90):
    """Two crossed factors with q effects each; the larger one has more levels."""
    rng = np.random.default_rng(seed)
    s, d = rng.integers(0, 12, n), rng.integers(0, 7, n)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    w = rng.uniform(0.5, 2, n) if weights else None
    terms = designs.term("s", s, X[:, : q[0]]), designs.term("d", d, X[:, : q[1]])
    return designs.matrices(X[:, 1] + rng.normal(size=n), X[:, :2], *terms, weights=w)


def _split(seed=12, n=90):
    """Effects of one factor in two terms, beside a crossed one."""
    rng = np.random.default_rng(seed)
    s, d = rng.integers(0, 12, n), rng.integers(0, 6, n)
    x = rng.normal(size=n)
    return designs.matrices(
        rng.normal(size=n),
        np.column_stack([np.ones(n), x]),
        designs.term("s", s, np.ones(n)),
        designs.term("d", d, np.ones(n)),
        designs.term("s.1", s, x, "s"),
    )


DESIGNS = {
    "intercepts": _two,
    "slopes eliminated": lambda: _two(q=(2, 1)),
    "slopes left": lambda: _two(q=(1, 2)),
    "three effects": lambda: _two(q=(3, 3), weights=True),
    "three factors": designs.crossed,
    "three intercepts": lambda: designs.crossed(slopes=False),
    "split term": _split,
    "a chain": designs.nested,
}


@pytest.fixture(params=CROSSED, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def make(request):
    """What makes a solver held to one representation of the coupling and of the remainder."""
    with forced(request.param) as build:
        yield build


def test_what_is_forced_is_what_is_made(make, request):
    solver = make(build_system(_two()))
    is_map = any(word in request.node.name for word in ("map", "sparse"))
    assert isinstance(solver.coupling, PairMap if is_map else DenseCoupling)
    S = solver.reduced_products(np.zeros((1, 1, 1, 12)))
    remainder = solver.plan.factorize(S, [np.ones((1, 1, 1))])
    assert isinstance(remainder, StackedRemainder) == ("stacked" in request.node.name)


def _thetas(layout):
    base = np.where(layout.row == layout.column, 0.8, 0.3)
    base = base * np.random.default_rng(1).uniform(0.5, 1.5, len(base))
    last = layout.term == layout.term.max()
    return {
        "interior": base,
        "zero": 0.0 * base,
        "tiny": 1e-4 * base,
        "one factor at zero": np.where(last, 0.0, base),
        "singular": np.where((layout.row == 1) & (layout.column == 1), 0.0, base),
        "all but singular": np.where((layout.row == 1) & (layout.column == 1), 1e-3, base),
        "huge and singular": np.where((layout.row == 1) & (layout.column == 1), 0.0, 50 * base),
        "huge": 1e3 * base,
    }


@pytest.mark.parametrize("name", DESIGNS)
def test_every_quantity_is_its_definition(name, make):
    system = build_system(DESIGNS[name]())
    solver = make(system)
    for kind, theta in _thetas(system.layout).items():
        errors = compare(system, solver, theta[None], np.array([0]))
        limit = 1e-6 if kind.startswith("huge") else 1e-10
        assert max(errors.values()) < limit, (kind, errors)


def test_members_have_their_own_theta_and_response(make):
    matrices = _two(q=(2, 2))
    rng = np.random.default_rng(3)
    system = build_system(matrices, rng.normal(size=(5, matrices.nobs)))
    solver = make(system)
    thetas = list(_thetas(system.layout).values())[:5]
    thetas = np.array([*thetas, *thetas])[rng.permutation(10)]
    for members in (np.arange(5), np.array([3]), np.array([4, 0, 4, 1])):
        errors = compare(system, solver, thetas[: len(members)], members)
        assert max(errors.values()) < 1e-10, errors


def test_members_do_not_disturb_each_other(make):
    matrices = _two(n=200)
    system = build_system(matrices, np.random.default_rng(3).normal(size=(2, 200)))
    solver = make(system)
    thetas = np.array([[0.5, 0.6], [1e3, 1e-3]])
    both = solver.factorize(system.layout.lambdas(thetas), np.array([0, 1]))
    alone = solver.factorize(system.layout.lambdas(thetas[:1]), np.array([0]))
    np.testing.assert_allclose(both.log_det[0], alone.log_det[0], rtol=1e-14)
    for method in ("trace_slopes", "slopes", "traces"):
        one, other = getattr(both, method)()[0], getattr(alone, method)()[0]
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_what_cannot_be_factorised_is_nan_for_its_member_alone(make):
    solver = make(build_system(_two()))
    S = solver.reduced_products(np.zeros((3, 1, 1, 12)))
    S[1] *= -1.0
    remainder = solver.plan.factorize(S, [np.full((3, 1, 1), 0.7)])
    assert np.isnan(remainder.log_det).tolist() == [False, True, False]
    assert remainder.log_det[0] == pytest.approx(remainder.log_det[2], rel=1e-15)


def test_the_tail_is_a_stack_only_where_it_is_small():
    rng = np.random.default_rng(0)
    n = 3000
    codes = rng.integers(0, 300, n), rng.integers(0, 120, n), rng.integers(0, 5, n)
    terms = [designs.term(name, c, np.ones(n)) for name, c in zip("abc", codes, strict=True)]
    y, X = rng.normal(size=n), np.ones((n, 1))
    wide = build_system(designs.matrices(y, X, *terms))
    narrow = build_system(designs.matrices(y, X, terms[0], terms[2]))
    for system, kind in ((wide, RemainderByMember), (narrow, StackedRemainder)):
        lambdas = system.layout.lambdas(np.full((1, len(system.layout)), 0.5))
        factor = CrossedSolver(system).factorize(lambdas, np.array([0]))
        assert isinstance(factor.remainder, kind)


def test_a_larger_design_with_a_map():
    """Chosen by cost, not by hand: few of the cells of two factors are occupied."""
    rng = np.random.default_rng(4)
    n = 600
    s, d = rng.integers(0, 300, n), rng.integers(0, 250, n)
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    matrices = designs.matrices(
        x + rng.normal(size=n), X, designs.term("s", s, X), designs.term("d", d, X)
    )
    system = build_system(matrices)
    solver = CrossedSolver(system)
    assert solver.name == "crossed"
    assert isinstance(solver.coupling, PairMap)
    for theta in ([0.7, 0.2, 0.4, 0.5, -0.1, 0.3], [0.7, 0.2, 0.4, 0.0, 0.0, 0.0]):
        errors = compare(system, solver, np.array([theta]), np.array([0]))
        assert max(errors.values()) < 1e-9, errors


def _clusters(strays, rows=3):
    """Pupils and teachers of many schools, some pupils of which have a teacher elsewhere."""
    rng = np.random.default_rng(6)
    pupils, schools, teachers = 3000, 80, 20
    school = rng.integers(0, schools, pupils)
    s = np.repeat(np.arange(pupils), rows)
    t = school[s] * teachers + rng.integers(0, teachers, len(s))
    move = rng.random(len(s)) < strays
    t[move] = rng.integers(0, schools * teachers, move.sum())
    y = rng.normal(size=pupils)[s] + rng.normal(size=len(s))
    ones = np.ones(len(s))
    terms = designs.term("s", s, ones), designs.term("t", t, ones)
    return build_system(designs.matrices(y, ones[:, None], *terms))


def test_a_tail_of_low_fill_is_sparse_and_one_of_high_fill_is_not():
    sparse, dense = crossed_solver(_clusters(0.01)), crossed_solver(_clusters(1.0, 8))
    assert isinstance(sparse.plan, SparsePlan)
    assert sparse.name == "sparse"
    assert sparse.columns.width > 1500
    assert (type(dense.plan), dense.name) == (DensePlan, "crossed")


@pytest.mark.parametrize("theta", [[0.9, 0.4], [0.9, 0.0], [0.0, 0.0]])
def test_sparse_and_dense_tails_agree(theta):
    system = _clusters(0.01)
    lambdas, members = system.layout.lambdas(np.array([theta])), np.array([0])
    U = np.array([[[0.3], [1.0]]])
    one, other = (
        solver.factorize(lambdas, members)
        for solver in (crossed_solver(system), CrossedSolver(system))
    )
    np.testing.assert_allclose(one.log_det, other.log_det, rtol=1e-12)
    np.testing.assert_allclose(one.pairs(U), other.pairs(U), rtol=1e-9)
    for method in ("trace_slopes", "slopes", "traces"):
        np.testing.assert_allclose(getattr(one, method)(), getattr(other, method)(), rtol=1e-9)


def test_what_fits_in_no_memory_is_refused(monkeypatch):
    monkeypatch.setattr(choice_module, "machine_memory", lambda: 1e6)
    with pytest.raises(ComputationError, match=r"crossed so densely that 15\d\d columns"):
        crossed_solver(_clusters(0.01))


@pytest.mark.parametrize("name", DESIGNS)
def test_moments_at_the_identity_are_those_of_a_factorisation(name, make):
    matrices = DESIGNS[name]()
    system = build_system(matrices, np.random.default_rng(8).normal(size=(3, matrices.nobs)))
    solver = make(system)
    zero = system.layout.lambdas(np.zeros((3, len(system.layout))))
    factor = solver.factorize(zero, np.arange(3))
    expected, found = moments_from(factor, factor), solver.identity_moments()
    for field in fields(found):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-9, err_msg=field.name)
