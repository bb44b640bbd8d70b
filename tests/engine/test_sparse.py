"""The sparse factorisation against dense algebra, finite differences and SuperLU."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

from mmfit.engine.solvers.sparse import analyze, factorize
from mmfit.errors import ComputationError
from tests.engine.sparse_matrices import (
    SETTINGS,
    check_against_dense,
    check_derivative,
    diagonal_blocks,
    entries,
    in_columns,
    matrices,
    random_matrix,
    ratings,
)
from tests.engine.superlu_factor import SuperLUFactor


@SETTINGS
@given(matrices)
def test_small_matrices_agree_with_dense_algebra(K):
    factor = factorize(analyze(K), K.data)
    check_against_dense(K, factor)
    check_derivative(K, factor, seed=1)


@pytest.mark.parametrize("cross", [0.0, 0.02, 0.2])
def test_crossed_ratings_agree_with_dense_algebra(cross):
    K = ratings(departments=20, lecturers=12, students=900, cross=cross)
    factor = factorize(analyze(K), K.data)
    assert len(factor.symbolic.fronts) > 1
    check_against_dense(K, factor)
    check_derivative(K, factor, seed=2)


def test_superlu_agrees_at_a_size_where_dense_does_not_fit_the_test():
    K = ratings(departments=100, lecturers=20, students=6000, cross=0.01)
    factor = factorize(analyze(K), K.data)
    reference = SuperLUFactor(K)
    B = np.random.default_rng(1).standard_normal((K.shape[0], 2))
    assert factor.log_det == pytest.approx(reference.log_det, rel=1e-12)
    np.testing.assert_allclose(factor.solve(B), reference.solve(B), rtol=1e-9, atol=1e-12)
    # tr(K⁻¹K) = T, and the derivative along K itself is -K⁻¹.
    selected = factor.selected_inverse()
    assert selected @ K.data == pytest.approx(K.shape[0], rel=1e-11)
    np.testing.assert_allclose(
        factor.selected_inverse_derivative(K.data), -selected, rtol=1e-8, atol=1e-13
    )


def test_derivative_is_the_limit_of_differences():
    K = ratings(departments=8, lecturers=10, students=300, cross=0.1)
    plan = analyze(K)
    dK = K.copy()
    dK.data = np.cos(np.arange(K.nnz))
    dK = in_columns(dK + dK.T)
    step = 1e-4
    up = factorize(plan, K.data + step * dK.data).selected_inverse()
    down = factorize(plan, K.data - step * dK.data).selected_inverse()
    found = factorize(plan, K.data).selected_inverse_derivative(dK.data)
    np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-5, atol=1e-9)


def test_gradient_and_hessian_of_the_log_determinant():
    K = ratings(departments=8, lecturers=10, students=300, cross=0.1)
    plan = analyze(K)
    factor = factorize(plan, K.data)
    A = in_columns(K * K)
    inverse = np.linalg.inv(K.toarray())
    assert factor.selected_inverse() @ A.data == pytest.approx(np.trace(inverse @ A.toarray()))
    trace = np.trace(inverse @ A.toarray() @ inverse @ K.toarray())
    assert -factor.selected_inverse_derivative(A.data) @ K.data == pytest.approx(trace)
    step = 1e-4
    up, down = (factorize(plan, K.data + s * A.data).log_det for s in (step, -step))
    middle = (up - 2 * factor.log_det + down) / step**2
    second = factor.selected_inverse_derivative(A.data) @ A.data
    assert second == pytest.approx(middle, rel=1e-4)


def test_order_of_the_levels_does_not_matter():
    K = ratings(departments=10, lecturers=10, students=400, cross=0.1)
    order = np.random.default_rng(3).permutation(K.shape[0])
    P = in_columns(K[order][:, order])
    first, second = factorize(analyze(K), K.data), factorize(analyze(P), P.data)
    B = np.linspace(-1.0, 1.0, K.shape[0])
    assert first.log_det == pytest.approx(second.log_det, rel=1e-13)
    np.testing.assert_allclose(first.solve(B)[order], second.solve(B[order]), rtol=1e-10)
    np.testing.assert_allclose(
        diagonal_blocks(first, 1)[order], diagonal_blocks(second, 1), rtol=1e-10
    )


def test_components_without_a_connection():
    parts = [random_matrix(n, 0.5, n) for n in (1, 7, 1, 25, 3)]
    K = in_columns(sp.block_diag(parts, format="csc"))
    factor = factorize(analyze(K), K.data)
    check_against_dense(K, factor)
    check_derivative(K, factor, seed=3)
    total = sum(factorize(analyze(part), part.data).log_det for part in parts)
    assert factor.log_det == pytest.approx(total, rel=1e-12)


def test_diagonal_blocks_of_a_range():
    rng = np.random.default_rng(8)
    levels = abs(random_matrix(9, 0.3, 4))
    K = in_columns(sp.block_diag([sp.eye_array(5), sp.kron(levels, np.ones((2, 2)))]))
    K.data = K.data + 0.0
    K = in_columns(K + sp.diags_array(abs(K).sum(axis=0) + rng.random(23)))
    factor = factorize(analyze(K), K.data)
    inverse = np.linalg.inv(K.toarray())
    blocks = diagonal_blocks(factor, 2, start=5)
    expected = [inverse[i : i + 2, i : i + 2] for i in range(5, 23, 2)]
    np.testing.assert_allclose(blocks, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(
        diagonal_blocks(factor, 1, stop=5)[:, 0, 0], np.diagonal(inverse)[:5], rtol=1e-12
    )
    with pytest.raises(ValueError, match="no entry in row"):
        diagonal_blocks(factor, 5, stop=5)
    with pytest.raises(ValueError, match="not a number of blocks"):
        diagonal_blocks(factor, 2)


def test_one_column():
    factor = factorize(analyze(sp.csc_array([[4.0]])), np.array([4.0]))
    assert factor.log_det == pytest.approx(np.log(4.0))
    assert factor.solve(np.array([2.0])) == pytest.approx([0.5])
    assert factor.half_solve(np.array([2.0])) == pytest.approx([1.0])
    assert factor.selected_inverse() == pytest.approx([0.25])
    assert factor.selected_inverse_derivative(np.array([1.0])) == pytest.approx([-1 / 16])


def test_no_right_hand_sides():
    K = random_matrix(6, 0.4, 2)
    assert factorize(analyze(K), K.data).solve(np.empty((6, 0))).shape == (6, 0)


def test_arguments_are_left_alone():
    K = random_matrix(30, 0.1, 9)
    values, B = K.data.copy(), np.asfortranarray(np.ones((30, 2)))
    factor = factorize(analyze(K), values)
    factor.solve(B)
    first = factor.selected_inverse_derivative(values)
    assert np.array_equal(values, K.data)
    assert (B == 1.0).all()
    # Nothing that the factor keeps is overwritten either: a second call gives the same bits.
    assert np.array_equal(first, factor.selected_inverse_derivative(values))
    assert np.array_equal(
        factor.selected_inverse(), factorize(analyze(K), K.data).selected_inverse()
    )


def test_explicit_zeros_belong_to_the_pattern():
    K = random_matrix(25, 0.2, 11)
    off = K.indices != np.repeat(np.arange(25), np.diff(K.indptr))
    D = K.copy()
    D.data = np.where(off, 0.0, K.data)
    factor = factorize(analyze(K), D.data)
    inverse = np.divide(1.0, D.data, where=~off, out=np.zeros(K.nnz))
    np.testing.assert_allclose(factor.selected_inverse(), inverse, rtol=1e-14)


@pytest.mark.parametrize("build", [lambda K: factorize(analyze(K), K.data), SuperLUFactor])
def test_indefinite_and_singular_matrices_are_refused(build):
    indefinite = random_matrix(40, 0.1, 6, definite=False)
    singular = in_columns(sp.csc_array(np.ones((3, 3))))
    hollow = in_columns(sp.csc_array(np.array([[0.0, 1.0], [1.0, 0.0]])))
    assert np.linalg.eigvalsh(indefinite.toarray())[0] < 0
    for K in (indefinite, singular, hollow):
        with pytest.raises(ComputationError, match="not positive definite"):
            build(K)


def test_values_that_are_not_finite_are_refused():
    K = random_matrix(40, 0.1, 6)
    plan = analyze(K)
    for place in (0, K.nnz // 2, K.nnz - 1):
        values = K.data.copy()
        values[place] = np.nan
        values[entries(plan, *_transposed(K, place))] = np.nan
        with pytest.raises(ComputationError):
            factorize(plan, values)


def _transposed(K, place):
    column = np.searchsorted(K.indptr, place, side="right") - 1
    return np.array([column]), np.array([K.indices[place]])
