"""Checks of arguments that many functions take, so that each is refused in the same words."""

import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from mmfit.common.alignment import data_index
from mmfit.errors import DataError, MmfitError


def check_level(level: Any) -> None:
    """Raise MmfitError unless ``level`` is a single number between 0 and 1, both excluded."""
    if not isinstance(level, Real) or not 0 < level < 1:
        raise MmfitError(f"level={level!r} is not a probability between 0 and 1")


def check_count(value: Any, name: str, reason: str) -> None:
    """Raise MmfitError, with the reason, unless ``value`` is a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise MmfitError(f"{name}={value!r}: {reason}")


def check_seed(seed: Any) -> None:
    """Raise MmfitError unless ``seed`` is a whole number from 0: draws are to be repeatable."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise MmfitError(f"seed={seed!r} must be a whole number from 0, so that draws repeat")


def check_name(name: Any, kind: str) -> None:
    """Raise MmfitError unless ``name`` is a text; ``kind`` is what it should name."""
    if not isinstance(name, str):
        raise MmfitError(f"{name!r} is not the name of {kind}; a text is needed")


def fewest_draws(level: float) -> int:
    """Bootstrap draws of which the least and the greatest bound an interval of this level."""
    return math.ceil(2 / (1 - level) - 1e-9) - 1


def name_list(names: Any, argument: str) -> tuple[str, ...]:
    """A list of column names, or None, as a tuple.

    Raises
    ------
    DataError
        For a single text, or anything that is no list of texts.
    """
    if names is None:
        return ()
    many = isinstance(names, Iterable) and not isinstance(names, str | bytes)
    if not many or not all(isinstance(name, str) for name in names):
        raise DataError(f"{argument}={names!r} must be a list of column names, such as ['g']")
    return tuple(names)


def contrast_map(contrasts: Any) -> Mapping[str, Any]:
    """Contrasts by factor, none for None; raise DataError for what is no mapping."""
    if contrasts is not None and not isinstance(contrasts, Mapping):
        raise DataError(f"contrasts={contrasts!r} must map factors to contrasts: {{'a': 'sum'}}")
    return contrasts or {}


def check_columns(data: Any, name: str) -> None:
    """Raise DataError unless ``data`` has columns with names, which hold equally many values.

    Columns of a mapping that have labels for their rows must have the same, in the same order.
    """
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return
    if not isinstance(data, Mapping):
        raise DataError(
            f"{name} must be a DataFrame, or a mapping of column names to arrays, not "
            f"{type(data).__name__}"
        )
    if not data:
        raise DataError(f"{name}: there are no columns")
    lengths: dict[int, Any] = {}
    for column, values in data.items():
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise DataError(
                f"{name}: the column {column!r} is {values!r}; a list or array with a value per "
                "row is needed"
            )
        lengths.setdefault(len(values), column)
    if len(lengths) > 1:
        (first, a), (second, b) = list(lengths.items())[:2]
        raise DataError(
            f"{name}: the column {a!r} has {first} values and {b!r} has {second}; every column "
            "needs one per row"
        )
    data_index(data)
