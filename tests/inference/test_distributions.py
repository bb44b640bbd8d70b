"""The t and F distributions for arguments of every size: right, or a limit, and never slow."""

import math

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from mmfit.inference.distributions import f_p_value, t_p_value, t_quantile

EXTREMES = [5e-324, 1e-300, 5e-15, 1e-6, 1e-3, 0.1, 1.0, 7.3, 1e3, 1e12, 1e150, 1e300]
STATISTICS = [0.0, 1e-300, 1e-3, 1.0, 37.0, 1e10, 1e154, 1e200, 1e300, np.inf]


def test_where_scipy_is_right_it_is_scipys():
    df = np.array([0.5, 1.0, 3.7, 20.0, 1e4, 1e9])
    for t in (0.0, 0.3, 2.0, 15.0):
        np.testing.assert_allclose(t_p_value(t, df), 2 * stdtr(df, -t), rtol=1e-12)
    for probability in (0.5, 0.6, 0.975, 0.9999):
        np.testing.assert_allclose(t_quantile(probability, df), stdtrit(df, probability), rtol=1e-9)


def test_quantiles_and_p_values_are_inverse():
    rng = np.random.default_rng(0)
    df = 10 ** rng.uniform(-9, 20, 4000)
    for probability in (0.500001, 0.6, 0.975, 0.999999):
        t = t_quantile(probability, df)
        held = t < 1e300
        back = t_p_value(t[held], df[held]) / 2
        np.testing.assert_allclose(back, 1 - probability, rtol=1e-9)
        assert df[~held].max() < 0.1


@pytest.mark.parametrize("df", [1e-9, 1e-5, 1e-3, 0.02])
def test_far_tails_of_few_degrees_of_freedom(df):
    """P(|T| > t) = (df / t^2)^(df / 2) / (df B(df / 2, 1 / 2) / 2), by logarithms of gamma."""
    for power in (30, 200, 300):
        t = 10.0**power
        constant = math.lgamma(df / 2 + 1) + math.lgamma(0.5) - math.lgamma((df + 1) / 2)
        wanted = math.exp(df / 2 * (math.log(df) - 2 * math.log(t)) - constant)
        assert t_p_value(t, df) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("df", EXTREMES)
def test_every_argument_has_an_answer(df):
    p = t_p_value(STATISTICS, df)
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) <= 1e-15).all()
    assert p[0] == pytest.approx(1)
    for probability in (0.5, 0.9, 1 - 1e-15):
        assert t_quantile(probability, df) >= 0
    for q in (1, 4, 300):
        values = [f_p_value(statistic, q, df) for statistic in STATISTICS]
        assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("df", [0.0, -1.0, np.nan])
def test_without_degrees_of_freedom_there_is_no_distribution(df):
    assert np.isnan(t_p_value(1.0, df))
    assert np.isnan(t_quantile(0.975, df))
    assert np.isnan(f_p_value(1.0, 2, df))


def test_infinite_degrees_of_freedom_are_the_limit():
    for df in (1e13, 1e300):
        assert t_quantile(0.975, df) == pytest.approx(float(t_quantile(0.975, np.inf)), rel=1e-9)
        assert t_p_value(2.0, df) == pytest.approx(float(t_p_value(2.0, np.inf)), rel=1e-9)
        assert f_p_value(2.0, 3, df) == pytest.approx(f_p_value(2.0, 3, np.inf), rel=1e-9)
    assert np.isnan(f_p_value(np.nan, 3, 5.0))
