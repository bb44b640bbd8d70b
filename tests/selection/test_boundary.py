"""Where the null lies in the alternative, and the weights of two variances by brute force."""

import re

import numpy as np
import pytest

from mmfit.inference.null_distributions.mixtures import (
    cone,
    efficient_information,
    estimate_correlation,
    wedge,
)
from mmfit.selection.pair_tests.boundary import edge_orders, null_law
from mmfit.selection.relations.structure import structure
from mmfit.selection.relations.validity import assess
from mmfit.selection.words import remark
from tests.selection.designs import Bar, dummies, fit_record, matrices

RNG = np.random.default_rng(17)
N = 96
I = "(Intercept)"  # noqa: E741
ONE = np.ones(N)
X = RNG.normal(4.0, 1.0, N)
Z = RNG.normal(size=N)
FIXED = {I: ONE, "x": X}
A = RNG.permutation(np.arange(N) % 8)
B = RNG.permutation(np.arange(N) % 6)
C = np.where(RNG.random(N) < 0.85, B // 2, RNG.integers(0, 3, N))  # shares much with B
F = np.arange(N) % 3


def law(null, alternative, criterion="REML", **null_fit):
    pair = assess(structure("m0", null), structure("m1", alternative))
    assert pair.outcome == "valid"
    return pair, null_law(
        pair,
        fit_record(null, criterion, 100.0, **null_fit),
        fit_record(alternative, criterion, 90.0),
    )


def model(*bars, fixed=FIXED):
    return matrices(fixed, *bars)


INTERCEPT = Bar({I: ONE}, A, "a")
SLOPE = Bar({I: ONE, "x": X}, A, "a")


@pytest.mark.parametrize(
    ("null", "alternative", "orders", "words"),
    [
        ([INTERCEPT], [INTERCEPT, Bar({I: ONE}, B)], (0, 1), "0.5 chi2(0) + 0.5 chi2(1)"),
        ([INTERCEPT], [INTERCEPT, Bar({"x": X}, A)], (0, 1), "0.5 chi2(0) + 0.5 chi2(1)"),
        ([INTERCEPT], [SLOPE], (1,), "0.5 chi2(1) + 0.5 chi2(2)"),
        ([Bar({"x": X}, A)], [SLOPE], (1,), "0.5 chi2(1) + 0.5 chi2(2)"),
        ([SLOPE], [Bar({I: ONE, "x": X, "z": Z}, A)], (1,), "0.5 chi2(2) + 0.5 chi2(3)"),
        ([INTERCEPT, Bar({"x": X}, A)], [SLOPE], (0,), "chi2(1)"),
        ([Bar({I: ONE}, A * 3 + F)], [Bar(dummies(F), A)], (0,), "chi2(5)"),
        ([INTERCEPT, Bar({I: ONE}, A * 3 + F)], [Bar(dummies(F), A)], (0,), "chi2(4)"),
        ([INTERCEPT], [Bar(dummies(F % 2), A)], (1,), "0.5 chi2(1) + 0.5 chi2(2)"),
        ([INTERCEPT], [Bar(dummies(F), A)], (2,), None),
        ([INTERCEPT], [Bar({I: ONE, "x": X, "z": Z}, A)], (2,), None),
        ([INTERCEPT], [INTERCEPT, Bar({I: ONE, "x": X}, B)], (0, 2), None),
        (
            [INTERCEPT],
            [INTERCEPT, Bar({I: ONE}, B), Bar({I: ONE}, C), Bar({"z": Z}, A)],
            (0, 1, 1, 1),
            None,
        ),
    ],
)
def test_cases(null, alternative, orders, words):
    pair, found = law(model(*null), model(*alternative))
    assert edge_orders(pair) == orders
    if words is None:
        width = sum(order * (order + 1) // 2 for order in orders)
        assert found.distribution.dfs == tuple(range(pair.df - width, pair.df + 1))
        assert found.distribution.draws >= 4000
        assert 0 < found.distribution.weight_error < 0.004
        assert f"the null puts {sum(orders)} variances at zero" in remark(found.remark)
        assert f"{found.distribution.draws} simulated projections" in remark(found.remark)
    else:
        assert str(found.distribution) == words


def test_fixed_effects_and_one_variance():
    _, found = law(model(INTERCEPT), model(SLOPE, fixed={**FIXED, "z": Z}), "ML")
    assert str(found.distribution) == "0.5 chi2(2) + 0.5 chi2(3)"
    _, found = law(model(INTERCEPT), model(INTERCEPT, fixed={**FIXED, "z": Z, "z2": Z**2}), "ML")
    assert str(found.distribution) == "chi2(2)"


def test_a_singular_null_has_none():
    _, found = law(model(INTERCEPT), model(SLOPE), singular=True)
    assert found.distribution is None
    assert re.search(
        r"of m0, is singular \(a\).*no mixture of chi-squares holds", remark(found.remark)
    )


def test_unidentified_parameters_have_none():
    """f constant within a: half of the covariances of (0 + f | a) multiply nothing."""
    by_group = dummies(A % 2)
    _, found = law(model(INTERCEPT), model(Bar(by_group, A), Bar({I: ONE}, B)))
    assert found.distribution is None
    assert "cannot all be told apart" in remark(found.remark)


def dense_derivatives(matrix):
    """dV/d(vech) of every term in raw units, column by column, then the residual's."""
    out = []
    for term in matrix.random:
        same = term.codes[:, None] == term.codes[None, :]
        q = len(term.effects)
        for b in range(q):
            for a in range(b, q):
                E = np.zeros((q, q))
                E[a, b] = E[b, a] = 1.0
                out.append(np.where(same, term.model @ E @ term.model.T, 0.0))
    return [*out, np.eye(matrix.nobs)]


def dense_information(matrix, V, criterion):
    """tr(P V_i P V_j) / 2, or with V^-1 for P under ML (Searle, Casella & McCulloch 1992)."""
    P = np.linalg.inv(V)
    if criterion == "REML":
        PX = P @ matrix.X
        P = P - PX @ np.linalg.solve(matrix.X.T @ PX, PX.T)
    products = [P @ D for D in dense_derivatives(matrix)]
    return np.array([[np.sum(L * R.T) / 2 for R in products] for L in products])


@pytest.mark.parametrize("criterion", ["REML", "ML"])
@pytest.mark.parametrize("sigma", [1.0, 30.0])
def test_two_variances_against_brute_force(criterion, sigma):
    """(1|b) and (1|c) added to (1|a); b and c overlap, so their estimates go against each other."""
    fixed = FIXED if criterion == "REML" else {**FIXED, "z": Z}
    null = model(INTERCEPT)
    alternative = model(Bar({I: ONE}, B), INTERCEPT, Bar({I: ONE}, C), fixed=fixed)
    psi = 0.7 * sigma**2
    _, found = law(null, alternative, criterion, covariances=[[[psi]]], sigma=sigma)
    V = psi * (A[:, None] == A[None, :]) + sigma**2 * np.eye(N)
    information = dense_information(alternative, V, criterion)
    rho = estimate_correlation(efficient_information(information, np.array([0, 2])))
    assert rho < -0.1  # far enough from zero for a wrong sign to show
    df = 2 if criterion == "REML" else 3
    assert found.distribution.dfs == (df - 2, df - 1, df)
    assert found.distribution.weights == pytest.approx(wedge(df, rho).weights, abs=1e-9)


def test_two_effects_each_with_a_covariance_against_brute_force():
    """(x|a) and (z|b) where only intercepts were: the two covariances are free parameters."""
    null = model(INTERCEPT, Bar({I: ONE}, B))
    alternative = model(SLOPE, Bar({I: ONE, "z": Z}, B))
    psis = [[[1.3]], [[0.4]]]
    _, found = law(null, alternative, covariances=psis, sigma=0.8)
    V = (
        1.3 * (A[:, None] == A[None, :])
        + 0.4 * (B[:, None] == B[None, :])
        + 0.64 * np.eye(N)
    )  # fmt: skip
    information = dense_information(alternative, V, "REML")
    slopes = np.array([2, 5])  # vech: (1, 1), (x, 1), (x, x), (1, 1), (z, 1), (z, z), sigma^2
    rho = estimate_correlation(efficient_information(information, slopes))
    assert found.distribution.dfs == (2, 3, 4)
    assert found.distribution.weights == pytest.approx(wedge(4, rho).weights, abs=1e-9)


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_a_whole_covariance_against_brute_force(criterion):
    """(x|b) added to (1|a): the cone of 2 x 2 matrices, in the metric of the dense information."""
    fixed = FIXED if criterion == "REML" else {**FIXED, "z": Z}
    null, alternative = model(INTERCEPT), model(INTERCEPT, Bar({I: ONE, "x": X}, B), fixed=fixed)
    _, found = law(null, alternative, criterion, covariances=[[[1.7]]], sigma=0.9)
    V = 1.7 * (A[:, None] == A[None, :]) + 0.81 * np.eye(N)
    efficient = efficient_information(dense_information(alternative, V, criterion), np.arange(1, 4))
    df = 3 if criterion == "REML" else 4
    expected = cone(df, (2,), efficient)
    assert found.distribution.dfs == expected.dfs == tuple(range(df - 3, df + 1))
    assert found.distribution.weights == pytest.approx(expected.weights, abs=0.008)


def test_the_weights_do_not_depend_on_how_the_alternative_is_written():
    null = model(INTERCEPT, Bar({I: ONE}, B))
    laws = []
    for x in (X, 10 * X - 300):
        wide = Bar({I: ONE, "x": x}, A)
        _, found = law(null, model(wide, Bar({I: ONE, "z": Z}, B)))
        laws.append(found.distribution.weights)
    assert laws[0] == pytest.approx(laws[1], abs=1e-8)
