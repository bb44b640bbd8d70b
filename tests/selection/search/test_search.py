"""Searches: what may be stepped to, by which test, and where they end."""

import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from mmfit.api.search import search
from mmfit.engine import fit_model
from mmfit.engine.criterion import ML
from mmfit.errors import ComparisonError, ComputationError, DataError, DesignError, FormulaError
from mmfit.formula import build_matrices, parse
from mmfit.selection.relations.families import covariance_family
from mmfit.selection.relations.spans import column_span, columns_inside
from mmfit.selection.relations.structure import structure
from mmfit.selection.relations.validity import assess
from mmfit.selection.search.elements import make_scope
from mmfit.selection.search.models import Fits, Models
from mmfit.selection.search.moves import (
    every_state,
    formula_of,
    is_valid,
    move_words,
    moves_down,
    moves_up,
    parts_of,
)
from mmfit.selection.search.records import REFUSED, SearchStep, search_from_json, search_to_json
from mmfit.selection.search.search import search_models
from mmfit.selection.search.source import RowSource
from mmfit.tables.search_tables import search_table
from tests import reference_cases

MAXIMAL = [
    "y ~ x * f + (x | g)",
    "y ~ x * z * f + (1 + x + z | g) + (1 | h)",
    "y ~ x + I(x^2) + I(x^3) + (x + I(x^2) | g)",
    "y ~ 0 + f * x + offset(w) + (0 + f | g)",
    "log(w) ~ x + (x * f | g)",
    "y ~ f + (x || g) + (1 | h/g)",
    "y ~ x + (0 + x + z | g) + (1 | h:g)",
    "y ~ poly(x, 2) * f + (f | g) + (1 | g)",
    "y ~ x:f + z + (1 | g)",
]


def data(seed=5, groups=15, size=12):
    rng = np.random.default_rng(seed)
    n = groups * size
    g, h = np.repeat(np.arange(groups), size), np.tile(np.arange(6), n // 6)
    x, z = rng.normal(size=(2, n))
    f = np.array(["a", "b", "c"])[rng.integers(3, size=n)]
    u = rng.normal(size=(2, groups))
    y = 1 + 0.8 * x + u[0][g] + 0.8 * u[1][g] * x + rng.normal(size=n)
    return pd.DataFrame(
        {"y": y, "x": x, "z": z, "f": f, "g": g, "h": h, "w": rng.uniform(1, 2, size=n)}
    )


FRAME = data()


def scope_of(formula, minimal=None, frame=FRAME):
    return make_scope(build_matrices(formula, frame), minimal)


def inside(small, large):
    """Whether a model lies inside another one, by what it can express."""
    pair = assess(structure("small", small), structure("large", large))
    return pair.outcome in ("valid", "no_degrees_of_freedom") and not pair.swapped


def down(scope, state):
    return [move for part in ("random", "fixed") for move in moves_down(scope, state, part)]


def up(scope, state):
    return [move for part in ("random", "fixed") for move in moves_up(scope, state, part)]


@pytest.mark.parametrize("formula", MAXIMAL)
def test_every_model_can_be_read_again_and_is_itself(formula):
    scope = scope_of(formula)
    states = every_state(scope, 2000)
    texts = [formula_of(scope, state) for state in states]
    assert len(set(states)) == len(states)
    for state, text in list(zip(states, texts, strict=True))[:: max(1, len(states) // 25)]:
        again = parse(text)
        assert again.response == scope.response
        # Read as a minimal model, the text gives the state that it was made from.
        if " | g) + (1 | g)" not in formula:
            assert scope_of(formula, text).minimal == state, text


@pytest.mark.parametrize("formula", MAXIMAL)
def test_the_maximal_model_is_the_given_one(formula):
    scope = scope_of(formula)
    given, made = (
        build_matrices(formula, FRAME),
        build_matrices(formula_of(scope, scope.maximal), FRAME),
    )
    assert columns_inside(given.X, column_span(made.X)).all()
    assert given.X.shape == made.X.shape
    assert covariance_family(given).dimension == covariance_family(made).dimension
    assert fit_model(given).objective == pytest.approx(fit_model(made).objective, abs=1e-5)


@pytest.mark.parametrize("formula", MAXIMAL)
def test_steps_respect_marginality(formula):
    scope = scope_of(formula)
    for state in every_state(scope, 2000):
        for k, element in enumerate(scope.elements):
            if state[k]:
                assert all(any(state[m] for m in group) for group in element.margins)
        for move in down(scope, state):
            assert is_valid(scope, move.after)
            assert sum(move.after) < sum(state)


def test_margins_are_what_the_formula_says():
    scope = scope_of("y ~ x * z * f + I(x^2) + (1 + x * z | g)")
    margins = {
        e.label if e.part == "fixed" else f"{e.label}|g": {
            scope.elements[m].label for group in e.margins for m in group
        }
        for e in scope.elements
    }
    assert margins["x:z:f"] == {"x", "z", "f", "x:z", "x:f", "z:f"}
    assert margins["x:z"] == {"x", "z"}
    assert margins["I(x^2)"] == {"x"}
    assert margins["x"] == margins["f"] == set()
    assert margins["1|g"] == set()
    assert margins["x:z|g"] == {"1", "x", "z"}


@pytest.mark.parametrize("formula", MAXIMAL[:4])
def test_each_step_down_is_a_smaller_model(formula):
    scope = scope_of(formula)
    state = scope.maximal
    while moves := down(scope, state):
        larger = build_matrices(formula_of(scope, state), FRAME)
        for move in moves:
            assert inside(build_matrices(formula_of(scope, move.after), FRAME), larger), move_words(
                scope, move
            )
        state = moves[-1].after
    assert state == scope.minimal


@pytest.mark.parametrize("formula", MAXIMAL)
def test_up_and_down_are_the_same_steps(formula):
    scope = scope_of(formula)
    for state in every_state(scope, 2000)[::7]:
        for move in up(scope, state):
            assert any(back.after == state for back in down(scope, move.after))


def test_order_of_the_random_part_is_correlation_then_slope_then_intercept():
    scope = scope_of("y ~ x + (x | g)")
    state, words = scope.maximal, []
    while moves := moves_down(scope, state, "random"):
        (move,) = moves
        words.append(move_words(scope, move))
        state = move.after
    assert words == [
        "drop the correlation of x and (Intercept) by g",
        "drop (0 + x | g)",
        "drop (1 | g)",
    ]
    assert formula_of(scope, state) == "y ~ x"


def test_a_factor_loses_its_covariances_as_a_whole():
    scope = scope_of("y ~ f + (f | g)")
    (move,) = moves_down(scope, scope.maximal, "random")
    assert formula_of(scope, move.after) == "y ~ f + (1 | g) + (1 | g:f)"


def test_minimal_model_is_kept_with_its_margins():
    scope = scope_of("y ~ x * z * f + (x | g) + (1 | h)", "y ~ z:x + (1 + x || g)")
    assert formula_of(scope, scope.minimal) == "y ~ x + z + x:z + (1 + x || g)"
    assert len(every_state(scope, 500)) == 6 * 2 * 2
    crossed = scope_of("y ~ f + (f | g)", "y ~ 1 + (1 | g:f)")
    assert formula_of(crossed, crossed.minimal) == "y ~ 1 + (1 | g) + (1 | g:f)"


@pytest.mark.parametrize(
    ("minimal", "message"),
    [
        ("y ~ w + (1 | g)", "fixed term w of the minimal model"),
        ("y ~ x + (1 | h)", r"random term \(1 | h\) of the minimal model"),
        ("y ~ x + (z | g)", r"random term \(z | g\)"),
        ("w ~ x", "response 'w'"),
    ],
)
def test_a_minimal_model_outside_the_maximal_one_is_refused(minimal, message):
    with pytest.raises(ComparisonError, match=message):
        scope_of("y ~ x * f + (x | g)", minimal)


def test_a_minimal_formula_that_cannot_be_read():
    with pytest.raises(FormulaError):
        scope_of("y ~ x + (x | g)", "y ~ x + (1 |")


def test_the_parts_of_a_model():
    scope = scope_of("y ~ x + z + (x | g) + (1 | h)")
    assert parts_of(scope, scope.maximal) == (
        "x",
        "z",
        "(1 | g)",
        "(0 + x | g)",
        "correlation of (Intercept) and x by g",
        "(1 | h)",
    )
    assert parts_of(scope, scope.minimal) == ()


STUDIES = [
    ("y ~ x * z + f + (x + z | g) + (1 | h)", "y ~ x + (1 + x || g)"),
    ("y ~ x * f + (x | g)", "y ~ x + (1 + x || g)"),
]


@pytest.mark.parametrize("direction", ["backward", "forward"])
@pytest.mark.parametrize(("maximal", "truth"), STUDIES)
def test_the_generating_model_is_found_mostly(direction, maximal, truth):
    found = [
        search(maximal, data(seed, groups=30), direction, alpha=0.01).formula for seed in range(3)
    ]
    # Six or seven tests of true nulls at 1% each: two searches of three that err are unlikely.
    assert found.count(truth) >= 2, found


def test_estimators_and_tests_of_the_two_parts():
    path = search("y ~ x * f + (x | g)", FRAME).path
    tests = path[path["chisq"].notna()]
    assert set(tests[tests["part"] == "random"]["criterion"]) == {"REML"}
    assert set(tests[tests["part"] == "fixed"]["criterion"]) == {"ML"}
    slope = tests[tests["move"] == "drop (0 + x | g)"].iloc[0]
    assert slope["null_distribution"].startswith("0.5 chi2(0) + 0.5 chi2(1), tail scaled by ")
    assert slope["p_value_kind"] == "boundary"
    fixed = tests[tests["move"] == "drop x:f"].iloc[0]
    models = [build_matrices(fixed[name], FRAME) for name in ("candidate", "standing")]
    null, alternative = (fit_model(m, criterion=ML) for m in models)
    assert fixed["chisq"] == pytest.approx(null.objective - alternative.objective, abs=1e-6)
    assert (fixed["df"], fixed["aic"]) == (2, pytest.approx(null.aic, abs=1e-6))


@pytest.mark.parametrize("criterion", ["lrt", "aic", "bic", "caic"])
@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_every_round_takes_the_best(direction, criterion):
    path = search("y ~ x * f + (x | g) + (1 | h)", FRAME, direction, criterion).path
    for number, steps in path[path["part"].isin(["random", "fixed"])].groupby("step"):
        taken = steps[steps["decision"] == "taken"]
        assert len(taken) <= 1
        assert steps["standing"].nunique() == 1
        following = path[path["step"] == number + 1]
        if len(taken) and following["part"].iloc[0] == steps["part"].iloc[0]:
            assert following["standing"].iloc[0] == taken["candidate"].iloc[0]
        others = steps[steps["decision"].isin(["passed over", "taken"])]
        if criterion != "lrt" and len(taken):
            value = "caic" if criterion == "caic" else criterion
            assert taken[value].iloc[0] <= others[value].min() + 1e-6
        if criterion == "lrt" and len(taken):
            best = others["p_value"].min() if direction == "forward" else others["p_value"].max()
            assert taken["p_value"].iloc[0] == pytest.approx(best, abs=1e-9)
    assert path["decision"].iloc[-1] == "chosen"
    assert path["text"].str.len().min() > 10


@pytest.mark.parametrize("criterion", ["aic", "bic", "caic"])
def test_exhaustive_search_ranks_all_models(criterion):
    result = search("y ~ x * f + (x | g)", FRAME, "exhaustive", criterion)
    ranked = result.path[result.path["decision"] == "ranked"]
    values = ranked[criterion].to_numpy()
    assert (np.diff(values) >= -1e-6).all()
    assert ranked["candidate"].iloc[0] == result.formula
    # Five fixed parts and four random ones, and the line about the chosen model.
    assert len(result.path) == 5 * 4 + 1
    for _, row in ranked.head(3).iterrows():
        fit = fit_model(build_matrices(row["candidate"], FRAME), criterion=ML)
        assert row["aic"] == pytest.approx(fit.aic, abs=1e-6)
        assert row["bic"] == pytest.approx(float(fit.bic), abs=1e-6)


def test_exhaustive_and_backward_agree_on_a_clear_case():
    for maximal, _ in STUDIES[1:]:
        exhaustive = search(maximal, FRAME, "exhaustive", "bic").formula
        assert search(maximal, FRAME, "backward", "bic").formula == exhaustive


@pytest.mark.parametrize("case", ["pastes", "sleepstudy", "machines"])
def test_final_models_of_lmertest_step(case):
    # lmerTest's step() at 0.05; it cannot drop a correlation, so none is left to drop here.
    if case == "pastes":
        found = search(
            "strength ~ 1 + (1 | batch/cask)",
            reference_cases.data("pastes"),
            categorical=["batch", "cask"],
        )
        assert found.formula == "strength ~ 1 + (1 | cask:batch)"
    elif case == "sleepstudy":
        found = search("Reaction ~ Days + (Days || Subject)", reference_cases.data("sleepstudy"))
        assert found.formula == "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
    else:
        frame = FRAME.assign(y=FRAME["y"] + (FRAME["f"] == "b"))
        found = search("y ~ f * z + (1 | g) + (1 | h)", frame)
        assert found.formula == "y ~ f + (1 | g)"


def test_a_singular_model_is_left_and_none_is_stepped_to():
    frame = FRAME.assign(k=np.tile(np.arange(9), len(FRAME) // 9))
    for column in ("x", "y"):
        frame[column] -= frame.groupby("k")[column].transform("mean")
    backward = search("y ~ x + (1 | k) + (1 | g)", frame)
    first = backward.path.iloc[0]
    assert first["singular"]
    assert "singular (k)" in first["text"]
    assert "k" not in backward.formula.split("(")[-1]
    taken = backward.path[backward.path["decision"] == "taken"].iloc[0]
    assert taken["move"] == "drop (1 | k)"
    assert "singular" in taken["text"]
    forward = search("y ~ x + (1 | k) + (1 | g)", frame, "forward")
    refused = forward.path[forward.path["move"] == "add (1 | k)"]
    assert (refused["decision"] == "not eligible").any()
    assert forward.formula == backward.formula
    exhaustive = search("y ~ x + (1 | k) + (1 | g)", frame, "exhaustive", "aic")
    left_out = exhaustive.path[exhaustive.path["decision"] == "not eligible"]
    assert left_out["candidate"].str.contains("k").all()


class Troubled(Fits):
    """Fits of which some do not converge."""

    def __init__(self, models, failing):
        super().__init__(models)
        self.failing = failing

    def _fitted(self, state, criterion):
        fit = super()._fitted(state, criterion)
        if not self.failing(self.models.formula(state)):
            return fit
        stopped = replace(fit.optimizer, converged=False, message="stopped")
        return replace(fit, optimizer=stopped)


def refusing(text):
    """What builds matrices, but not those of formulas that contain ``text``."""

    def made(formula):
        if text in formula:
            raise DesignError("these rows do not identify it")
        return build_matrices(formula, FRAME)

    return made


@pytest.mark.parametrize("direction", ["backward", "forward"])
def test_a_model_that_cannot_be_fitted_is_stepped_over(direction):
    # Between (1 + z | g) and (1 | g) lies (1 + z || g), which is refused here.
    models = Models(refusing("||"), "y ~ x + (z | g)")
    path = search_models(Fits(models), direction).path
    refused = [step for step in path.steps if "||" in step.candidate]
    assert {step.decision for step in refused} == {"not eligible"}
    assert "do not identify" in refused[0].text
    beyond = next(step for step in path.steps if step.move and "z in (1 + z | g)" in step.move)
    assert (beyond.df, beyond.null_distribution) == (2, "0.5 chi2(1) + 0.5 chi2(2)")
    assert path.chosen == "y ~ x + (1 | g)"


def test_a_model_that_does_not_converge_is_not_stepped_to():
    models = Models(RowSource(FRAME).build, "y ~ x + z + (1 | g)", "y ~ 1 + (1 | g)")
    fits = Troubled(models, lambda formula: formula == "y ~ x + (1 | g)")
    path = search_models(fits).path
    step = next(s for s in path.steps if s.move == "drop z")
    assert step.decision == "not eligible"
    assert "did not converge (stopped)" in step.text
    assert path.chosen == "y ~ x + z + (1 | g)"
    ranked = search_models(Troubled(models, fits.failing), "exhaustive", "aic").path
    assert ranked.chosen != "y ~ x + (1 | g)"


def test_a_start_that_does_not_converge_is_left():
    models = Models(RowSource(FRAME).build, "y ~ x + (x | g) + (1 | h)")
    fits = Troubled(models, lambda formula: "1 + x | g" in formula)
    path = search_models(fits).path
    first = [step for step in path.steps if step.step == 1]
    assert [step.decision for step in first].count("taken") == 1
    assert "nothing can be compared" in first[0].text
    assert path.chosen == "y ~ x + (1 + x || g)"


def test_nothing_to_rank_is_an_error():
    models = Models(RowSource(FRAME).build, "y ~ x + (1 | g)")
    with pytest.raises(ComputationError, match="none of the 4 models"):
        search_models(Troubled(models, lambda formula: True), "exhaustive", "aic")


def test_the_same_model_with_fewer_terms_is_taken_at_once():
    path = search("y ~ x + (1 | g) + (x | g)", FRAME).path
    taken = path[path["decision"] == "taken"].iloc[0]
    assert "the same model" in taken["text"]


def test_the_last_random_term_can_go_and_a_minimal_one_stays():
    rng = np.random.default_rng(8)
    frame = FRAME.assign(y=FRAME["x"] + rng.normal(size=len(FRAME)))
    assert search("y ~ x + (1 | g)", frame).formula == "y ~ x"
    kept = search("y ~ x + (x | g)", frame, minimal="y ~ 1 + (1 | g)").formula
    assert kept == "y ~ x + (1 | g)"


def test_a_model_without_fixed_effects():
    rng = np.random.default_rng(9)
    frame = FRAME.assign(y=rng.normal(size=15)[FRAME["g"]] + rng.normal(size=len(FRAME)))
    assert search("y ~ 0 + x + (1 | g)", frame).formula == "y ~ 0 + (1 | g)"


def test_weights_offset_and_missing_rows():
    frame = FRAME.assign(x=FRAME["x"].mask(FRAME.index == 7))
    result = search("y ~ x + z + (x | g)", frame, weights="w", offset="z", minimal="y ~ z")
    assert 7 not in result.rows
    assert len(result.rows) == len(frame) - 1
    assert result.chosen.nobs == len(frame) - 1
    assert result.chosen.matrices.weights is not None
    assert result.chosen.criterion == "REML"
    assert "z" in result.chosen.fixef.index


def test_bits_do_not_change():
    first, second = (search("y ~ x * f + (x | g) + (1 | h)", FRAME).record for _ in range(2))
    assert first == second
    assert search_to_json(first) == search_to_json(second)


def test_json_and_table():
    record = search("y ~ x + (x | g)", FRAME).record
    assert search_from_json(search_to_json(record)) == record
    table = search_table(record)
    assert tuple(table.columns) == tuple(f.name for f in fields(SearchStep))
    assert len(table) == len(record.steps)
    assert list(search_table(None).columns) == [f.name for f in fields(SearchStep)]
    assert not len(search_table(None))
    with pytest.raises(DataError, match="not a search"):
        search_from_json(json.dumps({"steps": 1}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search": "sideways"}, "sideways"),
        ({"criterion": "p"}, "lrt, aic, bic, caic"),
        ({"search": "exhaustive", "criterion": "lrt"}, "aic, bic or caic"),
        ({"alpha": 1.5}, "between 0 and 1"),
        ({"null_distribution": "normal"}, "null_distribution"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises(ComparisonError, match=message):
        search("y ~ x + (x | g)", FRAME, **settings)


def test_too_many_models_are_counted():
    fixed = " * ".join(f"v{k}" for k in range(4))
    frame = FRAME.assign(**{f"v{k}": np.roll(FRAME["x"], k + 1) for k in range(4)})
    with pytest.raises(ComparisonError, match="models, and at most 4096"):
        search(f"y ~ {fixed} + f * z + x + (x + z | g) + (1 | h)", frame, "exhaustive")


def test_null_distributions_can_be_asked_for():
    plain = search("y ~ x + (1 | g)", FRAME, null_distribution="chi2").path
    assert set(plain["null_distribution"].dropna()) == {"chi2(1)"}
    drawn = search("y ~ x + (1 | g)", FRAME, null_distribution="bootstrap", replicates=19).path
    assert drawn["null_distribution"].dropna().str.contains("bootstrap").all()


def test_a_candidate_without_estimates_is_kept_without_numbers():
    """As many levels as rows but one: the likelihood of ``(1 | g)`` has no maximum."""
    frame = pd.DataFrame(
        {
            "y": [5.45, 8.73, 6.32, 5.14, 5.16],
            "x": [-0.55, 1.62, -0.79, -0.79, -1.31],
            "g": list("12234"),
            "h": ["h1", "h1", "h1", "h1", "h2"],
        }
    )
    found = search("y ~ I(x^2) + (1 | h) + (1 | g)", frame, "forward", "caic").record
    lost = [step for step in found.steps if step.decision == REFUSED]
    assert {(step.aic, step.bic, step.caic, step.singular) for step in lost} == {
        (None, None, None, False)
    }
    assert all("likelihood grows without bound" in step.text for step in lost)
    assert search_from_json(search_to_json(found)) == found
