"""Profile likelihood against lme4, against its definition, and against what must not change it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine import fit_model
from mmfit.engine.criterion import ML
from mmfit.formula import build_matrices
from mmfit.inference import profile_likelihood
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.intervals.parameters import parameters
from tests.inference.intervals.profile_models import DATA, MODELS, model, normal, reference
from tests.inference.intervals.profile_oracle import profiled
from tests.reference_cases import data, fits, inference, matrices

CUTOFF = 3.841458820694124
# lme4 interpolates its curve, in places by splines over few points.
WIDTH = 1e-3


def _ends(profile, level=0.95):
    return profile.interval(level)[["conf_low", "conf_high"]].to_numpy()


@pytest.mark.parametrize("case", inference())
def test_reference(case):
    rows = inference()[case]["profile_ci_ml"]
    for fit in fits(case).values():
        profile = profile_likelihood(FittedModel(fit, matrices(case)), level=0.95, steps=4)
        assert list(profile.parameters) == [row["term"] for row in rows]
        assert profile.notes == ()
        expected = np.array([[row["2.5 %"], row["97.5 %"]] for row in rows])
        found = _ends(profile)
        width = found[:, 1:] - found[:, :1]
        np.testing.assert_allclose((found - expected) / width, 0, atol=WIDTH)


@pytest.mark.parametrize("name", MODELS)
def test_lme4_or_else_the_definition(name):
    """Where lme4's interval is another, the definition says that ours is right and lme4's not."""
    M, fit = model(name)
    profile = profile_likelihood(FittedModel(fit, M), level=0.95, steps=4)
    assert profile.notes == ()
    assert list(profile.parameters) == reference()[name]["parameter"]
    found = _ends(profile)
    theirs = np.array([reference()[name][key] for key in ("conf_low", "conf_high")]).T
    differ = np.abs(found - theirs) > WIDTH * (found[:, 1:] - found[:, :1])
    assert differ.sum() <= (9 if name == "rank one" else 4)
    for i, side in np.argwhere(differ)[:3]:
        parameter = parameters(fit)[i]
        at_ours = profiled(M, fit, parameter, found[i, side]) - fit.objective
        at_theirs = profiled(M, fit, parameter, theirs[i, side]) - fit.objective
        assert at_ours == pytest.approx(CUTOFF, abs=1e-5)
        assert abs(at_theirs - CUTOFF) > 1e-2


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("three effects", [1, 3, 4, 6, 8]), ("two terms on one factor", [1, 2]), ("rank one", [1, 2])],
)
def test_bounds_by_definition(name, chosen):
    M, fit = model(name)
    table = profile_likelihood(FittedModel(fit, M), level=0.9, steps=3).interval(0.9)
    for i in chosen:
        for end in table.loc[i, ["conf_low", "conf_high"]]:
            increase = profiled(M, fit, parameters(fit)[i], end, starts=2) - fit.objective
            if parameters(fit)[i].kind == "cor" and abs(end) == 1:
                assert increase < 2.7055435
            else:
                assert increase == pytest.approx(2.7055435, abs=1e-5)


def test_curves():
    profile = profile_likelihood(FittedModel(fits("sleep_slope")["REML"], matrices("sleep_slope")))
    assert profile.level == 0.99
    assert profile.criterion == "ML"
    assert list(profile.curves["parameter"].unique()) == list(profile.parameters)
    for name, curve in profile.curves.groupby("parameter"):
        zeta = curve["zeta"].to_numpy()
        assert (np.diff(curve["value"]) > 0).all()
        assert (np.diff(zeta) > 0).all()
        np.testing.assert_allclose(zeta**2, curve["deviance_increase"], rtol=1e-12)
        estimate = profile.estimates[profile.parameters.index(name)]
        assert curve["value"][zeta == 0].tolist() == [estimate]
        assert (zeta < 0).sum() >= 12
        assert (zeta > 0).sum() >= 12
        assert zeta.min() < -2.5758
        assert zeta.max() > 2.5758


def test_curve_points_by_definition():
    M, fit = matrices("dyestuff"), fits("dyestuff")["ML"]
    curves = profile_likelihood(FittedModel(fit, M), level=0.95, steps=3).curves
    for parameter in parameters(fit):
        for row in curves[curves["parameter"] == parameter.name].itertuples():
            if row.value > 0:
                increase = profiled(M, fit, parameter, row.value, starts=1) - fit.objective
                assert row.deviance_increase == pytest.approx(increase, abs=2e-6)


def test_intervals_of_any_level_do_not_depend_on_the_points():
    fit, M = fits("sleep_slope")["ML"], matrices("sleep_slope")
    fine, coarse = (
        profile_likelihood(FittedModel(fit, M), level=0.99, steps=steps) for steps in (15, 3)
    )
    for level in (0.3, 0.8, 0.95, 0.99):
        a, b = _ends(fine, level), _ends(coarse, level)
        np.testing.assert_allclose((a - b) / (a[:, 1:] - a[:, :1]), 0, atol=1e-6)
    np.testing.assert_array_equal(_ends(fine, 0.99), fine.interval()[["conf_low", "conf_high"]])


def test_intervals_grow_with_the_level():
    profile = profile_likelihood(FittedModel(fits("pastes")["ML"], matrices("pastes")), level=0.99)
    ends = np.array([_ends(profile, level) for level in (0.5, 0.9, 0.95, 0.99)])
    assert (np.diff(ends[:, :, 0], axis=0) <= 0).all()
    assert (np.diff(ends[:, :, 1], axis=0) > 0).all()


def _slopes(change=lambda frame: frame, formula="y ~ x + (x | g)"):
    frame = change(DATA["slopes"]())
    M = build_matrices(formula, frame, categorical=["g"])
    profile = profile_likelihood(FittedModel(fit_model(M, criterion=ML), M), level=0.95, steps=4)
    return profile.interval().set_index("parameter")


def test_units_of_the_response_and_of_covariates():
    plain = _slopes()
    scaled = _slopes(lambda d: d.assign(y=1e5 * d["y"], x=1e-3 * d["x"]))
    factors = pd.Series(1e5, index=plain.index)
    factors[["sd_x|g", "x"]] = 1e8
    factors["cor_x.(Intercept)|g"] = 1.0
    for column in ("conf_low", "conf_high"):
        np.testing.assert_allclose(scaled[column], plain[column] * factors, rtol=1e-6)


def test_recentred_covariates_change_only_what_belongs_to_the_intercept():
    plain, moved = _slopes(), _slopes(lambda d: d.assign(x=d["x"] + 100))
    same = ["sd_x|g", "sigma", "x"]
    np.testing.assert_allclose(moved.loc[same], plain.loc[same], rtol=1e-6)
    other = "sd_(Intercept)|g"
    assert moved.loc[other, "conf_high"] > 10 * plain.loc[other, "conf_high"]


def test_days_since_the_year_0():
    """The intercept's and the slope's variance are then one number to eleven digits."""
    plain = data("sleepstudy")
    tables = []
    for frame in (plain, plain.assign(Days=plain["Days"] + 693_500)):
        M = build_matrices("Reaction ~ Days + (Days | Subject)", frame, categorical=["Subject"])
        profile = profile_likelihood(FittedModel(fit_model(M, criterion=ML), M), level=0.95)
        assert profile.notes == ()
        tables.append(profile.interval().set_index("parameter"))
    same = ["sd_Days|Subject", "sigma", "Days"]
    np.testing.assert_allclose(tables[1].loc[same], tables[0].loc[same], rtol=1e-6)


def test_order_of_rows_and_of_effects():
    plain = _slopes()
    shuffled = _slopes(lambda d: d.iloc[np.argsort(np.sin(np.arange(len(d))))])
    np.testing.assert_allclose(shuffled, plain, rtol=1e-6)
    turned = _slopes(formula="y ~ x + (0 + x + I(0 * x + 1) | g)")
    turned = turned.iloc[[2, 1, 0, 3, 4, 5]]
    np.testing.assert_allclose(turned, plain, rtol=1e-6)


def test_an_offset_moves_the_fixed_effects():
    frame = DATA["slopes"]()
    M = build_matrices("y ~ x + (x | g)", frame, offset=3 + 2 * frame["x"].to_numpy())
    moved = profile_likelihood(
        FittedModel(fit_model(M, criterion=ML), M), level=0.95, steps=4
    ).interval()
    shift = np.array([0, 0, 0, 0, 3, 2])[:, None]
    plain = _slopes()[["conf_low", "conf_high"]].to_numpy()
    np.testing.assert_allclose(moved[["conf_low", "conf_high"]], plain - shift, rtol=1e-6)


def test_a_variance_of_zero():
    M, fit = model("no variance")
    profile = profile_likelihood(FittedModel(fit, M), level=0.95)
    assert fit.theta[0] == 0
    row = profile.interval().iloc[0]
    assert row["estimate"] == row["conf_low"] == 0
    increase = profiled(M, fit, parameters(fit)[0], row["conf_high"]) - fit.objective
    assert increase == pytest.approx(CUTOFF, abs=1e-5)
    curve = profile.curves[profile.curves["parameter"] == profile.parameters[0]]
    assert curve["value"].iloc[0] == curve["zeta"].iloc[0] == 0
    assert (np.diff(curve["zeta"]) > 0).all()


def test_the_correlation_with_a_variance_of_zero_is_not_identified():
    frame = DATA["none"]()
    M = build_matrices("y ~ x + (x | g)", frame, categorical=["g"])
    fit = fit_model(M, criterion=ML)
    covariance = fit.terms[0].covariance
    assert covariance[0, 0] == 0
    profile = profile_likelihood(FittedModel(fit, M), level=0.95)
    row = profile.interval().set_index("parameter").loc["cor_x.(Intercept)|g"]
    assert np.isnan(row["estimate"])
    assert (row["conf_low"], row["conf_high"]) == (-1, 1)
    assert any("not identified" in note for note in profile.notes)
    assert "cor_x.(Intercept)|g" not in set(profile.curves["parameter"])


def test_a_correlation_of_one_has_a_lower_bound_only():
    M, fit = model("rank one")
    profile = profile_likelihood(FittedModel(fit, M), level=0.95)
    row = profile.interval().set_index("parameter").loc["cor_x.(Intercept)|g"]
    assert row["estimate"] == pytest.approx(1, abs=1e-8)
    assert row["conf_high"] == 1
    assert 0.9 < row["conf_low"] < 0.93


def test_a_correlation_may_be_anything_where_a_variance_may_be_zero():
    M, fit = model("crossed")
    profile = profile_likelihood(FittedModel(fit, M), level=0.95)
    table = profile.interval().set_index("parameter")
    assert table.loc["sd_x|s", "conf_low"] == 0
    assert table.loc["cor_x.(Intercept)|s", ["conf_low", "conf_high"]].tolist() == [-1, 1]
    curves = profile.curves.set_index("parameter")["deviance_increase"]
    assert curves["cor_x.(Intercept)|s"].max() <= curves["sd_x|s"].iloc[0] + 1e-9


def test_restricted_likelihood():
    """Balanced one-way: sigma's interval is that of the within-groups sum of squares alone."""
    M = matrices("dyestuff")
    profile = profile_likelihood(
        FittedModel(fits("dyestuff")["ML"], M), level=0.95, criterion="REML"
    )
    assert profile.parameters == ("sd_(Intercept)|Batch", "sigma")
    assert any("fixed effects" in note for note in profile.notes)
    groups = M.y.reshape(6, 5)
    within = ((groups - groups.mean(axis=1, keepdims=True)) ** 2).sum()
    estimate = np.sqrt(within / 24)
    assert profile.estimates[1] == pytest.approx(estimate, rel=1e-8)
    for end in profile.interval().loc[1, ["conf_low", "conf_high"]]:
        increase = 24 * np.log(end**2 / estimate**2) + within / end**2 - 24
        assert increase == pytest.approx(CUTOFF, abs=1e-5)


def test_no_random_effects():
    frame = data("sleepstudy")
    M = build_matrices("Reaction ~ Days", frame)
    fit = fit_model(M, criterion=ML)
    table = profile_likelihood(FittedModel(fit, M), level=0.95).interval().set_index("parameter")
    n = len(frame)
    design = np.column_stack([np.ones(n), frame["Days"]])
    rss = fit.sigma**2 * n
    slope = table.loc["Days"]
    covariance = np.linalg.inv(design.T @ design)
    half = np.sqrt(rss * (np.exp(CUTOFF / n) - 1) * covariance[1, 1])
    assert slope["conf_high"] - slope["estimate"] == pytest.approx(half, rel=1e-6)
    assert slope["estimate"] - slope["conf_low"] == pytest.approx(half, rel=1e-6)


def test_coverage():
    """95% intervals of a variance component hold the truth in 95% of data sets, nearly."""
    groups, size, count = 20, 4, 200
    g = np.repeat(np.arange(groups), size)
    rng = np.random.default_rng(7)
    held = np.zeros(3)
    for _ in range(count):
        y = rng.normal(size=groups)[g] + rng.normal(size=groups * size)
        M = build_matrices("y ~ 1 + (1 | g)", pd.DataFrame({"y": y, "g": g}))
        ends = _ends(
            profile_likelihood(FittedModel(fit_model(M, criterion=ML), M), level=0.95, steps=2)
        )
        held += (ends[:, 0] <= [1, 1, 0]) & (ends[:, 1] >= [1, 1, 0])
    assert (held / count > 0.90).all()
    assert (held / count < 0.99).all()


def test_the_same_to_the_bit():
    a, b = (
        profile_likelihood(FittedModel(fits("pastes")["REML"], matrices("pastes")), level=0.95)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(a.curves, b.curves, check_exact=True)
    pd.testing.assert_frame_equal(a.interval(), b.interval(), check_exact=True)


def test_refusals():
    fit, M = fits("dyestuff")["ML"], matrices("dyestuff")
    with pytest.raises(mmfit.MmfitError, match="between 0 and 1"):
        profile_likelihood(FittedModel(fit, M), level=95)
    with pytest.raises(mmfit.MmfitError, match="'ML' or 'REML'"):
        profile_likelihood(FittedModel(fit, M), criterion="ml")
    with pytest.raises(mmfit.MmfitError, match="at least one step"):
        profile_likelihood(FittedModel(fit, M), steps=0)
    with pytest.raises(mmfit.MmfitError, match=r"beyond the profile.*level=0\.99"):
        profile_likelihood(FittedModel(fit, M), level=0.9).interval(0.99)
    lost = replace(fit.optimizer, converged=False, message="not converged: for a test")
    with pytest.raises(mmfit.MmfitError, match="no profile without a minimum"):
        profile_likelihood(FittedModel(replace(fit, optimizer=lost), M))


def test_a_minimum_that_is_none_is_found_out():
    frame = DATA["slopes"]()
    M = build_matrices("y ~ x + (x | g)", frame, categorical=["g"])
    fit = fit_model(M, criterion=ML)
    elsewhere = 1.3 * fit.theta
    lambdas = np.array([[elsewhere[0], 0], [elsewhere[1], elsewhere[2]]])
    term = replace(fit.terms[0], covariance=fit.sigma**2 * lambdas @ lambdas.T)
    wrong = replace(fit, theta=elsewhere, terms=(term,), objective=fit.objective + 1)
    with pytest.raises(mmfit.errors.ComputationError, match="local minimum"):
        profile_likelihood(FittedModel(wrong, M), steps=2)


def test_names_of_every_case():
    for case in inference():
        names = [p.name for p in parameters(fits(case)["ML"])]
        assert len(names) == fits(case)["ML"].npar == len(set(names))


def test_the_design_of_the_models_is_what_the_names_say():
    assert model("rank one")[1].singular
    assert model("no slope variance")[1].singular
    assert np.std(normal(1000, 0)) == pytest.approx(1, abs=0.05)
