"""What has no test says so: no statistic without a distribution, no gap without a note."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mmfit


def test_kenward_roger_without_an_f_distribution_is_missing_and_noted():
    # Two levels tell of three variance parameters: the equations give a negative denominator.
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat([0, 1], 10), "x": rng.normal(size=20)})
    data["y"] = 1 + data.x + np.array([-0.2, 0.7])[data.g] * data.x + 0.7 * rng.normal(size=20)
    model = mmfit.lmer("y ~ x + (x | g)", data)
    table = model.contest(np.eye(2), df="kenward-roger")
    assert table[["den_df", "statistic", "p_value"]].isna().all(axis=None)
    assert np.isfinite(table["sum_sq"]).all()
    assert "no F distribution" in table.attrs["note"]


def test_a_slope_that_another_covariate_repeats_is_missing_for_that_reason():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 6), "x": rng.normal(size=36)})
    data["twice"] = 2 * data.x
    data["y"] = data.x + rng.normal(size=6)[data.g] + rng.normal(size=36)
    table = mmfit.lmer("y ~ x + twice + (1 | g)", data).slopes("x")
    assert table["estimate"].isna().all()
    note = table.attrs["notes"][0]
    assert "do not tell them apart from other effects" in note
    assert "left out of the model: twice" in note


@pytest.mark.parametrize("adjust", ["tukey", "holm", "none"])
def test_differences_that_the_model_sets_to_zero_are_noted(adjust):
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"h": np.tile(np.arange(4), 12), "g": np.repeat(np.arange(6), 8)})
    data["y"] = rng.normal(size=6)[data.g] + rng.normal(size=48)
    table = mmfit.lmer("y ~ factor(h > 1) + (1 | g)", data).contrasts("h", adjust=adjust)
    zero = table["contrast"].isin(["h0 - h1", "h2 - h3"])
    assert (table.loc[zero, "estimate"] == 0).all()
    assert table.loc[zero, "p_value"].isna().all()
    assert table.loc[~zero, "p_value"].notna().all()
    assert "2 of 6 are zero in this model whatever the data; no test." in table.attrs["notes"]


def test_a_correlation_seldom_defined_takes_no_interval_from_the_others():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 8), "x": rng.normal(size=96)})
    noise = rng.normal(size=96)
    data["y"] = noise - pd.Series(noise).groupby(data.g).transform("mean")
    table = mmfit.lmer("y ~ x + (x | g)", data).confint("bootstrap", replicates=39)
    missing = table["conf_low"].isna()
    assert table.loc[missing, "parameter"].tolist() == ["cor_x.(Intercept)|g"]
    (note,) = table.attrs["notes"]
    assert "replicates only (a standard deviation is zero in the others)" in note


def test_tests_of_a_fit_that_has_not_converged_say_so(stopped):
    for table in (stopped.tidy(), stopped.anova(), stopped.drop1(), stopped.contest({"x": 1})):
        assert "The fit is not to be relied on: it has stopped" in table.attrs["note"]
    (note,) = stopped.slopes("x").attrs["notes"]
    assert "not to be relied on" in note


@pytest.fixture
def stopped():
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": rng.normal(size=48)})
    data["y"] = rng.normal(size=8)[data.g] + rng.normal(size=48)
    model = mmfit.lmer("y ~ x + (1 | g)", data)
    outcome = replace(model.optimizer, converged=False, message="stopped after 3 evaluations")
    return mmfit.LinearMixedModel(replace(model.record, optimizer=outcome), model.matrices)


def test_predictions_of_a_singular_or_stopped_fit_say_so(stopped):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "y": rng.normal(size=48)})
    data["y"] -= data.groupby("g")["y"].transform("mean")
    (note,) = mmfit.lmer("y ~ 1 + (1 | g)", data).predict(std_error=True).attrs["notes"]
    assert note.startswith("The fit is singular (g): Satterthwaite's method")
    (note,) = stopped.predict(std_error=True).attrs["notes"]
    assert "not to be relied on" in note
