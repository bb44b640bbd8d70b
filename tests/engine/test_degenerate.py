"""Responses that the fixed and the random effects fit exactly: no estimate, said in words."""

from itertools import combinations

import numpy as np
import pytest

from mmfit.engine import fit_model
from mmfit.engine.criterion import ML, REML
from mmfit.engine.many import fit_many
from mmfit.engine.serialize import fit_from_json, fit_to_json
from mmfit.engine.simulate import simulate_responses
from mmfit.engine.system.degenerate import NO_RESIDUAL, without_residual
from mmfit.errors import ComputationError
from tests.engine.designs import matrices, term

STRUCTURES = ("single", "slope", "independent", "nested", "crossed", "crossed slope")


def _design(rng, structure, n, levels):
    a, b = rng.integers(0, levels, n), rng.integers(0, levels, n)
    x, one = rng.normal(size=n), np.ones(n)
    left = np.column_stack([one, x])
    terms = {
        "single": (term("a", a, one),),
        "slope": (term("a", a, left),),
        "independent": (term("a", a, one), term("a.1", a, x, "a")),
        "nested": (term("ab", a * 100 + b, one), term("a", a, one)),
        "crossed": (term("a", a, one), term("b", b, one)),
        "crossed slope": (term("a", a, left), term("b", b, one)),
    }[structure]
    X = left if rng.random() < 0.7 else x[:, None]
    weights = rng.uniform(0.2, 5, n) if rng.random() < 0.3 else None
    offset = rng.normal(size=n) if rng.random() < 0.3 else None
    return matrices(np.arange(n, dtype=float), X, *terms, weights=weights, offset=offset)


def _columns(m):
    """Z, a matrix for each effect of each term."""
    return [
        (t.codes[:, None] == np.arange(len(t.levels))) * t.model[:, [k]]
        for t in m.random
        for k in range(t.model.shape[1])
    ]


def _responses(m, rng):
    """(name, y) in the span of all or of some effects, or beside it by a known share."""
    n, effects = m.nobs, [Z @ rng.normal(size=Z.shape[1]) for Z in _columns(m)]
    fixed = m.X @ rng.normal(size=m.X.shape[1])
    exact = sum(effects)
    known = 0 if m.offset is None else m.offset
    found = {
        "anything": rng.normal(size=n),
        "exact": exact,
        "with the fixed part": exact + 1e3 * fixed,
        "first effect": effects[0],
        "last effect": effects[-1] + fixed,
        "tiny": 1e-12 * exact,
        "huge": 1e12 * exact,
        "nearly": exact + 1e-9 * rng.normal(size=n),
    }
    # An offset is no part of the span: it goes where the response is exact after it is taken off.
    return list(found), np.array([y if s in ("tiny", "huge") else y + known
                                  for s, y in found.items()])  # fmt: skip


def _oracle(m, y, reml):
    """By singular values of dense matrices, over all subsets of the effects."""
    root = np.ones(m.nobs) if m.weights is None else np.sqrt(m.weights)
    y = (y if m.offset is None else y - m.offset) * root
    y = y / np.abs(y).max()
    columns = [Z * root[:, None] for Z in _columns(m)]
    for count in range(1, len(columns) + 1):
        for chosen in combinations(columns, count):
            Z = np.hstack(chosen)
            basis = _basis(np.hstack([m.X * root[:, None], Z]))
            if (basis if reml else _basis(Z)).shape[1] == m.nobs:
                continue
            rest = y - basis @ (basis.T @ y)
            rest = rest - basis @ (basis.T @ rest)
            if np.linalg.norm(rest) <= 1e-13 * np.linalg.norm(y):
                return True
    return False


def _basis(matrix):
    U, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return U[:, s > 1e-9 * s[0]]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_what_has_no_residual_is_found_as_by_dense_matrices(structure):
    rng = np.random.default_rng(STRUCTURES.index(structure))
    seen = set()
    for _ in range(25):
        m = _design(rng, structure, int(rng.integers(6, 40)), int(rng.integers(2, 6)))
        names, Y = _responses(m, rng)
        for reml in (True, False):
            found = without_residual(m, Y, REML if reml else ML)
            expected = [_oracle(m, y, reml) for y in Y]
            assert found.tolist() == expected, (names, found, expected)
            seen |= set(zip(names, expected, strict=True))
    assert {("anything", False), ("exact", True), ("nearly", False)} <= seen


def test_as_many_effects_as_rows_are_no_reason_by_themselves():
    """Two rows for each of the levels, with a slope: [X Z] has full rank, and the fit is one."""
    rng = np.random.default_rng(3)
    g, t = np.repeat(np.arange(12), 2), np.tile([0.0, 1.0], 12) + rng.normal(size=24)
    left = np.column_stack([np.ones(24), t])
    m = matrices(rng.normal(size=24), left, term("g", g, left))
    Y = np.array([m.y, rng.normal(size=12)[g], rng.normal(size=12)[g] * t])
    for reml in (True, False):
        assert without_residual(m, Y, REML if reml else ML).tolist() == [False, True, True]
        assert np.isfinite(fit_model(m, criterion=REML if reml else ML).objective)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_one_fit_and_many_both_give_no_estimate(structure):
    reml = STRUCTURES.index(structure) % 2 == 0
    rng = np.random.default_rng(10 + STRUCTURES.index(structure))
    m = _design(rng, structure, 30, 4)
    names, Y = _responses(m, rng)
    expected = np.array([_oracle(m, y, reml) for y in Y])
    chosen = [names.index(name) for name in ("anything", "exact", "last effect")]
    many = fit_many(m, Y[chosen], criterion=REML if reml else ML)
    for i, y in enumerate(Y[chosen]):
        fit = fit_model(
            matrices(y, m.X, *m.random, weights=m.weights, offset=m.offset),
            criterion=REML if reml else ML,
        )
        assert (fit.optimizer.message == NO_RESIDUAL) == expected[chosen[i]]
        assert (many.messages[i] == NO_RESIDUAL) == expected[chosen[i]]
        assert np.isnan(fit.objective) == np.isnan(many.objective[i]) == expected[chosen[i]]


def _flat(seed=0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(6), 4)
    X = np.column_stack([np.ones(24), rng.normal(size=24)])
    return matrices(rng.normal(size=6)[g], X, term("g", g, X))


def test_a_fit_without_estimates_holds_no_number_and_can_be_written():
    fit = fit_model(_flat())
    assert not fit.converged
    assert not fit.singular
    for value in (fit.objective, fit.sigma, fit.aic, fit.theta, fit.fixef, fit.vcov):
        assert np.isnan(value).all()
    parts = (fit.terms[0].covariance, fit.groups[0].modes, fit.groups[0].covariance)
    for value in (*parts, fit.uncertainty.covariance, fit.uncertainty.jacobian):
        assert np.isnan(value).all()
    text = fit_to_json(fit)
    assert "NaN" not in text
    assert fit_to_json(fit_from_json(text)) == text
    # A start without numbers is none.
    assert np.isnan(fit_model(_flat(), criterion=ML, start=fit.theta).objective)


def test_nothing_is_drawn_from_a_fit_without_estimates():
    m = _flat()
    with pytest.raises(ComputationError, match="no model to draw responses from"):
        simulate_responses(m, fit_model(m), 2, 1)
