"""Analysis of variance tables: lmerTest's basis, what the design lacks, extreme covariates."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.inference import FTest, anova
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.lmertest_rows import lmertest_hypotheses
from mmfit.inference.precision.degrees_of_freedom import METHODS, joint_df, satterthwaite_df
from tests.inference.fixed_effects.f_reference import TABLES, model, subset
from tests.reference_cases import cases, fits, matrices

SATTERTHWAITE = [key for key in TABLES if key[1] == "satterthwaite"]
SEVERAL = [
    (case, kind)
    for case in cases()
    for kind in (1, 2, 3)
    if any(row["NumDF"] > 1 for row in cases()[case]["REML"].get(f"anova{kind}") or [])
]


@pytest.fixture(scope="module")
def frame():
    """Two factors and a covariate, unbalanced, in groups."""
    rng = np.random.default_rng(3)
    g = rng.integers(0, 10, 120)
    out = pd.DataFrame({"g": g, "x": rng.normal(size=120)})
    out["f"], out["h"] = rng.choice(list("abc"), 120), rng.choice(list("uv"), 120)
    out["y"] = out["x"] + rng.normal(size=10)[g] + rng.normal(size=120)
    return out


@pytest.mark.parametrize(("name", "method", "kind"), SATTERTHWAITE)
def test_lmertests_own_denominators(name, method, kind):
    table = model(name).anova(type=kind, df=method, basis="lmertest").set_index("term")
    for term, sum_sq, num_df, den_df, statistic in TABLES[name, method, kind]:
        ours = table.loc[term]
        assert ours["num_df"] == num_df
        assert ours["den_df"] == pytest.approx(den_df, rel=5e-4)
        assert ours["statistic"] == pytest.approx(statistic, rel=1e-4)
        assert ours["sum_sq"] == pytest.approx(sum_sq, rel=1e-4)


@pytest.mark.parametrize(("case", "kind"), SEVERAL)
def test_lmertests_denominators_of_the_reference(case, kind):
    table = anova(FittedModel(fits(case)["REML"], matrices(case)), type=kind, basis="lmertest")
    for row, (_, ours) in zip(cases()[case]["REML"][f"anova{kind}"], table.iterrows(), strict=True):
        assert ours["den_df"] == pytest.approx(row["DenDF"], rel=1e-3)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_the_basis_changes_denominators_alone(frame, kind):
    fit = mmfit.lmer("y ~ f * h + x * f + (1 + x | g)", frame, contrasts={"f": "sum"})
    one, other = (fit.anova(type=kind, basis=basis) for basis in ("canonical", "lmertest"))
    for column in ("num_df", "statistic", "sum_sq"):
        np.testing.assert_allclose(one[column], other[column], rtol=1e-7)
    single = one["num_df"] == 1
    np.testing.assert_allclose(one["den_df"][single], other["den_df"][single], rtol=1e-7)


def test_lmertests_type_three_rows_do_not_depend_on_the_contrasts(frame):
    """But for what rounding leaves: they are made from treatment contrasts."""
    tables = [
        mmfit.lmer("y ~ f * h + (1 | g)", frame, contrasts=contrasts).anova(basis="lmertest")
        for contrasts in (None, {"f": "helmert", "h": "sum"})
    ]
    pd.testing.assert_frame_equal(*tables, rtol=1e-6)


def test_a_nested_factor_is_contained_in_sas_sense():
    """Where lmerTest tests sex at one level of Days, the mean over all of them is tested here."""
    table = model("nested").anova(type=3).set_index("term")
    full = mmfit.lmer(
        "Reaction ~ sex * factor(Days) + (1 | Subject)",
        subset("sleepall", 7, 3),
        categorical=["Subject"],
    )
    expected = full.anova(type=3).set_index("term")
    assert table.loc["sex", "statistic"] == pytest.approx(expected.loc["sex", "statistic"])


def test_doolittle_rows_have_ones_on_the_diagonal(frame):
    fit = mmfit.lmer("y ~ f * h + (1 | g)", frame)
    L = lmertest_hypotheses(fit.matrices, 1)
    np.testing.assert_allclose(L["f"][:, 1:3], np.triu(L["f"][:, 1:3]), atol=1e-12)
    np.testing.assert_allclose(np.diag(L["f"][:, 1:3]), 1)


@pytest.mark.parametrize("shift", [1e4, 1e6])
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_a_covariate_far_from_zero(frame, shift, kind):
    """A year, a time stamp: the other terms' hypotheses are the same."""
    formula = "y ~ f * h + x + (1 | g)"
    one = mmfit.lmer(formula, frame).anova(type=kind)
    other = mmfit.lmer(formula, frame.assign(x=frame["x"] + shift)).anova(type=kind)
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)


def test_missing_cells_are_named():
    fit = model("cells")
    note = fit.anova(type=3).attrs["note"]
    assert "No data in factor(Days)3:sexM, factor(Days)5:sexM" in note
    assert "with care" in note
    assert "left out of the model: factor(Days)3:sexM, factor(Days)5:sexM" in note
    assert "with care" not in fit.anova(type=2).attrs["note"]
    assert model("penicillin").anova().attrs["note"] == ""


def test_a_term_that_is_nowhere_estimable_is_named(frame):
    cut = frame[~((frame["f"] == "b") & (frame["h"] == "v"))]
    cut = cut[~((cut["f"] == "c") & (cut["h"] == "u"))]
    table = mmfit.lmer("y ~ f * h + x + (1 | g)", cut).anova()
    assert list(table["term"]) == ["f", "h", "x"]
    assert "Nothing of f:h is estimable" in table.attrs["note"]


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ 0 + (1 | g)"])
@pytest.mark.parametrize("basis", ["canonical", "lmertest"])
@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger"])
def test_nothing_to_test(frame, formula, basis, method):
    table = mmfit.lmer(formula, frame).anova(df=method, basis=basis)
    assert table.empty
    assert list(table.columns)[:2] == ["term", "sum_sq"]
    assert table["num_df"].dtype == int


@pytest.mark.parametrize("method", METHODS)
def test_one_row_is_the_square_of_t(frame, method):
    fit = mmfit.lmer("y ~ f + x + (x | g)", frame)
    t = fit.tidy(df=method).set_index("term").loc["x"]
    F = fit.anova(type=3, df=method).set_index("term").loc["x"]
    assert F["statistic"] == pytest.approx(t["statistic"] ** 2)
    assert F["den_df"] == pytest.approx(t["df"])
    assert F["p_value"] == pytest.approx(t["p_value"])
    assert F["mean_sq"] == pytest.approx(F["statistic"] * fit.sigma**2)


def test_sums_of_squares_are_without_kenward_rogers_scale():
    test = FTest(statistic=1.8, num_df=3, den_df=7.0, p_value=0.2, unscaled=2.0)
    assert test.row(sigma=2.0)[:2] == (24.0, 8.0)


def test_unknown_choices_are_told(frame):
    fit = mmfit.lmer("y ~ f + (1 | g)", frame)
    with pytest.raises(mmfit.MmfitError, match="basis='sas' is not known; choose one of canonical"):
        fit.anova(basis="sas")
    with pytest.raises(mmfit.MmfitError, match="type=4 is not known"):
        fit.anova(type=4)
    with pytest.raises(mmfit.MmfitError, match="df='kr' is not known; choose one of satterthwaite"):
        fit.anova(df="kr")


def test_an_infinite_part_of_a_joint_denominator():
    assert joint_df(np.array([6.0, np.inf])) == pytest.approx(2 * 2.5 / 0.5)


def test_a_certain_variance_has_infinite_degrees_of_freedom():
    slopes = np.array([[0.0], [1.0]])
    found = satterthwaite_df(np.array([2.0, 2.0]), slopes, np.array([[0.5]]))
    np.testing.assert_array_equal(found, [np.inf, 16.0])


@pytest.mark.parametrize("unit", [1e-100, 1e-70, 1e70, 1e100])
def test_degrees_of_freedom_do_not_depend_on_the_unit_of_the_response(unit):
    """Squares of a variance in such units are beyond doubles."""
    rng = np.random.default_rng(5)
    g, x = rng.integers(0, 12, 120), rng.normal(size=120)
    data = pd.DataFrame({"g": g.astype(str), "x": x})
    y = rng.normal(size=120) + rng.normal(size=12)[g] + x
    one = mmfit.lmer("y ~ x + (x | g)", data.assign(y=y))
    other = mmfit.lmer("y ~ x + (x | g)", data.assign(y=y * unit))
    for column in ("df", "statistic", "p_value"):
        np.testing.assert_allclose(other.tidy()[column], one.tidy()[column], rtol=1e-6)
