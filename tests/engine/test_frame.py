"""Coordinates of the search: derivatives, moves, and the roots that they use."""

import numpy as np
import pytest

from mmfit.engine.covariance.layout import TermBlock, build_layout
from mmfit.engine.covariance.roots import nearly_singular, semidefinite_cholesky, triangular
from mmfit.engine.covariance.unstructured import unstructured
from mmfit.engine.optimize.newton_searches import solve_positive
from mmfit.engine.optimize.step_coordinates import Frame


def _terms(*shapes):
    """Terms (group, offset, size) with unit transforms."""
    out, start = [], 0
    for g, o, q in shapes:
        structure = unstructured(q)
        thetas = slice(start, start + structure.count)
        out.append(TermBlock(g, o, structure, thetas, np.eye(q), np.eye(q)))
        start = thetas.stop
    return tuple(out)


# one effect; two; three beside one on the same partition; two groups
CASES = {
    "one": _terms((0, 0, 1)),
    "two": _terms((0, 0, 2)),
    "three_and_one": _terms((0, 0, 3), (0, 3, 1)),
    "two_groups": _terms((0, 0, 2), (1, 0, 1), (1, 1, 2)),
}


def _layout(terms):
    groups = max(t.group for t in terms) + 1
    sizes = tuple(sum(t.size for t in terms if t.group == g) for g in range(groups))
    return build_layout(sizes, terms)


def _theta(layout, seed=0, count=3):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(count, len(layout)))
    diagonal = layout.row == layout.column
    theta[:, diagonal] = np.abs(theta[:, diagonal]) + 0.05
    return theta


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives_of_psi(name):
    terms = CASES[name]
    layout = _layout(terms)
    theta = _theta(layout)
    frame = Frame(layout, terms, theta)
    rng = np.random.default_rng(1)
    slope = rng.normal(size=theta.shape)
    k, h = theta.shape[1], 1e-4

    def psi(step):
        return layout.psi(frame.move(np.broadcast_to(step, theta.shape)))

    for i in range(k):
        e = h * np.eye(k)[i]
        first = (psi(e) - psi(-e)) / (2 * h)
        np.testing.assert_allclose(frame.jacobian[:, :, i], first, atol=1e-7)
        for j in range(k):
            f = h * np.eye(k)[j]
            second = (psi(e + f) - psi(e - f) - psi(f - e) + psi(-e - f)) / (4 * h * h)
            expected = (slope * second).sum(axis=1)
            np.testing.assert_allclose(frame.curvature(slope)[:, i, j], expected, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_layout_has_the_same_derivatives_in_theta(name):
    layout = _layout(CASES[name])
    theta = _theta(layout)
    slope = np.random.default_rng(2).normal(size=theta.shape)
    k, h = theta.shape[1], 1e-4
    for i in range(k):
        e = h * np.eye(k)[i]
        first = (layout.psi(theta + e) - layout.psi(theta - e)) / (2 * h)
        np.testing.assert_allclose(layout.psi_jacobian(theta)[:, :, i], first, atol=1e-8)
        for j in range(k):
            f = h * np.eye(k)[j]
            second = layout.psi(theta + e + f) - layout.psi(theta + e - f)
            second = (second - layout.psi(theta - e + f) + layout.psi(theta - e - f)) / (4 * h * h)
            expected = (slope * second).sum(axis=1)
            np.testing.assert_allclose(layout.curvature(slope)[:, i, j], expected, atol=1e-6)
    np.testing.assert_array_equal(layout.theta(layout.lambdas(theta)), theta)


@pytest.mark.parametrize("name", CASES)
def test_no_step_leads_nowhere_and_every_move_has_a_non_negative_diagonal(name):
    terms = CASES[name]
    layout = _layout(terms)
    theta = _theta(layout)
    frame = Frame(layout, terms, theta)
    np.testing.assert_allclose(frame.move(np.zeros_like(theta)), theta, atol=1e-14)
    far = frame.move(np.random.default_rng(3).normal(scale=5, size=theta.shape))
    assert (far[:, layout.row == layout.column] >= 0).all()


def test_directions_of_a_singular_covariance_keep_their_length():
    """At a perfect correlation the coordinates still span all changes of Psi that are left."""
    terms = CASES["two"]
    layout = _layout(terms)
    theta = np.array([[1.0, 2.0, 0.0]])
    frame = Frame(layout, terms, theta)
    assert np.linalg.matrix_rank(frame.jacobian[0], tol=1e-10) == 2
    moved = frame.move(np.array([[0.1, -0.2, 0.3]]))
    assert moved[0, 2] > 0


@pytest.mark.parametrize("q", [1, 2, 3, 5])
def test_roots(q):
    rng = np.random.default_rng(q)
    root = rng.normal(size=(20, q, q))
    root[3, :, -1] = 0
    root[4] = 0
    psi = root @ root.transpose(0, 2, 1)
    for lower in (triangular(root), semidefinite_cholesky(psi)):
        np.testing.assert_allclose(lower @ lower.transpose(0, 2, 1), psi, atol=1e-12)
        assert not np.triu(lower, 1).any()
        assert (np.diagonal(lower, axis1=1, axis2=2) >= 0).all()


def test_small_rows_keep_their_digits():
    root = np.array([[[1.0, 0.0], [1.0, 1e-9]]])
    assert triangular(root)[0, 1, 1] == pytest.approx(1e-9, rel=1e-6)
    assert triangular(np.array([[[0.6, 0.8], [0.6, 0.8]]]))[0, 1, 1] == 0


@pytest.mark.parametrize("q", [1, 2, 4])
def test_near_singularity_is_judged_by_the_smallest_singular_value(q):
    rng = np.random.default_rng(q)
    root = np.tril(rng.normal(size=(400, q, q))) * rng.uniform(0, 1e-2, size=(400, 1, 1))
    smallest = np.linalg.svd(root, compute_uv=False)[:, -1]
    for threshold in (1e-6, 1e-4, 1e-3, 1e-2):
        np.testing.assert_array_equal(nearly_singular(root, threshold), smallest < threshold)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_steps_use_the_absolute_eigenvalues(k):
    rng = np.random.default_rng(k)
    A = rng.normal(size=(50, k, k))
    matrix = A @ A.transpose(0, 2, 1) + 0.1 * np.eye(k)
    matrix[:20] = A[:20] + A[:20].transpose(0, 2, 1)
    right = rng.normal(size=(50, k))
    values, vectors = np.linalg.eigh(matrix)
    inverse = (vectors / np.abs(values)[:, None]) @ vectors.transpose(0, 2, 1)
    expected = (inverse @ right[:, :, None])[:, :, 0]
    for by_elimination in (True, False):
        np.testing.assert_allclose(
            solve_positive(matrix, right, by_elimination), expected, rtol=1e-6, atol=1e-9
        )


def test_indefinite_matrices_beside_definite_ones_do_not_overflow():
    # Elimination leaves those without a pivot alone; their eigenvalues serve, with no warning.
    wild = np.full((6, 6), 1e60) + np.diag([1e60, *[-1e60] * 5])
    matrix = np.array([np.eye(6), wild])
    found = solve_positive(matrix, np.ones((2, 6)), by_elimination=True)
    np.testing.assert_allclose(found[0], np.ones(6))
    assert np.isfinite(found).all()
