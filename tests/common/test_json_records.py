"""Records to JSON and back: to the bit, NaN as null, refused where they are not what is asked."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from mmfit.common.json_records import from_json, plain, to_json
from mmfit.errors import DataError


@dataclass(frozen=True)
class Inner:
    name: str
    value: float | None
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    pair: tuple[str, float]
    known: Inner | None
    array: np.ndarray
    size: float
    done: bool


RECORD = Outer(
    inner=(Inner("a", 1 / 3, (1, 2)), Inner("b", None)),
    pair=("x", 5e-324),
    known=Inner("c", -0.0),
    array=np.array([[0.1 + 0.2, np.nan], [np.pi, -1e300]]),
    size=np.nan,
    done=True,
)


def test_a_record_comes_back_to_the_bit():
    read = from_json(to_json(RECORD), Outer, "a record")
    assert (read.inner, read.pair, read.known, read.done) == (
        RECORD.inner,
        RECORD.pair,
        RECORD.known,
        RECORD.done,
    )
    np.testing.assert_array_equal(read.array, RECORD.array)
    assert np.isnan(read.size)
    assert str(read.known.value) == "-0.0"
    assert to_json(read) == to_json(RECORD)


def test_keys_stand_in_the_order_of_the_fields_and_nan_is_null():
    raw = json.loads(to_json(RECORD))
    assert list(raw) == ["inner", "pair", "known", "array", "size", "done"]
    assert (raw["size"], raw["array"][0][1]) == (None, None)


def test_a_missing_number_of_an_optional_field_comes_back_as_none():
    assert from_json(to_json(Inner("a", np.nan)), Inner, "a record") == Inner("a", None)


def test_what_is_no_number_of_json_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Inner("a", np.inf))


def test_mappings_sequences_and_numpy_numbers():
    given = {"a": [np.int64(3), np.float64(np.nan)], "b": (np.bool_(True), Inner("c", 1.0))}
    assert plain(given) == {
        "a": [3, None],
        "b": [True, {"name": "c", "value": 1.0, "numbers": []}],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "3",
        "{}",
        '{"name": "a"}',
        '{"name": "a", "value": 1.0}',
        '{"name": "a", "value": 1.0, "numbers": 3}',
        '{"name": "a", "value": 1.0, "further": 1}',
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(DataError, match="not a record written by this version of mmfit"):
        from_json(text, Inner, "a record")
