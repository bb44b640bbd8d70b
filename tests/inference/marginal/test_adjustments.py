"""Tukey's and Holm's adjustments."""

import time
import warnings

import numpy as np
import pytest
from scipy.special import gammainc, ndtr

from mmfit.inference.distributions import t_p_value, t_quantile
from mmfit.inference.marginal import adjustments
from mmfit.inference.marginal.adjustments import (
    adjusted_p_values,
    critical_values,
    holm,
    range_quantile,
    range_tail,
)

# R's ptukey(q, k, df, lower.tail = FALSE) where it is accurate, from 5 degrees of freedom on.
FROM_R = [
    (3.5, 3, 10.0, 0.07710331084),
    (3.5, 5, 17.3, 0.1424099006),
    (5.0, 10, 60.0, 0.02528421976),
    (2.0, 4, np.inf, 0.49036940998),
    (5.0, 3, 500.0, 0.001290886827),
]


def simulated_tail(q, k, df, draws=400_000):
    random = np.random.default_rng(3)
    normal = random.normal(size=(draws, k))
    scale = np.sqrt(random.chisquare(df, draws) / df)
    return ((normal.max(axis=1) - normal.min(axis=1)) > q * scale).mean()


@pytest.mark.parametrize(("q", "k", "df", "wanted"), FROM_R)
def test_tail_as_in_r(q, k, df, wanted):
    assert range_tail(q, k, df) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("k", "df"), [(3, 2.0), (4, 4.7), (10, 17.3), (30, 3.0)])
def test_tail_as_scipy(k, df):
    from scipy.stats import studentized_range

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for q in (1.0, 4.0, 15.0):
            assert range_tail(q, k, df) == pytest.approx(studentized_range.sf(q, k, df), rel=1e-7)


@pytest.mark.parametrize(("q", "k", "df"), [(3.0, 3, 1.3), (20.0, 50, 2.0), (5.0, 200, 8.0)])
def test_tail_by_simulation(q, k, df):
    draws = 400_000 if k < 100 else 40_000
    wanted = simulated_tail(q, k, df, draws)
    assert range_tail(q, k, df) == pytest.approx(wanted, abs=4 * np.sqrt(wanted / draws))


def test_tail_of_three_normal_variables_in_closed_form():
    # P(range < w) of three: 3 int phi(z) (Phi(z) - Phi(z - w))^2 dz, by a fine rule of Simpson's.
    z = np.linspace(-12, 20, 200_001)
    for w in (0.5, 3.0, 6.0):
        inside = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) * (ndtr(z) - ndtr(z - w)) ** 2
        weights = np.ones(len(z))
        weights[1:-1:2], weights[2:-1:2] = 4, 2
        total = 3 * (weights * inside).sum() * (z[1] - z[0]) / 3
        assert range_tail(w, 3, np.inf) == pytest.approx(1 - total, abs=1e-10)


def test_far_tails_keep_their_relative_precision():
    # Three pairs that hardly ever differ at once: three times the tail of one pair.
    q = 25.0
    for df in (60.0, np.inf):
        single = float(t_p_value(q / np.sqrt(2), df))
        assert single < 1e-24
        assert range_tail(q, 3, df) == pytest.approx(3 * single, rel=0.05)


def test_large_df_approach_the_normal_limit():
    for k in (3, 12):
        assert range_tail(3.0, k, 1e9) == pytest.approx(range_tail(3.0, k, np.inf), rel=1e-8)
        assert range_tail(3.0, k, 99.9999) == pytest.approx(range_tail(3.0, k, 100.0001), rel=1e-6)


def test_limits_of_the_tail():
    assert range_tail(0.0, 5, 10.0) == 1.0
    assert range_tail(1e-8, 5, 10.0) == pytest.approx(1.0, abs=1e-10)
    assert range_tail(1e6, 5, 10.0) < 1e-40
    assert range_tail(3.0, 2, 7.5) == pytest.approx(t_p_value(3 / np.sqrt(2), 7.5), rel=1e-12)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(("k", "df"), [(2, 5.0), (3, 2.0), (6, 17.3), (40, np.inf)])
def test_quantile_inverts_the_tail(level, k, df):
    q = range_quantile(level, k, df)
    assert range_tail(q, k, df) == pytest.approx(1 - level, rel=1e-8)
    assert range_quantile(level, k, df, guess=1.3 * q) == pytest.approx(q, rel=1e-9)


def test_quantiles_as_in_r():
    # qtukey(0.95, k, df)
    assert range_quantile(0.95, 3, 17.3) == pytest.approx(3.622121965, rel=1e-7)
    assert range_quantile(0.95, 10, 60) == pytest.approx(4.646323968, rel=1e-7)


def test_holm():
    p = [0.01, 0.04, 0.03, np.nan]
    np.testing.assert_allclose(holm(np.array(p)), [0.04, 0.09, 0.09, np.nan])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_a_single_comparison_is_not_adjusted():
    t, df = np.array([2.1]), np.array([11.0])
    for adjust in ("none", "tukey", "holm"):
        assert adjusted_p_values(t, df, 2, adjust) == pytest.approx(t_p_value(t, df))
        assert critical_values(df, 2, adjust, 0.95) == pytest.approx(t_quantile(0.975, df))


def test_tukey_is_between_none_and_bonferroni():
    t, df = np.linspace(0.2, 5, 6), np.array([3.0, 8, 8, 20, np.inf, 4])
    plain, tukey = (adjusted_p_values(t, df, 4, adjust) for adjust in ("none", "tukey"))
    assert (plain <= tukey).all()
    assert (tukey <= np.minimum(6 * plain, 1) + 1e-12).all()
    values = [critical_values(df, 4, adjust, 0.95) for adjust in ("none", "tukey", "holm")]
    assert (values[0] < values[1]).all()
    assert (values[1] < values[2]).all()


def test_missing_statistics_stay_missing():
    t, df = np.array([1.0, np.nan, 2.0]), np.array([8.0, np.nan, 9.0])
    for adjust in ("tukey", "holm"):
        assert np.isnan(adjusted_p_values(t, df, 3, adjust)).tolist() == [False, True, False]
        assert np.isnan(critical_values(df, 3, adjust, 0.95)).tolist() == [False, True, False]


def test_many_comparisons_take_milliseconds_each():
    begin = time.process_time()
    df = np.linspace(5, 60, 190)
    critical_values(df, 20, "tukey", 0.95)
    adjusted_p_values(np.linspace(0, 6, 190), df, 20, "tukey")
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("k", [3, 12, 400])
@pytest.mark.parametrize(
    "df", [5e-324, 1e-300, 5e-15, 1e-4, 1e-3, 0.2, 0.49, 0.6, 40.0, 1e9, 1e300]
)
def test_time_and_memory_are_bounded_for_every_argument(k, df, monkeypatch):
    nodes = []
    inner = adjustments._normal_tail
    monkeypatch.setattr(
        adjustments, "_normal_tail", lambda w, k: nodes.append(len(w)) or inner(w, k)
    )
    tails = [range_tail(q, k, df) for q in (1e-300, 1e-3, 1.0, 4.0, 1e3, 1e100, 1e300, np.inf)]
    assert all(0 <= tail <= 1 for tail in tails)
    assert (np.diff(tails) <= 1e-10).all()
    quantiles = [range_quantile(level, k, df) for level in (0.5, 0.95, 0.999)]
    assert sorted(quantiles) == quantiles
    for level, q in zip((0.5, 0.95, 0.999), quantiles, strict=True):
        if np.isfinite(q):
            assert range_tail(q, k, df) == pytest.approx(1 - level, rel=1e-6)
    assert max(nodes) < 3000


@pytest.mark.parametrize("k", [3, 7, 60])
def test_few_degrees_of_freedom_by_another_integral(k):
    """E of the tail over s, its cumulative distribution by the incomplete gamma function."""
    for df in (0.05, 0.3, 0.499):
        for q in (0.01, 3.0, 200.0):
            w = np.exp(np.linspace(-35, 6, 8001))
            x, tail = np.log(w / q), adjustments._normal_tail(w, k)
            below = gammainc(df / 2, df / 2 * np.exp(2 * x))
            steps = (tail[1:] + tail[:-1]) / 2 * np.diff(below)
            wanted = below[0] + steps.sum()
            assert range_tail(q, k, df) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("df", [0.0, -2.0, np.nan])
def test_no_degrees_of_freedom_give_no_tail(df):
    assert np.isnan(range_tail(3.0, 4, df))
    assert np.isnan(range_quantile(0.95, 4, df))
    p = adjusted_p_values(np.array([1.0, 2.0, 3.0]), np.array([df, 5.0, 5.0]), 3, "tukey")
    assert np.isnan(p).tolist() == [True, False, False]
    critical = critical_values(np.array([df, 5.0, 5.0]), 3, "tukey", 0.95)
    assert np.isnan(critical).tolist() == [True, False, False]
