"""Labels of values: different values, different labels; and what a constant means among labels."""

import struct
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.errors import DataError, FormulaError
from mmfit.expression import condition, evaluate
from mmfit.expression.columns import Columns
from mmfit.expression.interface import evaluate_with_texts
from mmfit.expression.labels import level_labels, number_label, text_column, value_label

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS)
def test_a_label_gives_its_number_back(value):
    label = value_label(value)
    assert float(label) == value
    if float(number_label(value)) == value and not (value.is_integer() and abs(value) < 1e18):
        assert label == number_label(value)


@given(FLOATS, st.integers(1, 3))
def test_neighbours_have_labels_of_their_own(value, steps):
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    (other,) = struct.unpack("<d", struct.pack("<q", bits ^ steps))
    if value != other and np.isfinite(other):
        assert value_label(value) != value_label(other)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_is_spelt_in_its_own(value):
    single = np.float32(value)
    assert np.float32(value_label(single)) == single
    # The double that is written the same is the same label.
    assert value_label(float(str(single))) == value_label(single)


@given(st.integers(), st.integers(0, 6))
def test_decimals_are_written_out_without_zeros_at_the_end(digits, places):
    value = Decimal(digits).scaleb(-places)
    label = value_label(value)
    assert Decimal(label) == value
    assert value_label(value * Decimal("1.000")) == label
    if abs(digits) < 10**15:
        assert label == value_label(float(value))


def levels(*values, **kwargs):
    factor = Columns({"g": pd.Series(list(values), **kwargs)}).factor("g")
    return [None if code < 0 else factor.levels[code] for code in factor.codes]


def test_mixed_objects():
    assert levels(1, "b", 1.0, True, None) == ["1", "b", "1", "TRUE", None]
    assert levels(True, 1, 0, False, "x") == ["TRUE", "1", "0", "FALSE", "x"]
    assert levels(2, 10, 10**30, dtype=object) == ["2", "10", "1" + "0" * 30]
    assert levels(Decimal("1.10"), Decimal("1.1"), Decimal("0.1") + 10**20) == [
        "1.1",
        "1.1",
        "100000000000000000000.1",
    ]
    for clash in ((1, "1", "b"), ("TRUE", True, "b"), ("0.3", 0.3, "b")):
        with pytest.raises(DataError, match=f"column 'g': two different levels .* {clash[1]!r}"):
            levels(*clash)


def test_categories_that_print_alike_are_two_levels():
    factor = Columns({"g": pd.Categorical([0.1 + 0.2, 0.3, 0.3])}).factor("g")
    assert [factor.levels[code] for code in factor.codes] == ["0.30000000000000004", "0.3", "0.3"]
    with pytest.raises(DataError, match="the int 1 and the str '1'"):
        Columns({"g": pd.Categorical([1, "1"])}).value("g")


def test_whole_numbers_have_one_spelling_whatever_stands_beside_them():
    assert level_labels(np.array([0.5, 1e5])) == ["0.5", "100000"]
    assert levels(1e5, 2.0) == levels(100000, 2) == ["100000", "2"]


CLINICS = pd.DataFrame({"g": [1.1, 1.1, 2.0, 10.0, 5.0], text_column("g"): 0})
CLINICS[text_column("g")] = ["1.1", "1.10", "2", "1E1", "5.0"]


@pytest.mark.parametrize(
    ("text", "labels", "numbers"),
    [
        ("g == 1.1", "10000", "11000"),
        ("g == 1.10", "01000", "11000"),
        ("g != 1.10", "10111", "00111"),
        ("g == '1.10'", "01000", "01000"),
        ("g == 10", "00010", "00010"),
        ("10 == g", "00010", "00010"),
        ("g == 5", "00001", "00001"),
        ("g in [1.10, 2.0]", "01100", "11100"),
        ("g in ['1.1', 2]", "10100", "10100"),
        ("g > 1.5", "00111", "00111"),
        ("2 >= g", "11100", "11100"),
        ("g * 2 == 4", "00100", "00100"),
        ("g == g", "11111", "11111"),
        ("-g == -5", "00001", "00001"),
    ],
)
def test_a_column_of_numbers_with_texts(text, labels, numbers):
    for categorical, wanted in ((("g",), labels), ((), numbers)):
        found = condition(text, CLINICS, categorical)
        assert "".join(str(int(hit)) for hit in found) == wanted


def test_a_number_that_spells_several_labels_is_refused():
    with pytest.raises(FormulaError, match=r"each of the labels '1\.1' and '1\.10'; put one"):
        condition("g == 1.100", CLINICS, ("g",))
    with pytest.raises(FormulaError, match="put one in quotes"):
        condition("g in [2, 1.100]", CLINICS, ("g",))


def test_what_is_taken_over_keeps_its_texts():
    for text, wanted in (
        ("g", ["1.1", "1.10", "2", "1E1", "5.0"]),
        ("ifelse(g > 1.5, g, 7.50)", ["7.50", "7.50", "2", "1E1", "5.0"]),
        ("ifelse(g < 2, g, -g)", ["1.1", "1.10", "-2", "-10", "-5"]),
    ):
        numbers, texts = evaluate_with_texts(text, CLINICS)
        assert texts.tolist() == wanted
        assert numbers.tolist() == [float(text) for text in wanted]
    assert evaluate_with_texts("g + 0", CLINICS)[1] is None
    assert evaluate("ifelse(g == '1.10', g, 'other')", CLINICS).tolist()[:3] == [
        "other",
        "1.10",
        "other",
    ]


def test_long_integers_are_compared_with_all_their_digits():
    ids = [10**17 + k for k in range(4)]
    for column in (np.array(ids), pd.array([*ids[:3], None], dtype="Int64")):
        frame = pd.DataFrame({"id": column, "other": ids[::-1]})
        assert condition(f"id == {ids[1]}", frame).tolist() == [False, True, False, False]
        assert condition(f"id > {ids[1]}", frame)[:3].tolist() == [False, False, True]
        assert condition(f"id in [{ids[0]}, 5]", frame).tolist() == [True, False, False, False]
        assert not condition("id == other", frame).any()
        texts = evaluate_with_texts("ifelse(id > 0, id, 0)", frame)[1]
        assert texts.tolist()[:3] == [str(k) for k in ids[:3]]
