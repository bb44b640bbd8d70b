"""The t law on the values at which an estimate is reported, and the search for these values."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from mmfit.selection.search.reported_values import reported_values
from mmfit.selection.search.truncated_t import TruncatedT

WHOLE = [-np.inf], [np.inf]
OUTSIDE = [-np.inf, 2.0], [-2.0, np.inf]
DFS = [3.5, 17.0, np.inf]


def law(ends, df):
    return TruncatedT(*map(np.array, ends), df)


def exact_tails(ends, df, value, centre):
    """By quadrature of the density."""
    density = stats.norm(centre).pdf if np.isinf(df) else stats.t(df, centre).pdf

    def mass(low, high):
        return integrate.quad(density, low, high)[0] if low < high else 0.0

    below = sum(mass(low, min(high, value)) for low, high in zip(*ends, strict=True))
    above = sum(mass(max(low, value), high) for low, high in zip(*ends, strict=True))
    return below, above


@pytest.mark.parametrize("df", DFS)
def test_without_a_cut_it_is_the_t_interval(df):
    found = law(WHOLE, df)
    half = stats.norm.ppf(0.975) if np.isinf(df) else stats.t.ppf(0.975, df)
    assert found.interval(1.3, 0.95) == pytest.approx((1.3 - half, 1.3 + half), abs=1e-9)
    assert found.median(1.3) == pytest.approx(1.3, abs=1e-9)
    tail = stats.norm.sf(1.3) if np.isinf(df) else stats.t.sf(1.3, df)
    assert found.p_values(1.3, np.zeros(1))[0] == pytest.approx(2 * tail, rel=1e-12)


@pytest.mark.parametrize("df", DFS)
@pytest.mark.parametrize("value", [-2.1, 2.05, 3.0, 8.0])
@pytest.mark.parametrize("ends", [OUTSIDE, ([-3, 1.5], [-2, 9]), ([-np.inf], [9.0])])
def test_the_interval_inverts_the_test(df, value, ends):
    found = law(ends, df)
    assert any(low <= value <= high for low, high in zip(*ends, strict=True))
    for centre in (-1.0, 0.0, 2.5):
        below, above = exact_tails(ends, df, value, centre)
        expected = 2 * min(below, above) / (below + above)
        assert found.p_values(value, np.array([centre]))[0] == pytest.approx(expected, abs=1e-7)
    low, high = found.interval(value, 0.95)
    for end in (low, high):
        if np.isfinite(end):
            assert found.p_values(value, np.array([end]))[0] == pytest.approx(0.05, abs=1e-6)
    below, above = exact_tails(ends, df, value, found.median(value))
    assert below == pytest.approx(above, abs=1e-7)
    assert low < found.median(value) < high


def test_the_p_value_of_a_two_sided_test_that_had_to_reject():
    p = law(OUTSIDE, 12.0).p_values(3.0, np.zeros(1))[0]
    assert p == pytest.approx(stats.t.sf(3, 12) / stats.t.sf(2, 12), rel=1e-12)


def test_intervals_are_bounded_where_large_effects_are_reported_and_not_elsewhere():
    assert np.isfinite(law(OUTSIDE, np.inf).interval(2.001, 0.95)).all()
    bounded = ([1.0], [2.0])
    assert law(bounded, np.inf).interval(1.97, 0.95)[1] == np.inf
    assert np.isnan(law(bounded, np.inf).interval(1.9999, 0.95)).all()
    assert np.isnan(law(bounded, np.inf).median(1.9999))


def test_the_tail_keeps_its_digits_far_out():
    p = law(OUTSIDE, np.inf).p_values(30.0, np.zeros(1))[0]
    assert p == pytest.approx(stats.norm.sf(30) / stats.norm.sf(2), rel=1e-9)


@pytest.mark.parametrize("value", [-2.3, 2.05, 6.0, 80.0])
def test_the_ends_of_the_reported_values_are_found(value):
    calls = []

    def reported(values):
        calls.append(len(values))
        return np.abs(values - 0.2) > 1.7

    found = reported_values(value, 20.0, reported)
    assert found.observed
    assert found.selections == sum(calls) < 250
    np.testing.assert_allclose(found.law.highs, [-1.5, np.inf], atol=1e-3)
    np.testing.assert_allclose(found.law.lows, [-np.inf, 1.9], atol=1e-3)


def test_a_value_that_is_not_reported_again_has_no_law():
    for reported in (lambda values: np.abs(values) > 2, lambda values: values > 99):
        found = reported_values(1.5, np.inf, reported)
        assert not found.observed
        assert found.law is None


def test_coverage_among_the_reported_is_exact():
    """P(interval covers b | reported) by the law of the estimate itself, at each b."""
    for centre in (0.0, 1.0, 3.0):

        def covers(value, centre=centre):
            low, high = law(OUTSIDE, np.inf).interval(value, 0.95)
            return low - centre, high - centre

        whole = stats.norm.sf(2 - centre) + stats.norm.cdf(-2 - centre)
        # Both ends rise with the value: those that cover are an interval of values.
        last = optimize.brentq(lambda v: covers(v)[0], -40, 40, xtol=1e-9)
        first = optimize.brentq(lambda v: covers(v)[1], -40, 40, xtol=1e-9)
        inside = stats.norm.cdf(last - centre) - stats.norm.cdf(first - centre)
        gap_low, gap_high = max(first, -2), min(last, 2)
        if gap_low < gap_high:
            inside -= stats.norm.cdf(gap_high - centre) - stats.norm.cdf(gap_low - centre)
        assert inside / whole == pytest.approx(0.95, abs=1e-4)
