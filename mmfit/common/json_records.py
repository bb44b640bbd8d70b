"""Frozen records to JSON and back without loss: one codec for all that is written.

Keys stand in the order of a record's fields. Python writes the shortest digits that read back the
same double; NaN is null. Back again, the annotations of the fields say what a value is.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from mmfit.errors import DataError

Record = TypeVar("Record")


def to_json(value: Any, indent: int = 2) -> str:
    """A record, or mappings, sequences and arrays of such, as JSON text that ends in a new line."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent) + "\n"


def plain(value: Any) -> Any:
    """The same in dicts, lists, texts and numbers."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        missing = np.isnan(value)
        return (np.where(missing, None, value) if missing.any() else value).tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def from_json(text: str, kind: type[Record], what: str) -> Record:
    """The inverse of :func:`to_json` for a record.

    Arrays come back with the shape that lists can tell: that of an array without entries is lost.

    Raises
    ------
    DataError
        When the text is not ``what``, a record of this ``kind`` as this version writes it.
    """
    try:
        return record_of(json.loads(text), kind)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"not {what} written by this version of mmfit: {error}") from None


def record_of(raw: Any, kind: type[Record]) -> Record:
    """A record from what JSON holds of it.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError : it is no such record.
    """
    hints = _hints(kind)
    # Also those that have a default in Python: what is written has all fields.
    absent = hints.keys() - raw.keys()
    if absent:
        raise KeyError(", ".join(sorted(absent)))
    return kind(**{name: _value(item, hints[name]) for name, item in raw.items()})


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    found = get_type_hints(kind)
    return {field.name: found[field.name] for field in fields(kind)}


def _value(raw: Any, hint: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if raw is None and NoneType in inner:
            return None
        known = [one for one in inner if one is not NoneType]
        return _value(raw, known[0]) if len(known) == 1 else raw
    if is_dataclass(hint):
        return record_of(raw, hint)
    if hint is np.ndarray:
        return np.array(raw, dtype=float)
    if hint is float:
        return np.nan if raw is None else raw
    if origin is tuple:
        return _tuple(raw, inner)
    return raw


def _tuple(raw: Any, inner: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise TypeError(f"a list is expected, not {raw!r:.40}")
    if len(inner) == 2 and inner[1] is ...:
        return tuple(_value(item, inner[0]) for item in raw)
    return tuple(_value(item, hint) for item, hint in zip(raw, inner, strict=True))
