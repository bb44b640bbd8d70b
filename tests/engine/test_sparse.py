"""The sparse factorisation against dense algebra, finite differences and SuperLU."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfit.engine.sparse import analyze, cholmod
from mmfit.engine.sparse.elimination import (
    children_lists,
    column_counts,
    compressed,
    elimination_tree,
    postorder,
)
from mmfit.engine.sparse.superlu import SuperLUFactor
from mmfit.errors import ComputationError

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)


def random_matrix(T, density, seed, definite=True):
    """A random symmetric matrix with a full diagonal; positive definite if asked for."""
    rng = np.random.default_rng(seed)
    A = sp.random_array((T, T), density=density, rng=rng, data_sampler=rng.standard_normal)
    K = sp.csc_array(A + A.T + sp.eye_array(T))
    if definite:
        K = K + sp.diags_array(abs(K).sum(axis=0) + 0.1)
    return _sorted(K)


def ratings(departments, lecturers, students, cross, seed=5):
    """I + D - Z'MZ of lecturers who share students, most of them in one department."""
    rng = np.random.default_rng(seed)
    T = departments * lecturers
    who = np.repeat(np.arange(students), rng.integers(3, 7, students))
    whom = who % departments * lecturers + rng.integers(0, lecturers, len(who))
    whom = np.where(rng.random(len(who)) < cross, rng.integers(0, T, len(who)), whom)
    Z = sp.csr_array((np.ones(len(who)), (who, whom)), shape=(students, T))
    weights = sp.diags_array(1.0 / (np.bincount(who, minlength=students) + 1.0))
    return _sorted(sp.eye_array(T) + sp.diags_array(Z.sum(axis=0)) * 2.0 - Z.T @ weights @ Z)


def _sorted(K):
    K = sp.csc_array(K)
    K.sum_duplicates()
    return K


def on_pattern(dense, K):
    return dense[K.indices, np.repeat(np.arange(K.shape[0]), np.diff(K.indptr))]


def check_against_dense(K, factor):
    dense = K.toarray()
    inverse = np.linalg.inv(dense)
    B = np.random.default_rng(0).standard_normal((K.shape[0], 3))
    half = factor.half_solve(B)
    assert factor.log_det == pytest.approx(np.linalg.slogdet(dense)[1], rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(factor.solve(B), inverse @ B, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(factor.solve(B[:, 0]), inverse @ B[:, 0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(half.T @ half, B.T @ inverse @ B, rtol=1e-9, atol=1e-11)
    selected = factor.selected_inverse()
    np.testing.assert_allclose(selected, on_pattern(inverse, K), rtol=1e-9, atol=1e-11)


def check_derivative(K, factor, seed):
    dK = K.copy()
    dK.data = np.random.default_rng(seed).standard_normal(K.nnz)
    dK = _sorted(dK + dK.T)
    inverse = np.linalg.inv(K.toarray())
    exact = on_pattern(-inverse @ dK.toarray() @ inverse, K)
    found = factor.selected_inverse_derivative(dK.data)
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9 * abs(exact).max())


matrices = st.builds(random_matrix, st.integers(1, 40), st.floats(0.0, 0.3), st.integers(0, 10**6))


@SETTINGS
@given(matrices)
def test_small_matrices_agree_with_dense_algebra(K):
    factor = analyze(K).factorize(K.data)
    check_against_dense(K, factor)
    check_derivative(K, factor, seed=1)


@SETTINGS
@given(matrices)
def test_counts_are_those_of_the_dense_factor(K):
    T = K.shape[0]
    rows, columns = K.indices, np.repeat(np.arange(T), np.diff(K.indptr))
    strict = rows > columns
    parent = elimination_tree(*compressed(rows[strict], columns[strict], T))
    order = np.array(postorder(children_lists(parent)))
    P = K[order][:, order].tocoo()
    strict = P.row > P.col
    tree = elimination_tree(*compressed(P.row[strict], P.col[strict], T))
    counts = column_counts(*compressed(P.col[strict], P.row[strict], T), tree)
    # The factor of a matrix with random values has no accidental zeros.
    L = np.linalg.cholesky(P.toarray())
    assert counts == (L != 0.0).sum(axis=0).tolist()
    for j in range(T):
        below = np.flatnonzero(L[j + 1 :, j])
        assert tree[j] == (j + 1 + below[0] if len(below) else -1)


@SETTINGS
@given(matrices)
def test_fronts_hold_the_whole_factor(K):
    plan = analyze(K)
    T = plan.size
    P = K[plan.permutation][:, plan.permutation].toarray()
    L = np.linalg.cholesky(P) != 0.0
    held = np.zeros((T, T), dtype=bool)
    for front in plan.fronts:
        held[front.start : front.stop, front.start : front.stop] = True
        held[front.rows, front.start : front.stop] = True
        assert (front.rows >= front.stop).all()
        if front.parent != -1:
            above = plan.fronts[front.parent]
            members = np.concatenate([np.arange(above.start, above.stop), above.rows])
            np.testing.assert_array_equal(members[front.place], front.rows)
    assert held[L].all()
    assert np.array_equal(np.sort(plan.permutation), np.arange(T))
    # `nonzeros` is of the ordering before nodes were merged, so it counts no explicit zeros.
    assert plan.nonzeros <= np.tril(held).sum()


@pytest.mark.parametrize("cross", [0.0, 0.02, 0.2])
def test_crossed_ratings_agree_with_dense_algebra(cross):
    K = ratings(departments=20, lecturers=12, students=900, cross=cross)
    factor = analyze(K).factorize(K.data)
    assert len(factor.symbolic.fronts) > 1
    check_against_dense(K, factor)
    check_derivative(K, factor, seed=2)


def test_long_chain_and_wide_star():
    for K in (_tridiagonal(3000), _star(3000)):
        plan = analyze(K)
        factor = plan.factorize(K.data)
        reference = SuperLUFactor(K)
        # No ordering of a tree by minimum degree has fill.
        assert plan.nonzeros == (K.nnz + K.shape[0]) // 2
        assert 1 < len(plan.fronts) < 300
        assert factor.log_det == pytest.approx(reference.log_det, rel=1e-12)
        B = np.arange(3000.0)
        np.testing.assert_allclose(factor.solve(B), reference.solve(B), rtol=1e-10)
        diagonal = factor.diagonal_blocks(1)[:, 0, 0]
        for column in (0, 1500, 2999):
            unit = np.eye(1, 3000, column)[0]
            assert diagonal[column] == pytest.approx(reference.solve(unit)[column], rel=1e-10)


def _tridiagonal(T):
    values = [np.full(T - 1, -1.0), np.full(T, 2.5), np.full(T - 1, -1.0)]
    return _sorted(sp.diags_array(values, offsets=[-1, 0, 1]))


def _star(T):
    K = sp.lil_array((T, T))
    K.setdiag(np.linspace(1.0, 2.0, T))
    K[0, 1:] = K[1:, 0] = 0.5
    K[0, 0] = T
    return _sorted(K)


def test_superlu_agrees_at_a_size_where_dense_does_not_fit_the_test():
    K = ratings(departments=100, lecturers=20, students=6000, cross=0.01)
    factor = analyze(K).factorize(K.data)
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


def test_memory_and_work_stay_far_below_dense():
    T = 4000
    plan = analyze(ratings(departments=100, lecturers=40, students=20000, cross=0.002))
    assert plan.size == T
    assert plan.storage < 0.1 * T * T
    assert plan.working_doubles < 0.1 * T * T
    assert plan.flops < 0.01 * T**3 / 3
    assert plan.nonzeros <= plan.storage


def test_stored_work_is_that_of_the_textbook_for_a_dense_matrix():
    T = 60
    plan = analyze(sp.csc_array(np.ones((T, T))))
    assert len(plan.fronts) == 1
    assert plan.nonzeros == T * (T + 1) // 2
    assert plan.flops == pytest.approx(T**3 / 3)


def test_derivative_is_the_limit_of_differences():
    K = ratings(departments=8, lecturers=10, students=300, cross=0.1)
    plan = analyze(K)
    dK = K.copy()
    dK.data = np.cos(np.arange(K.nnz))
    dK = _sorted(dK + dK.T)
    step = 1e-4
    up = plan.factorize(K.data + step * dK.data).selected_inverse()
    down = plan.factorize(K.data - step * dK.data).selected_inverse()
    found = plan.factorize(K.data).selected_inverse_derivative(dK.data)
    np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-5, atol=1e-9)


def test_gradient_and_hessian_of_the_log_determinant():
    K = ratings(departments=8, lecturers=10, students=300, cross=0.1)
    plan = analyze(K)
    factor = plan.factorize(K.data)
    A = _sorted(K * K)
    inverse = np.linalg.inv(K.toarray())
    assert factor.selected_inverse() @ A.data == pytest.approx(np.trace(inverse @ A.toarray()))
    trace = np.trace(inverse @ A.toarray() @ inverse @ K.toarray())
    assert -factor.selected_inverse_derivative(A.data) @ K.data == pytest.approx(trace)
    step = 1e-4
    up, down = (plan.factorize(K.data + s * A.data).log_det for s in (step, -step))
    middle = (up - 2 * factor.log_det + down) / step**2
    second = factor.selected_inverse_derivative(A.data) @ A.data
    assert second == pytest.approx(middle, rel=1e-4)


def test_order_of_the_levels_does_not_matter():
    K = ratings(departments=10, lecturers=10, students=400, cross=0.1)
    order = np.random.default_rng(3).permutation(K.shape[0])
    P = _sorted(K[order][:, order])
    first, second = analyze(K).factorize(K.data), analyze(P).factorize(P.data)
    B = np.linspace(-1.0, 1.0, K.shape[0])
    assert first.log_det == pytest.approx(second.log_det, rel=1e-13)
    np.testing.assert_allclose(first.solve(B)[order], second.solve(B[order]), rtol=1e-10)
    np.testing.assert_allclose(
        first.diagonal_blocks(1)[order], second.diagonal_blocks(1), rtol=1e-10
    )


def test_components_without_a_connection():
    parts = [random_matrix(n, 0.5, n) for n in (1, 7, 1, 25, 3)]
    K = _sorted(sp.block_diag(parts, format="csc"))
    factor = analyze(K).factorize(K.data)
    check_against_dense(K, factor)
    check_derivative(K, factor, seed=3)
    total = sum(analyze(part).factorize(part.data).log_det for part in parts)
    assert factor.log_det == pytest.approx(total, rel=1e-12)


def test_thousands_of_small_components_take_few_fronts():
    K = _sorted(sp.block_diag([random_matrix(3, 1.0, seed) for seed in range(2000)]))
    plan = analyze(K)
    assert len(plan.fronts) < 300
    blocks = plan.factorize(K.data).diagonal_blocks(3)
    expected = [np.linalg.inv(K[i : i + 3, i : i + 3].toarray()) for i in range(0, 6000, 3)]
    np.testing.assert_allclose(blocks, expected, rtol=1e-10, atol=1e-13)


def test_diagonal_blocks_of_a_range():
    rng = np.random.default_rng(8)
    levels = abs(random_matrix(9, 0.3, 4))
    K = _sorted(sp.block_diag([sp.eye_array(5), sp.kron(levels, np.ones((2, 2)))]))
    K.data = K.data + 0.0
    K = _sorted(K + sp.diags_array(abs(K).sum(axis=0) + rng.random(23)))
    factor = analyze(K).factorize(K.data)
    inverse = np.linalg.inv(K.toarray())
    blocks = factor.diagonal_blocks(2, start=5)
    expected = [inverse[i : i + 2, i : i + 2] for i in range(5, 23, 2)]
    np.testing.assert_allclose(blocks, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(
        factor.diagonal_blocks(1, stop=5)[:, 0, 0], np.diagonal(inverse)[:5], rtol=1e-12
    )
    with pytest.raises(ValueError, match="no entry in row"):
        factor.diagonal_blocks(5, stop=5)
    with pytest.raises(ValueError, match="not a number of blocks"):
        factor.diagonal_blocks(2)


def test_one_column():
    factor = analyze(sp.csc_array([[4.0]])).factorize(np.array([4.0]))
    assert factor.log_det == pytest.approx(np.log(4.0))
    assert factor.solve(np.array([2.0])) == pytest.approx([0.5])
    assert factor.half_solve(np.array([2.0])) == pytest.approx([1.0])
    assert factor.selected_inverse() == pytest.approx([0.25])
    assert factor.selected_inverse_derivative(np.array([1.0])) == pytest.approx([-1 / 16])


def test_no_right_hand_sides():
    K = random_matrix(6, 0.4, 2)
    assert analyze(K).factorize(K.data).solve(np.empty((6, 0))).shape == (6, 0)


def test_arguments_are_left_alone():
    K = random_matrix(30, 0.1, 9)
    values, B = K.data.copy(), np.asfortranarray(np.ones((30, 2)))
    factor = analyze(K).factorize(values)
    factor.solve(B)
    first = factor.selected_inverse_derivative(values)
    assert np.array_equal(values, K.data)
    assert (B == 1.0).all()
    # Nothing that the factor keeps is overwritten either: a second call gives the same bits.
    assert np.array_equal(first, factor.selected_inverse_derivative(values))
    assert np.array_equal(
        factor.selected_inverse(), analyze(K).factorize(K.data).selected_inverse()
    )


def test_explicit_zeros_belong_to_the_pattern():
    K = random_matrix(25, 0.2, 11)
    off = K.indices != np.repeat(np.arange(25), np.diff(K.indptr))
    D = K.copy()
    D.data = np.where(off, 0.0, K.data)
    factor = analyze(K).factorize(D.data)
    inverse = np.divide(1.0, D.data, where=~off, out=np.zeros(K.nnz))
    np.testing.assert_allclose(factor.selected_inverse(), inverse, rtol=1e-14)


@pytest.mark.parametrize("build", [lambda K: analyze(K).factorize(K.data), SuperLUFactor])
def test_indefinite_and_singular_matrices_are_refused(build):
    indefinite = random_matrix(40, 0.1, 6, definite=False)
    singular = _sorted(sp.csc_array(np.ones((3, 3))))
    hollow = _sorted(sp.csc_array(np.array([[0.0, 1.0], [1.0, 0.0]])))
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
        values[plan.entries(*_transposed(K, place))] = np.nan
        with pytest.raises(ComputationError):
            plan.factorize(values)


def _transposed(K, place):
    column = np.searchsorted(K.indptr, place, side="right") - 1
    return np.array([column]), np.array([K.indices[place]])


def test_patterns_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match="not symmetric"):
        analyze(sp.csc_array(np.array([[1.0, 1.0], [0.0, 1.0]])))
    with pytest.raises(ValueError, match="square"):
        analyze(sp.csc_array(np.ones((2, 3))))
    with pytest.raises(ValueError, match="no ordering 'metis'"):
        analyze(sp.csc_array(np.eye(2)), ordering="metis")


def test_natural_ordering_gives_the_same_answers():
    K = ratings(departments=6, lecturers=8, students=150, cross=0.1)
    check_against_dense(K, analyze(K, ordering="natural").factorize(K.data))


@pytest.mark.skipif(not cholmod.available(), reason="scikit-sparse is not installed")
def test_cholmod_ordering_gives_the_same_answers():
    K = ratings(departments=6, lecturers=8, students=150, cross=0.1)
    check_against_dense(K, analyze(K, ordering="cholmod").factorize(K.data))


@pytest.mark.skipif(cholmod.available(), reason="scikit-sparse is installed")
def test_cholmod_ordering_says_what_it_needs():
    with pytest.raises(ComputationError, match="scikit-sparse"):
        analyze(sp.csc_array(np.eye(3)), ordering="cholmod")
