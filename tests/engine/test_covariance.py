"""Covariance structures: the map from theta to Psi, its derivatives and its directions."""

import numpy as np
import pytest

from mmfit.engine.covariance.directions import Directions
from mmfit.engine.covariance.structure import CovarianceStructure
from mmfit.engine.covariance.unstructured import unstructured

STRUCTURES = {f"unstructured {q}": (unstructured, q) for q in (1, 2, 3, 5)}


@pytest.fixture(params=STRUCTURES)
def structure(request):
    make, size = STRUCTURES[request.param]
    return make(size)


def _psi(structure, theta):
    root = structure.root(theta)
    return (root @ np.swapaxes(root, -1, -2))[..., structure.row, structure.column]


def test_all_that_the_contract_names_is_there(structure):
    named = {name for name in vars(CovarianceStructure) if not name.startswith("_")}
    named |= set(CovarianceStructure.__annotations__)
    assert not [name for name in named if not hasattr(structure, name)]


def test_a_root_is_a_lower_triangle_and_comes_back(structure):
    theta = np.random.default_rng(1).normal(size=(4, structure.count))
    root = structure.root(theta)
    assert root.shape == (4, structure.size, structure.size)
    np.testing.assert_array_equal(root, np.tril(root))
    np.testing.assert_array_equal(structure.theta(root), theta)
    root[:] = 0.0
    assert theta.all()


def test_first_and_second_derivatives(structure):
    rng, k, h = np.random.default_rng(2), structure.count, 1e-4
    theta = rng.normal(size=(2, 3, k))
    jacobian = structure.psi_jacobian(theta)
    slope = rng.normal(size=(2, 3, len(structure.row)))
    curvature = structure.curvature(slope)
    for i, e in enumerate(h * np.eye(k)):
        first = (_psi(structure, theta + e) - _psi(structure, theta - e)) / (2 * h)
        np.testing.assert_allclose(jacobian[..., i], first, atol=1e-8)
        change = structure.psi_jacobian(theta + e) - structure.psi_jacobian(theta - e)
        second = np.einsum("...e,...ei->...i", slope, change) / (2 * h)
        np.testing.assert_allclose(curvature[..., i], second, atol=1e-8)


def test_entries_stand_for_the_directions(structure):
    rng, q = np.random.default_rng(3), structure.size
    along = Directions(structure.row, structure.column, q)
    entries, slope = rng.normal(size=(2, len(structure.row)))
    matrix = structure.matrix(entries)
    np.testing.assert_allclose(matrix, np.einsum("e,eij->ij", entries, along.dense))
    # df = sum of slope_e dPsi_e = tr(S dPsi)
    assert np.vdot(structure.slope_matrix(slope), matrix) == pytest.approx(slope @ entries)


def test_a_change_of_basis_is_linear_in_theta(structure):
    rng, q = np.random.default_rng(4), structure.size
    theta, inverse = rng.normal(size=structure.count), np.tril(rng.normal(size=(q, q)))
    moved = structure.theta(inverse @ structure.root(theta))
    np.testing.assert_allclose(structure.change_of_basis(inverse) @ theta, moved)


@pytest.mark.parametrize("q", [1, 2, 4])
def test_directions_of_stacks_in_either_order_of_axes(q):
    """With the components first, and with the members first."""
    rng = np.random.default_rng(5)
    row, column = unstructured(q).row, unstructured(q).column
    along, other = Directions(row, column, q), Directions(np.arange(2), np.arange(2), 2)
    M = rng.normal(size=(q, q, 3))
    M = M + M.swapaxes(0, 1)
    expected = np.einsum("eij,ija->ea", along.dense, M)
    np.testing.assert_allclose(along.traces(M), expected)
    np.testing.assert_allclose(along.member_traces(M.transpose(2, 0, 1)), expected.T)
    sums = along.member_sums(rng.normal(size=(3, q, q, 2))[:, :, :, :1] * np.ones(2))
    assert sums.shape == (3, len(row), 2)
    c = rng.normal(size=(3, 2, q, 6))
    moved = np.einsum("eij,arjl->aeril", along.dense, c)
    np.testing.assert_allclose(along.along(c), moved)
    F, K = rng.normal(size=(2, q, q, 3))
    pairs = along.pair_traces(np.einsum("abx,cdx->abcdx", F, K))
    defined = np.einsum("eda,abx,fbc,cdx->efx", along.dense, F, along.dense, K)
    np.testing.assert_allclose(pairs, defined, atol=1e-12)
    first, second = np.triu_indices(4)
    W = rng.normal(size=(q, 4, 3))
    inner = np.einsum("iax,eij,jbx->eabx", W, along.dense, W)
    found = along.congruences(W, first, second)
    np.testing.assert_allclose(found, inner[:, first, second], atol=1e-12)
    products = rng.normal(size=(q, q, 2, 2))
    wanted = np.einsum("eij,ijkm,fkm->ef", along.dense, products, other.dense)
    np.testing.assert_allclose(along.contract(products, other), wanted)
