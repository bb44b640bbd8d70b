"""The walk, its wording and its records, from hand-made fits."""

import json

import numpy as np
import pytest

from mmfit.errors import ComparisonError, ComputationError, DataError
from mmfit.selection import (
    NullSettings,
    compare_all,
    select_model,
    selection_from_json,
    selection_to_json,
)
from tests.selection.designs import Bar, candidate, matrices

RNG = np.random.default_rng(6)
N = 120
I = "(Intercept)"  # noqa: E741
ONE = np.ones(N)
G = np.repeat(np.arange(10), 12)
H = np.tile(np.arange(6), 20)
X, Z = RNG.normal(size=(2, N))
F = np.tile(np.repeat([0, 1], 3), 20)
INTERCEPT, SLOPE = Bar({I: ONE}, G, "g"), Bar({I: ONE, "x": X}, G, "g")
CROSSED = Bar({I: ONE}, H, "h")


def model(fixed, *bars):
    columns = {I: ONE, "x": X, "z": Z, "f": F * 1.0}
    return matrices({name: columns[name] for name in (I, *fixed)}, *bars)


def decisions(selection):
    return [(s.stage, s.method, s.null, s.alternative, s.decision)
            for s in selection.steps if s.method]  # fmt: skip


def words(selection, stage):
    return " ".join(s.text for s in selection.steps if s.stage == stage)


def test_random_part_first_then_fixed_part_then_reml():
    selection = select_model(
        [
            candidate("a", model("x", INTERCEPT), 120.0, 118.0),
            candidate("b", model("x", SLOPE), 100.0, 97.0),
            candidate("c", model("xz", INTERCEPT), 121.0, 110.0),
            candidate("d", model("xz", SLOPE), 101.0, 90.0),
        ]
    )
    assert decisions(selection) == [
        ("random", "test", "c", "d", "d"),  # the richest fixed part, by REML
        ("fixed", "test", "b", "d", "d"),  # by ML
    ]
    random, fixed = (s for s in selection.steps if s.method)
    assert (random.criterion, random.chisq, random.df) == ("REML", 20.0, 2)
    assert (fixed.criterion, fixed.chisq, fixed.df) == ("ML", 7.0, 1)
    assert selection.chosen == "d"
    assert [s.stage for s in selection.steps] == [
        "candidates", "random", "random", "random", "fixed", "fixed", "refit",
    ]  # fmt: skip
    assert "c, d share the fixed part (Intercept) + x + z, the richest one" in words(
        selection, "random"
    )
    assert "Chosen: d" in selection.steps[-1].text


def test_a_richer_fixed_part_with_one_random_part_is_no_testing_ground():
    selection = select_model(
        [
            candidate("m1", model("x", INTERCEPT), 120.0, 118.0),
            candidate("m2", model("x", SLOPE), 100.0, 97.0),
            candidate("m3", model("xz", SLOPE), 99.0, 96.9),
        ]
    )
    assert decisions(selection) == [
        ("random", "test", "m1", "m2", "m2"),
        ("fixed", "test", "m2", "m3", "m2"),
    ]
    assert "No richer fixed part (of m3) comes with two random parts" in words(selection, "random")
    assert "Not below 0.05: m2 stays." in words(selection, "fixed")
    assert selection.chosen == "m2"


def test_the_boundary_p_value_decides():
    """chi-square 3 on one variance: plain p 0.083, boundary p 0.042 in large samples."""
    models = [
        candidate("null", model("x", INTERCEPT), 103.0),
        candidate("two", model("x", INTERCEPT, CROSSED), 100.0),
    ]
    selection = select_model(models, settings=NullSettings(replicates=0))
    assert selection.chosen == "two"
    (step,) = (s for s in selection.steps if s.method)
    assert step.p_value_kind == "boundary"
    assert step.p_value == pytest.approx(0.04163, abs=1e-5)
    assert "p = 0.04163 by 0.5 chi2(0) + 0.5 chi2(1) (plain chi-square: 0.08326)" in step.text


def test_where_no_law_holds_the_plain_chi_square_stands_in_and_that_is_said():
    models = [
        candidate("null", model("x", INTERCEPT), 103.0, singular=True),
        candidate("two", model("x", INTERCEPT, CROSSED), 100.0),
    ]
    selection = select_model(models, settings=NullSettings(replicates=0))
    assert selection.chosen == "null"
    (step,) = (s for s in selection.steps if s.method)
    assert (step.p_value_kind, step.null_distribution) == ("plain", "chi2(1)")
    assert "by the plain chi-square: the null fit" in step.text
    assert "the null fit, that of null, is singular (g)" in step.text
    assert "The REML and ML fit of null is singular (g)" in words(selection, "candidates")
    assert "That fit is singular (g)" in selection.steps[-1].text


def test_competitors_that_are_not_nested_go_by_aic():
    models = [
        candidate("g", model("x", INTERCEPT), 120.0),
        candidate("h", model("x", CROSSED), 110.0),
        candidate("both", model("x", INTERCEPT, CROSSED), 109.5),
    ]
    selection = select_model(models)
    assert decisions(selection) == [
        ("random", "AIC", "g", "h", "h"),
        ("random", "test", "h", "both", "h"),
    ]
    step = next(s for s in selection.steps if s.method == "AIC")
    assert step.aic == (128.0, 118.0)
    assert "neither random part contains the other" in step.text
    assert "AIC (REML) of g 128.00, of h 118.00: h takes the place of g." in step.text
    assert selection.chosen == "h"


def test_fixed_parts_that_are_not_nested_go_by_aic_of_ml_fits():
    models = [
        candidate("x", model("x", INTERCEPT), 100.0, 95.0),
        candidate("z", model("z", INTERCEPT), 90.0, 96.0),
    ]
    selection = select_model(models)
    assert decisions(selection) == [("fixed", "AIC", "x", "z", "x")]
    step = next(s for s in selection.steps if s.method == "AIC")
    assert (step.criterion, step.aic) == ("ML", (103.0, 104.0))


def test_no_shared_fixed_part_means_both_are_compared_as_they_are():
    models = [
        candidate("rich", model("xz", SLOPE), 100.0, 90.0),
        candidate("poor", model("x", INTERCEPT), 121.0, 120.0),
    ]
    selection = select_model(models)
    assert "no two candidates share a fixed part and differ in the random part" in words(
        selection, "random"
    )
    assert decisions(selection) == [("random", "test", "poor", "rich", "rich")]
    assert next(s for s in selection.steps if s.method).criterion == "ML"
    assert "no other candidate has the random part of rich" in words(selection, "fixed")


def test_a_random_part_that_comes_with_other_fixed_parts_only_is_named():
    models = [
        candidate("m1", model("xz", INTERCEPT), 120.0, 119.0),
        candidate("m2", model("xz", SLOPE), 100.0, 99.0),
        candidate("lone", model("x", CROSSED), 130.0, 129.0),
    ]
    assert "The random part of lone comes only with other fixed parts" in words(
        select_model(models), "random"
    )


def test_a_fixed_part_beside_the_testing_ground_is_named():
    models = [
        candidate("m1", model("x", INTERCEPT), 120.0, 119.0),
        candidate("m2", model("x", SLOPE), 100.0, 99.0),
        candidate("z", model("z", SLOPE), 130.0, 129.0),
    ]
    assert "It does not contain the fixed part of z" in words(select_model(models), "random")


def test_one_candidate():
    selection = select_model([candidate("only", model("x", INTERCEPT))])
    assert selection.chosen == "only"
    assert "only one candidate, nothing to choose" in words(selection, "random")


def test_the_same_model_twice_stands_once():
    shifted = Bar({I: ONE, "x3": X - 3}, G, "g")
    models = [
        candidate("m1", model("x", INTERCEPT), 120.0),
        candidate("m2", model("x", SLOPE), 100.0),
        candidate("m2again", model("x", shifted), 100.0),
    ]
    selection = select_model(models)
    assert "m2again is m2 written in another way" in words(selection, "candidates")
    assert [m.model for m in selection.rankings[0].models] == ["m2", "m1"]
    assert selection.chosen == "m2"


def test_candidates_of_other_data_are_left_out_with_the_reason():
    other = matrices({I: ONE}, INTERCEPT, y=np.exp(X), response="exp(x)")
    models = [
        candidate("logged", other, 50.0),
        candidate("m1", model("x", INTERCEPT), 120.0),
        candidate("m2", model("x", SLOPE), 100.0),
    ]
    selection = select_model(models)
    assert "logged is left out: different responses" in words(selection, "candidates")
    assert {m.model for m in selection.rankings[0].models} == {"m1", "m2"}


def test_fits_that_did_not_converge_are_left_out():
    models = [
        candidate("m1", model("x", INTERCEPT), 120.0),
        candidate("m2", model("x", SLOPE), 100.0, converged=False),
    ]
    selection = select_model(models)
    assert selection.chosen == "m1"
    assert "m2 is left out: not converged by REML (step limit reached)" in words(
        selection, "candidates"
    )
    with pytest.raises(ComputationError, match="none of the candidates converged"):
        select_model(models[1:])


def test_no_candidate_is_an_error():
    with pytest.raises(ComparisonError, match="no candidate"):
        select_model([])


def test_rankings_by_reml_where_fixed_parts_are_the_same():
    models = [
        candidate("m1", model("x", INTERCEPT), 104.0, 1.0),
        candidate("m2", model("x", SLOPE), 100.0, 2.0),
        candidate("m3", model("x", INTERCEPT, CROSSED), 101.0, 3.0),
    ]
    aic, bic = select_model(models).rankings
    assert (aic.criterion, bic.criterion) == ("REML", "REML")
    assert [(m.model, m.rank, m.value, m.delta) for m in aic.models] == [
        ("m3", 1, 111.0, 0.0), ("m1", 2, 112.0, 1.0), ("m2", 2, 112.0, 1.0),
    ]  # fmt: skip
    relative = np.exp([0.0, -0.5, -0.5])
    assert [m.weight for m in aic.models] == pytest.approx(relative / relative.sum(), rel=1e-12)
    assert [m.model for m in bic.models] == ["m1", "m3", "m2"]


def test_disagreement_of_the_rankings_is_said():
    models = [
        candidate("m1", model("x", INTERCEPT), 105.4),
        candidate("m2", model("x", SLOPE), 100.0),
    ]
    selection = select_model(models)
    assert selection.chosen == "m2"
    assert "AIC (REML) agrees. BIC (REML) prefers m1." in selection.steps[-1].text


def test_json_goes_there_and_back_and_is_stable():
    models = [
        candidate("g", model("x", INTERCEPT), 120.0, 118.0),
        candidate("h", model("x", CROSSED), 110.0, 107.0),
        candidate("s", model("xz", CROSSED), 100.0, 90.0),
    ]
    selection = select_model(models, compare_all(models), alpha=0.01)
    text = selection_to_json(selection)
    assert selection_from_json(text) == selection
    assert selection_to_json(select_model(models, alpha=0.01)) == text
    assert list(json.loads(text)) == ["alpha", "chosen", "steps", "rankings"]
    assert text.endswith("}\n")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"alpha": 1, "chosen": "a", "steps": [{}]}'])
def test_other_json_is_refused(text):
    with pytest.raises(DataError, match="not a selection"):
        selection_from_json(text)
