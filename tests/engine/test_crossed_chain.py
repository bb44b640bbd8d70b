"""Two nested factors eliminated beside crossed ones: against n x n algebra, and when it is done."""

from dataclasses import fields

import numpy as np
import pytest

from mmfit.engine.solvers.contract.identity_moments import moments_from
from mmfit.engine.solvers.crossed.chain import chain_solver
from mmfit.engine.solvers.crossed.choice import crossed_solver
from mmfit.engine.solvers.crossed.remainder.by_member import DensePlan
from mmfit.engine.solvers.crossed.remainder.eliminated import BlockStorage
from mmfit.engine.solvers.crossed.solver import CrossedSolver
from mmfit.engine.system.whitened_system import build_system
from tests.engine import designs
from tests.engine.definition import compare


def _pupils(*effects, responses=None, **more):
    matrices = designs.pupils(*effects, **more)
    rng = np.random.default_rng(4)
    drawn = None if responses is None else rng.normal(size=(responses, matrices.nobs))
    return build_system(matrices, drawn)


def _thetas(layout):
    base = np.where(layout.row == layout.column, 0.8, 0.3)
    base = base * np.random.default_rng(1).uniform(0.5, 1.5, len(base))
    singular = (layout.row == 1) & (layout.column == 1)
    return {
        "interior": base,
        "zero": 0.0 * base,
        "tiny": 1e-4 * base,
        "no classes": np.where(layout.group == 1, 0.0, base),
        "no items": np.where(layout.group == 2, 0.0, base),
        "singular": np.where(singular, 0.0, base),
        "all but singular": np.where(singular, 1e-3, base),
        "large": 50 * base,
    }


@pytest.mark.parametrize("effects", [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 3, 2)])
@pytest.mark.parametrize("weights", [False, True], ids=["", "weights"])
def test_every_quantity_is_its_definition(effects, weights):
    system = _pupils(*effects, weights=weights)
    solver = chain_solver(system, [0, 1, 2, 3])
    for kind, theta in _thetas(system.layout).items():
        errors = compare(system, solver, theta[None], np.array([0]))
        limit = 1e-7 if kind == "large" else 1e-10
        assert max(errors.values()) < limit, (kind, errors)


def test_members_have_their_own_theta_and_response():
    system = _pupils(2, 2, 1, responses=5, school=False)
    solver = chain_solver(system, [0, 1, 2])
    thetas = np.array(list(_thetas(system.layout).values()))[:5]
    for members in (np.arange(5), np.array([3]), np.array([4, 0, 4, 1])):
        errors = compare(system, solver, thetas[: len(members)], members)
        assert max(errors.values()) < 1e-10, errors


def _many(pupils, classes, items, nested=True):
    rng = np.random.default_rng(7)
    p = np.repeat(np.arange(pupils), 4)
    c = rng.integers(0, classes, pupils)[p] if nested else rng.integers(0, classes, len(p))
    i = rng.integers(0, items, len(p))
    ones = np.ones(len(p))
    terms = [designs.term(name, codes, ones) for name, codes in (("p", p), ("c", c), ("i", i))]
    y = rng.normal(size=pupils)[p] + rng.normal(size=classes)[c] + rng.normal(size=len(p))
    return build_system(designs.matrices(y, ones[:, None], *terms))


def test_the_chain_is_eliminated_where_that_pays():
    solver = crossed_solver(_many(3000, 400, 120))
    assert isinstance(solver.plan, BlockStorage)
    assert solver.name == "crossed, chain eliminated"
    assert isinstance(crossed_solver(_many(3000, 400, 120, nested=False)).plan, DensePlan)
    assert isinstance(crossed_solver(_many(300, 40, 10)).plan, DensePlan)


@pytest.mark.parametrize("theta", [[0.9, 0.4, 0.7], [0.9, 0.0, 0.7], [0.0, 0.0, 0.0]])
def test_with_and_without_the_second_elimination(theta):
    """With a rest that is too large to be a stack."""
    system = _many(2000, 300, 120)
    lambdas, members = system.layout.lambdas(np.array([theta])), np.array([0])
    U = np.array([[[0.3], [1.0]]])
    one, other = (
        solver.factorize(lambdas, members)
        for solver in (crossed_solver(system), CrossedSolver(system))
    )
    np.testing.assert_allclose(one.log_det, other.log_det, rtol=1e-12)
    np.testing.assert_allclose(one.reduced, other.reduced, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.pairs(U), other.pairs(U), rtol=1e-8)
    for method in ("trace_slopes", "slopes", "traces"):
        np.testing.assert_allclose(getattr(one, method)(), getattr(other, method)(), rtol=1e-8)
    for method in ("cross", "posterior_blocks"):
        for a, b in zip(getattr(one, method)(), getattr(other, method)(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-11)


def test_moments_at_the_identity_are_those_of_a_factorisation():
    system = _pupils(2, 2, 1, responses=3)
    solver = chain_solver(system, [0, 1, 2, 3])
    zero = system.layout.lambdas(np.zeros((3, len(system.layout))))
    factor = solver.factorize(zero, np.arange(3))
    expected, found = moments_from(factor, factor), solver.identity_moments()
    for field in fields(found):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-9, err_msg=field.name)
