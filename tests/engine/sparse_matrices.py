"""Sparse matrices for the tests of the sparse factorisation, and the checks that they share."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st

SETTINGS = settings(max_examples=60, deadline=None, derandomize=True)


def random_matrix(T, density, seed, definite=True):
    """A random symmetric matrix with a full diagonal; positive definite if asked for."""
    rng = np.random.default_rng(seed)
    A = sp.random_array((T, T), density=density, rng=rng, data_sampler=rng.standard_normal)
    K = sp.csc_array(A + A.T + sp.eye_array(T))
    if definite:
        K = K + sp.diags_array(abs(K).sum(axis=0) + 0.1)
    return in_columns(K)


def ratings(departments, lecturers, students, cross, seed=5):
    """I + D - Z'MZ of lecturers who share students, most of them in one department."""
    rng = np.random.default_rng(seed)
    T = departments * lecturers
    who = np.repeat(np.arange(students), rng.integers(3, 7, students))
    whom = who % departments * lecturers + rng.integers(0, lecturers, len(who))
    whom = np.where(rng.random(len(who)) < cross, rng.integers(0, T, len(who)), whom)
    Z = sp.csr_array((np.ones(len(who)), (who, whom)), shape=(students, T))
    weights = sp.diags_array(1.0 / (np.bincount(who, minlength=students) + 1.0))
    return in_columns(sp.eye_array(T) + sp.diags_array(Z.sum(axis=0)) * 2.0 - Z.T @ weights @ Z)


def in_columns(K):
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
    dK = in_columns(dK + dK.T)
    inverse = np.linalg.inv(K.toarray())
    exact = on_pattern(-inverse @ dK.toarray() @ inverse, K)
    found = factor.selected_inverse_derivative(dK.data)
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9 * abs(exact).max())


matrices = st.builds(random_matrix, st.integers(1, 40), st.floats(0.0, 0.3), st.integers(0, 10**6))


def entries(plan, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Where the entries (rows, columns) stand in the values of the pattern.

    Raises
    ------
    ValueError : the pattern lacks one of them.
    """
    held = np.repeat(np.arange(plan.size), np.diff(plan.indptr)) * plan.size + plan.indices
    order = np.argsort(held, kind="stable")
    wanted = np.asarray(columns, dtype=np.int64) * plan.size + rows
    found = order[np.searchsorted(held, wanted, sorter=order).clip(max=len(held) - 1)]
    missing = held[found] != wanted
    if missing.any():
        row, column = rows[missing.argmax()], columns[missing.argmax()]
        raise ValueError(f"the pattern has no entry in row {row}, column {column}")
    return found


def diagonal_blocks(factor, q: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """The (m, q, q) diagonal blocks of K⁻¹ for columns start..stop-1, m = (stop - start)/q.

    Raises
    ------
    ValueError : the pattern does not hold these blocks, or they do not divide the columns.
    """
    stop = factor.symbolic.size if stop is None else stop
    if (stop - start) % q:
        raise ValueError(f"{stop - start} columns are not a number of blocks of {q}")
    first = np.arange(start, stop, q)[:, None, None]
    rows = np.broadcast_to(first + np.arange(q)[:, None], (len(first), q, q))
    columns = np.broadcast_to(first + np.arange(q), (len(first), q, q))
    places = entries(factor.symbolic, rows.reshape(-1), columns.reshape(-1))
    return factor.selected_inverse()[places].reshape(-1, q, q)
