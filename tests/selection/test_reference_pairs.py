"""Every likelihood-ratio test of the reference, and what the reference data say about validity."""

import functools

import numpy as np
import pytest
from scipy import stats

from mmfit.engine import fit_both
from mmfit.formula import build_matrices
from mmfit.selection import (
    Candidate,
    NullSettings,
    compare_all,
    compare_candidates,
    select_model,
)
from tests.reference_cases import cases, data, expected, fits, matrices

# lme4's criteria are good to 1e-8, ours to 1e-6; a chi-square is the difference of two of them.
ABSOLUTE, RELATIVE = 2e-6, 1e-6


@functools.cache
def candidate(case_id):
    return Candidate(case_id, matrices(case_id), fits(case_id))


@functools.cache
def written(name, formula):
    categorical = [c for c in expected()["categorical"][name] if c in data(name).columns]
    model = build_matrices(formula, data(name), categorical=categorical)
    return Candidate(formula, model, fit_both(model))


def p_value_tolerance(row):
    """d log p / d chi-square is about -1/2 in the tail, so that p errs by half the chi-square."""
    return row["chisq"] * RELATIVE + ABSOLUTE


@pytest.mark.parametrize(
    "row", expected()["lrt"], ids=lambda row: f"{row['null']}-{row['alternative']}"
)
@pytest.mark.parametrize("swap", [False, True], ids=["as given", "wrong way round"])
def test_likelihood_ratio_tests(row, swap):
    pair = candidate(row["null"]), candidate(row["alternative"])
    found = compare_candidates(*(reversed(pair) if swap else pair))
    assert found.valid
    assert (found.null, found.alternative) == (row["null"], row["alternative"])
    assert found.criterion == row["method"]
    assert found.chisq == pytest.approx(row["chisq"], abs=ABSOLUTE, rel=RELATIVE)
    assert found.df == row["df"] == found.npar_alternative - found.npar_null
    assert found.p_value_chi2 == pytest.approx(row["p_value"], rel=p_value_tolerance(row), abs=0)
    assert ("is the smaller model" in (found.note or "")) is swap


@pytest.mark.parametrize("row", expected()["lrt"], ids=lambda row: row["alternative"])
def test_likelihoods_and_criteria_stand_under_the_comparisons_criterion(row):
    found = compare_candidates(candidate(row["null"]), candidate(row["alternative"]))
    for side in ("null", "alternative"):
        reference = cases()[row[side]][row["method"]]
        assert getattr(found, f"aic_{side}") == pytest.approx(reference["AIC"], abs=2e-6, rel=1e-9)
        assert getattr(found, f"bic_{side}") == pytest.approx(reference["BIC"], abs=2e-6, rel=1e-9)
    twice = 2 * (found.log_lik_alternative - found.log_lik_null)
    assert twice == pytest.approx(found.chisq, abs=1e-9)


@pytest.mark.parametrize(
    ("null", "alternative", "law"),
    [
        ("sleep_int", "sleep_uncorr", "0.5 chi2(0) + 0.5 chi2(1)"),
        ("sleep_uncorr", "sleep_slope", "chi2(1)"),
        ("sleep_int", "sleep_slope", "0.5 chi2(1) + 0.5 chi2(2)"),
        ("sleep_slope_only", "sleep_slope", "0.5 chi2(1) + 0.5 chi2(2)"),
        ("sleepall_m1", "sleepall_m3", "0.5 chi2(2) + 0.5 chi2(3)"),
        ("sleepall_m2", "sleepall_m3x", "chi2(2)"),
        ("penicillin_plate", "penicillin", "0.5 chi2(0) + 0.5 chi2(1)"),
        ("nested_slash", "nested_slope", "0.5 chi2(1) + 0.5 chi2(2)"),
    ],
)
def test_null_distributions(null, alternative, law):
    large = NullSettings(replicates=0)
    found = compare_candidates(candidate(null), candidate(alternative), large)
    assert found.null_distribution == law
    if law == "0.5 chi2(0) + 0.5 chi2(1)":
        assert found.p_value == found.p_value_chi2 / 2
    calibrated = compare_candidates(candidate(null), candidate(alternative))
    assert calibrated.null_distribution.startswith(f"{law}, ")
    assert calibrated.p_value_chi2 == found.p_value_chi2


def test_three_spellings_of_nesting_are_one_model():
    names = ("nested_slash", "nested_explicit", "nested_implicit", "nested_reused_slash")
    found = compare_all([candidate(name) for name in names])
    assert len(found) == 6
    assert {c.outcome for c in found} == {"same_model"}
    assert all("the same model, written twice" in c.reason for c in found)


def test_reused_labels_are_another_model():
    found = compare_candidates(candidate("nested_slash"), candidate("nested_reused_wrong"))
    assert (found.valid, found.outcome) == (False, "random_not_nested")
    assert "(1 | clinic_in_region) of nested_reused_wrong not inside nested_slash" in found.reason


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("penicillin_plate", "penicillin_sample", "random_not_nested"),
        ("sleep_int", "sleep_slope_only", "random_not_nested"),
        ("sleep_slope", "sleep_log", "different_response"),
        ("sleep_slope", "sleepall_m2", "different_rows"),
        ("sleep_poly", "sleep_int", "valid"),
        ("sleep_factor", "sleep_slope", "opposite_directions"),
        ("sleep_int", "sleep_factor", "valid"),
        ("sleep_weights", "sleep_int", "different_weights"),
        ("sleep_offset", "sleep_slope", "different_offset"),
        ("dyestuff", "dyestuff2", "different_rows"),
    ],
)
def test_outcomes_across_the_reference(first, second, outcome):
    found = compare_candidates(candidate(first), candidate(second))
    assert found.outcome == outcome
    assert found.valid is (outcome == "valid")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Reaction ~ Days + (Days || Subject)", "Reaction ~ Days + (Days - 1 | Subject)"),
        ("Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (I(Days - 3) || Subject)"),
    ],
)
def test_uncorrelated_terms_lie_on_the_right_side(first, second):
    found = compare_candidates(written("sleepstudy", first), written("sleepstudy", second))
    assert found.valid
    assert found.df == 1


def test_independence_depends_on_where_days_are_counted_from():
    """Each is inside (Days | Subject), neither inside the other; lme4's anova says p = NA or 1."""
    first = written("sleepstudy", "Reaction ~ Days + (Days || Subject)")
    second = written("sleepstudy", "Reaction ~ Days + (I(Days - 3) || Subject)")
    assert compare_candidates(first, second).outcome == "random_not_nested"


def test_shifting_a_correlated_slope_is_the_same_model():
    first = written("sleepstudy", "Reaction ~ Days + (Days | Subject)")
    second = written("sleepstudy", "Reaction ~ I(Days - 3) + (I(Days - 3) | Subject)")
    assert compare_candidates(first, second).outcome == "same_model"


def test_contrasts_change_the_reml_criterion_but_not_the_test():
    frame = data("sleepall").assign(
        half=(data("sleepall")["Days"] > 3).map({True: "b", False: "a"})
    )
    formulas = ["Reaction ~ half + (1 | Subject)", "Reaction ~ half + (Days | Subject)"]
    chisq = {}
    for contrasts in ("treatment", "sum"):
        null = build_matrices(formulas[0], frame, categorical=["Subject"])
        alternative = build_matrices(
            formulas[1], frame, categorical=["Subject"], contrasts={"half": contrasts}
        )
        found = compare_candidates(
            Candidate("null", null, fit_both(null)),
            Candidate("alternative", alternative, fit_both(alternative)),
        )
        chisq[contrasts] = found.chisq
        assert found.criterion == "REML"
    assert chisq["sum"] == pytest.approx(chisq["treatment"], abs=1e-6)
    assert chisq["treatment"] > 1


def test_factor_slopes_contain_intercepts_by_combination():
    null = written("sleepall", "Reaction ~ Days + (1 | Subject) + (1 | Subject:sex)")
    alternative = written("sleepall", "Reaction ~ Days + (0 + sex | Subject)")
    found = compare_candidates(null, alternative)
    assert found.valid
    assert found.df == 1


def test_a_singular_null_is_named_and_calibrated_to_singular_replicates():
    null = written("dyestuff2", "Yield ~ 1 + (1 | Batch)")
    frame = data("dyestuff2").assign(half=["a", "b"] * 15)
    model = build_matrices("Yield ~ half + (1 | Batch)", frame, categorical=["Batch"])
    found = compare_candidates(null, Candidate("half", model, fit_both(model)))
    assert found.valid
    assert "is singular (Batch)" in found.note
    assert found.null_distribution.startswith("chi2(1), scaled by ")
    assert "whose null fit is singular in Batch" in found.note
    assert found.distributions[-1].method == "bootstrap"
    # Without a variance it is a linear model, whose chi-square is the F test's.
    f = 28 * np.expm1(found.chisq / 30)
    assert found.p_value == pytest.approx(stats.f.sf(f, 1, 28), abs=0.05)


def lecture():
    names = {"m1": "sleepall_m1", "m2": "sleepall_m2", "m3": "sleepall_m3"}
    return [Candidate(short, matrices(name), fits(name)) for short, name in names.items()]


def test_the_lectures_selection():
    selection = select_model(lecture(), compare_all(lecture()), alpha=0.05)
    assert selection.chosen == "m3"
    random, fixed = (s for s in selection.steps if s.method == "test")
    assert (random.stage, random.null, random.alternative) == ("random", "m1", "m2")
    assert (random.criterion, random.decision) == ("REML", "m2")
    assert "plain chi-square: 2.346e-06" in random.text
    assert random.p_value_kind == "boundary"
    assert random.p_value < 2.346e-06
    assert (fixed.stage, fixed.null, fixed.alternative) == ("fixed", "m2", "m3")
    assert (fixed.criterion, fixed.decision) == ("ML", "m3")
    assert "(plain chi-square: 0.02713)" in fixed.text
    assert 0.02713 < fixed.p_value < 0.05  # between twenty subjects the plain one is too small
    assert (selection.steps[-1].stage, selection.steps[-1].criterion) == ("refit", "REML")


def test_the_lectures_rankings_are_by_ml_as_the_fixed_parts_differ():
    aic, bic = select_model(lecture()).rankings
    assert (aic.measure, aic.criterion, bic.measure) == ("AIC", "ML", "BIC")
    assert [m.model for m in aic.models] == ["m3", "m2", "m1"]
    assert [round(m.value, 1) for m in aic.models[:2]] == [1422.3, 1425.2]
    assert [m.model for m in bic.models] == ["m2", "m3", "m1"]
    assert [round(m.value, 1) for m in bic.models[:2]] == [1443.0, 1443.1]


def test_a_stricter_level_keeps_the_smaller_fixed_part():
    assert select_model(lecture(), alpha=0.02).chosen == "m2"


def test_comparisons_left_out_by_the_user_are_made_where_the_walk_needs_them():
    assert select_model(lecture(), comparisons=()) == select_model(
        lecture(), compare_all(lecture())
    )


def test_all_nested_candidates_of_the_lecture():
    names = ("nested_slash", "nested_explicit", "nested_implicit", "nested_region_only",
             "nested_slope")  # fmt: skip
    selection = select_model([candidate(name) for name in names])
    assert selection.chosen == "nested_slope"
    assert "nested_explicit is nested_slash written in another way" in selection.steps[0].text
    assert [m.model for m in selection.rankings[0].models] == [
        "nested_slope", "nested_slash", "nested_region_only",
    ]  # fmt: skip


def test_large_crossed_designs():
    """73,421 rows: containment is decided per level, never from all pairs of rows."""
    names = ("insteval_service", "insteval_full")
    found = compare_candidates(*(Candidate(name, matrices(name), {}) for name in names))
    assert found.outcome == "opposite_directions"
    assert "insteval_service has the smaller fixed part" in found.reason
