"""Many responses as arrays, and the sets of rows on which they are observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfit.errors import DataError


def check_length(columns: np.ndarray, data: Mapping[str, Any]) -> None:
    """Refuse responses (B, n) that have not one value per row of the data.

    Raises
    ------
    DataError
    """
    length = len(data) if hasattr(data, "iloc") else len(next(iter(data.values())))
    if columns.shape[1] != length:
        raise DataError(
            f"responses: {columns.shape[1]} values each, but the data have {length} rows"
        )


def stand_in(n: int) -> np.ndarray:
    """A response that varies, for a design that is built before its responses."""
    return np.arange(n, dtype=float)


def response_columns(responses) -> tuple[tuple, np.ndarray]:
    """Names (B) and values (B, n) of the responses, row by row as they stand.

    Raises
    ------
    DataError
        No responses, one that is not numeric, names that occur twice, or unequal lengths.
    """
    if isinstance(responses, np.ndarray):
        if responses.ndim != 2:
            raise DataError(
                "responses: an array has one row per row of the data, and one column "
                f"per response; this one has {responses.ndim} axes"
            )
        if responses.dtype.kind not in "fiub":
            raise DataError(f"responses: the array holds {responses.dtype}; numbers are needed")
        if not responses.shape[1]:
            raise DataError("responses: there is none")
        names = tuple(range(1, responses.shape[1] + 1))
        return names, np.ascontiguousarray(responses.T, dtype=float)
    if not hasattr(responses, "columns") and not isinstance(responses, Mapping):
        raise DataError(
            "responses must be a DataFrame, a mapping of names to columns, or an (n, B) array, not "
            f"{type(responses).__name__}"
        )
    names = tuple(responses.columns.tolist() if hasattr(responses, "columns") else responses)
    if not names:
        raise DataError("responses: there is none")
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataError(f"responses: {twice!r} stands more than once")
    if hasattr(responses, "to_numpy"):
        whole = responses.to_numpy()
        if whole.dtype.kind in "fiu":
            return names, np.ascontiguousarray(whole.T, dtype=float)
    columns = [_numbers(name, responses[name]) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.shape != columns[0].shape or column.ndim != 1:
            raise DataError(
                f"responses: {name!r} has shape {column.shape}, {names[0]!r} {columns[0].shape}"
            )
    return names, np.array(columns)


def _numbers(name, column) -> np.ndarray:
    import pandas as pd

    series = pd.Series(column) if isinstance(column, list | tuple) else column
    if not pd.api.types.is_numeric_dtype(series) or pd.api.types.is_complex_dtype(series):
        raise DataError(f"responses: {name!r} is not numeric")
    if hasattr(series, "to_numpy"):
        return series.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(series, dtype=float)


def row_patterns(observed: np.ndarray, failures: dict[int, str]):
    """(rows kept or None for all, members) for every set of rows that some response is observed
    on, in the order of their first members."""
    complete = observed.all(axis=1)
    if complete.all() and not failures:
        yield None, np.arange(len(observed))
        return
    groups: dict[bytes, list[int]] = {}
    for i in range(len(observed)):
        if i in failures:
            continue
        if not observed[i].any():
            failures[i] = "it has no value"
            continue
        groups.setdefault(b"" if complete[i] else observed[i].tobytes(), []).append(i)
    for key, members in groups.items():
        keep = np.flatnonzero(observed[members[0]]) if key else None
        yield keep, np.array(members, dtype=np.intp)
