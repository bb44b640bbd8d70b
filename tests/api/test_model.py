"""The Python face: lmer, the attributes of a fit, comparison and prediction."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from tests.reference_cases import cases, data, expected


@pytest.fixture(scope="module")
def slope():
    return mmfit.lmer("Reaction ~ Days + (Days | Subject)", data("sleepstudy"))


def test_contract_attributes(slope):
    reference = cases()["sleep_slope"]["REML"]
    assert slope.criterion == "REML"
    assert slope.objective == pytest.approx(reference["criterion"], abs=1e-6)
    assert slope.log_lik == pytest.approx(-reference["criterion"] / 2, abs=1e-6)
    assert (slope.npar, slope.nobs) == (6, 180)
    assert list(slope.fixef.index) == list(slope.std_error.index) == ["(Intercept)", "Days"]
    assert list(slope.vcov.columns) == list(slope.vcov.index) == ["(Intercept)", "Days"]
    assert list(slope.varcorr.columns) == ["group", "term_1", "term_2", "vcov", "sdcor"]
    assert slope.varcorr["group"].tolist() == ["Subject"] * 3 + ["Residual"]
    assert slope.ranef["Subject"].shape == (18, 2)
    assert slope.ranef_cov["Subject"].shape == (18, 2, 2)
    assert slope.fitted.shape == slope.residuals.shape == (180,)
    assert not slope.singular
    assert slope.converged
    assert slope.optimizer.solver == "single"
    columns = [
        "term",
        "estimate",
        "std_error",
        "df",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
    ]
    assert list(slope.tidy().columns) == columns
    assert slope.glance().loc[0, "deviance"] == slope.objective
    assert list(slope.augment()["row"]) == list(range(180))
    assert "180 rows" in repr(slope)


def test_refit_by_the_other_criterion(slope):
    other = slope.refit(reml=False)
    assert other.criterion == "ML"
    assert other.objective == pytest.approx(cases()["sleep_slope"]["ML"]["criterion"], abs=1e-6)
    assert slope.refit(reml=True) is slope


@pytest.mark.parametrize("method", ["residual", "normal"])
def test_other_degrees_of_freedom(slope, method):
    table = slope.tidy(df=method)
    assert table["df"].tolist() == [178.0 if method == "residual" else np.inf] * 2
    assert (table["conf_high"] - table["estimate"] > 1.9 * table["std_error"]).all()


def test_unknown_choices_are_refused(slope):
    with pytest.raises(mmfit.MmfitError, match="satterthwaite"):
        slope.tidy(df="exact")
    with pytest.raises(mmfit.MmfitError, match="level"):
        slope.tidy(level=95)
    with pytest.raises(mmfit.MmfitError, match="1, 2 or 3"):
        slope.anova(type=4)
    with pytest.raises(mmfit.MmfitError, match="wald"):
        slope.confint(method="jackknife")
    with pytest.raises(mmfit.MmfitError, match="at least 1"):
        slope.simulate(0)


def test_rows_with_missing_values_are_left_out_whatever_else_is_missing():
    frame = data("sleep_missing").assign(unused=np.nan)
    fit = mmfit.lmer("Reaction ~ Days + Age + (1 | Subject)", frame)
    assert fit.nobs == cases()["sleep_missing"]["REML"]["nobs"]
    assert fit.objective == pytest.approx(cases()["sleep_missing"]["REML"]["criterion"], abs=1e-6)
    used = frame.iloc[fit.rows]
    assert used[["Reaction", "Age"]].notna().all(axis=None)


@pytest.mark.parametrize("given", ["name", "array"])
def test_weights_and_offset_by_name_or_as_arrays(given):
    frame = data("sleep_weighted")
    weights = "w" if given == "name" else frame["w"].to_numpy()
    fit = mmfit.lmer("Reaction ~ Days + (1|Subject)", frame, weights=weights)
    assert fit.objective == pytest.approx(cases()["sleep_weights"]["REML"]["criterion"], abs=1e-6)
    offset = "o" if given == "name" else frame["o"].to_numpy()
    fit = mmfit.lmer("Reaction ~ Days + (Days|Subject)", frame, offset=offset, reml=False)
    assert fit.objective == pytest.approx(cases()["sleep_offset"]["ML"]["criterion"], abs=1e-6)


def test_weights_follow_the_rows_that_are_left_out():
    frame = data("sleep_weighted").copy()
    frame.loc[frame.index[::7], "Reaction"] = np.nan
    by_name = mmfit.lmer("Reaction ~ Days + (1|Subject)", frame, weights="w")
    by_array = mmfit.lmer("Reaction ~ Days + (1|Subject)", frame, weights=frame["w"].to_numpy())
    assert by_name.objective == by_array.objective
    with pytest.raises(mmfit.DataError, match="one per row"):
        mmfit.lmer("Reaction ~ Days + (1|Subject)", frame, weights=np.ones(3))


def test_a_mapping_of_arrays_serves_as_data(slope):
    frame = data("sleepstudy")
    mapping = {name: frame[name].to_numpy() for name in frame}
    fit = mmfit.lmer("Reaction ~ Days + (Days | Subject)", mapping)
    assert fit.objective == slope.objective


def test_every_value_missing_is_refused():
    frame = data("sleepstudy").assign(Days=np.nan)
    with pytest.raises(mmfit.DataError, match="every row"):
        mmfit.lmer("Reaction ~ Days + (1 | Subject)", frame)


def test_comparison_takes_the_estimator_that_the_pair_needs(slope):
    intercept = mmfit.lmer("Reaction ~ Days + (1 | Subject)", data("sleepstudy"))
    test = mmfit.compare(intercept, slope)
    reference = next(
        pair
        for pair in expected()["lrt"]
        if (pair["null"], pair["alternative"]) == ("sleep_int", "sleep_slope")
    )
    assert test.criterion == "REML"
    assert test.chisq == pytest.approx(reference["chisq"], abs=1e-5)
    assert test.df == reference["df"]
    assert test.p_value_chi2 == pytest.approx(reference["p_value"], rel=1e-5)
    assert test.p_value < test.p_value_chi2
    poly = mmfit.lmer("Reaction ~ Days + I(Days^2) + (Days | Subject)", data("sleepstudy"))
    assert mmfit.compare(slope, poly).criterion == "ML"
    same = mmfit.compare(slope, slope)
    assert not same.valid
    assert same.p_value is None


def test_prediction_for_known_and_new_levels(slope):
    # lme4's predict(..., allow.new.levels = TRUE)
    new = pd.DataFrame({"Days": [0, 5, 12, 5], "Subject": [308, 351, 372, 999]})
    expected = [253.6636704, 293.24308401, 404.73543177, 303.74153465]
    np.testing.assert_allclose(slope.predict(new), expected, rtol=1e-6)
    population = slope.fixef["(Intercept)"] + slope.fixef["Days"] * new["Days"]
    np.testing.assert_allclose(slope.predict(new, random_effects=False), population)
    np.testing.assert_array_equal(slope.predict(), slope.fitted)
    np.testing.assert_allclose(slope.predict(data("sleepstudy")), slope.fitted, rtol=1e-12)


def test_simulated_responses_have_the_models_moments(slope):
    y = slope.simulate(4000, seed=5)
    assert y.shape == (180, 4000)
    np.testing.assert_array_equal(y[:, :3], slope.simulate(3, seed=5))
    mean = slope.predict(random_effects=False)
    random = slope.varcorr
    variance = random.loc[0, "vcov"] + random.loc[3, "vcov"]
    first_day = data("sleepstudy")["Days"].to_numpy() == 0
    spread = y[first_day].var()
    assert spread == pytest.approx(variance, rel=0.05)
    assert np.abs(y.mean(axis=1) - mean).max() < 5 * np.sqrt(y.var(axis=1).max() / 4000)
