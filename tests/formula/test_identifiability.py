"""Identification against ranks over a prime field, where integer designs have no rounding."""

import itertools

import numpy as np
import pandas as pd
import pytest

from mmfit.errors import DesignError
from mmfit.formula import build_matrices
from mmfit.formula.identifiability import null_moves, residual_confounded
from mmfit.formula.unidentified import unidentified
from tests.engine.designs import matrices, term

PRIME = 2**31 - 1


def eliminated(A):
    """Reduced rows of an integer matrix modulo PRIME, and the pivot columns."""
    A, pivots = np.array(A, dtype=np.int64) % PRIME, []
    for column in range(A.shape[1]):
        row = len(pivots)
        found = row + np.flatnonzero(A[row:, column])
        if not len(found):
            continue
        A[[row, found[0]]] = A[[found[0], row]]
        A[row] = A[row] * pow(int(A[row, column]), PRIME - 2, PRIME) % PRIME
        for other in np.flatnonzero(A[:, column]):
            if other != row:
                A[other] = (A[other] - A[other, column] * A[row]) % PRIME
        pivots.append(column)
        if len(pivots) == len(A):
            break
    return A, pivots


def rank(vectors):
    return len(eliminated(vectors)[1]) if len(vectors) else 0


def contrasts(X):
    """(n - p, n): integer rows modulo PRIME that span what is orthogonal to the columns of X."""
    rows, pivots = eliminated(X.T)
    free = [j for j in range(len(X)) if j not in pivots]
    out = np.zeros((len(free), len(X)), dtype=np.int64)
    for k, j in enumerate(free):
        out[k, j] = 1
        out[k, pivots] = -rows[: len(pivots), j] % PRIME
    return out


def product(A, B):
    out = np.zeros((len(A), B.shape[1]), dtype=np.int64)
    for k in range(A.shape[1]):
        out = (out + A[:, k : k + 1] * B[k] % PRIME) % PRIME
    return out


def exact(model):
    """Dimension that the covariances do not show, and whether sigma^2 is inside the rest."""
    K = contrasts(np.rint(model.X).astype(np.int64))
    stacked = []
    for one in model.random:
        Z = np.rint(one.model).astype(np.int64)
        same = (one.codes[:, None] == one.codes).astype(np.int64)
        q = Z.shape[1]
        for a, b in itertools.combinations_with_replacement(range(q), 2):
            V = np.outer(Z[:, a], Z[:, b])
            V = same * (V + V.T if a != b else V) % PRIME
            stacked.append(product(product(K, V), K.T).ravel())
    weights = np.ones(model.nobs) if model.weights is None else model.weights
    inverse = [pow(int(w), PRIME - 2, PRIME) for w in weights]
    residual = product(K * np.array(inverse) % PRIME, K.T).ravel()
    without = rank(np.array(stacked))
    return len(stacked) - without, rank(np.array([*stacked, residual])) == without


def random_model(seed, weighted=True):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(7, 15))
    x, z = rng.integers(-2, 4, n), rng.integers(0, 3, n)
    half = np.arange(n) // 2
    factors = [rng.integers(0, rng.integers(2, 6), n), half, half // 2, np.arange(n) % 3]
    factors += [np.arange(n), rng.permutation(n) // 2]
    one = np.ones(n, dtype=int)
    pool = [one, x, z, x * x, (factors[0] == 0) + 0, (half % 2) + 0, 2 * x + 1]
    terms = []
    for k in range(int(rng.integers(1, 4))):
        q = int(rng.integers(1, 4))
        columns = rng.choice(len(pool), q, replace=False, p=[0.4, *[0.1] * 6])
        codes = factors[rng.integers(len(factors) - (rng.random() < 0.8) * 2)]
        terms.append(term(f"t{k}", codes, np.column_stack([pool[c] for c in columns]) * 1.0))
    X = [one] if rng.random() < 0.8 else []
    X += [pool[c] for c in rng.choice(len(pool), int(rng.integers(0, 3)), replace=False)]
    if rng.random() < 0.2:
        X += list((factors[2][:, None] == np.arange(1, 4)).T + 0)
    X = np.array(X).reshape(len(X), n)
    X = X[eliminated(X.T)[1]].T * 1.0
    weights = rng.integers(1, 4, n) * 1.0 if weighted and rng.random() < 0.3 else None
    return matrices(rng.normal(size=n), X, *terms, weights=weights)


MODELS = [random_model(seed) for seed in range(300)]


def test_the_number_of_unidentified_directions_is_exact():
    unseen, confounded = 0, 0
    for seed, model in enumerate(MODELS):
        expected, inside = exact(model)
        assert len(null_moves(model).directions) == expected, seed
        assert bool(residual_confounded(model.X, model.random, model.weights)) == inside, seed
        unseen, confounded = unseen + (expected > 0), confounded + inside
    assert min(unseen, len(MODELS) - unseen) > 100
    assert confounded > 10


def projected(model, psis):
    """P V P for symmetric matrices, one per term."""
    P = np.eye(model.nobs) - model.X @ np.linalg.pinv(model.X)
    V = sum(
        (one.codes[:, None] == one.codes) * (one.model @ psi @ one.model.T)
        for one, psi in zip(model.random, psis, strict=True)
    )
    return P @ V @ P, V


def as_matrices(model, values):
    """Weights by parameter as symmetric matrices, one per term."""
    psis = []
    for one in model.random:
        psi = np.zeros((len(one.effects),) * 2)
        for (group, first, second), weight in values.items():
            if group == one.group:
                i, j = one.effects.index(first), one.effects.index(second or first)
                psi[i, j] = psi[j, i] = weight
        psis.append(psi)
    return psis


def test_directions_are_unseen_and_functions_do_not_move_along_them():
    for seed, model in enumerate(MODELS):
        for record in unidentified(model):
            directions, functions = np.array(record.directions), np.array(record.functions)
            assert len(directions) + len(functions) == len(record.parameters)
            if len(functions):
                np.testing.assert_allclose(functions @ directions.T, 0, atol=1e-9)
            for direction in directions:
                weights = dict(zip(record.parameters, direction, strict=True))
                seen, V = projected(model, as_matrices(model, weights))
                assert np.abs(seen).max() < 1e-8 * max(1.0, np.abs(V).max()), seed
                assert ("fixed part" in record.text) or np.abs(V).max() < 1e-8, seed


@pytest.mark.parametrize("seed", range(0, 300, 6))
def test_order_origin_and_scale_do_not_matter(seed):
    model = MODELS[seed]
    rng = np.random.default_rng(seed)
    rows = rng.permutation(model.nobs)
    changed = []
    for one in model.random:
        q = len(one.effects)
        T = np.tril(rng.normal(size=(q, q))) + 3 * np.eye(q)
        T = T[rng.permutation(q)] * 10.0 ** rng.integers(-6, 7, q)
        changed.append(term(one.group, rng.permutation(99)[one.codes][rows], (one.model @ T)[rows]))
    weights = None if model.weights is None else 1e5 * model.weights[rows]
    moved = matrices(model.y[rows], model.X[rows] * 1e7, *changed, weights=weights)
    assert len(null_moves(moved).directions) == len(null_moves(model).directions)
    confounded = residual_confounded(moved.X, moved.random, moved.weights)
    before = residual_confounded(model.X, model.random, model.weights)
    assert bool(confounded) == bool(before)


def frame(n=48, seed=3):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), n // 12)
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n)})
    data["g"], data["h"] = [f"g{i}" for i in g], [f"h{i}" for i in 100 - g]
    data["f"] = np.array(["A", "B"])[np.arange(n) % 2]
    data["task"] = np.array(["A", "B"])[g % 2]
    data["year"] = 2000.0 + np.tile(np.arange(n // 12), 12)
    data["visit"] = np.where(g % 2, 2003.0, 2001.0)
    data["row"] = [f"r{i}" for i in range(n)]
    return data


@pytest.mark.parametrize(
    ("formula", "texts"),
    [
        ("y ~ x + (x | g) + (1 | f)", []),
        ("y ~ 1 + (1 | g) + (0 + year | g)", []),
        ("y ~ x + (0 + x | row)", []),
        (
            "y ~ x + (1 | g) + (1 | h)",
            [
                "the variances of (Intercept) by g and (Intercept) by h cannot be told apart; "
                "only their sum can"
            ],
        ),
        (
            "y ~ task + (task | g)",
            [
                "the covariance of (Intercept) and taskB by g and the variance of taskB by g "
                "cannot be told apart; only 2 cov((Intercept), taskB | g) + var(taskB | g) can"
            ],
        ),
        ("y ~ x + (0 + task | g)", ["the covariance of taskA and taskB by g enters no row"]),
        (
            "y ~ x + (f || g)",
            [
                "the variance of (Intercept) by g, the variance of fA by g.1, the covariance of fA "
                "and fB by g.1 and the variance of fB by g.1 cannot be told apart; only "
                "var((Intercept) | g) + var(fA | g.1), var((Intercept) | g) + cov(fA, fB | g.1) "
                "and var((Intercept) | g) + var(fB | g.1) can"
            ],
        ),
        (
            "y ~ g + (1 | g)",
            ["the variance of (Intercept) by g cannot be told from the fixed part"],
        ),
        ("y ~ x + (visit || g)", []),
        (
            "y ~ x + (visit | g)",
            [
                "the variance of (Intercept) by g, the covariance of (Intercept) and visit by g "
                "and the variance of visit by g cannot be told apart; only "
                "0.0004995 var((Intercept) | g) + cov((Intercept), visit | g) and "
                "-2.495e-07 var((Intercept) | g) + var(visit | g) can"
            ],
        ),
    ],
)
def test_words(formula, texts):
    assert [record.text for record in unidentified(build_matrices(formula, frame()))] == texts


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ x + (1 | row)", "grouping factor row has 48 levels for 48 rows"),
        ("y ~ x + (x | row)", "grouping factor row has 48 levels for 48 rows"),
        ("y ~ 1 + (factor(year) | g)", "by g has 48 random effects .4 for each of 12 levels."),
    ],
)
def test_a_random_part_with_the_residual_variance_inside_is_refused(formula, message):
    with pytest.raises(DesignError, match=message):
        build_matrices(formula, frame())


def test_a_saturated_square_is_refused_by_all_of_its_terms():
    square = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "a": list("pqpq"), "b": list("ppqq")})
    square["c"] = list("uvvu")
    with pytest.raises(DesignError, match=r" by .* and .* by .* and .* by .* 6 random effects"):
        build_matrices("y ~ 1 + (1 | a) + (1 | b) + (1 | c)", square)
    twice = pd.concat([square, square], ignore_index=True)
    assert not unidentified(build_matrices("y ~ 1 + (1 | a) + (1 | b) + (1 | c)", twice))


def test_as_many_effects_as_rows_are_told_from_the_residual_where_times_differ():
    rng = np.random.default_rng(8)
    own = pd.DataFrame({"y": rng.normal(size=40), "T": rng.uniform(0, 3, 40)})
    own["id"] = [f"i{i // 2}" for i in range(40)]
    assert not unidentified(build_matrices("y ~ T + (T | id)", own))
    own["T"] = np.tile([0.0, 1.0], 20)
    with pytest.raises(DesignError, match="by id has 40 random effects"):
        build_matrices("y ~ T + (T | id)", own)
