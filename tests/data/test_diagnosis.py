"""Nested, crossed, partially crossed; balance; factors under several names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.data import diagnose
from mmfit.data.diagnosis import diagnose_factors, factor_partition, pair_relation
from tests.data.files import analysis

REFERENCE = Path(__file__).parents[1] / "reference" / "data"


def reference(name, *categorical):
    frame = pd.read_csv(REFERENCE / f"{name}.csv")
    return frame.astype(dict.fromkeys(categorical, "category"))


def described(frame, **factors):
    records, pairs = diagnose_factors(frame, factors)
    return {r.name: r for r in records}, {(p.first, p.second): p for p in pairs}


def test_nested_in_three_spellings():
    factors, pairs = described(
        reference("nested", "region", "clinic", "clinic_in_region"),
        **{
            "clinic:region": ("clinic", "region"),
            "region": ("region",),
            "clinic": ("clinic",),
            "clinic_in_region": ("clinic_in_region",),
        },
    )
    region, clinic = factors["region"], factors["clinic"]
    assert (region.levels, region.rows_min, region.rows_max, region.balanced) == (4, 60, 60, True)
    assert clinic.same_as == ("clinic:region",)
    assert clinic.nested_in == ("region", "clinic_in_region")
    assert factors["clinic:region"].nested_in == ("region", "clinic_in_region")
    assert region.crossed_with == ("clinic_in_region",)
    assert pairs["clinic", "region"].relation == "nested"
    assert pairs["clinic", "region"].share == 12 / 48
    assert pairs["region", "clinic_in_region"].relation == "crossed"
    # A combination lies within its own parts; that is no finding and no pair.
    assert ("clinic:region", "clinic_in_region") in pairs
    assert len(pairs) == 4
    assert not any(set(pair) == {"clinic:region", "region"} for pair in pairs)


def test_penicillin_is_crossed_and_balanced():
    _, pairs = described(reference("penicillin"), plate=("plate",), sample=("sample",))
    (pair,) = pairs.values()
    assert (pair.first, pair.second, pair.relation) == ("plate", "sample", "crossed")
    assert (pair.combinations, pair.share, pair.components, pair.balanced) == (144, 1.0, 1, True)


def test_pastes_casks_are_nested_by_the_column_that_labels_them_uniquely():
    factors, pairs = described(
        reference("pastes"), sample=("sample",), batch=("batch",), cask=("cask",)
    )
    assert factors["sample"].nested_in == ("batch", "cask")
    assert factors["batch"].crossed_with == ("cask",)
    assert pairs["sample", "batch"].relation == "nested"


def test_partial_crossing_and_parts_without_a_common_combination():
    frame = pd.DataFrame({"a": list("ppqqrrss"), "b": list("xyxyuvuv")})
    _, pairs = described(frame, a=("a",), b=("b",))
    (pair,) = pairs.values()
    assert (pair.relation, pair.combinations, pair.share) == ("partially crossed", 8, 0.5)
    assert pair.components == 2


def test_balance_counts_rows_per_level_and_per_combination():
    frame = pd.DataFrame({"a": list("ppqq"), "b": list("xxxy")})
    factors, pairs = described(frame, a=("a",), b=("b",))
    assert factors["a"].balanced
    assert (factors["b"].rows_min, factors["b"].rows_max, factors["b"].balanced) == (1, 3, False)
    assert not pairs["a", "b"].balanced


def test_a_disconnected_design_is_noted(tmp_path):
    frame = pd.DataFrame({"y": np.arange(8.0), "a": list("ppqqrrss"), "b": list("xyxyuvuv")})
    design = diagnose(frame, analysis(tmp_path, {"m": "y ~ 1 + (1 | a) + (1 | b)"}))
    (note,) = design.notes
    assert (note.kind, note.severity, note.factors) == ("disconnected", "note", ("a", "b"))
    assert "fall into 2 parts without a common combination" in note.message


def test_a_combination_is_one_factor_whatever_its_order(tmp_path):
    frame = reference("nested", "region", "clinic")
    models = {"m1": "y ~ x + (1 | region/clinic)", "m2": "y ~ x + (1 | region:clinic)"}
    design = diagnose(frame, analysis(tmp_path, models))
    assert [factor.name for factor in design.factors] == ["clinic:region", "region"]


CODES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30)


@given(CODES)
def test_relations_agree_with_their_definitions(rows):
    frame = pd.DataFrame(rows, columns=["a", "b"])
    pair = pair_relation(
        ("a", factor_partition(frame, ["a"])), ("b", factor_partition(frame, ["b"]))
    )
    combinations = set(rows)
    of_a = {a: {q for p, q in combinations if p == a} for a, _ in rows}
    of_b = {b: {p for p, q in combinations if q == b} for _, b in rows}
    a_in_b = all(len(found) == 1 for found in of_a.values())
    b_in_a = all(len(found) == 1 for found in of_b.values())
    if a_in_b and b_in_a:
        expected = "identical"
    elif a_in_b or b_in_a:
        expected = "nested"
        assert pair.first == ("a" if a_in_b else "b")
    elif len(combinations) == len(of_a) * len(of_b):
        expected = "crossed"
    else:
        expected = "partially crossed"
    assert pair.relation == expected
    assert pair.combinations == len(combinations)
    assert pair.components == _components(of_a)


def _components(of_a):
    parts = []
    for levels in of_a.values():
        touching = [part for part in parts if part & levels]
        parts = [part for part in parts if not part & levels]
        parts.append(levels.union(*touching))
    return len(parts)


@pytest.mark.parametrize("kind", ["category", "str", "int64"])
def test_codes_do_not_depend_on_how_a_column_is_held(kind):
    frame = pd.DataFrame({"a": [3, 1, 2, 1], "b": [1, 1, 2, 2]}).astype(kind)
    groups = factor_partition(frame, ["a", "b"])
    codes, count = groups.codes, groups.levels
    assert (codes.tolist(), count) == ([3, 0, 2, 1], 4)
