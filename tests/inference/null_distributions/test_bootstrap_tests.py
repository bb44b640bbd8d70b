"""The parametric bootstrap: its draws, its order, when it stops, its intervals and its size."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mmfit.engine import fit_model, simulate_responses
from mmfit.engine.criterion import ML, REML
from mmfit.engine.many import fit_many
from mmfit.errors import ComputationError
from mmfit.formula import build_matrices
from mmfit.inference.null_distributions import bootstrap
from mmfit.inference.null_distributions.bootstrap import (
    FIRST_STEP,
    BootstrapTest,
    Replicates,
    Stopping,
    bootstrap_p_value,
    bootstrap_replicates,
    bootstrap_until,
    draw_responses,
    enough_exceedances,
    joined,
    refit_seconds,
)
from tests.reference_cases import fits, matrices


def pair(null, alternative, criterion="REML"):
    return BootstrapTest(matrices(null), matrices(alternative), fits(null)[criterion])


def bootstrap_statistics(test, start, stop, seed):
    return bootstrap_replicates(test, start, stop, seed).statistics


def replicates(statistics):
    return Replicates(np.asarray(statistics, dtype=float), np.ones(len(statistics), dtype=bool))


@pytest.mark.parametrize("case", ["sleep_slope", "sleep_weights", "sleep_offset", "nested_slash"])
def test_the_draws_are_those_of_simulate(case):
    model, fit = matrices(case), fits(case)["ML"]
    expected = simulate_responses(model, fit, 7, seed=11).T
    assert draw_responses(model, fit, 11, 0, 7) == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(
        draw_responses(model, fit, 11, 3, 6), draw_responses(model, fit, 11, 0, 7)[3:6]
    )


def test_statistics_are_those_of_single_fits():
    test = pair("sleep_int", "sleep_uncorr")
    found = bootstrap_statistics(test, 0, 4, seed=5)
    for response, statistic in zip(
        draw_responses(test.null, test.fit, 5, 0, 4), found, strict=True
    ):
        frame = pd.DataFrame({"Days": test.null.X[:, 1], "Subject": test.null.random[0].codes})
        objectives = [
            fit_model(
                build_matrices(text, frame, response=response, categorical=["Subject"])
            ).objective
            for text in ("~ Days + (1 | Subject)", "~ Days + (Days || Subject)")
        ]
        assert statistic == pytest.approx(max(objectives[0] - objectives[1], 0), abs=1e-7)


def test_parts_of_any_size_give_the_same_bits():
    test = pair("sleep_int", "sleep_slope")
    whole = bootstrap_replicates(test, 0, 300, seed=1)
    ends = [0, 1, 2, 77, 300]
    parts = joined(bootstrap_replicates(test, a, b, 1) for a, b in pairwise(ends))
    assert np.array_equal(parts.statistics, whole.statistics)
    assert np.array_equal(parts.alike, whole.alike)
    early = bootstrap_until(test, 0, 300, 1, Stopping(1.0, enough_exceedances(300)))
    assert len(early) == FIRST_STEP
    assert np.array_equal(early.statistics, whole.statistics[: len(early)])
    whole = whole.statistics
    assert not np.array_equal(bootstrap_statistics(test, 0, 20, seed=2), whole[:20])


def test_a_basis_constant_is_taken_off():
    test = pair("sleep_int", "sleep_slope")
    shifted = BootstrapTest(test.null, test.alternative, test.fit, shift=-2.5)
    difference = bootstrap_statistics(shifted, 0, 9, 1) - bootstrap_statistics(test, 0, 9, 1)
    assert difference == pytest.approx(2.5, abs=1e-9)


def test_the_p_value_counts_the_observed_statistic():
    found = bootstrap_p_value(np.arange(1.0, 100.0), 95.0)
    assert (found.exceedances, found.replicates, found.p_value) == (5, 99, 6 / 100)
    assert not found.stopped


def test_equal_statistics_are_exceedances():
    statistics = np.array([0.0] * 60 + [3.0] * 39)
    assert bootstrap_p_value(statistics, 0.0).p_value == 1.0
    assert bootstrap_p_value(statistics, 3.0 + 1e-9).exceedances == 39


@pytest.mark.parametrize(("h", "R"), [(0, 99), (5, 99), (98, 99), (99, 99), (30, 999)])
def test_the_interval_is_that_of_a_proportion(h, R):
    found = bootstrap_p_value(np.repeat([1.0, 0.0], [h, R - h]), 0.5)
    interval = stats.binomtest(h, R).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_a_sequence_stops_at_the_exceedance_that_is_enough():
    statistics = np.tile([1.0, 0.0, 0.0, 0.0], 50)
    statistics[[6, 50, 198]] = np.nan
    found = bootstrap_p_value(statistics, 0.5, enough=20)
    assert (found.stopped, found.exceedances, found.failures) == (True, 20, 2)
    assert found.replicates == 77 - 2
    assert found.p_value == 20 / 75
    assert bootstrap_p_value(statistics[:77], 0.5, enough=20) == found
    assert not bootstrap_p_value(statistics[:76], 0.5, enough=20).stopped


def test_the_interval_after_a_stop_is_that_of_the_waiting_time():
    """P(L <= 58) = P(at least 20 of 58) and P(L >= 58) = P(at most 19 of 57) are 2.5% each."""
    statistics = np.zeros(58)
    statistics[np.r_[0:19, 57]] = 1.0
    found = bootstrap_p_value(statistics, 0.5, enough=20)
    assert found.stopped
    assert stats.binom.sf(19, 58, found.low) == pytest.approx(0.025, rel=1e-8)
    assert stats.binom.cdf(19, 57, found.high) == pytest.approx(0.025, rel=1e-8)


def test_enough_is_a_twentieth_and_at_least_twenty():
    assert [enough_exceedances(R) for R in (19, 99, 999, 9999)] == [20, 20, 50, 500]


def test_a_sequence_has_at_least_its_first_step():
    stopping = Stopping(0.5, enough=50)
    assert not stopping.is_over(replicates(np.ones(FIRST_STEP - 1)))
    assert stopping.is_over(replicates(np.ones(FIRST_STEP)))
    assert not Stopping(0.5).is_over(replicates(np.ones(FIRST_STEP)))
    assert len(stopping.used(replicates(np.ones(900)))) == FIRST_STEP
    late = replicates(np.r_[np.zeros(400), np.ones(300)])
    assert len(stopping.used(late)) == 450
    assert len(Stopping(0.5).used(late)) == 700


def test_a_settled_sequence_is_its_first_step_however_much_was_computed():
    asked = []

    def settled(first):
        asked.append(len(first))
        return True

    stopping = Stopping(0.5, enough=50, settled=settled)
    many = replicates(np.zeros(700))
    assert stopping.is_over(many)
    assert len(stopping.used(many)) == FIRST_STEP
    assert set(asked) == {FIRST_STEP}
    assert len(replace(stopping, settled=lambda first: False).used(many)) == 700
    test = pair("sleep_int", "sleep_slope")
    assert len(bootstrap_until(test, 0, 500, 1, Stopping(1e9, 50, settled))) == FIRST_STEP
    # A later part does not know the first replicates.
    assert len(bootstrap_until(test, 100, 500, 1, Stopping(1e9, 50, settled))) == 400


def test_replicates_say_which_null_fits_are_singular_as_that_of_the_data():
    """Dyestuff2 has no variance between batches, as have about half of the data sets drawn."""
    test = pair("dyestuff2", "dyestuff2")
    found = bootstrap_replicates(test, 0, 60, 1)
    drawn = draw_responses(test.null, test.fit, 1, 0, 60)
    single = [fit_model(replace(test.null, y=y)).singular for y in drawn]
    assert test.fit.singular
    assert found.alike.tolist() == single
    assert 20 < sum(single) < 55


def test_null_fits_are_shared_by_the_tests_of_one_null(monkeypatch):
    calls, real = [], fit_many

    def counted(model, responses, **settings):
        calls.append(model)
        return real(model, responses, **settings)

    monkeypatch.setattr(bootstrap, "fit_many", counted)
    shared = {}
    tests = [
        BootstrapTest(
            matrices("sleep_int"),
            matrices(alternative),
            fits("sleep_int")["REML"],
            null_fits=shared,
        )
        for alternative in ("sleep_uncorr", "sleep_slope")
    ]
    found = [bootstrap_statistics(test, 0, 50, 1) for test in tests]
    assert len(calls) == 3
    for test, statistics in zip(tests, found, strict=True):
        alone = bootstrap_statistics(replace(test, null_fits={}), 0, 50, 1)
        assert np.array_equal(statistics, alone)


def test_failures_are_left_out_and_too_many_refused():
    statistics = np.append(np.linspace(0, 1, 95), [np.nan] * 5)
    found = bootstrap_p_value(statistics, 0.9)
    assert (found.replicates, found.failures) == (95, 5)
    with pytest.raises(ComputationError, match="20 of 100 bootstrap replicates did not converge"):
        bootstrap_p_value(np.append(np.zeros(80), [np.nan] * 20), 0.9)


def test_a_replicate_whose_fit_failed_is_missing(monkeypatch):
    test, real = pair("sleep_int", "sleep_uncorr"), fit_many

    def failing(model, responses, **settings):
        found = real(model, responses, **settings)
        found.converged[2] = False
        return found

    monkeypatch.setattr(bootstrap, "fit_many", failing)
    assert np.flatnonzero(np.isnan(bootstrap_statistics(test, 0, 5, 1))).tolist() == [2]


def test_the_cost_of_a_refit_follows_the_design():
    small = refit_seconds(matrices("sleep_int"), fits("sleep_int")["REML"])
    crossed = refit_seconds(matrices("penicillin"), fits("penicillin")["REML"])
    assert 1e-6 < small < 1e-3
    assert 1e-6 < crossed < 1e-3


@pytest.mark.parametrize(("null", "reml"), [("~ x + (1 | g)", True), ("~ 1 + (1 | g)", False)])
def test_the_size_of_the_test(null, reml):
    """300 data sets of 6 small groups, 39 replicates each: 5% are rejected, within 3.5 errors."""
    rng = np.random.default_rng(21)
    frame = pd.DataFrame({"g": np.repeat(np.arange(6), 4), "x": np.tile([0.0, 1, 2, 5], 6)})
    responses = rng.normal(size=(300, 24)) + np.repeat(rng.normal(size=(300, 6)), 4, axis=1)
    alternative = "~ x + (x | g)" if reml else "~ x + (1 | g)"
    models = [build_matrices(text, frame, response=responses[0]) for text in (null, alternative)]

    def statistics(many):
        small, large = (
            fit_many(model, many, criterion=REML if reml else ML).objective for model in models
        )
        return np.maximum(small - large, 0.0)

    draws = [
        draw_responses(
            models[0],
            fit_model(build_matrices(null, frame, response=y), criterion=REML if reml else ML),
            k,
            0,
            39,
        )
        for k, y in enumerate(responses)
    ]
    simulated = statistics(np.concatenate(draws)).reshape(300, 39)
    pairs = zip(simulated, statistics(responses), strict=True)
    p_values = np.array([bootstrap_p_value(drawn, seen).p_value for drawn, seen in pairs])
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / 300))
    assert np.mean(p_values <= 0.5) == pytest.approx(0.5, abs=3.5 * np.sqrt(0.25 / 300))
