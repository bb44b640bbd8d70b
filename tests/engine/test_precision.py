"""The criterion where variances differ by many orders of magnitude, against forty digits."""

from decimal import Decimal, getcontext

import numpy as np
import pytest

from mmfit.engine import fit_model
from mmfit.engine.solvers.blocks import kernel, roots
from tests.engine.designs import matrices, term

getcontext().prec = 40


def _exact(values) -> np.ndarray:
    """Decimals that equal the doubles."""
    return np.vectorize(Decimal, otypes=[object])(np.asarray(values, dtype=float))


def _factor(A):
    """Lower Cholesky factor with forty digits."""
    L = np.full_like(A, Decimal(0))
    for j in range(len(A)):
        L[j, j] = (A[j, j] - L[j, :j] @ L[j, :j] if j else A[j, j]).sqrt()
        rest = A[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j] if j else A[j + 1 :, j]
        L[j + 1 :, j] = rest / L[j, j]
    return L


def _forward(L, B):
    out = np.full_like(B, Decimal(0))
    for i in range(len(L)):
        out[i] = (B[i] - L[i, :i] @ out[:i] if i else B[i]) / L[i, i]
    return out


def _log_det(L) -> float:
    return 2 * float(sum(value.ln() for value in np.diag(L)))


def _criterion(m, theta):
    """-2 log restricted likelihood by its definition, with forty digits."""
    V, position = _exact(np.eye(m.nobs)), 0
    for t in m.random:
        q = t.model.shape[1]
        lam = np.full((q, q), Decimal(0))
        for column in range(q):
            lam[column:, column] = _exact(theta[position : position + q - column])
            position += q - column
        half = _exact(t.model) @ lam
        V = V + (t.codes[:, None] == t.codes).astype(int) * (half @ half.T)
    L = _factor(V)
    R = _forward(L, _exact(np.column_stack([m.X, m.y])))
    root = _factor(R.T @ R)
    nu = m.nobs - m.X.shape[1]
    r2 = float(root[-1, -1] ** 2)
    return _log_det(L) + _log_det(root[:-1, :-1]) + nu * (1 + np.log(2 * np.pi * r2 / nu))


@pytest.mark.parametrize("slope", [False, True], ids=["intercept", "slope"])
@pytest.mark.parametrize(
    ("ratio", "tolerance"), [(1e-8, 1e-9), (1, 1e-9), (1e4, 1e-9), (1e8, 1e-7)]
)
def test_variance_ratios(slope, ratio, tolerance):
    rng = np.random.default_rng(7)
    g, x = rng.integers(0, 12, 90), rng.normal(size=90)
    b = np.sqrt(ratio) * rng.normal(size=(12, 2))
    y = 1 + x + b[g, 0] + slope * b[g, 1] * x + rng.normal(size=90)
    X = np.column_stack([np.ones(90), x])
    m = matrices(y, X, term("g", g, X if slope else np.ones(90)))
    fit = fit_model(m)
    assert fit.converged
    assert fit.objective == pytest.approx(_criterion(m, fit.theta), abs=tolerance)
    for scale in (0.9, 0.99, 1.01, 1.1):
        assert _criterion(m, fit.theta * scale) >= fit.objective - tolerance


@pytest.mark.parametrize(("sd", "tolerance"), [(100, 1e-9), (1000, 1e-6)])
def test_slopes_that_move_together_over_levels_without_full_rank(sd, tolerance):
    """Two effects with correlation 1, indicators, and levels in which one of them is constant."""
    rng = np.random.default_rng(3)
    g = rng.choice(20, 240, p=rng.dirichlet(np.full(20, 0.5)))
    x, z = rng.integers(0, 2, (2, 240)) * 1.0
    y = sd * rng.normal(size=20)[g] * (x + z) + rng.normal(size=240)
    m = matrices(y, np.ones((240, 1)), term("g", g, np.column_stack([x, z])))
    fit = fit_model(m)
    assert fit.objective == pytest.approx(_criterion(m, fit.theta), abs=tolerance)


@pytest.mark.parametrize("q", [1, 2, 3, 5])
def test_kernels_are_inverses_whatever_the_rank(q):
    rng = np.random.default_rng(q)
    half = rng.normal(size=(q, q, 30))
    half[:, -1, :10] = 0
    half[:, :, 10] = 0
    S = np.einsum("ikl,jkl->ijl", half, half)
    T, inverse = roots(S)
    np.testing.assert_allclose(np.einsum("ikl,jkl->ijl", T, T), S, atol=1e-10)
    # what Z'y is projected on lies in the range of S, where T^+ undoes T
    v = rng.normal(size=(q, 30))
    r = np.einsum("ijl,jl->il", S, v)
    through = np.einsum("ijl,jl->il", inverse, r)
    expected = np.einsum("il,il->l", r, v)
    np.testing.assert_allclose((through**2).sum(axis=0), expected, rtol=1e-7, atol=1e-9)
    lam = np.tril(rng.normal(size=(4, q, q))).transpose(1, 2, 0)
    K, log_det = kernel(T[..., None], lam)
    for level in range(30):
        for member in range(4):
            A = lam[:, :, member].T @ T[:, :, level]
            whole = np.eye(q) + A.T @ A
            np.testing.assert_allclose(K[:, :, level, member] @ whole, np.eye(q), atol=1e-9)
            assert log_det[level, member] == pytest.approx(np.linalg.slogdet(whole)[1], abs=1e-10)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_a_member_beyond_doubles_is_missing_and_the_others_are_not(q):
    rng = np.random.default_rng(q)
    half = rng.normal(size=(q, q, 5))
    T = roots(np.einsum("ikl,jkl->ijl", half, half))[0][..., None]
    lam = np.tril(rng.normal(size=(3, q, q))).transpose(1, 2, 0)
    K, log_det = kernel(T, lam)
    wild = lam.copy()
    wild[..., 1] = np.nan
    with np.errstate(all="ignore"):
        beside, beside_log_det = kernel(T, wild)
    assert np.isnan(beside_log_det[:, 1]).all()
    assert beside[..., [0, 2]].tobytes() == K[..., [0, 2]].tobytes()
    assert beside_log_det[:, [0, 2]].tobytes() == log_det[:, [0, 2]].tobytes()
