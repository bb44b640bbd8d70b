"""Weights of cones of covariance matrices: known volumes, projections, and simulated statistics."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mmfit.engine import fit_both
from mmfit.engine.many import fit_many
from mmfit.formula import build_matrices
from mmfit.inference.null_distributions.chi_bar_square import _simulated, cone_weights
from mmfit.inference.null_distributions.cone_projection import Cone, plain_projection, project
from mmfit.inference.null_distributions.mixtures import cone, wedge
from mmfit.selection.pair_tests.boundary import null_law
from mmfit.selection.relations.structure import structure
from mmfit.selection.relations.validity import assess

SHAPES = [(1, 1), (1, 1, 1), (2,), (1, 2, 1), (3,), (2, 2), (3, 2)]


def dimension(orders):
    return sum(d * (d + 1) // 2 for d in orders)


def plain_information(orders):
    """Information about vech entries under which svec entries have the identity."""
    return np.diag(np.concatenate([np.where(r == c, 1.0, 2.0) for r, c in Cone(orders).places]))


def random_information(orders, seed):
    root = np.random.default_rng(seed).normal(size=(dimension(orders) + 2, dimension(orders)))
    return root.T @ root


def smallest(orders, vectors):
    """Smallest eigenvalue of all blocks of every row, from matrices put together by hand."""
    out, start = np.full(len(vectors), np.inf), 0
    for d in orders:
        A = np.zeros((len(vectors), d, d))
        for column in range(d):
            for row in range(column, d):
                scale = 1.0 if row == column else np.sqrt(0.5)
                A[:, row, column] = A[:, column, row] = vectors[:, start] * scale
                start += 1
        out = np.minimum(out, np.linalg.eigvalsh(A)[:, 0])
    return out


@pytest.mark.parametrize("orders", SHAPES)
def test_projections_satisfy_the_conditions_of_optimality(orders):
    """X in the cone, the gradient in its dual, and both orthogonal: no other point has that."""
    metric = random_information(orders, 5)
    W = np.random.default_rng(6).normal(size=(200, len(metric)))
    found = project(Cone(orders), metric, W)
    gradient = (found.X - W) @ metric
    assert found.solved.all()
    assert smallest(orders, found.X).min() > -1e-8
    assert smallest(orders, gradient).min() > -1e-7
    assert np.abs((found.X * gradient).sum(axis=1)).max() < 1e-7
    assert np.abs(found.X[found.apex]).max(initial=0.0) == 0
    assert not (found.inside & found.apex).any()


@pytest.mark.parametrize("orders", [(2,), (3,), (2, 1)])
def test_derivative_of_the_plain_projection(orders):
    shape, step = Cone(orders), 1e-6
    Z = np.random.default_rng(2).normal(size=(50, shape.dimension))
    _, derivative = plain_projection(shape, Z)
    for k in range(shape.dimension):
        ahead, behind = Z.copy(), Z.copy()
        ahead[:, k] += step
        behind[:, k] -= step
        numeric = (plain_projection(shape, ahead)[0] - plain_projection(shape, behind)[0]) / step
        assert derivative[:, :, k] == pytest.approx(numeric / 2, abs=1e-6)


def test_matrices_of_order_two_have_their_known_volumes():
    """The circular cone of 2 x 2 semidefinite matrices: an angle of 45 degrees in three dimensions.

    Its solid angle is (1 - cos 45) / 2, and so is its dual's, itself.
    """
    found = cone_weights((2,), plain_information((2,)))
    apex = (1 - np.sqrt(0.5)) / 2
    expected = [apex, 0.5 - apex, 0.5 - apex, apex]
    errors = np.sqrt(np.maximum(np.diag(found.covariance), 1e-12))
    assert (np.abs(found.weights - expected) < 4 * errors).all()
    assert errors.max() < 0.002


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.6])
def test_two_variances_are_the_wedge(correlation):
    covariance = np.array([[1.0, correlation * 7], [correlation * 7, 49.0]])
    law = cone(4, (1, 1), np.linalg.inv(covariance))
    assert law.dfs == (2, 3, 4)
    assert law.weights == pytest.approx(wedge(4, correlation).weights, abs=5 * law.weight_error)
    assert law.error(5.0) < 0.002


def test_three_variances_have_the_volumes_of_orthants():
    """P(all of three normals positive) = 1/8 + sum of asin(correlations) / 4 pi."""
    information = random_information((1, 1, 1), 8)

    def orthant(covariance):
        scale = np.sqrt(np.diag(covariance))
        rho = covariance / np.outer(scale, scale)
        return 1 / 8 + np.arcsin(rho[np.triu_indices(3, 1)]).sum() / (4 * np.pi)

    inside, apex = orthant(np.linalg.inv(information)), orthant(information)
    found = cone_weights((1, 1, 1), information)
    expected = [apex, 0.5 - inside, 0.5 - apex, inside]
    assert found.weights == pytest.approx(expected, abs=0.006)
    assert (found.weights[::2].sum(), found.draws) == (pytest.approx(0.5, abs=1e-9), 66_666)


@pytest.mark.parametrize("orders", [(1, 1), (2,), (2, 1), (3,)])
def test_the_mixture_is_the_law_of_the_squared_projection(orders):
    information = random_information(orders, 3)
    shape, metric = Cone(orders), Cone(orders).to_svec(information)
    D = len(metric)
    law = cone(D, orders, information)
    root = np.linalg.cholesky(metric)
    draws = np.random.default_rng(4).normal(size=(3000, D))
    X = project(shape, metric, np.linalg.solve(root.T, draws.T).T).X
    squared = np.einsum("ni,ij,nj->n", X, metric, X)
    for level in (0.5, 0.1, 0.03):
        x = float(np.quantile(squared, 1 - level))
        error = np.hypot(np.sqrt(level * (1 - level) / 3000), law.error(x))
        assert law.survival(max(x, 1e-9)) == pytest.approx(level, abs=4.5 * error)


def test_the_scale_of_effects_does_not_matter():
    information = random_information((2, 1), 9)
    scale = np.array([1e8, 10.0, 1e-6, 1e2])  # of s^2, s t, t^2 and another variance
    other = cone_weights((2, 1), information * np.outer(scale, scale))
    assert other.weights == pytest.approx(cone_weights((2, 1), information).weights, abs=0.01)


def test_weights_are_the_same_every_time():
    information = random_information((1, 1), 1)
    first = cone_weights((1, 1), information)
    _simulated.cache_clear()
    assert np.array_equal(cone_weights((1, 1), information.copy()).weights, first.weights)


def test_parameters_that_cannot_be_told_apart_have_no_weights():
    assert cone_weights((1, 1), np.array([[1.0, 1.0], [1.0, 1.0]])) is None
    assert cone(2, (1, 1), np.zeros((2, 2))) is None


def test_the_law_of_the_statistic_itself():
    """An intercept and a slope by group where there is neither: 1500 statistics, 60 groups."""
    rng = np.random.default_rng(12)
    frame = pd.DataFrame({"g": np.repeat(np.arange(60), 6), "x": rng.normal(size=360)})
    responses = rng.normal(size=(1500, 360))
    models = [
        build_matrices(text, frame, response=responses[0]) for text in ("~ x", "~ x + (x | g)")
    ]
    fits = [fit_many(model, responses) for model in models]
    statistic = fits[0].objective - fits[1].objective
    first = [fit_both(model)["REML"] for model in models]
    pair = assess(structure("m0", models[0]), structure("m1", models[1]))
    law = null_law(pair, *first).distribution
    assert law.dfs == (0, 1, 2, 3)
    assert np.mean(statistic < 1e-6) == pytest.approx(law.weights[0], abs=0.05)
    for x in (1.0, 3.0, 5.0):
        tail = law.survival(x)
        error = np.sqrt(tail * (1 - tail) / 1500)
        assert np.mean(statistic > x) == pytest.approx(tail, abs=3.5 * error + 0.01)
        assert stats.chi2.sf(x, 3) > tail + 0.03  # what the plain chi-square makes of it
