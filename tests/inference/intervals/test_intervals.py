"""Wald, profile and bootstrap intervals through ``confint``."""

import numpy as np
import pytest

import mmfit
from mmfit.engine import simulate_responses
from mmfit.engine.criterion import CRITERIA
from mmfit.engine.many import fit_many
from mmfit.inference import confint, profile_likelihood, tidy
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.intervals import bootstrap_intervals
from mmfit.inference.intervals.bootstrap_intervals import (
    BootstrapDraws,
    bootstrap_draws,
    draw_intervals,
)
from mmfit.inference.intervals.parameters import estimates, parameters
from tests.inference.intervals.profile_models import model
from tests.reference_cases import data, fits, inference, matrices

COLUMNS = ["parameter", "conf_low", "conf_high"]


@pytest.mark.parametrize("case", inference())
def test_wald_is_that_of_lme4(case):
    table = confint(FittedModel(fits(case)["REML"], matrices(case)), method="wald")
    rows = inference()[case]["wald_ci"]
    assert list(table.columns) == COLUMNS
    assert list(table["parameter"]) == [row["term"] for row in rows]
    expected = [[row["2.5 %"], row["97.5 %"]] for row in rows]
    np.testing.assert_allclose(table[["conf_low", "conf_high"]], expected, rtol=1e-5, atol=1e-6)


def test_wald_with_degrees_of_freedom_is_that_of_tidy():
    fit, M = fits("sleep_slope")["REML"], matrices("sleep_slope")
    table = confint(FittedModel(fit, M), method="wald", df="satterthwaite", level=0.9)
    ours = tidy(FittedModel(fit, M), df="satterthwaite", level=0.9)
    for column in ("conf_low", "conf_high"):
        np.testing.assert_array_equal(table[column], ours[column])
    normal = confint(FittedModel(fit, M), method="wald", level=0.9)
    assert (normal["conf_low"] > table["conf_low"]).all()


def test_profile_is_the_profile():
    fit, M = fits("pastes")["REML"], matrices("pastes")
    table = confint(FittedModel(fit, M))
    assert list(table.columns) == COLUMNS
    expected = profile_likelihood(FittedModel(fit, M), level=0.95).interval()
    assert list(table["parameter"]) == list(expected["parameter"])
    width = expected["conf_high"] - expected["conf_low"]
    for column in ("conf_low", "conf_high"):
        np.testing.assert_allclose((table[column] - expected[column]) / width, 0, atol=1e-6)
    assert table.attrs["notes"] == ()


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_bootstrap_draws_are_refits_of_simulated_responses(criterion):
    fit, M = fits("sleep_slope")[criterion], matrices("sleep_slope")
    draws = bootstrap_draws(FittedModel(fit, M), 6, seed=3)
    responses = simulate_responses(M, fit, 6, 3).T
    many = fit_many(M, responses, criterion=CRITERIA[criterion])
    np.testing.assert_allclose(draws.values[:, 3], many.sigma, rtol=1e-12)
    np.testing.assert_allclose(draws.values[:, 4:], many.fixef, rtol=1e-12)
    G = many.covariances[0]
    sd = np.sqrt(G[:, [0, 1], [0, 1]])
    np.testing.assert_allclose(draws.values[:, [0, 2]], sd, rtol=1e-12)
    np.testing.assert_allclose(draws.values[:, 1], G[:, 0, 1] / sd.prod(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(draws.estimates, estimates(fit))
    assert draws.failed == 0


def test_a_replicate_is_a_stream(monkeypatch):
    fit, M = fits("dyestuff")["REML"], matrices("dyestuff")
    whole = bootstrap_draws(FittedModel(fit, M), 50, seed=5).values
    np.testing.assert_array_equal(
        bootstrap_draws(FittedModel(fit, M), 20, seed=5).values, whole[:20]
    )
    monkeypatch.setattr(bootstrap_intervals, "_NUMBERS", 7 * M.nobs)
    np.testing.assert_array_equal(bootstrap_draws(FittedModel(fit, M), 50, seed=5).values, whole)
    assert not np.array_equal(bootstrap_draws(FittedModel(fit, M), 50, seed=6).values, whole)


def _draws(values, estimate=0.0):
    return BootstrapDraws(("a",), np.array([estimate]), np.asarray(values, float)[:, None], 0)


@pytest.mark.parametrize(
    ("level", "ends"),
    [
        (0.95, [0.36807895970918908, 2.707216633542235]),
        (0.9, [0.37091629809110027, 2.689507917609784]),
    ],
)
def test_quantiles_are_those_of_r(level, ends):
    """boot:::norm.inter of R's boot on the same numbers: between order statistics, and on them."""
    values = np.exp(np.sin(np.arange(1, 100)))
    np.testing.assert_allclose(draw_intervals(_draws(values), level), [ends], rtol=1e-12)


def test_kinds_of_bootstrap_intervals():
    values = np.exp(np.sin(np.arange(1, 200)))
    percentile = draw_intervals(_draws(values, 1.2), 0.9)
    basic = draw_intervals(_draws(values, 1.2), 0.9, "basic")
    np.testing.assert_allclose(basic, 2.4 - percentile[:, ::-1])
    normal = draw_intervals(_draws(values, 1.2), 0.9, "normal")
    assert normal.mean() == pytest.approx(2.4 - values.mean())
    assert np.ptp(normal) == pytest.approx(2 * 1.6448536 * values.std(ddof=1))


def test_undefined_correlations_are_left_out():
    values = np.array([*np.linspace(0, 1, 99), np.nan, np.nan])
    np.testing.assert_array_equal(
        draw_intervals(_draws(values), 0.9), draw_intervals(_draws(values[:99]), 0.9)
    )


def test_bootstrap_intervals():
    fit, M = fits("sleep_slope")["REML"], matrices("sleep_slope")
    table = confint(FittedModel(fit, M), method="bootstrap", replicates=399, seed=2)
    assert list(table.columns) == COLUMNS
    assert list(table["parameter"]) == [p.name for p in parameters(fit)]
    assert table.attrs["failed"] == 0
    inside = estimates(fit)
    assert ((table["conf_low"] < inside) & (inside < table["conf_high"])).all()
    # the fixed effects' draws are normal with the model's standard errors, and 17 df' worth more
    wald = confint(FittedModel(fit, M), method="wald")
    width = (table["conf_high"] - table["conf_low"]).to_numpy()[4:]
    np.testing.assert_allclose(width, wald["conf_high"] - wald["conf_low"], rtol=0.15)


def test_failed_replicates_are_counted_and_left_out(monkeypatch):
    fit, M = fits("dyestuff")["REML"], matrices("dyestuff")
    whole = bootstrap_draws(FittedModel(fit, M), 60, seed=1).values

    def some_fail(*arguments, **keywords):
        many = fit_many(*arguments, **keywords)
        many.converged[[2, 5]] = False
        return many

    monkeypatch.setattr(bootstrap_intervals, "fit_many", some_fail)
    draws = bootstrap_draws(FittedModel(fit, M), 60, seed=1)
    assert draws.failed == 2
    np.testing.assert_array_equal(draws.values, np.delete(whole, [2, 5], axis=0))
    assert confint(FittedModel(fit, M), method="bootstrap", replicates=60).attrs["failed"] == 2


def test_singular_fits_have_bootstrap_intervals():
    M, fit = model("no variance")
    table = confint(FittedModel(fit, M), method="bootstrap", replicates=99, seed=1)
    assert table["conf_low"][0] == 0 < table["conf_high"][0]


def test_refusals():
    fit, M = fits("dyestuff")["REML"], matrices("dyestuff")
    with pytest.raises(mmfit.MmfitError, match="profile, wald, bootstrap"):
        confint(FittedModel(fit, M), method="jackknife")
    with pytest.raises(mmfit.MmfitError, match="between 0 and 1"):
        confint(FittedModel(fit, M), level=95)
    with pytest.raises(
        mmfit.MmfitError, match="at least 39 bootstrap replicates, and there are 20"
    ):
        confint(FittedModel(fit, M), method="bootstrap", replicates=20)
    with pytest.raises(mmfit.MmfitError, match="replicates=0"):
        confint(FittedModel(fit, M), method="bootstrap", replicates=0)
    with pytest.raises(mmfit.MmfitError, match="percentile, basic, normal"):
        confint(FittedModel(fit, M), method="bootstrap", replicates=99, kind="bca")
    with pytest.raises(mmfit.MmfitError, match="df='wrong'"):
        confint(FittedModel(fit, M), method="wald", df="wrong")


def test_the_model_passes_what_it_is_given():
    fit = mmfit.lmer("Yield ~ 1 + (1 | Batch)", data("dyestuff"))
    table = fit.confint("wald", 0.9, df="satterthwaite")
    np.testing.assert_array_equal(table["conf_low"], fit.tidy(level=0.9)["conf_low"])
    profile = fit.profile(level=0.9)
    assert profile.interval()["parameter"].tolist() == fit.confint(level=0.9)["parameter"].tolist()
