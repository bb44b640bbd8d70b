"""What build gives: order, the coding of each kind of column, new rows, reference names."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmfit.errors import DataError
from mmfit.formula import RandomTerm, build_matrices, build_matrices_with_design, parse

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = json.loads((REFERENCE / "expected.json").read_text())
# lme4's own order of the departments of InstEval, in which the reference was made.
DEPARTMENTS = [15, 5, 10, 12, 6, 7, 4, 8, 9, 14, 1, 3, 11, 2]


def reference_frame(name):
    frame = pd.read_csv(next(REFERENCE.glob(f"data/{name}.csv*")))
    if name == "insteval":
        frame["dept"] = pd.Categorical(frame["dept"], categories=DEPARTMENTS)
    return frame


@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in EXPECTED["fits"]])
def test_reference_cases_have_the_names_of_lme4(case):
    formula = parse(case["formula"])
    frame = reference_frame(case["data"]).dropna(subset=list(formula.variables))
    matrices = build_matrices(
        formula,
        frame,
        weights=case["weights"],
        offset=case["offset"],
        contrasts=case["contrasts"],
        categorical=EXPECTED["categorical"][case["data"]],
    )
    wanted = case["REML"]
    assert list(matrices.fixed_names) == list(wanted["fixef"])
    assert matrices.nobs == wanted["nobs"]
    assert [t.group for t in matrices.random] == [v["group"] for v in wanted["varcorr"]]
    assert [list(t.effects) for t in matrices.random] == [v["names"] for v in wanted["varcorr"]]
    assert {t.grouping: len(t.levels) for t in matrices.random} == wanted["ngrps"]
    levels = {t.grouping: list(t.levels) for t in matrices.random}
    for group in wanted.get("ranef", ()):
        assert levels[group["group"]] == group["levels"]


@pytest.fixture
def frame():
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "y": rng.normal(size=60),
            "x": rng.normal(size=60),
            "z": rng.uniform(1, 2, size=60),
            "f": rng.choice(["a", "b", "c"], 60),
            "region": np.tile([3, 20, 100], 20),
            "clinic": np.repeat([1, 2, 3, 4], 15),
        }
    )


def test_attributes_of_a_formula():
    formula = parse(" log(y) ~ x:f + offset(o)+I(z^2) + (x | region/clinic) + (1 | factor(day)) ")
    assert (
        formula.text == "log(y) ~ x:f + offset(o)+I(z^2) + (x | region/clinic) + (1 | factor(day))"
    )
    assert formula.response == "log(y)"
    assert formula.variables == ("y", "x", "f", "o", "z", "region", "clinic", "day")
    assert set(formula.fixed_variables) == {"x", "f", "z", "o"}
    assert formula.grouping_factors == ("region", "clinic", "day")
    assert [bar.text for bar in formula.random] == [
        "x | clinic:region",
        "x | region",
        "1 | factor(day)",
    ]
    assert [bar.grouping.columns for bar in formula.random] == [
        ("clinic", "region"),
        ("region",),
        ("day",),
    ]


def test_parse_gives_the_same_object_again():
    assert parse("y ~ x + (1 | g)") is parse("y ~ x + (1 | g)")


def test_parentheses_group_factors_that_lme4_cannot_read(frame):
    for text in ("(1 | (region/clinic))", "(1 | region/clinic)"):
        names = [t.group for t in build_matrices(f"y ~ x + {text}", frame).random]
        assert names == ["clinic:region", "region"]
    deep = parse("y ~ 1 + (1 | a/(b/c))").random
    assert [bar.grouping.name for bar in deep] == ["c:b:a", "b:a", "a"]
    named = parse("y ~ 1 + (1 | a:b/c)").random
    assert [bar.grouping.name for bar in named] == ["c:(a:b)", "a:b"]


def test_double_bar_over_an_intercept_alone(frame):
    (term,) = build_matrices("y ~ x + (1 || region)", frame).random
    assert (term.group, term.effects) == ("region", ("(Intercept)",))


def test_functions_as_grouping_factors(frame):
    terms = build_matrices(
        "y ~ x + (1 | factor(region)) + (1 | interaction(region, clinic))", frame
    ).random
    assert [term.group for term in terms] == ["interaction(region, clinic)", "factor(region)"]
    assert terms[0].factors == ("region", "clinic")
    assert terms[0].levels[:3] == ("3.1", "20.1", "100.1")
    assert terms[1].levels == ("3", "20", "100")


def test_the_fixed_part_alone_may_be_empty(frame):
    matrices = build_matrices("y ~ 0 + (1 | region)", frame)
    assert matrices.X.shape == (60, 0)
    assert matrices.fixed_names == matrices.fixed_terms == ()
    assert build_matrices("y ~ (1 | region)", frame).fixed_names == ("(Intercept)",)


def test_dropped_columns_are_named(frame):
    matrices = build_matrices(
        "y ~ x + I(2 * x) + z + I(x + z) + one + (1 | region)", frame.assign(one=1.0)
    )
    assert matrices.fixed_names == ("(Intercept)", "x", "z")
    assert matrices.dropped == ("I(2 * x)", "I(x + z)", "one")
    assert matrices.all_fixed_names == ("(Intercept)", "x", "I(2 * x)", "z", "I(x + z)", "one")
    assert matrices.X.shape == (60, 3)
    assert [term.columns for term in matrices.fixed_terms] == [(0,), (1,), (2,), (3,), (4,), (5,)]


def test_empty_cells_drop_their_columns(frame):
    thin = frame[~((frame.f == "c") & (frame.clinic == 4))]
    matrices = build_matrices("y ~ f * clinic + (1 | region)", thin, categorical=["clinic"])
    assert matrices.dropped == ("fc:clinic4",)
    assert matrices.fixed_terms[-1].variables == ("f", "clinic")
    assert len(matrices.fixed_terms[-1].columns) == 6


KINDS = {
    "integers": [10, 9, 10, 100, 9, 100],
    "far apart": [10**12, 5, 10**12, 7 * 10**13, 5, 7 * 10**13],
    "floats": [1.5, -2.0, 1.5, 100000.5, -2.0, 100000.5],
    "whole floats": [100000.0, 3.0, 100000.0, 200000.0, 3.0, 200000.0],
    "texts": ["b10", "a", "b10", "b9", "a", "b9"],
    "objects": pd.Series(["b", "B", "b", "é", "B", "é"], dtype=object),
    "booleans": [True, False, True, False, False, True],
    "nullable": pd.array([3, 1, 3, 2, 1, 2], dtype="Int64"),
    "categories": pd.Categorical(list("zazyay"), ["z", "unused", "y", "a"]),
    "number categories": pd.Categorical([20, 3, 20, 1, 3, 1], [20, 3, 1]),
}
LEVELS = {
    "integers": ("9", "10", "100"),
    "far apart": ("5", "1000000000000", "70000000000000"),
    "floats": ("-2", "1.5", "100000.5"),
    "whole floats": ("3", "100000", "200000"),
    "texts": ("a", "b10", "b9"),
    "objects": ("B", "b", "é"),
    "booleans": ("FALSE", "TRUE"),
    "nullable": ("1", "2", "3"),
    "categories": ("z", "y", "a"),
    "number categories": ("20", "3", "1"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_levels_of_each_kind_of_column(kind):
    frame = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 7], "g": KINDS[kind]})
    (term,) = build_matrices("y ~ 1 + (1 | g)", frame).random
    assert term.levels == LEVELS[kind]
    labels = np.array(term.levels)[term.codes]
    for first in range(6):
        for second in range(6):
            same = frame["g"].iloc[first] == frame["g"].iloc[second]
            assert (labels[first] == labels[second]) == same


def test_floats_equal_to_fifteen_digits_are_two_levels():
    frame = pd.DataFrame({"y": [1.0, 2, 3, 5], "g": [0.1 + 0.2, 0.3, 0.5, 0.5]})
    (term,) = build_matrices("y ~ 1 + (1 | g)", frame).random
    levels = ("0.3", "0.30000000000000004", "0.5")
    assert (term.levels, term.codes.tolist()) == (levels, [1, 0, 2, 2])


def test_long_columns_are_coded_as_short_ones():
    rng = np.random.default_rng(2)
    short = pd.DataFrame(
        {"g": rng.integers(0, 9, 500) * 10**9 + 7, "v": rng.normal(size=500).round(1)}
    )
    short["y"] = rng.normal(size=500)
    long = pd.concat([short] * 20, ignore_index=True)
    for formula in ("y ~ 1 + (1 | g)", "y ~ 1 + (1 | v)", "y ~ 1 + (1 | g:v)", "y ~ 1 + (1 | v/g)"):
        for a, b in zip(
            build_matrices(formula, short).random, build_matrices(formula, long).random, strict=True
        ):
            assert a.levels == b.levels
            np.testing.assert_array_equal(np.tile(a.codes, 20), b.codes)


def test_interaction_codes_only_what_occurs_first_factor_slowest():
    frame = pd.DataFrame(
        {"y": [1.0, 2, 3, 4, 6], "a": ["q", "p", "q", "p", "p"], "b": [10, 9, 9, 9, 9]}
    )
    (term,) = build_matrices("y ~ 1 + (1 | a:b)", frame).random
    assert term.levels == ("p:9", "q:9", "q:10")
    assert term.codes.tolist() == [2, 0, 1, 0, 0]


def test_weights_and_offset_by_name_expression_or_array(frame):
    formula = "y ~ x + offset(x / 2) + (1 | region)"
    for weights in ("z", "z * 1", frame["z"].to_numpy(), frame["z"]):
        matrices = build_matrices("y ~ x + (1 | region)", frame, weights=weights)
        np.testing.assert_array_equal(matrices.weights, frame["z"])
        assert matrices.offset is None
    for offset in ("z", "1 * z", frame["z"].to_numpy()):
        matrices = build_matrices(formula, frame, offset=offset)
        np.testing.assert_allclose(matrices.offset, frame["x"] / 2 + frame["z"], rtol=1e-15)
        assert matrices.fixed_names == ("(Intercept)", "x")


def test_a_column_name_that_reads_like_an_expression_is_a_column_unless_it_is_one(frame):
    odd = frame.assign(**{"z - 1": 2.0})
    for given in ({"weights": "z - 1"}, {"offset": "z - 1"}):
        with pytest.raises(DataError, match="'z - 1' is a column of the data and an expression"):
            build_matrices("y ~ x + (1 | region)", odd, **given)
    for data, text in ((odd, "`z - 1`"), (odd.drop(columns="z"), "z - 1")):
        assert (
            build_matrices("y ~ x + (1 | region)", data, weights=text).weights.tolist()
            == [2.0] * 60
        )


def test_a_response_may_be_given(frame):
    given = np.arange(60.0)
    for formula in ("~ x + (1 | region)", "y ~ x + (1 | region)"):
        matrices = build_matrices(formula, frame, response=given)
        np.testing.assert_array_equal(matrices.y, given)
    assert build_matrices("~ x + (1 | region)", frame, response=given).response == ""


def test_contrasts_leave_random_terms_alone_and_ignore_unused_columns(frame):
    matrices = build_matrices(
        "y ~ f + (0 + f | clinic) + (f | region)", frame, contrasts={"f": "sum", "z": "sum"}
    )
    assert matrices.fixed_names == ("(Intercept)", "f1", "f2")
    assert {term.effects for term in matrices.random} == {
        ("fa", "fb", "fc"),
        ("(Intercept)", "fb", "fc"),
    }


def test_matrices_do_not_share_memory_with_the_frame(frame):
    before = frame.copy()
    matrices = build_matrices("y ~ x + (x | region)", frame, weights="z", offset="z")
    for array in (matrices.y, matrices.X, matrices.weights, matrices.offset):
        array[:] = 0
    matrices.random[0].model[:] = 0
    pd.testing.assert_frame_equal(frame, before)


FORMULAS = [
    "y ~ poly(x, 2) + scale(z):f + ns(x, 3) + (scale(x) | clinic) + (1 | region/clinic)",
    "log(z) ~ center(x) * f + I(x^2) + (f | region) + (bs(x) || clinic) + offset(z / 2)",
    "y ~ C(f, sum) + interaction(f, region) + (0 + f:x || clinic) + (1 | region:f)",
    "y ~ f + x + I(2 * x) + (1 | clinic)",
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("copy", ["whole", "part"])
def test_rebuilding_on_the_rows_of_the_fit_gives_the_fit(formula, copy, frame):
    matrices, design = build_matrices_with_design(formula, frame, offset="x")
    rows = np.arange(60) if copy == "whole" else np.array([59, 3, 17])
    new = design.rebuild(frame.iloc[rows].drop(columns="y"))
    np.testing.assert_array_equal(new.X, matrices.X[rows])
    np.testing.assert_array_equal(new.offset, matrices.offset[rows])
    for old, term in zip(matrices.random, new.random, strict=True):
        assert (term.group, term.effects) == (old.group, old.effects)
        np.testing.assert_array_equal(term.model, old.model[rows])
        np.testing.assert_array_equal(term.codes, old.codes[rows])


def test_unknown_levels_of_grouping_factors_are_coded_minus_one(frame):
    _, design = build_matrices_with_design("y ~ x + (1 | region/clinic)", frame)
    new = pd.DataFrame({"x": 0.0, "region": [3, 20, 7, 100], "clinic": [1, 9, 1, 4]})
    inner, outer = design.rebuild(new).random
    assert outer.codes.tolist() == [0, 1, -1, 2]
    assert inner.codes.tolist() == [0, -1, -1, 11]


def test_levels_and_dummy_columns_of_fixed_factors(frame):
    matrices, design = build_matrices_with_design("y ~ x * f + (1 | region)", frame)
    assert design.factor_levels == {"f": ("a", "b", "c")}
    assert design.factor_columns == {"f": ("fa", "fb", "fc")}
    assert matrices.design is design


def test_a_design_survives_pickling(frame):
    import pickle

    _, design = build_matrices_with_design(FORMULAS[0], frame)
    again = pickle.loads(pickle.dumps(design))
    np.testing.assert_array_equal(again.rebuild(frame).X, design.rebuild(frame).X)


def test_constant_columns_of_random_terms_are_marked(frame):
    terms = build_matrices(
        "y ~ x + (x + f | region) + (0 + x | clinic) + (1 | clinic)", frame
    ).random
    marked = {(t.grouping, t.effects[0]): t.constant for t in terms}
    assert marked == {
        ("region", "(Intercept)"): (True, False, False, False),
        ("clinic", "x"): (False,),
        ("clinic", "(Intercept)"): (True,),
    }
    for term in terms:
        assert [bool((column == 1).all()) for column in term.model.T] == list(term.constant)


def test_nothing_is_said_to_be_constant_by_default(frame):
    (term,) = build_matrices("y ~ x + (x | region)", frame).random
    plain = RandomTerm("g", "g", ("g",), term.effects, term.model, term.codes, term.levels)
    assert plain.constant == (False, False)
