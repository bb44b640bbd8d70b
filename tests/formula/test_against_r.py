"""Names and matrices against R's model.matrix and lme4's mkReTrms (frozen by r_matrices.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmfit.expression.columns import Columns
from mmfit.expression.labels import number_label
from mmfit.formula import build_matrices_with_design, full_dummy_matrix
from mmfit.formula.build import _fixed
from mmfit.formula.formula import parse
from mmfit.formula.rank import independent_columns
from mmfit.formula.transforms import States
from mmfit.formula.variables import VariableReader

HERE = Path(__file__).parent
R = json.loads((HERE / "r_matrices.json").read_text())
# The fixture holds 12 significant digits; spline and polynomial columns are of order one.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(scope="module")
def frame():
    data = pd.read_csv(HERE / "r_data.csv")
    data["dose"] = pd.Categorical(data["dose"], ["low", "mid", "high"], ordered=True)
    return data


def named(cases):
    return [pytest.param(case, id=case["formula"]) for case in cases]


@pytest.mark.parametrize("case", named(R["fixed"]))
def test_fixed_part(case, frame):
    formula = parse(f"y ~ {case['formula']} + (1 | doctor)")
    reader = VariableReader(Columns(frame), formula.text, States())
    coded, _ = _fixed(formula.fixed, reader, {})
    assert list(coded.names) == np.atleast_1d(case["names"]).tolist()
    np.testing.assert_allclose(coded.matrix, case["matrix"], **TOLERANCE)
    assign = np.empty(len(coded.names), dtype=int)
    for place, columns in enumerate(coded.term_columns):
        assign[list(columns)] = place + (not formula.fixed.intercept)
    assert assign.tolist() == np.atleast_1d(case["assign"]).tolist()
    assert list(formula.fixed.labels) == np.atleast_1d(case["labels"]).tolist()
    assert independent_columns(coded.matrix).tolist() == np.atleast_1d(case["kept"]).tolist()


@pytest.mark.parametrize("case", named(R["contrasts"]))
def test_contrasts_argument(case, frame):
    formula = f"y ~ {case['formula']} + (1 | doctor)"
    matrices, _ = build_matrices_with_design(formula, frame, contrasts=case["contrasts"])
    assert list(matrices.all_fixed_names) == case["names"]
    np.testing.assert_allclose(matrices.X, case["matrix"], **TOLERANCE)


@pytest.mark.parametrize("case", named(R["full"]))
def test_full_dummy_matrix(case, frame):
    formula = f"y ~ {case['formula']} + (1 | doctor)"
    contrasts = {"f": "sum"} if " f" in formula else None
    matrices, design = build_matrices_with_design(formula, frame, contrasts=contrasts)
    full = full_dummy_matrix(design)
    assert list(full.names) == case["names"]
    np.testing.assert_array_equal(full.matrix, case["matrix"])
    assert len(full.term_columns) == len(matrices.fixed_terms)
    offset = 0 if design.formula.fixed.intercept else 1
    for place, columns in enumerate(full.term_columns):
        assert {case["assign"][column] for column in columns} == {place + offset}


@pytest.mark.parametrize("case", named(R["predicted"]))
def test_new_rows(case, frame):
    new = pd.DataFrame(
        {
            "x": [-1.5, 0.25, 4],
            "z": [0.5, 5, 12],
            "f": ["c", "a", "b"],
            "day": [10, 0, 2],
        }
    )
    _, design = build_matrices_with_design(f"y ~ {case['formula']} + (1 | doctor)", frame)
    rebuilt = design.rebuild(new, random=False)
    np.testing.assert_allclose(rebuilt.X, case["matrix"], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("case", named(R["random"]))
def test_random_terms(case, frame):
    matrices, _ = build_matrices_with_design(f"y ~ x + {case['formula']}", frame)
    assert [term.group for term in matrices.random] == np.atleast_1d(case["groups"]).tolist()
    for term, wanted in zip(matrices.random, case["terms"], strict=True):
        assert term.grouping == wanted["grouping"]
        assert list(term.effects) == wanted["effects"]
        assert list(term.levels) == wanted["levels"]
        assert term.codes.tolist() == wanted["codes"]
        np.testing.assert_allclose(term.model, wanted["model"], **TOLERANCE)


@pytest.mark.parametrize(
    ("value", "text"), list(zip(R["labels"]["values"], R["labels"]["texts"], strict=True))
)
def test_number_labels(value, text):
    assert number_label(value) == text
