"""Laws fitted to replicates: where the answer is known, their errors, and their size."""

import numpy as np
import pytest
from scipy import integrate, stats

from mmfit.errors import ComputationError
from mmfit.inference.null_distributions.calibration import (
    BODY,
    FEWEST_ABOVE,
    FEWEST_ALIKE,
    _mean_excess,
    scaled_chi_square,
    scaled_tail,
    tail_without_law,
)
from mmfit.inference.null_distributions.mixtures import ChiBarSquare, half_space, plain

LAWS = (plain(1), plain(3), half_space(1), half_space(2), ChiBarSquare((0, 1, 2), (0.3, 0.5, 0.2)))
STATISTICS = (0.5, 2.0, 5.0, 12.0, 60.0)


def drawn(law, count, scale=1.0, seed=1):
    rng = np.random.default_rng(seed)
    dfs = rng.choice(law.dfs, size=count, p=law.weights)
    return scale * np.where(dfs > 0, rng.chisquare(np.maximum(dfs, 1)), 0.0)


def everyone(statistics):
    return np.ones(len(statistics), dtype=bool)


@pytest.mark.parametrize("df", [1, 2, 5])
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.9])
def test_a_scaled_chi_square_is_found_again(df, scale):
    values = drawn(plain(df), 200_000, scale)
    for observed in STATISTICS:
        found = scaled_chi_square(df, observed, values, everyone(values))
        expected = stats.chi2.sf(observed / scale, df)
        assert found.scale == pytest.approx(scale, rel=0.01)
        assert np.log(found.p_value) == pytest.approx(np.log(expected), abs=0.02 * observed / scale)
        assert found.low <= found.p_value <= found.high
    assert scaled_chi_square(df, 0.0, values, everyone(values)).p_value == 1.0


def test_the_p_value_is_that_of_a_ratio_of_means():
    """T over the mean of R values c chi2(1) is F with R degrees of freedom, if their spread is."""
    values = stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, 1) * 1.4
    error = values.std(ddof=1) / values.mean() / np.sqrt(2000)
    found = scaled_chi_square(1, 6.0, values, everyone(values))
    expected = stats.f.sf(6.0 / values.mean(), 1, 2 / error**2)
    assert found.p_value == pytest.approx(expected, rel=1e-12)
    ends = [
        stats.f.sf(6.0 / values.mean() * s, 1, 2 / error**2)
        for s in np.exp(np.array([1, -1]) * error * 1.959963984540054)
    ]
    assert (found.low, found.high) == pytest.approx(tuple(ends), rel=1e-12)


def test_only_replicates_like_the_data_count_where_there_are_enough():
    values = np.r_[np.full(FEWEST_ALIKE, 3.0), np.full(100, 1.0)] + np.linspace(0, 0.1, 150)
    alike = np.arange(150) < FEWEST_ALIKE
    found = scaled_chi_square(1, 2.0, values, alike)
    assert (found.conditional, found.replicates) == (True, FEWEST_ALIKE)
    assert found.scale == pytest.approx(values[alike].mean())
    fewer = alike & (np.arange(150) > 0)
    found = scaled_chi_square(1, 2.0, values, fewer)
    assert (found.conditional, found.replicates) == (False, 150)
    assert found.scale == pytest.approx(values.mean())
    # What did not converge is not counted.
    values[3] = np.nan
    assert not scaled_chi_square(1, 2.0, values, alike).conditional


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("scale", [0.8, 1.5])
def test_a_scaled_mixture_is_found_again(law, scale):
    values = drawn(law, 200_000, scale)
    for observed in STATISTICS:
        found = scaled_tail(law, observed, values)
        expected = law.survival(observed / scale)
        assert np.log(found.p_value) == pytest.approx(
            np.log(expected), abs=0.03 + 0.02 * observed / scale
        )
        assert found.low <= found.p_value <= found.high
        if observed > found.above:
            assert found.scale == pytest.approx(scale, rel=0.03)
    assert scaled_tail(law, 0.0, values).p_value == 1.0


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("x", [0.0, 0.3, 2.0, 15.0])
def test_the_mean_excess_is_an_integral_of_the_tail(law, x):
    parts = [(w, df) for w, df in zip(law.weights, law.dfs, strict=True) if df]

    def tail(t):
        return sum(w * stats.chi2.sf(t, df) for w, df in parts)

    expected = integrate.quad(tail, x, np.inf, epsabs=0, epsrel=1e-10)[0] / tail(x)
    assert _mean_excess(law, x) == pytest.approx(expected, rel=1e-7)


def test_the_mean_excess_has_a_limit_where_the_tail_is_nothing():
    for law in LAWS:
        assert _mean_excess(law, 1e5) == pytest.approx(2.0, rel=1e-3)


def test_the_p_value_falls_as_the_statistic_grows_and_has_no_step_up():
    values = drawn(half_space(2), 400, 1.3, seed=5)
    grid = np.linspace(0, 20, 400)
    p_values = np.array([scaled_tail(half_space(2), x, values).p_value for x in grid])
    assert (np.diff(p_values) <= 1e-12).all()
    above = scaled_tail(half_space(2), 20.0, values).above
    assert np.mean(values > above) == pytest.approx(1 - BODY, abs=0.01)


def test_a_mass_at_zero_beyond_the_body_is_kept():
    """Four of five statistics are zero: the tail begins there, and has a fifth."""
    values = np.where(np.arange(1000) % 5 == 0, drawn(plain(1), 1000, seed=3), 0.0)
    found = scaled_tail(half_space(1), 1e-9, values)
    assert found.above == 0.0
    assert found.p_value == pytest.approx(0.2, abs=0.001)


@pytest.mark.parametrize("values", [np.zeros(300), np.array([]), np.full(50, np.nan)])
def test_nothing_to_fit_to_is_refused(values):
    with pytest.raises(ComputationError, match="lie in the tail"):
        scaled_tail(half_space(1), 1.0, values)
    with pytest.raises(ComputationError, match="above zero"):
        scaled_chi_square(1, 1.0, values, everyone(values))
    few = np.r_[np.zeros(100), np.arange(1.0, FEWEST_ABOVE)]
    with pytest.raises(ComputationError, match="too few"):
        scaled_tail(half_space(1), 1.0, few)


@pytest.mark.parametrize("R", [200, 999])
def test_the_size_with_few_replicates(R):
    """4,000 tests whose law is 1.6 chi2(1), or a mixture with other weights, with R replicates."""
    rng = np.random.default_rng(R)
    law, p_scaled, p_tail = ChiBarSquare((0, 1), (0.65, 0.35)), [], []
    for k in range(4000):
        own, other = drawn(plain(1), R + 1, 1.6, seed=rng), drawn(law, R + 1, 0.8, seed=rng)
        p_scaled.append(scaled_chi_square(1, own[0], own[1:], everyone(own[1:])).p_value)
        if other[0] > 0 and k < 2000:
            p_tail.append(scaled_tail(half_space(1), other[0], other[1:]).p_value)
    for level in (0.01, 0.05, 0.1):
        error = np.sqrt(level * (1 - level))
        size = np.mean(np.array(p_scaled) < level)
        assert size == pytest.approx(level, abs=3.5 * error / np.sqrt(4000))
        size = np.sum(np.array(p_tail) < level) / 2000
        assert size == pytest.approx(level, abs=3.5 * error / np.sqrt(2000))


@pytest.mark.parametrize("R", [200, 999])
def test_the_intervals_cover_the_p_value_of_endless_replicates(R):
    rng = np.random.default_rng(2)
    expected = stats.chi2.sf(5.0 / 1.3, 1)
    covered = []
    for _ in range(800):
        values = drawn(plain(1), R, 1.3, seed=rng)
        tail = scaled_tail(plain(1), 5.0, values)
        whole = scaled_chi_square(1, 5.0, values, everyone(values))
        covered.append([found.low < expected < found.high for found in (tail, whole)])
    assert np.mean(covered, axis=0) == pytest.approx([0.95, 0.95], abs=0.035)


@pytest.mark.parametrize("wild", [np.r_[np.linspace(0, 3, 98), 1e9], np.full(99, 2.0)])
def test_replicates_of_no_law_end_in_numbers_or_a_reason(wild):
    """One beyond all measure; all alike."""
    for observed in (0.0, 0.5, 2.5, 40.0, 1e6):
        found = [scaled_chi_square(1, observed, wild, everyone(wild))]
        if wild[-1] > 5:
            found.append(scaled_tail(half_space(1), observed, wild))
        for one in found:
            assert 0 <= one.low <= one.p_value <= one.high <= 1
    far = 100 + drawn(plain(1), 300) / 1000
    found = scaled_tail(half_space(1), 800.0, far)
    assert 0 <= found.low <= found.p_value <= found.high < 1e-100
    tiny = drawn(half_space(1), 300) * 1e-6
    assert scaled_tail(half_space(1), 1e-6, tiny).scale == pytest.approx(1e-6, rel=0.3)


@pytest.mark.parametrize(("true", "df"), [(half_space(1), 3), (half_space(2), 2), (plain(2), 5)])
def test_a_tail_without_a_law_does_not_fall_faster_than_the_true_one(true, df):
    """Too many degrees of freedom would be shrunk to fit, and fall too fast beyond."""
    values = drawn(true, 100_000, seed=8)
    for p in (0.05, 0.01, 0.001, 1e-5):
        observed = -2 * np.log(p)
        found = tail_without_law(df, observed, values)
        assert found.scale >= 1 or found.law == plain(1)
        assert -0.5 < np.log(found.p_value / true.survival(observed)) < 1.5
    shrunken = scaled_tail(plain(df), -2 * np.log(1e-5), values)
    assert shrunken.scale <= 1.05
