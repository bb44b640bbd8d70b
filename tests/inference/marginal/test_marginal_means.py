"""Marginal means, contrasts and slopes: against emmeans, and by their definition."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmfit
from tests.reference_cases import fits, inference, matrices

HERE = Path(__file__).parent
NUMBERS = {
    "estimate": ("emmean", "estimate", "x.trend"),
    "std_error": ("SE",),
    "df": ("df",),
    "statistic": ("t.ratio",),
    "p_value": ("p.value",),
    "conf_low": ("lower.CL",),
    "conf_high": ("upper.CL",),
}
CASES = {case["id"]: case for case in json.loads((HERE / "emmeans_cases.json").read_text())}
RESULTS = {part["id"]: part for part in json.loads((HERE / "emmeans.json").read_text())}
CONTRASTS = {"contr.sum": "sum", "contr.helmert": "helmert"}


@functools.cache
def rows(lacking: bool = False) -> pd.DataFrame:
    frame = pd.read_csv(HERE / "emmeans_data.csv")
    return frame[~((frame["a"] == "a2") & (frame["b"] == "hi"))] if lacking else frame


@functools.cache
def fitted(formula, lacking=False, contrasts=(), weights=None, offset=None):
    chosen = {factor: CONTRASTS[name] for factor, name in contrasts}
    return mmfit.lmer(formula, rows(lacking), contrasts=chosen, weights=weights, offset=offset)


def fit_of(case):
    given = {key: case[key] for key in ("lacking", "weights", "offset") if key in case}
    return fitted(case["formula"], contrasts=tuple(case.get("contrasts", {}).items()), **given)


def assert_as_in_r(ours: pd.DataFrame, theirs: dict):
    """Estimates within 1e-5 standard errors, df within 1e-3, p-values within 1e-5 or 1e-3 of it."""
    theirs = {key: np.atleast_1d(np.array(value, dtype=object)) for key, value in theirs.items()}
    scale = theirs["SE"].astype(float)
    for column in ours:
        names = [name for name in NUMBERS.get(column, (column,)) if name in theirs]
        assert len(names) == 1, column
        wanted = theirs[names[0]]
        if column not in NUMBERS:
            texts = [str(value).upper() for value in wanted]
            assert [str(v).removesuffix(".0").upper() for v in ours[column]] == texts
            continue
        wanted = pd.to_numeric(pd.Series(wanted).replace("NA", None)).to_numpy(float)
        got = ours[column].to_numpy()
        np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted), err_msg=column)
        tolerance = {
            "df": 1e-3 * wanted,
            "p_value": 1e-5 + 1e-3 * wanted,
            "statistic": 1e-4 * (1 + np.abs(wanted)),
            "conf_low": 1e-4 * scale,
            "conf_high": 1e-4 * scale,
        }.get(column, 3e-5 * scale)
        assert (np.abs(got - wanted) <= tolerance)[~np.isnan(got)].all(), column


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "trend" not in case])
def test_means_and_contrasts_as_emmeans(name):
    case, fit = CASES[name], fit_of(CASES[name])
    options = {key: case[key] for key in ("at", "df", "level") if key in case}
    assert_as_in_r(fit.means(case["spec"], **options), RESULTS[name]["means"])
    adjust = case.get("adjust", "tukey")
    table = fit.contrasts(case["spec"], adjust=adjust, **options)
    assert_as_in_r(table, RESULTS[name]["contrasts"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "trend" in case])
def test_slopes_as_emtrends(name):
    case, fit = CASES[name], fit_of(CASES[name])
    options = {key: case[key] for key in ("at", "df") if key in case}
    by = () if case["spec"] == "1" else case["spec"]
    theirs = RESULTS[name]["slopes"]
    assert_as_in_r(fit.slopes("x", by, **options), theirs)


@pytest.mark.parametrize("case_id", [key for key, part in inference().items() if part.get("means")])
def test_reference_means(case_id):
    fit = mmfit.LinearMixedModel(fits(case_id)["REML"], matrices(case_id))
    for factor, theirs in inference()[case_id]["means"].items():
        table = fit.means(factor)
        theirs = pd.DataFrame(theirs)
        assert table[factor].tolist() == theirs[factor].tolist()
        np.testing.assert_allclose(table["estimate"], theirs["emmean"], rtol=1e-6)
        np.testing.assert_allclose(table["std_error"], theirs["SE"], rtol=1e-4)
        np.testing.assert_allclose(table["df"], theirs["df"], rtol=2e-3)
    for key, adjust in (("contrasts", "none"), ("contrasts_tukey", "tukey")):
        for factor, theirs in inference()[case_id][key].items():
            table, theirs = fit.contrasts(factor, adjust=adjust), pd.DataFrame(theirs)
            assert table["contrast"].tolist() == theirs["contrast"].tolist()
            np.testing.assert_allclose(table["estimate"], theirs["estimate"], rtol=1e-5)
            np.testing.assert_allclose(table["df"], theirs["df"], rtol=2e-3)
            np.testing.assert_allclose(table["p_value"], theirs["p.value"], rtol=1e-3)


FORMULA = "y ~ a * b + log(x) + z + (1 | g) + (1 | h)"


def test_means_are_averages_of_predictions():
    fit, frame = fitted(FORMULA), rows()
    cells = [(b, z) for b in sorted(set(frame["b"])) for z in (0, 1)]
    for _, row in fit.means("a").iterrows():
        new = pd.DataFrame(cells, columns=["b", "z"]).assign(a=row["a"], x=frame["x"].mean())
        predicted = fit.predict(new, random_effects=False)
        assert row["estimate"] == pytest.approx(predicted.mean(), rel=1e-12)


def test_means_do_not_depend_on_the_coding():
    plain = fitted(FORMULA).means("a:b")
    coded = fitted(FORMULA, contrasts=(("a", "contr.sum"), ("b", "contr.helmert"))).means("a:b")
    reordered = fitted("y ~ 0 + z + log(x) + b:a + (1 | h) + (1 | g)").means("a:b")
    for other in (coded, reordered):
        pd.testing.assert_frame_equal(plain, other, rtol=2e-6)


def test_contrasts_are_differences_of_means():
    fit = fitted(FORMULA)
    means, table = fit.means("b"), fit.contrasts("b", adjust="none")
    estimate = dict(zip(means["b"], means["estimate"], strict=True))
    assert table["contrast"].tolist() == ["hi - lo", "hi - (mid-x)", "lo - (mid-x)"]
    wanted = [estimate[a] - estimate[b] for a, b in [("hi", "lo"), ("hi", "mid-x")]]
    np.testing.assert_allclose(table["estimate"][:2], wanted, rtol=1e-10)


def test_a_contrast_is_estimable_where_its_means_are_not():
    fit = fitted("y ~ site + a + x + (1 | g)")
    table = mmfit.lmer(
        "y ~ b + x + c + (1 | g)",
        rows().assign(c=np.where(rows()["b"] == "lo", "p", "q")),
    )
    # c is b, in part: only what does not need to tell them apart is estimable.
    within = table.contrasts("b", at={"c": ["q"]}, adjust="none")
    assert within["estimate"].notna().sum() == 1
    assert fit.means("a")["estimate"].notna().all()


def test_interaction_as_text_or_list():
    fit = fitted(FORMULA)
    pd.testing.assert_frame_equal(fit.means("a:b"), fit.means(["a", "b"]))
    assert len(fit.means("a:b")) == 9
    assert list(fit.contrasts("a | b").columns[:2]) == ["b", "contrast"]
    assert len(fit.contrasts("a | b")) == 9


def test_a_factor_of_numbers_has_two_names():
    fit = fitted("y ~ factor(t) + x + (1 | g)")
    by_column, by_term = fit.means("t"), fit.means("factor(t)")
    pd.testing.assert_frame_equal(by_column, by_term)
    assert by_column["t"].dtype.kind == "i"
    assert by_column["t"].tolist() == [0, 1, 2, 3]
    assert fit.contrasts("t")["contrast"][0] == "t0 - t1"


def test_a_variable_of_several_columns_goes_by_their_combinations():
    fit = fitted("y ~ interaction(a, b) + x + (1 | g)")
    cells = fitted("y ~ a:b + x + (1 | g)").means("a:b")
    pd.testing.assert_frame_equal(fit.means("interaction(a, b)"), cells, rtol=1e-6)


def test_which_columns_have_means():
    from mmfit.inference.marginal.marginal_means import mean_factors

    fit = fitted("y ~ factor(t) * a + flag + x + z + I(x > 3) + (1 | g)")
    assert mean_factors(fit.matrices) == ("t", "a", "flag")


def test_notes_tell_what_was_averaged_and_what_is_missing():
    notes = fitted(FORMULA).means("a").attrs["notes"]
    assert any("over the levels of b, z" in note for note in notes)
    assert any("differ by b" in note for note in notes)
    notes = fitted("y ~ a * b + x + (1 | g)", lacking=True).means("a:b").attrs["notes"]
    assert any(note.startswith("1 of 9 cannot be estimated") for note in notes)


def test_a_nested_factor_is_shown_with_what_it_is_nested_in():
    table = fitted("y ~ a / site + x + (1 | g)").means("site")
    assert list(table.columns[:2]) == ["site", "a"]
    assert len(table) == rows()["site"].nunique()


def test_slopes_of_polynomials_are_their_derivatives():
    fit = fitted("y ~ x + I(x^2) + I(x^3) + (1 | g)")
    at = [0.5, 2.0, 7.0]
    table = fit.slopes("x", "x", at={"x": at})
    b = fit.fixef.to_numpy()
    wanted = [b[1] + 2 * b[2] * x + 3 * b[3] * x * x for x in at]
    np.testing.assert_allclose(table["estimate"], wanted, rtol=1e-8)
    mean = rows()["x"].mean()
    wanted = b[1] + 2 * b[2] * mean + 3 * b[3] * mean * mean
    assert fit.slopes("x")["estimate"].tolist() == pytest.approx([wanted], rel=1e-8)


def test_slopes_far_from_zero_keep_their_digits():
    frame = rows()
    near = mmfit.lmer("y ~ x * a + (1 | g)", frame).slopes("x", "a")
    far = mmfit.lmer("y ~ x * a + (1 | g)", frame.assign(x=frame["x"] + 1e6)).slopes("x", "a")
    np.testing.assert_allclose(near["estimate"], far["estimate"], rtol=1e-6)
    np.testing.assert_allclose(near["std_error"], far["std_error"], rtol=1e-6)


def test_what_cannot_vary_is_certain():
    zero = fitted("y ~ a:x + (1 | g)").contrasts("a", at={"x": 0.0}, adjust="none")
    assert (zero["std_error"] == 0).all()
    assert zero["p_value"].isna().all()
    assert (zero["conf_low"] == 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.means("nothing"), "not a column of the fixed part"),
        (lambda fit: fit.means("x"), "covariate; give the values"),
        (lambda fit: fit.means("a:a"), "twice"),
        (lambda fit: fit.means("a | b | z"), "more than one"),
        (lambda fit: fit.means("a", at={"b": "none"}), "no level 'none'; its levels are: hi, lo"),
        (lambda fit: fit.means("a", at={"x": "two"}), "finite numbers"),
        (lambda fit: fit.means("a", at={"b": []}), "at least one value"),
        (lambda fit: fit.means("a", at={"x": [1, 1]}), "named twice"),
        (lambda fit: fit.means("a", level=95), "level=95"),
        (lambda fit: fit.contrasts("a", adjust="fdr"), "none, tukey, holm"),
        (lambda fit: fit.contrasts("a", at={"a": "a1"}), "single level"),
        (lambda fit: fit.slopes("a"), "is a factor"),
        (lambda fit: fit.means("a", df="exact"), "satterthwaite"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(mmfit.MmfitError, match=message.replace("|", r"\|")):
        call(fitted(FORMULA))


def test_a_grid_that_is_too_large_is_refused():
    random = np.random.default_rng(5)
    frame = pd.DataFrame({f"f{k}": random.integers(0, 40, 2000).astype(str) for k in range(4)})
    frame = frame.assign(y=random.normal(size=2000), g=random.integers(0, 20, 2000))
    fit = mmfit.lmer("y ~ f0 + f1 + f2 + f3 + (1 | g)", frame)
    with pytest.raises(mmfit.MmfitError, match="too much; restrict"):
        fit.means("f0")
    assert len(fit.means("f0", at={"f2": "1", "f3": ["2", "3"]})) == 40


def test_weights_have_the_sum_one_where_factors_stand_for_each_other():
    """h tells no more than f, and k lies within both: its means are those of its rows."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"k": np.repeat(["a1", "a2", "b1"], 8), "g": np.tile(np.arange(4), 6)})
    data["f"] = data["k"].str[0]
    data["h"] = data["f"].map({"a": "u", "b": "v"})
    data["y"] = (data["k"] == "a2") * 2.0 + rng.normal(size=24) + 10
    wanted = data.groupby("k")["y"].mean()
    pairs = [("a1", "a2"), ("a1", "b1"), ("a2", "b1")]
    differences = [wanted[one] - wanted[other] for one, other in pairs]
    for formula in ("f + k + h:k", "h:k + k + f", "h + k:h", "k:h + h"):
        fit = mmfit.lmer(f"y ~ {formula} + (1 | g)", data)
        table = fit.means("k").set_index("k")["estimate"]
        np.testing.assert_allclose(table[wanted.index], wanted, rtol=1e-6)
        np.testing.assert_allclose(fit.contrasts("k")["estimate"], differences, rtol=1e-6)
