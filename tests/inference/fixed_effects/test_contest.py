"""Hypotheses that the user writes: lmerTest's ``contest``, the forms of L, and bad input."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.inference import METHODS, contest
from tests.inference.fixed_effects.f_reference import model

L = np.array([[0.0, 1, -1, 0, 0, 0], [0.0, 0, 0, 1, 0, -2]])
# lmerTest 3.1-3: contest(m, L, rhs = c(2, -1), ddf =) on f_reference's penicillin
JOINT = {
    "satterthwaite": (498.603986776653, 2, 86.4205469894003, 955.913204975813),
    "kenward-roger": (498.355812509375, 2, 86.4052172785879, 955.43738309684),
}
# contest(m, L, rhs = 0.5, joint = FALSE, ddf =): Estimate, Std. Error, df, t value, lower, upper
SINGLE = {
    "satterthwaite": (
        (-2.99694402, 0.16726334, 86.54454732, -20.90681647, -3.32942270, -2.66446530),
        (8.25135937, 0.28983101, 86.29691293, 26.74441014, 7.67522267, 8.82749607),
    ),
    "kenward-roger": (
        (-2.99694402, 0.16732005, 86.52917243, -20.89973088, -3.32953625, -2.66435179),
        (8.25135937, 0.28988246, 86.28141301, 26.73966292, 7.67511892, 8.82759982),
    ),
}


@pytest.fixture(scope="module")
def fit():
    return model("penicillin")


@pytest.mark.parametrize("method", JOINT)
def test_jointly_as_lmertest(fit, method):
    table = contest(fit.model, L, [2, -1], df=method, basis="lmertest")
    expected = JOINT[method]
    assert len(table) == 1
    row = table.iloc[0]
    assert row["num_df"] == expected[1]
    np.testing.assert_allclose(
        row[["sum_sq", "den_df", "statistic"]].astype(float),
        [expected[0], *expected[2:]],
        rtol=1e-4,
    )
    canonical = fit.contest(L, [2, -1], df=method).iloc[0]
    assert canonical["statistic"] == pytest.approx(row["statistic"])
    assert canonical["den_df"] == pytest.approx(row["den_df"], rel=0.02)


@pytest.mark.parametrize("method", SINGLE)
def test_row_by_row_as_lmertest(fit, method):
    table = fit.contest(L, 0.5, df=method, joint=False)
    columns = ["estimate", "std_error", "df", "statistic", "conf_low", "conf_high"]
    np.testing.assert_allclose(table[columns], SINGLE[method], rtol=1e-4)
    assert list(table["contrast"]) == ["sampleB - sampleC", "sampleD - 2 sampleF"]


@pytest.mark.parametrize("method", METHODS)
def test_a_unit_row_is_the_coefficient(fit, method):
    t = fit.tidy(df=method).iloc[2]
    row = fit.contest({"sampleC": 1}, df=method, joint=False).iloc[0]
    for column in ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"):
        assert row[column] == pytest.approx(t[column])
    F = fit.contest({"sampleC": 1}, df=method).iloc[0]
    assert F["statistic"] == pytest.approx(t["statistic"] ** 2)
    assert F["p_value"] == pytest.approx(t["p_value"])


@pytest.mark.parametrize("method", METHODS)
def test_all_rows_of_a_term_are_its_f_test(fit, method):
    names = fit.record.fixed_names[1:]
    table = fit.contest([{name: 1} for name in names], df=method)
    expected = fit.anova(df=method).drop(columns="term")
    pd.testing.assert_frame_equal(table, expected, rtol=1e-9)


def test_forms_of_l(fit):
    one = {"sampleB": 1.0, "sampleC": -1.0}
    names = list(fit.record.fixed_names)
    forms = [
        L[0],
        L[:1].tolist(),
        one,
        [one],
        pd.Series(one),
        pd.Series(L[0], index=names, name="b against c"),
        pd.DataFrame([one], index=["b against c"]),
        pd.DataFrame(L[:1], columns=names),
    ]
    tables = [fit.contest(form, joint=False) for form in forms]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(
            table.drop(columns="contrast"), tables[0].drop(columns="contrast")
        )
    labels = [table["contrast"].item() for table in tables]
    assert labels.count("b against c") == 2
    assert labels.count("sampleB - sampleC") == 6


def test_dependent_rows_count_once(fit):
    more = np.vstack([L, L[0] + L[1], 3 * L[0]])
    one, other = fit.contest(L), fit.contest(more)
    assert other["num_df"].item() == 2
    pd.testing.assert_frame_equal(one, other, rtol=1e-8)
    right = fit.contest(more, [1, 2, 3, 3])
    pd.testing.assert_frame_equal(right, fit.contest(L, [1, 2]), rtol=1e-8)
    with pytest.raises(mmfit.MmfitError, match="contradict each other"):
        fit.contest(more, [1, 2, 4, 3])


def test_the_truth_is_not_rejected(fit):
    table = fit.contest(np.eye(6), fit.fixef.to_numpy())
    assert table["statistic"].item() == pytest.approx(0, abs=1e-12)
    assert table["p_value"].item() == pytest.approx(1)


def test_scale_of_the_rows_does_not_matter(fit):
    one = fit.contest(L, [2, -1])
    other = fit.contest(L * [[1e6], [1e-6]], [2e6, -1e-6])
    pd.testing.assert_frame_equal(one, other, rtol=1e-7)


def test_intervals_have_the_level_asked_for(fit):
    wide, narrow = (contest(fit.model, L, joint=False, level=level) for level in (0.99, 0.5))
    assert (wide["conf_high"] - wide["conf_low"] > narrow["conf_high"] - narrow["conf_low"]).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"sampleb": 1}, "there is no fixed effect 'sampleb'; did you mean 'sampleB'"),
        ({"zzz": 1}, "the model has \\(Intercept\\), sampleB"),
        ([{"sampleB": 1}, {"nonsense": 2}], "there is no fixed effect 'nonsense'"),
        ({"sampleB": "much"}, "the weight of 'sampleB' in L must be a number, not 'much'"),
        ([1, 2], "L has 2 columns, but the model has 6 fixed effects"),
        (np.zeros((2, 6)), "weights of nothing but 0"),
        ([0, 1, np.nan, 0, 0, 0], "not all finite"),
        (np.zeros((1, 1, 6)), "L must be numbers"),
        ("sampleB", "L must be numbers"),
        (np.empty((0, 6)), "L has no rows"),
    ],
)
@pytest.mark.parametrize("joint", [True, False])
def test_bad_contrasts(fit, bad, message, joint):
    with pytest.raises(mmfit.MmfitError, match=message):
        fit.contest(bad, joint=joint)


@pytest.mark.parametrize("rhs", [[1, 2, 3], "a", np.inf, [[1, 2]]])
def test_bad_right_hand_sides(fit, rhs):
    with pytest.raises(mmfit.MmfitError, match="rhs must be"):
        fit.contest(L, rhs)


def test_bad_level_and_basis(fit):
    with pytest.raises(mmfit.MmfitError, match=r"level=1\.5 is not a probability"):
        contest(fit.model, L, level=1.5)
    with pytest.raises(mmfit.MmfitError, match="basis='x' is not known"):
        contest(fit.model, L, basis="x", joint=False)


def test_a_model_without_fixed_effects():
    frame = pd.DataFrame({"g": np.arange(20) % 5})
    frame["y"] = np.random.default_rng(1).normal(size=20) + frame["g"]
    with pytest.raises(mmfit.MmfitError, match="no fixed effects"):
        mmfit.lmer("y ~ 0 + (1 | g)", frame).contest({"x": 1})
