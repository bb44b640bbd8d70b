"""Diagnosis of fits: singular directions in words, checks against scipy and simulated truth."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mmfit
from mmfit.engine import fitted_values
from mmfit.engine.records import VarianceTerm
from mmfit.inference.diagnosis.design_checks import curvature_check
from mmfit.inference.diagnosis.diagnosis import convergence_text, diagnose, singular_text
from mmfit.inference.diagnosis.residual_checks import normality, weighted_residuals
from mmfit.inference.diagnosis.singular_directions import combination, singular_directions
from mmfit.inference.fitted_model import FittedModel
from tests import reference_cases as reference


def sleep():
    return reference.fits("sleep_slope")["REML"], reference.matrices("sleep_slope")


def with_covariance(covariance, singular=("Subject",)):
    """The sleepstudy fit as if its covariance had been estimated so."""
    fit, matrices = sleep()
    term = VarianceTerm("Subject", "Subject", ("(Intercept)", "Days"), np.array(covariance))
    return (
        dataclasses.replace(fit, terms=(term,), singular=bool(singular), singular_groups=singular),
        matrices,
    )


def simulated(seed=3, levels=18, rows=10, slope=0.0, noise=25.0, days=1.0):
    """Sleepstudy-like data whose random slope is ``slope`` times the random intercept."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(levels), rows)
    day = np.tile(np.arange(rows), levels).astype(float)
    b = 25 * rng.standard_normal(levels)[subject]
    y = 250 + 10 * day + b + slope * b * day + noise * rng.standard_normal(len(day))
    return pd.DataFrame({"y": y, "Days": day * days, "Subject": subject})


def checks_of(fitted):
    return diagnose(fitted.model).checks.set_index("check")


# Singular directions


def test_an_exact_correlation_is_a_function():
    (direction,) = singular_directions(FittedModel(*with_covariance([[400.0, 80.0], [80.0, 16.0]])))
    np.testing.assert_allclose(direction.weights, np.array([1, -5]) / np.sqrt(26), atol=1e-9)
    assert direction.group == "Subject"
    assert direction.effects == ("(Intercept)", "Days")
    assert direction.text == (
        "0.196 (Intercept) - 0.981 Days by Subject has no variance: their correlation is 1, the "
        "effect of Days is an exact function of that of (Intercept); in every level of Subject, "
        "Days = -39.81 + 0.2 (Intercept)"
    )
    # beta_Days - 0.2 beta_Intercept, of lme4's 251.40510 and 10.46729
    assert pytest.approx(-39.81, abs=0.005) == 10.46729 - 0.2 * 251.40510


def test_a_correlation_of_minus_one():
    (direction,) = singular_directions(
        FittedModel(*with_covariance([[400.0, -80.0], [-80.0, 16.0]]))
    )
    assert direction.text.startswith("0.196 (Intercept) + 0.981 Days by Subject has no variance")
    assert "their correlation is -1" in direction.text
    assert direction.text.endswith("Days = 60.75 - 0.2 (Intercept)")


def test_without_a_fixed_effect_of_the_slope_only_the_ratio_is_given():
    fit, matrices = with_covariance([[400.0, 80.0], [80.0, 16.0]])
    fit = dataclasses.replace(
        fit, fixed_names=("(Intercept)",), fixef=fit.fixef[:1], vcov=fit.vcov[:1, :1]
    )
    (direction,) = singular_directions(FittedModel(fit, matrices))
    assert direction.text.endswith("an exact function of that of (Intercept), 0.2 times as large")


@pytest.mark.parametrize(
    ("covariance", "texts"),
    [
        ([[0.0, 0.0], [0.0, 4.0]], ["the variance of (Intercept) by Subject is zero"]),
        ([[4.0, 0.0], [0.0, 0.0]], ["the variance of Days by Subject is zero"]),
        (
            [[0.0, 0.0], [0.0, 0.0]],
            [
                "the variance of (Intercept) by Subject is zero",
                "the variance of Days by Subject is zero",
            ],
        ),
    ],
)
def test_zero_variances_are_named(covariance, texts):
    found = singular_directions(FittedModel(*with_covariance(covariance)))
    assert [direction.text for direction in found] == texts
    for direction in found:
        assert sorted(np.abs(direction.weights)) == [0.0, 1.0]


def test_a_regular_fit_has_no_singular_direction():
    fit, matrices = sleep()
    assert singular_directions(FittedModel(fit, matrices)) == ()
    assert singular_text(fit) is None
    assert diagnose(FittedModel(fit, matrices)).singular_directions == ()


@pytest.mark.parametrize("slope", [0.2, -0.05])
def test_real_singular_fits(slope):
    fitted = mmfit.lmer("y ~ Days + (Days | Subject)", simulated(2, slope=slope, noise=60))
    assert fitted.singular
    (direction,) = fitted.diagnose().singular_directions
    covariance = fitted.record.terms[0].covariance
    variance = direction.weights @ covariance @ direction.weights
    assert variance <= 1e-9 * covariance.max()
    assert np.linalg.norm(direction.weights) == pytest.approx(1)
    sign = "-1" if covariance[0, 1] < 0 else "1"
    assert f"their correlation is {sign}," in direction.text
    assert direction.text in fitted.diagnose().text[1]


def test_directions_do_not_depend_on_units():
    fits = [
        mmfit.lmer("y ~ Days + (Days | Subject)", simulated(2, slope=0.2, noise=60, days=days))
        for days in (1.0, 1e4)
    ]
    first, second = (one.diagnose().singular_directions[0].weights for one in fits)
    # A slope per unit of 1e-4 days is 1e4 times smaller, so that its weight is as much larger.
    assert first[1] / first[0] == pytest.approx(second[1] / second[0] / 1e4, rel=1e-4)


def test_three_effects_of_rank_one_are_functions_of_the_first():
    rng = np.random.default_rng(1)
    n, levels = 600, 30
    frame = pd.DataFrame({"g": rng.integers(0, levels, n), "x": rng.standard_normal(n)})
    frame["z"] = rng.standard_normal(n)
    frame["y"] = rng.standard_normal(n)
    fitted = mmfit.lmer("y ~ x + z + (x + z | g)", frame)
    a = np.array([1.0, 2.0, -0.5])
    term = dataclasses.replace(fitted.record.terms[0], covariance=np.outer(a, a))
    fit = dataclasses.replace(fitted.record, terms=(term,), singular=True, singular_groups=("g",))
    first, second = singular_directions(FittedModel(fit, fitted.matrices))
    np.testing.assert_allclose(first.weights, np.array([1, 0, 2]) / np.sqrt(5), atol=1e-9)
    np.testing.assert_allclose(second.weights, np.array([2, -1, 0]) / np.sqrt(5), atol=1e-9)
    assert "the effect of z is an exact function of that of (Intercept)" in first.text
    assert "the effect of x is an exact function of that of (Intercept)" in second.text


def test_a_direction_of_three_effects():
    assert combination(np.array([0.5, 0.0, -0.25, 1.0]), ("a", "b", "c", "d")) == (
        "0.5 a - 0.25 c + 1 d"
    )
    assert combination(np.array([-0.5, 0.5]), ("a", "b")) == "-0.5 a + 0.5 b"


# Convergence


def test_convergence_in_words():
    fit, matrices = sleep()
    found = diagnose(FittedModel(fit, matrices))
    assert found.converged
    assert found.convergence == found.text[0] == convergence_text(fit)
    assert found.convergence.startswith("The REML fit converged: a further step promises")
    assert "one grouping factor, its levels eliminated one by one" in found.convergence
    assert "to 1743.6283" in found.convergence
    record = dataclasses.replace(
        fit.optimizer, converged=False, message="not converged: a step still promises 0.3"
    )
    failed = diagnose(FittedModel(dataclasses.replace(fit, optimizer=record), matrices))
    assert not failed.converged
    assert "did NOT converge: a step still promises 0.3." in failed.convergence
    assert failed.checks.iloc[0]["verdict"] == "look"
    assert "its numbers are no optimum" in failed.checks.iloc[0]["text"]


# Checks, against scipy


def test_checks_agree_with_scipy():
    fit, matrices = sleep()
    checks = diagnose(FittedModel(fit, matrices)).checks.set_index("check")
    assert list(checks.columns) == ["value", "p_value", "verdict", "text"]
    assert set(checks["verdict"]) == {"ok", "look"}
    scaled = weighted_residuals(FittedModel(fit, matrices))
    shapiro = stats.shapiro(scaled)
    own = checks.loc["normality of the residuals"]
    assert own["value"] == pytest.approx(shapiro.statistic)
    assert own["p_value"] == pytest.approx(shapiro.pvalue)
    codes = matrices.random[0].codes
    levene = stats.levene(*(scaled[codes == i] for i in range(18)), center="median")
    own = checks.loc["spread by Subject"]
    assert own["value"] == pytest.approx(levene.statistic)
    assert own["p_value"] == pytest.approx(levene.pvalue)
    line = stats.linregress(fitted_values(matrices, fit), scaled**2)
    own = checks.loc["spread against fitted values"]
    assert own["value"] == pytest.approx(180 * line.rvalue**2)
    assert own["p_value"] == pytest.approx(stats.chi2.sf(180 * line.rvalue**2, 1))
    own = checks.loc["outliers"]
    assert own["value"] == pytest.approx(np.abs(scaled).max())
    assert own["p_value"] == pytest.approx(180 * 2 * stats.norm.sf(np.abs(scaled).max()))
    assert "1 of 180" in own["text"]
    assert "row 57" in own["text"]


def test_many_values_go_by_jarque_and_bera():
    values = np.random.default_rng(0).standard_t(5, 6000)
    check = normality("normality", values, "the values")
    expected = stats.jarque_bera(values)
    assert check.value == pytest.approx(expected.statistic)
    assert check.p_value == pytest.approx(expected.pvalue, abs=1e-300)
    assert check.verdict == "look"


def test_a_departure_without_size_is_not_worth_a_look():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(200_000) + 0.3 * rng.exponential(size=200_000)
    check = normality("normality", values, "the values")
    assert check.p_value < 0.01
    assert check.verdict == "ok"
    assert "depart from a normal distribution by little" in check.text


def test_modes_are_standardised_level_by_level():
    fit, matrices = sleep()
    group = fit.groups[0]
    variance = np.diag(fit.terms[0].covariance) - np.diagonal(group.covariance, axis1=1, axis2=2)
    checks = diagnose(FittedModel(fit, matrices)).checks.set_index("check")
    for j, effect in enumerate(group.effects):
        own = checks.loc[f"normality of the random effects: {effect} by Subject"]
        expected = stats.shapiro(group.modes[:, j] / np.sqrt(variance[:, j]))
        assert own["value"] == pytest.approx(expected.statistic)
    assert (
        "keeps 76% of the variance"
        in checks.loc["normality of the random effects: (Intercept) by Subject", "text"]
    )


def test_the_model_that_made_the_data_is_rarely_suspected():
    looks = 0
    for seed in range(40):
        fitted = mmfit.lmer("y ~ Days + (1 | Subject)", simulated(seed))
        checks = checks_of(fitted)
        looks += (checks["verdict"] == "look").sum()
    # Seven tests a fit at 0.01 or less would give three at most on average.
    assert looks <= 8


def test_spread_that_grows_is_found():
    frame = simulated(1)
    rng = np.random.default_rng(0)
    frame["y"] += 60 * frame["Days"] + rng.standard_normal(180) * 12 * frame["Days"]
    checks = checks_of(mmfit.lmer("y ~ Days + (1 | Subject)", frame))
    assert checks.loc["spread against fitted values", "verdict"] == "look"
    assert "grows with the fitted values" in checks.loc["spread against fitted values", "text"]


def test_weights_that_explain_the_spread_settle_it():
    frame = simulated(1, noise=1.0)
    rng = np.random.default_rng(0)
    frame["w"] = 1 / (1 + frame["Days"]) ** 2
    frame["y"] += 60 * frame["Days"] + 20 * rng.standard_normal(180) / np.sqrt(frame["w"])
    verdicts = [
        checks_of(mmfit.lmer("y ~ Days + (1 | Subject)", frame, weights=weights)).loc[
            "spread against fitted values", "verdict"
        ]
        for weights in (None, "w")
    ]
    assert verdicts == ["look", "ok"]


def test_levels_of_unequal_spread_are_found():
    frame = simulated(1)
    rng = np.random.default_rng(0)
    frame["y"] += np.where(frame["Subject"] < 6, 100, 0) * rng.standard_normal(180)
    check = checks_of(mmfit.lmer("y ~ Days + (1 | Subject)", frame)).loc["spread by Subject"]
    assert check["verdict"] == "look"
    assert "differs between the levels of Subject" in check["text"]


def test_an_outlier_is_found():
    frame = simulated(1)
    frame.loc[42, "y"] += 250
    check = checks_of(mmfit.lmer("y ~ Days + (1 | Subject)", frame)).loc["outliers"]
    assert check["verdict"] == "look"
    assert "row 43 of those used" in check["text"]


def test_curvature_is_found():
    frame = simulated(1)
    straight = mmfit.lmer("y ~ Days + (1 | Subject)", frame)
    bent = mmfit.lmer(
        "y ~ Days + (1 | Subject)", frame.assign(y=frame["y"] + 2 * frame["Days"] ** 2)
    )
    assert curvature_check(straight.model).verdict == "ok"
    check = curvature_check(bent.model)
    assert check.verdict == "look"
    frame["square"] = frame["Days"] ** 2
    wider = mmfit.lmer("y ~ Days + square + (1 | Subject)", frame.assign(y=bent.matrices.y))
    # With one covariate the square of the line stands for that of the covariate.
    row = wider.tidy().set_index("term").loc["square"]
    assert abs(check.value) == pytest.approx(abs(row["statistic"]), rel=1e-5)
    assert check.p_value == pytest.approx(row["p_value"], rel=1e-4)


def test_saturated_factors_have_no_curvature_to_test():
    frame = simulated(1)
    frame["f"] = np.where(frame["Days"] < 5, "a", "b")
    fitted = mmfit.lmer("y ~ f + (1 | Subject)", frame)
    assert curvature_check(fitted.model) is None
    empty = mmfit.lmer("y ~ 0 + (1 | Subject)", frame)
    assert curvature_check(empty.model) is None


def test_the_design_is_checked():
    frame = simulated(1, levels=4)
    frame["big"] = 1e6 + 10 * np.random.default_rng(0).standard_normal(len(frame))
    frame["twice"] = 2 * frame["Days"]
    fitted = mmfit.lmer("y ~ Days + twice + big + (1 | Subject)", frame)
    checks = checks_of(fitted)
    assert checks.loc["levels of Subject", "value"] == 4
    assert checks.loc["levels of Subject", "verdict"] == "look"
    assert checks.loc["rank of the fixed part", "verdict"] == "look"
    assert "were left out: twice" in checks.loc["rank of the fixed part", "text"]
    assert checks.loc["scales of the columns", "verdict"] == "look"
    assert checks.loc["scales of the columns", "value"] == pytest.approx(1e6, rel=1e-4)
    assert checks.loc["collinearity", "verdict"] == "look"
    X = fitted.matrices.X / np.linalg.norm(fitted.matrices.X, axis=0)
    assert checks.loc["collinearity", "value"] == pytest.approx(np.linalg.cond(X), rel=1e-3)


def test_leverage_is_that_of_least_squares():
    frame = simulated(1)
    frame["x"] = np.random.default_rng(0).standard_normal(180)
    frame.loc[17, "x"] = 60.0
    fitted = mmfit.lmer("y ~ x + (1 | Subject)", frame)
    X = fitted.matrices.X
    hat = np.einsum("ij,jk,ik->i", X, np.linalg.inv(X.T @ X), X)
    check = checks_of(fitted).loc["leverage"]
    assert check["value"] == pytest.approx(hat.max())
    assert check["verdict"] == "look"
    assert "row 18" in check["text"]


def test_text_tells_what_is_worth_a_look():
    fit, matrices = sleep()
    found = diagnose(FittedModel(fit, matrices))
    look = found.to_look_at
    assert look["check"].tolist() == ["normality of the residuals", "outliers"]
    assert found.text == (found.convergence, *look["text"])


@pytest.mark.parametrize("formula", ["y ~ Days", "y ~ 0 + (1 | Subject)", "y ~ 1 + (1 | Subject)"])
def test_models_of_few_parts(formula):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mmfit.lmer(formula, simulated(1)).diagnose()
    assert found.converged
    assert found.checks["text"].str.endswith((".", "are.")).all()
    assert not found.checks["check"].duplicated().any()


@pytest.mark.parametrize(
    "case", ["sleep_uncorr", "penicillin", "pastes", "dyestuff2", "sleep_weights"]
)
def test_reference_fits(case):
    for fit in reference.fits(case).values():
        found = diagnose(FittedModel(fit, reference.matrices(case)))
        assert not found.checks["check"].duplicated().any()
        assert bool(found.singular_directions) == fit.singular
