"""ranova: lmerTest's rows and numbers, boundary p-values, and what cannot be tested."""

import numpy as np
import pandas as pd
import pytest

from mmfit.engine import fit_both, fit_model
from mmfit.engine.criterion import ML, REML
from mmfit.errors import ComparisonError
from mmfit.formula import build_matrices
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.null_distributions.mixtures import half_space
from mmfit.selection import Candidate, NullSettings, compare_candidates, ranova
from tests import reference_cases
from tests.selection.designs import Bar, matrices

# lme4 was stopped within 1e-8 of the optimum.
LOG_LIK, CHISQ = 1e-7, 1e-7


def data(seed=4, n=180):
    rng = np.random.default_rng(seed)
    g, h = np.arange(n) // 12, np.tile(np.arange(6), n // 6)
    x, z = rng.normal(size=(2, n))
    f, e = np.array(["a", "b", "c"])[rng.integers(3, size=n)], rng.normal(size=n)
    u, v = rng.normal(size=(3, g.max() + 1)), rng.normal(size=6)
    y = 1 + x + u[0][g] + 0.7 * u[1][g] * x + 0.6 * u[2][g] * (f == "b") + v[h] + e
    two = np.array(["p", "q"])[rng.integers(2, size=n)]
    frame = {"y": y, "x": x, "z": z, "f": f, "two": two, "g": g, "h": h}
    return pd.DataFrame(frame).assign(w=rng.uniform(0.5, 2, size=n))


FRAME = data()


def table(formula, reml=True, settings=None, **more):
    model = build_matrices(formula, FRAME, **more)
    fit = fit_model(model, criterion=REML if reml else ML)
    return ranova(FittedModel(fit, model), settings).set_index("term")


@pytest.mark.parametrize("case_id", reference_cases.inference())
def test_agrees_with_lmertest(case_id):
    reference = reference_cases.inference()[case_id]["ranova"]
    found = ranova(
        FittedModel(reference_cases.fits(case_id)["REML"], reference_cases.matrices(case_id))
    )
    assert found["term"].tolist() == [row["term"] for row in reference]
    assert found["npar"].tolist() == [row["npar"] for row in reference]
    for column, name, tolerance in (
        ("log_lik", "logLik", LOG_LIK),
        ("aic", "AIC", LOG_LIK),
        ("chisq", "LRT", CHISQ),
    ):
        expected = np.array([row[name] for row in reference], dtype=float)
        np.testing.assert_allclose(found[column], expected, rtol=0, atol=tolerance)
    tests = list(zip(found["df"], found["p_value_chi2"], reference, strict=True))[1:]
    for df, p_value, row in tests:
        assert df == row["Df"]
        assert p_value == pytest.approx(row["Pr(>Chisq)"], rel=1e-6)


def test_the_model_itself_comes_first_and_has_no_test():
    row = ranova(
        FittedModel(reference_cases.fits("pastes")["REML"], reference_cases.matrices("pastes"))
    ).iloc[0]
    assert row["term"] == "<none>"
    assert row[["chisq", "df", "p_value", "p_value_chi2", "note"]].isna().all()


def test_boundary_p_value_is_that_of_the_edge():
    found = table("y ~ x + (x | g) + (1 | h)", settings=NullSettings(replicates=0))
    slope = found.loc["x in (x | g)"]
    assert slope["p_value"] == pytest.approx(half_space(2).survival(slope["chisq"]))
    assert slope["null_distribution"] == str(half_space(2))
    other = found.loc["(1 | h)"]
    assert other["p_value"] == pytest.approx(other["p_value_chi2"] / 2, rel=1e-9)
    calibrated = table("y ~ x + (x | g) + (1 | h)")
    assert calibrated.loc["x in (x | g)", "null_distribution"].startswith(f"{half_space(2)}, tail")
    assert calibrated["p_value_chi2"].equals(found["p_value_chi2"])
    assert calibrated["p_value_boundary"].equals(calibrated["p_value"])


def test_one_variance_against_a_linear_model_is_exact():
    found = ranova(
        FittedModel(reference_cases.fits("dyestuff")["REML"], reference_cases.matrices("dyestuff"))
    )
    row = found.set_index("term").loc["(1 | Batch)"]
    exact = reference_cases.inference()["dyestuff"]["exact_rlrt"]
    assert "exact" in row["null_distribution"]
    # RLRsim: 100,000 simulations.
    error = 4 * np.sqrt(exact["p_value"] / exact["nsim"])
    assert row["p_value"] == pytest.approx(exact["p_value"], abs=error)


@pytest.mark.parametrize("formula", ["y ~ x + (x + z | g)", "y ~ (x | g) + (1 | h)"])
@pytest.mark.parametrize("reml", [True, False])
def test_agrees_with_a_comparison_of_the_two_models(formula, reml):
    found = table(formula, reml)
    fixed = formula.split("(")[0]
    smaller = {
        "y ~ x + (x + z | g)": {"x in (x + z | g)": "(z | g)", "z in (x + z | g)": "(x | g)"},
        "y ~ (x | g) + (1 | h)": {"x in (x | g)": "(1 | g) + (1 | h)", "(1 | h)": "(x | g)"},
    }[formula]
    for term, random in smaller.items():
        models = [build_matrices(f, FRAME) for f in (fixed + random, formula)]
        fits = [fit_model(m, criterion=REML if reml else ML) for m in models]
        chisq = fits[0].objective - fits[1].objective
        assert found.loc[term, "chisq"] == pytest.approx(chisq, abs=1e-6)
        if reml:
            names = ("small", "large")
            pairs = zip(names, models, strict=True)
            candidates = (Candidate(n, m, fit_both(m)) for n, m in pairs)
            test = compare_candidates(*candidates)
            found_p = found.loc[term, "p_value"]
            assert found_p == pytest.approx(test.p_value, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("random", "terms"),
    [
        ("(x * z | g)", ["x:z in (x * z | g)"]),
        ("(1 + x + z | g)", ["x in (1 + x + z | g)", "z in (1 + x + z | g)"]),
        ("(x || g)", ["(1 | g)", "x in (0 + x | g)"]),
        ("(1 | h/g)", ["(1 | g:h)", "(1 | h)"]),
        ("(two | g)", ["two in (two | g)"]),
        ("(0 + two | g)", ["two in (0 + two | g)"]),
        ("(I(x^2) + x | g)", ["I(x^2) in (I(x^2) + x | g)", "x in (I(x^2) + x | g)"]),
        ("(log(w) | g) + (1 | h)", ["log(w) in (log(w) | g)", "(1 | h)"]),
    ],
)
def test_labels_are_those_of_lmertest(random, terms):
    assert table(f"y ~ x + {random}").index.tolist() == ["<none>", *terms]


def test_a_factor_alone_leaves_an_intercept():
    with_intercept, without = table("y ~ x + (two | g)"), table("y ~ x + (0 + two | g)")
    np.testing.assert_allclose(with_intercept["chisq"], without["chisq"], atol=1e-6)
    assert without["df"].tolist()[1:] == [2]


def test_factors_without_an_intercept_are_coded_anew():
    # Without f the factor that stays takes a column per level.
    found = table("y ~ x + (0 + f + two | g)")
    expected = fit_model(build_matrices("y ~ x + (0 + two | g)", FRAME))
    assert found.loc["f in (0 + f + two | g)", "log_lik"] == pytest.approx(
        expected.log_lik, abs=1e-6
    )
    assert found.loc["f in (0 + f + two | g)", "npar"] == expected.npar


def test_a_lone_slope_is_removed_whole_and_says_so():
    # lmerTest puts (1 | g) in its place, which is no smaller model.
    row = table("y ~ x + (0 + x | g)").loc["x in (0 + x | g)"]
    assert row["df"] == 1
    assert "removed whole" in row["note"]
    linear = fit_model(build_matrices("y ~ x", FRAME))
    assert row["log_lik"] == pytest.approx(linear.log_lik, abs=1e-8)
    beside = table("y ~ x + (1 | g) + (0 + x | g)").loc["x in (0 + x | g)"]
    assert "removed whole" not in beside["note"]


def test_weights_offset_and_rank_deficient_columns_are_kept():
    frame = FRAME.assign(twice=2 * FRAME["x"])
    model = build_matrices("y ~ x + twice + (x | g)", frame, weights="w", offset="z")
    found = ranova(FittedModel(fit_model(model), model)).set_index("term")
    smaller = build_matrices("y ~ x + twice + (1 | g)", frame, weights="w", offset="z")
    expected = fit_model(smaller)
    assert found.loc["x in (x | g)", "log_lik"] == pytest.approx(expected.log_lik, abs=1e-7)


def test_a_singular_null_has_the_plain_p_value_alone_where_no_bootstrap_is_made():
    # Nothing differs between the levels of k.
    frame = FRAME.assign(k=np.tile(np.arange(9), len(FRAME) // 9))
    for column in ("x", "y"):
        frame[column] -= frame.groupby("k")[column].transform("mean")
    model = build_matrices("y ~ 1 + (1 | k) + (x | g)", frame)
    fit = fit_model(model)
    assert fit.singular
    found = ranova(FittedModel(fit, model), NullSettings(replicates=0)).set_index("term")
    row = found.loc["x in (x | g)"]
    assert row["p_value"] == row["p_value_chi2"] > 0
    assert row["null_distribution"] == "chi2(2)"
    assert "singular" in row["note"]
    assert "singular" in found.loc["<none>", "note"]
    none = found.loc["(1 | k)"]
    assert (none["chisq"], none["p_value"]) == (0.0, 1.0)


def test_refuses_what_has_no_random_term_or_no_formula():
    linear = build_matrices("y ~ x", FRAME)
    with pytest.raises(ComparisonError, match="no random term"):
        ranova(FittedModel(fit_model(linear), linear))
    rng = np.random.default_rng(2)
    made = matrices(
        {"(Intercept)": np.ones(40)},
        Bar({"(Intercept)": np.ones(40)}, np.arange(40) // 5),
        y=rng.normal(size=40),
    )
    with pytest.raises(ComparisonError, match="no formula"):
        ranova(FittedModel(fit_model(made), made))


def test_a_singular_smaller_model_has_the_tail_of_the_chi_square():
    """Neither factor has any variance, so what each smaller model estimates is at the edge, too."""
    rng = np.random.default_rng(3)
    g, h = np.repeat(np.arange(12), 6), np.tile(np.arange(6), 12)
    frame = pd.DataFrame({"g": g, "h": h, "y": rng.normal(size=72)})
    model = build_matrices("y ~ 1 + (1 | g) + (1 | h)", frame)
    fit = fit_model(model)
    assert fit.singular
    found = ranova(FittedModel(fit, model)).set_index("term")
    row = found.loc["(1 | g)"]
    assert "is singular" in row["note"]
    assert row["null_distribution"].startswith(("chi2(1), tail scaled", "parametric bootstrap"))
    assert 0 < row["p_value"] <= 1
    pd.testing.assert_frame_equal(found, ranova(FittedModel(fit, model)).set_index("term"))
