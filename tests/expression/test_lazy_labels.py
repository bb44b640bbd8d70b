"""Labels that are formed late stand for a tuple; codes of columns agree with a plain count."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmfit.expression.columns import Columns
from mmfit.expression.labels import Labels, level_labels
from mmfit.expression.values import code_numbers, present_codes


def test_labels_are_formed_once_and_only_when_looked_at():
    calls = []

    def form():
        calls.append(1)
        return map(str, range(3))

    labels = Labels(3, form)
    assert len(labels) == 3
    assert labels
    assert labels != ("0", "1")
    assert labels == labels
    assert not calls
    assert labels[1] == "1"
    assert list(labels) == ["0", "1", "2"]
    assert calls == [1]


def test_labels_stand_for_a_tuple():
    texts = ("b", "a", "b")
    labels = Labels(3, lambda: list(texts))
    assert labels == texts
    assert texts == labels
    assert labels == Labels(3, lambda: texts)
    assert labels != Labels(3, lambda: ("b", "a", "c"))
    assert labels != ["b", "a", "b"]
    assert hash(labels) == hash(texts)
    assert repr(labels) == repr(texts)
    assert labels[1:] == texts[1:]
    assert (labels.index("b", 1), labels.count("b"), "c" in labels) == (2, 2, False)
    assert pickle.loads(pickle.dumps(labels)) == texts
    assert not Labels(0, tuple)


def test_labels_do_not_change():
    labels = Labels(1, lambda: ("a",))
    with pytest.raises(TypeError):
        labels[0] = "b"
    with pytest.raises(AttributeError):
        labels.texts = ("b",)


INTEGERS = st.sampled_from(["int8", "int16", "int64", "uint8", "uint64"]).flatmap(
    lambda name: arrays(name, st.integers(0, 40))
)
WHOLE = arrays(
    "float64", st.integers(0, 40), elements=st.integers(-50, 50).map(float) | st.just(-0.0)
)
FLOATS = arrays("float64", st.integers(0, 40), elements=st.floats(width=16))


@given(INTEGERS | WHOLE | FLOATS)
def test_codes_of_numbers_are_those_of_sorting(values):
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
    distinct, inverse = np.unique(values[~missing], return_inverse=True)
    codes, labels = code_numbers(values)
    assert codes.dtype == np.intp
    assert codes[~missing].tolist() == inverse.tolist()
    assert (codes[missing] == -1).all()
    assert labels == tuple(level_labels(distinct))


def test_codes_of_numbers_do_not_share_memory_with_the_column():
    values = np.array([0, 1, 2, 1])
    codes, _ = code_numbers(values)
    assert not np.shares_memory(codes, values)


@pytest.mark.parametrize("count", [3, 3000])
def test_wide_integers_are_coded_by_value(count):
    values = np.arange(count, dtype=np.int64)[::-1] * 10**12
    codes, labels = code_numbers(np.tile(values, 2))
    assert codes.tolist() == [*range(count)][::-1] * 2
    assert labels[1] == "1000000000000"
    assert len(labels) == count


@given(arrays(np.intp, st.integers(0, 600), elements=st.integers(-1, 6)), st.integers(7, 9))
def test_present_codes(codes, span):
    kept, position = present_codes(codes, span)
    wanted = sorted(set(codes.tolist()) - {-1})
    if kept is None:
        assert position is None
        assert wanted == list(range(span))
    else:
        assert kept.tolist() == wanted
        assert position[-1] == -1
        assert position[kept].tolist() == list(range(len(kept)))


def test_a_level_in_one_row_of_many_is_found():
    codes = np.zeros(10_000, dtype=np.intp)
    codes[7321] = 2
    kept, position = present_codes(codes, 3)
    assert kept.tolist() == [0, 2]
    assert position.tolist()[::2] == [0, 1]
    codes[1234] = 1
    assert present_codes(codes, 3) == (None, None)


def test_columns_share_the_look_ups_of_others():
    frame = pd.DataFrame({"x": [1, 2], "g": ["a", "b"]})
    first = Columns(frame)
    column = first["g"]
    second = Columns(first, ("x",))
    assert second["g"] is column
    assert second.names() == ["x", "g"]
    assert second.length == 2
    assert second.value("x").levels == ("1", "2")
    assert first.value("x").tolist() == [1.0, 2.0]


def test_unused_categories_leave_the_levels():
    column = pd.Categorical.from_codes([2, -1, 0, 2], list("wxyz"), ordered=True)
    factor = Columns({"f": column}).value("f")
    assert factor.codes.tolist() == [1, -1, 0, 1]
    assert factor.levels == ("w", "y")
    assert factor.ordered


@pytest.mark.parametrize("count", [20, 2000])
@pytest.mark.parametrize("dtype", ["str", "object"])
def test_texts_are_coded_in_code_point_order(count, dtype):
    texts = np.resize(["b", "ä", "B", "a10", "a9"], count)
    factor = Columns({"f": pd.Series(texts, dtype=dtype)}).value("f")
    assert factor.levels == ("B", "a10", "a9", "b", "ä")
    assert [factor.levels[k] for k in factor.codes[:5]] == ["b", "ä", "B", "a10", "a9"]
    assert factor.kind == "text"


@pytest.mark.parametrize("count", [4, 2000])
@pytest.mark.parametrize("dtype", ["str", "object"])
def test_missing_texts_have_no_code(count, dtype):
    texts = pd.Series(np.resize(np.array(["b", None, "a", "b"], dtype=object), count), dtype=dtype)
    factor = Columns({"f": texts}).value("f")
    assert factor.codes[:4].tolist() == [1, -1, 0, 1]
    assert factor.levels == ("a", "b")
