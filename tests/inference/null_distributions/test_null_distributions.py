"""Mixtures of chi-squares: tails, words, and the wedge's weights against simulated projections."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import nnls

from mmfit.inference.null_distributions.mixtures import (
    ChiBarSquare,
    efficient_information,
    estimate_correlation,
    half_space,
    plain,
    wedge,
)


@pytest.mark.parametrize("df", [1, 2, 7])
@pytest.mark.parametrize("x", [1e-3, 1.0, 25.9, 900.0])
def test_plain_is_the_chi_square_tail(df, x):
    assert plain(df).survival(x) == pytest.approx(stats.chi2.sf(x, df), rel=1e-12)


def test_half_space_is_the_mean_of_two_tails():
    expected = (stats.chi2.sf(3.2, 1) + stats.chi2.sf(3.2, 2)) / 2
    assert half_space(2).survival(3.2) == pytest.approx(expected, rel=1e-13)


def test_one_variance_halves_the_plain_p_value_and_is_one_at_zero():
    law = half_space(1)
    assert law.survival(2.7055434540954) == pytest.approx(0.05, rel=1e-9)
    assert law.survival(0.0) == 1.0
    assert law.survival(1e-12) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (plain(2), "chi2(2)"),
        (half_space(1), "0.5 chi2(0) + 0.5 chi2(1)"),
        (half_space(3), "0.5 chi2(2) + 0.5 chi2(3)"),
        (wedge(2, 0.0), "0.25 chi2(0) + 0.5 chi2(1) + 0.25 chi2(2)"),
        (ChiBarSquare((0, 1, 2), (0.31, 0.5, 0.19)), "0.31 chi2(0) + 0.5 chi2(1) + 0.19 chi2(2)"),
    ],
)
def test_words(law, words):
    assert str(law) == words


@pytest.mark.parametrize("df", [2, 5])
@pytest.mark.parametrize("correlation", [-1.0, -0.4, 0.0, 0.9])
def test_wedge_weights_are_a_distribution(df, correlation):
    law = wedge(df, correlation)
    assert law.dfs == (df - 2, df - 1, df)
    assert sum(law.weights) == pytest.approx(1.0, abs=1e-15)
    assert min(law.weights) >= 0


def test_two_variances_that_cannot_be_told_apart_are_one():
    """Estimates that correlate by -1 leave a half-line: the law of a single variance."""
    assert wedge(2, -1.0).survival(2.0) == pytest.approx(half_space(1).survival(2.0), abs=1e-12)


@pytest.mark.parametrize("information_correlation", [-0.7, 0.0, 0.3, 0.85])
def test_wedge_weights_match_projections_of_a_normal_vector(information_correlation):
    """Three further parameters are free, two of interest are not negative; 6000 projections.

    The projection of Z ~ N(0, I^-1) onto the cone, in the metric of I, is a non-negative least
    squares problem; the number of variances that it leaves positive has the wedge's weights.
    """
    rng = np.random.default_rng(20)
    root = rng.normal(size=(8, 5))
    root[:, 0] += 2 * information_correlation * root[:, 1]
    information = root.T @ root
    interest = np.array([0, 1])
    efficient = efficient_information(information, interest)
    law = wedge(2, estimate_correlation(efficient))
    cholesky = np.linalg.cholesky(information)
    split = np.vstack([np.eye(5), -np.eye(5)[2:]])  # free parameters as differences
    draws = 6000
    positive = np.zeros(3)
    for normal in rng.normal(size=(draws, 5)):
        solution, _ = nnls(cholesky.T @ split.T, normal)
        positive[np.count_nonzero(solution[:2] > 1e-10)] += 1
    assert positive / draws == pytest.approx(law.weights, abs=4 * 0.5 / np.sqrt(draws))


def test_efficient_information_is_the_inverse_of_the_estimates_covariance():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(9, 5)) * [1e4, 1.0, 1e-3, 1.0, 1e3]
    information = root.T @ root
    interest = np.array([3, 0])
    scale = np.sqrt(np.diag(information))
    inverse = np.linalg.inv(information / np.outer(scale, scale)) / np.outer(scale, scale)
    expected = np.linalg.inv(inverse[np.ix_(interest, interest)])
    found = efficient_information(information, interest)
    assert found == pytest.approx(expected, rel=1e-8)
    covariance = inverse[np.ix_(interest, interest)]
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert estimate_correlation(found) == pytest.approx(correlation, rel=1e-8)


@pytest.mark.parametrize("own", [0.0, -1e-18])
def test_a_parameter_of_which_the_data_tell_nothing_leaves_no_information(own):
    information = np.diag([2.0, own, 3.0])
    assert np.isnan(efficient_information(information, np.array([0, 1]))).all()
    assert np.isnan(efficient_information(information, np.array([0, 2]))).all()
