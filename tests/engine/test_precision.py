"""The criterion where variances differ by many orders of magnitude, against forty digits."""

from decimal import Decimal, getcontext

import numpy as np
import pytest

from mmfit.engine import fit_model
from mmfit.engine.criterion import REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.solvers import choose_solver
from mmfit.engine.solvers.levels.basis import level_basis
from mmfit.engine.solvers.levels.blocks import kernel
from mmfit.engine.system.level_sums import LevelSums
from mmfit.engine.system.whitened_system import build_system
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


def _effects(rng, levels, count, sd):
    return sd * rng.normal(size=(levels, count))


def _varied(structure, ratio, seed=7, n=56):
    """A model of large variances, and a theta of their size; one level in two rows, one in one."""
    rng = np.random.default_rng([seed, n])
    x, sd = rng.normal(size=n), np.sqrt(ratio)
    X = np.column_stack([np.ones(n), x])
    one, two = X[:, :1], X
    a = rng.integers(0, 3, n)
    b = a * 10 + rng.integers(0, 3, n)
    c = rng.integers(0, 8, n)
    c[:3] = 8, 8, 9
    terms = {
        "single": [("c", c, one)],
        "single, slopes": [("c", c, two)],
        "single, three effects": [("c", c, np.column_stack([two, rng.normal(size=n)]))],
        "split": [("c", c, one), ("c.1", c, two[:, 1:])],
        "nested": [("b", b, one), ("a", a, one)],
        "nested, slopes outside": [("b", b, one), ("a", a, two)],
        "nested, slopes inside": [("b", b, two), ("a", a, one)],
        "nested, slopes": [("b", b, two), ("a", a, two)],
        "three nested": [("c", b * 10 + rng.integers(0, 2, n), one), ("b", b, one), ("a", a, two)],
        "crossed": [("c", c, one), ("b", b, one)],
        "crossed, slopes": [("c", c, two), ("b", b, two)],
        "three crossed": [("c", c, two), ("b", b, one), ("d", rng.integers(0, 4, n), one)],
    }[structure]
    y, theta = 1 + x + rng.normal(size=n), []
    for _, codes, Z in terms:
        q = Z.shape[1]
        y = y + np.einsum("nq,nq->n", Z, _effects(rng, codes.max() + 1, q, sd)[codes])
        root = np.tril(rng.uniform(0.3, 1.2, (q, q))) * sd
        theta.append(root[np.triu_indices(q)[::-1]])
    ordered = sorted(range(len(terms)), key=lambda t: -len(np.unique(terms[t][1])))
    m = matrices(y, X, *(term(name, codes, Z) for name, codes, Z in terms))
    return m, np.concatenate([theta[t] for t in ordered])


STRUCTURES = (
    "single", "single, slopes", "single, three effects", "split", "nested",
    "nested, slopes outside", "nested, slopes inside", "nested, slopes", "three nested", "crossed",
    "crossed, slopes", "three crossed",
)  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "tolerance"), [(1e-8, 1e-11), (1, 1e-11), (1e6, 1e-10), (1e8, 1e-9), (1e10, 1e-8)]
)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_criterion_at_variance_ratios(structure, ratio, tolerance):
    m, theta = _varied(structure, ratio)
    system = build_system(m)
    white = np.linalg.solve(system.theta_jacobian(), theta)
    found = EstimationProblem(system, choose_solver(system), REML).at(white).objective[0]
    assert found == pytest.approx(_criterion(m, theta), abs=tolerance)


@pytest.mark.parametrize("ratio", [1e4, 1e8])
@pytest.mark.parametrize("structure", ["single, slopes", "nested", "nested, slopes", "crossed"])
def test_fits_at_variance_ratios(structure, ratio):
    fit_to, _ = _varied(structure, ratio)
    fit = fit_model(fit_to)
    assert fit.converged
    assert fit.objective == pytest.approx(_criterion(fit_to, fit.theta), abs=1e-9)
    for scale in (0.9, 0.99, 1.01, 1.1):
        assert _criterion(fit_to, fit.theta * scale) >= fit.objective - 1e-9


@pytest.mark.parametrize(("sd", "tolerance"), [(100, 1e-9), (1000, 1e-9)])
def test_slopes_that_move_together_over_levels_without_full_rank(sd, tolerance):
    """Two effects with correlation 1, indicators, and levels in which one of them is constant."""
    rng = np.random.default_rng(3)
    g = rng.choice(20, 240, p=rng.dirichlet(np.full(20, 0.5)))
    x, z = rng.integers(0, 2, (2, 240)) * 1.0
    y = sd * rng.normal(size=20)[g] * (x + z) + rng.normal(size=240)
    m = matrices(y, np.ones((240, 1)), term("g", g, np.column_stack([x, z])))
    fit = fit_model(m)
    assert fit.objective == pytest.approx(_criterion(m, fit.theta), abs=tolerance)


def _level_columns(rng, q, levels):
    """Codes and columns of levels with one row, with repeated columns, with a column of zeros."""
    sizes = rng.integers(1, q + 4, levels)
    codes = np.repeat(np.arange(levels), sizes)
    Z = rng.normal(size=(len(codes), q)) + 100 * rng.normal(size=(1, q))
    Z[codes % 5 == 1, -1] = Z[codes % 5 == 1, 0]
    Z[codes % 5 == 2, -1] = 0
    Z[codes % 5 == 3] = Z[np.flatnonzero(codes % 5 == 3)[:1]]
    order = rng.permutation(len(codes))
    return codes[order], Z[order]


@pytest.mark.parametrize("q", [1, 2, 3, 5])
def test_bases_are_orthonormal_whatever_the_rank(q):
    rng = np.random.default_rng(q)
    codes, Z = _level_columns(rng, q, 40)
    basis = level_basis(LevelSums(codes, 40), tuple(np.ascontiguousarray(Z.T)))
    Q = np.array([column * basis.scale[a][codes] for a, column in enumerate(basis.columns)]).T
    for level in range(40):
        rows, T = Q[codes == level], basis.T[:, :, level]
        there = basis.norms[:, level] > 0
        np.testing.assert_allclose(rows.T @ rows, np.diag(there.astype(float)), atol=1e-14)
        np.testing.assert_allclose(rows @ T.T, Z[codes == level], atol=1e-12 * abs(Z).max())
        assert there.sum() == np.linalg.matrix_rank(Z[codes == level], rtol=1e-11)


@pytest.mark.parametrize("size", [1.0, 1e3])
@pytest.mark.parametrize("q", [1, 2, 3, 5])
def test_kernels_are_inverses_whatever_the_rank(q, size):
    rng = np.random.default_rng(q)
    T = np.tril(rng.normal(size=(30, q, q))).transpose(1, 2, 0)
    T[:, -1, :10] = 0
    T[:, :, 10] = 0
    lam = size * np.tril(rng.normal(size=(4, q, q))).transpose(1, 2, 0)
    K, log_det = kernel(T[..., None], lam)
    for level in range(30):
        for member in range(4):
            A = lam[:, :, member].T @ T[:, :, level]
            _, s, V = np.linalg.svd(A)
            exact = (V.T / (1 + s**2)) @ V
            np.testing.assert_allclose(K[:, :, level, member], exact, atol=1e-9 * size**-0.5)
            assert log_det[level, member] == pytest.approx(np.log1p(s**2).sum(), abs=1e-9)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_a_member_beyond_doubles_is_missing_and_the_others_are_not(q):
    rng = np.random.default_rng(q)
    T = np.tril(rng.normal(size=(5, q, q))).transpose(1, 2, 0)[..., None]
    lam = np.tril(rng.normal(size=(3, q, q))).transpose(1, 2, 0)
    K, log_det = kernel(T, lam)
    wild = lam.copy()
    wild[..., 1] = np.nan
    with np.errstate(all="ignore"):
        beside, beside_log_det = kernel(T, wild)
    assert np.isnan(beside_log_det[:, 1]).all()
    assert beside[..., [0, 2]].tobytes() == K[..., [0, 2]].tobytes()
    assert beside_log_det[:, [0, 2]].tobytes() == log_det[:, [0, 2]].tobytes()
