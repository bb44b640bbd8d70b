"""Levels left out: against the definition, against refits, and against lme4's influence()."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine.deletion import levels as deletion
from mmfit.engine.derived import spherical_precision as precision
from mmfit.errors import ComputationError, DesignError, MmfitError
from mmfit.inference.diagnosis.influences import influence
from mmfit.inference.fitted_model import FittedModel
from tests import reference_cases as reference
from tests.engine.definition import covariance

# The estimates at fixed theta are exact: relative to the standard error.
EXACT = 1e-8
# lme4's influence() refits by default with a stop that leaves some 1e-5.
LME4 = 1e-4


def crossed_data(seed=4, n=180, subjects=20, items=6):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "s": rng.integers(0, subjects, n),
            "i": rng.integers(0, items, n),
            "x": rng.standard_normal(n),
            "w": rng.uniform(0.3, 3, n),
            "o": rng.standard_normal(n),
        }
    )
    frame["h"] = frame["s"] // 5
    frame["y"] = (
        1 + 0.5 * frame["x"] + frame["o"]
        + rng.standard_normal(subjects)[frame["s"]]
        + 0.5 * rng.standard_normal(subjects)[frame["s"]] * frame["x"]
        + rng.standard_normal(items)[frame["i"]]
        + rng.standard_normal(subjects)[frame["h"]]
        + rng.standard_normal(n) / np.sqrt(frame["w"])
    )  # fmt: skip
    return frame


MODELS = {
    "single": "y ~ x + (x | s)",
    "independent": "y ~ x + (x || s)",
    "crossed": "y ~ x + (x | s) + (1 | i)",
    "crossed slopes": "y ~ x + (1 + x | i) + (1 | s)",
    "three": "y ~ x + (1 | s) + (1 | i) + (1 | h)",
    "nested": "y ~ x + (x | h/s)",
    "no fixed effects": "y ~ 0 + (1 | s) + (1 | i)",
}


def model(name, reml=True, **options):
    return mmfit.lmer(MODELS[name], crossed_data(), reml=reml, weights="w", offset="o", **options)


def by_definition(fitted, keep):
    """Estimates at the fit's theta from the rows that are kept, with n x n matrices."""
    matrices, record = fitted.matrices, fitted.record
    V = covariance(matrices, record.theta)[np.ix_(keep, keep)]
    X = matrices.X[keep]
    y = matrices.y[keep] - (0 if matrices.offset is None else matrices.offset[keep])
    inverse = np.linalg.inv(V)
    C = np.linalg.inv(X.T @ inverse @ X)
    beta = C @ X.T @ inverse @ y
    rest = y - X @ beta
    nu = len(y) - (X.shape[1] if record.criterion == "REML" else 0)
    sigma2 = rest @ inverse @ rest / nu
    return beta, sigma2 * C, np.sqrt(sigma2)


def check_against_definition(fitted):
    record = fitted.record
    found = influence(FittedModel(record, fitted.matrices))
    p = len(record.fixef)
    without = found.coefficients["estimate_without"].to_numpy().reshape(len(found.groups), p)
    se = np.sqrt(np.diag(record.vcov))
    row = 0
    for term in {term.grouping: term for term in fitted.matrices.random}.values():
        for level, label in enumerate(term.levels):
            beta, vcov, sigma = by_definition(fitted, term.codes != level)
            line = found.groups.iloc[row]
            assert (line["group"], line["level"]) == (term.grouping, label)
            assert line["rows"] == (term.codes == level).sum()
            assert line["sigma"] == pytest.approx(sigma, rel=1e-9)
            if p:
                np.testing.assert_allclose(without[row] / se, beta / se, rtol=0, atol=EXACT)
                moved = beta - record.fixef
                distance = moved @ np.linalg.solve(record.vcov, moved) / p
                assert line["cooks_distance"] == pytest.approx(distance, rel=1e-6, abs=1e-12)
                ratio = np.linalg.det(vcov) / np.linalg.det(record.vcov)
                assert line["covratio"] == pytest.approx(ratio, rel=1e-7)
            row += 1
    assert row == len(found.groups)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_fixed_theta_is_exact(name, reml):
    check_against_definition(model(name, reml))


@pytest.mark.parametrize("limit", ["_cost_anew", "LARGEST"])
def test_evaluated_anew_where_that_is_cheaper(monkeypatch, limit):
    if limit == "LARGEST":
        monkeypatch.setattr(precision, "LARGEST", 0)
    else:
        monkeypatch.setattr(deletion, "_cost_anew", lambda system: 0.0)
    calls = []
    anew = deletion._anew
    monkeypatch.setattr(deletion, "_anew", lambda *args: calls.append(args) or anew(*args))
    check_against_definition(model("crossed"))
    assert len(calls) == 26


def test_large_components_are_inverted_in_place(monkeypatch):
    monkeypatch.setattr(precision, "_LARGE", 3)
    check_against_definition(model("crossed"))


def test_work_of_hours_is_refused(monkeypatch):
    monkeypatch.setattr(precision, "LARGEST", 0)
    monkeypatch.setattr(deletion, "_LIMIT", 1e8)
    fitted = model("crossed")
    with pytest.raises(ComputationError, match="each of 20 levels would take hours"):
        influence(fitted.model, "s")


def test_sets_with_more_rows_than_columns():
    frame = pd.concat([crossed_data(n=120, subjects=6)] * 4, ignore_index=True)
    rng = np.random.default_rng(0)
    frame["y"] += rng.standard_normal(len(frame))
    frame["x"] = rng.standard_normal(len(frame))
    check_against_definition(mmfit.lmer("y ~ x + (1 | s) + (1 | i)", frame))


def test_singular_fits():
    case = "dyestuff2"
    fitted = mmfit.LinearMixedModel(reference.fits(case)["REML"], reference.matrices(case))
    assert fitted.singular
    check_against_definition(fitted)


def test_refits_are_fits_to_the_other_rows():
    frame = crossed_data()
    fitted = model("crossed")
    found = influence(fitted.model, "i", refit=True)
    assert found.refit
    sizes = found.parameters.groupby("level").size()
    assert set(sizes) == {5}
    for level in (0, 5):
        again = mmfit.lmer(MODELS["crossed"], frame[frame["i"] != level], weights="w", offset="o")
        own = found.coefficients[found.coefficients["level"] == str(level)]
        np.testing.assert_allclose(own["estimate_without"], again.fixef, rtol=1e-6)
        np.testing.assert_allclose(own["change"], again.fixef - fitted.fixef, atol=1e-6)
        np.testing.assert_allclose(
            own["change_se"], (again.fixef - fitted.fixef) / fitted.std_error, atol=1e-5
        )
        values = found.parameters[found.parameters["level"] == str(level)]
        table = again.varcorr.set_index(["group", "term_1"])["sdcor"]
        expected = [
            table[("s", "(Intercept)")].iloc[0],
            table[("s", "(Intercept)")].iloc[1],
            table[("s", "x")],
            table[("i", "(Intercept)")],
            again.sigma,
        ]
        np.testing.assert_allclose(values["estimate_without"], expected, rtol=1e-5)
        assert values["parameter"].tolist() == [
            "sd_(Intercept)|s",
            "cor_x.(Intercept)|s",
            "sd_x|s",
            "sd_(Intercept)|i",
            "sigma",
        ]


def test_without_refits_there_are_no_variance_parameters():
    found = influence(
        FittedModel(reference.fits("penicillin")["REML"], reference.matrices("penicillin"))
    )
    assert not found.refit
    assert not len(found.parameters)
    assert list(found.parameters.columns) == [
        "group",
        "level",
        "parameter",
        "estimate_without",
        "change",
    ]
    assert found.groups["group"].unique().tolist() == ["plate", "sample"]


# lme4 1.1-31: influence(m, "Subject") of Reaction ~ Days + (Days | Subject): intercept, slope, the
# variances of residual, intercept and slope, and cooks.distance(), ours times (18 - 2) / 18.
SLEEP = {
    "308": (251.82937, 9.8027320, 559.17730, 694.13096, 30.474730, 0.08214848),
    "309": (254.13158, 10.949962, 688.83310, 510.60731, 32.893180, 0.1320220),
    "332": (250.64943, 10.520258, 475.32720, 715.62984, 39.883330, 0.005613485),
}


def test_lme4_sleepstudy():
    fit, matrices = reference.fits("sleep_slope")["REML"], reference.matrices("sleep_slope")
    found = influence(FittedModel(fit, matrices), "Subject", refit=True)
    estimates = found.coefficients.pivot(index="level", columns="term", values="estimate_without")
    values = found.parameters.pivot(index="level", columns="parameter", values="estimate_without")
    distance = found.groups.set_index("level")["cooks_distance"]
    for level, numbers in SLEEP.items():
        ours = (
            estimates.loc[level, "(Intercept)"],
            estimates.loc[level, "Days"],
            values.loc[level, "sigma"] ** 2,
            values.loc[level, "sd_(Intercept)|Subject"] ** 2,
            values.loc[level, "sd_Days|Subject"] ** 2,
            distance[level] * 16 / 18,
        )
        np.testing.assert_allclose(ours, numbers, rtol=LME4)


def test_balanced_single_factor_needs_no_refit_for_the_mean():
    fit, matrices = reference.fits("sleep_slope")["REML"], reference.matrices("sleep_slope")
    fixed, refitted = (
        influence(FittedModel(fit, matrices), refit=refit) for refit in (False, True)
    )
    np.testing.assert_allclose(
        fixed.groups["cooks_distance"], refitted.groups["cooks_distance"], rtol=1e-9
    )


def test_units_and_order_of_rows_do_not_matter():
    frame = crossed_data()
    first = mmfit.lmer(MODELS["crossed"], frame, weights="w")
    moved = frame.assign(y=1e3 * frame["y"], x=50 + 100 * frame["x"]).sample(frac=1, random_state=2)
    second = mmfit.lmer(MODELS["crossed"], moved, weights="w")
    tables = [
        influence(one.model).groups.sort_values(["group", "level"]).set_index("level")
        for one in (first, second)
    ]
    assert tables[0].index.equals(tables[1].index)
    for column in ("cooks_distance", "covratio"):
        np.testing.assert_allclose(tables[1][column], tables[0][column], rtol=1e-5)
    np.testing.assert_allclose(tables[1]["sigma"], 1e3 * tables[0]["sigma"], rtol=1e-6)


def quiet():
    """A fit without influential levels: record and matrices."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(40), 10)
    y = np.tile([-1.0, 1.0], 20)[level] + rng.standard_normal(400)
    fitted = mmfit.lmer("y ~ 1 + (1 | s)", pd.DataFrame({"s": level, "y": y}))
    return fitted.record, fitted.matrices


def test_a_level_that_pulls_is_found_and_named():
    frame = crossed_data(n=600, subjects=30)
    frame.loc[frame["s"] == 7, "y"] += 8 * frame["x"]
    fitted = mmfit.lmer("y ~ x + (1 | s)", frame)
    found = influence(fitted.model, "s")
    look = found.groups["cooks_distance"] > 4 / 30
    assert found.influential["level"].tolist() == found.groups.loc[look, "level"].tolist()
    assert set(found.influential["verdict"]) == {"look"}
    assert found.groups.loc[found.groups["cooks_distance"].idxmax(), "level"] == "7"
    assert "above 4/30 = 0.13: 7" in found.text[0]
    assert f"(at most {found.groups['cooks_distance'].max():.2f})" in found.text[0]
    assert (
        influence(FittedModel(*quiet())).text[0].startswith("s: no level moves the fixed effects")
    )


def test_a_level_that_an_effect_hangs_on():
    frame = crossed_data()
    frame["only"] = (frame["s"] == 3).astype(float) * frame["x"]
    fitted = mmfit.lmer("y ~ x + only + (1 | s)", frame)
    for refit in (False, True):
        found = influence(fitted.model, "s", refit=refit)
        assert found.groups.set_index("level").loc["3", "verdict"] == "needed"
        lost = found.coefficients[found.coefficients["level"] == "3"]
        assert lost["estimate_without"].isna().all()
        others = found.groups[found.groups["level"] != "3"]
        assert np.isfinite(others[["cooks_distance", "covratio", "sigma"]]).all().all()
        assert "without 3 a fixed effect cannot be estimated at all" in found.text[0]


def test_a_factor_of_two_levels_cannot_be_refitted_without_one():
    frame = crossed_data(items=2)
    fitted = mmfit.lmer("y ~ x + (1 | s) + (1 | i)", frame)
    found = influence(fitted.model, "i", refit=True)
    assert found.groups["verdict"].tolist() == ["failed", "failed"]
    assert found.text == ("i: without 0, 1 the model cannot be fitted.",)
    fixed = influence(fitted.model, "i")
    assert np.isfinite(fixed.groups["cooks_distance"]).all()


def test_bad_requests_are_refused():
    fitted = model("crossed")
    with pytest.raises(MmfitError, match="it has: 's', 'i'"):
        influence(fitted.model, "j")
    with pytest.raises(DesignError, match="leaves no rows"):
        deletion.delete_levels(
            fitted.matrices,
            fitted.record,
            np.zeros(180, dtype=np.intp),
            1,
            fitted.model.system.with_rows,
        )


def test_a_model_without_grouping_factors_has_nothing_to_leave_out():
    fitted = mmfit.lmer("y ~ x", crossed_data())
    found = influence(fitted.model)
    assert len(found.groups) == len(found.coefficients) == len(found.text) == 0
    with pytest.raises(MmfitError, match="it has: none"):
        influence(fitted.model, "s")


def test_method_of_the_model():
    fitted = model("crossed")
    pd.testing.assert_frame_equal(fitted.influence("i").groups, influence(fitted.model, "i").groups)
