"""Combinations of grouping factors, against sorting the combinations of single rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit import lmer
from mmfit.expression import columns as expression_columns
from mmfit.expression.values import FactorValues, as_factor
from mmfit.formula import build_matrices, parse
from mmfit.formula.grouping import code_groups


def combined(factors):
    groups = None
    for factor in reversed(factors):
        groups = code_groups(factor, groups)
    return groups


def sorted_combinations(factors):
    rows = list(zip(*(factor.codes.tolist() for factor in factors), strict=True))
    distinct = sorted(set(rows))
    place = {row: k for k, row in enumerate(distinct)}
    labels = [":".join(f.levels[k] for f, k in zip(factors, row, strict=True)) for row in distinct]
    return [place[row] for row in rows], tuple(labels)


def check(factors):
    groups = combined(factors)
    codes, levels = sorted_combinations(factors)
    assert groups.codes.tolist() == codes
    assert groups.codes.dtype == np.intp
    assert groups.coding.levels == levels
    assert groups.coding.parts == tuple(factor.levels for factor in factors)
    assert (np.diff(groups.coding.keys) > 0).all()
    assert groups.coding.codes(factors).tolist() == codes


COLUMNS = st.integers(1, 60).flatmap(
    lambda n: st.lists(
        st.integers(1, 12).flatmap(
            lambda high: st.lists(st.integers(0, high), min_size=n, max_size=n)
        ),
        min_size=2,
        max_size=4,
    )
)


@given(COLUMNS)
def test_any_combination_is_that_of_sorting(columns):
    check([as_factor(np.array(column)) for column in columns])


@given(COLUMNS, st.permutations(range(3)))
def test_nested_factors_in_any_order(columns, order):
    outer, middle = np.array(columns[0]), np.array(columns[1])
    unique = np.unique(outer * 100 + middle, return_inverse=True)[1]
    inner = np.unique(unique * 1000 + np.arange(len(outer)) % 7, return_inverse=True)[1]
    # Labels in another order than the parents'.
    chain = [outer, (unique * 31) % 1009, (inner * 37) % 10007]
    check([as_factor(chain[k]) for k in order])


@pytest.mark.parametrize("step", [1, 7919])
@pytest.mark.parametrize("spread", [1, 10**6])
def test_many_rows_nested_but_for_one(step, spread):
    rows = np.arange(40_000) * step % 40_000
    inner, outer = as_factor(rows // 10), as_factor(rows // 100)
    check([inner, outer])
    check([outer, inner])
    codes = outer.codes.copy()
    codes[12_345] += 1 if codes[12_345] == 0 else -1
    check([inner, FactorValues(codes, outer.levels)])
    check([FactorValues(codes, outer.levels), inner])
    check([as_factor(rows % 200 * spread), as_factor(rows // 200 * spread)])


def test_sparse_combinations_of_many_levels():
    rng = np.random.default_rng(4)
    check([as_factor(rng.integers(0, 900, 1500)) for _ in range(3)])


def test_levels_that_occur_in_no_row():
    unused = FactorValues(np.array([0, 2, 2, 0]), ("a", "b", "c"))
    check([unused, as_factor(np.array([1, 1, 0, 0]))])
    check([unused, as_factor(np.array([1, 2, 2, 1]))])
    check([as_factor(np.array([1, 2, 3, 4])), unused])


def nested_frame(coding, n=600):
    rng = np.random.default_rng(8)
    patient = rng.permutation(np.resize(np.arange(60), n))
    clinic, region = patient % 12, patient % 3
    if coding == "restarting":
        patient, clinic = patient // 12, clinic // 3
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "region": region,
            "clinic": clinic,
            "patient": patient,
        }
    )


@pytest.mark.parametrize("coding", ["unique", "restarting"])
@pytest.mark.parametrize("kind", ["int64", "str", "category"])
def test_nested_chain_by_every_kind_of_column(coding, kind):
    names = ["region", "clinic", "patient"]
    frame = nested_frame(coding)
    if kind != "int64":
        frame[names] = frame[names].astype(str).astype(kind)
    terms = build_matrices("y ~ x + (1 | region/clinic/patient)", frame).random
    assert [term.group for term in terms] == [
        "patient:(clinic:region)",
        "clinic:region",
        "region",
    ]
    assert [len(term.levels) for term in terms] == [60, 12, 3]
    for term, used in zip(terms, (names[::-1], names[1::-1], names[:1]), strict=True):
        texts = frame[used].astype(str).agg(":".join, axis=1)
        assert [term.levels[k] for k in term.codes] == texts.tolist()


def test_labels_of_categories_are_not_formed_by_building(monkeypatch):
    names = ["region", "clinic", "patient"]
    frame = nested_frame("unique")
    frame[names] = frame[names].astype("category")

    def refuse(values):
        raise AssertionError("labels were formed")

    with monkeypatch.context() as patch:
        patch.setattr(expression_columns, "level_labels", refuse)
        terms = build_matrices("y ~ x + (1 | region/clinic/patient)", frame).random
        assert [len(term.levels) for term in terms] == [60, 12, 3]
    assert terms[2].levels == ("0", "1", "2")
    assert terms[1].levels[:2] == ("0:0", "1:1")


def test_new_rows_find_the_levels_of_a_nested_chain():
    frame = nested_frame("restarting")
    design = build_matrices("y ~ x + (1 | region/clinic/patient)", frame).design
    new = frame.iloc[[5, 0, 7]].copy()
    new.loc[new.index[0], "patient"] = 99
    (first, second, third) = design.rebuild(new).random
    terms = build_matrices("y ~ x + (1 | region/clinic/patient)", frame).random
    assert first.codes.tolist() == [-1, *terms[0].codes[[0, 7]].tolist()]
    assert second.codes.tolist() == terms[1].codes[[5, 0, 7]].tolist()
    assert third.codes.tolist() == terms[2].codes[[5, 0, 7]].tolist()


def test_equal_left_sides_share_their_matrix_and_others_do_not():
    frame = nested_frame("unique")
    text = "y ~ x + (x | region) + (x | clinic) + (0 + clinic | clinic) + (0 + clinic | region)"
    terms = build_matrices(text, frame).random
    shapes = {(term.grouping, term.effects[0]): term.model for term in terms}
    assert shapes["region", "(Intercept)"] is shapes["clinic", "(Intercept)"]
    # A column that groups its own bar is a factor there, and a number elsewhere.
    assert shapes["clinic", "clinic0"].shape[1] == 12
    assert shapes["region", "clinic"].shape[1] == 1


def test_variables_that_were_removed_again_do_not_confuse_equal_sides():
    frame = nested_frame("unique")
    text = "y ~ x + (patient + x + patient - patient | clinic) + (x | region)"
    first, second = build_matrices(text, frame).design.rebuild(frame).random
    assert first.effects == second.effects == ("(Intercept)", "x")
    assert np.array_equal(first.model, second.model)
    assert parse(text).random[0].terms.labels == ("x",)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", [0.5, np.nan, 1.5, np.inf]),
        ("region", pd.Categorical(["a", None, "b", "a"])),
        ("region", ["a", None, "b", "a"]),
        ("region", pd.array([1, None, 2, 1], dtype="Int64")),
    ],
)
def test_rows_with_a_missing_value_are_left_out(name, values):
    frame = nested_frame("unique", 240)
    column = pd.Series(values)[np.resize([0, 2], 240)].reset_index(drop=True)
    column[7] = values[1] if isinstance(values, list) else pd.NA
    frame[name] = column
    rows = lmer("y ~ x + (1 | region)", frame).rows
    assert rows.tolist() == [k for k in range(240) if k != 7]
