"""Many responses as arrays, and the sets of rows on which they are observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfit.common.alignment import row_order
from mmfit.errors import DataError, FormulaError
from mmfit.expression.columns import Columns
from mmfit.expression.nodes import Expression, Name
from mmfit.formula.complete_rows import NO_ROWS
from mmfit.formula.terms import Variable
from mmfit.formula.transforms import States
from mmfit.formula.variables import VariableReader


def stand_in(n: int) -> np.ndarray:
    """A response that varies, for a design that is built before its responses."""
    return np.arange(n, dtype=float)


def response_columns(responses, data: Mapping[str, Any]) -> tuple[tuple, np.ndarray]:
    """Names (B) and values (B, n) of the responses, in the order of the rows of ``data``.

    Raises
    ------
    DataError
        No responses, one that is not numeric, names that occur twice, unequal lengths, other
        lengths than the data's, or labels of rows that are not the data's.
    """
    if isinstance(responses, np.ndarray):
        names, columns = _of_array(responses)
    elif hasattr(responses, "columns") or isinstance(responses, Mapping):
        names, columns = _of_columns(responses, data)
    else:
        raise DataError(
            "responses must be a DataFrame, a mapping of names to columns, or an (n, B) array, not "
            f"{type(responses).__name__}"
        )
    length = len(data) if hasattr(data, "iloc") else len(next(iter(data.values())))
    if columns.shape[1] != length:
        raise DataError(
            f"responses: {columns.shape[1]} values each, but the data have {length} rows"
        )
    return names, columns


def _of_array(responses: np.ndarray) -> tuple[tuple, np.ndarray]:
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


def _of_columns(responses, data: Mapping[str, Any]) -> tuple[tuple, np.ndarray]:
    names = tuple(responses.columns if hasattr(responses, "columns") else responses)
    if not names:
        raise DataError("responses: there is none")
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise DataError(f"responses: {twice!r} stands more than once")
    if hasattr(responses, "to_numpy"):
        order = row_order(responses, data, "responses")
        whole = responses.to_numpy()
        if whole.dtype.kind in "fiu":
            columns = np.ascontiguousarray(whole.T, dtype=float)
        else:
            columns = np.array([_numbers(name, responses[name]) for name in names])
        return names, columns if order is None else columns[:, order]
    parts = []
    for name in names:
        order = row_order(responses[name], data, f"the response {name!r}")
        column = _numbers(name, responses[name])
        parts.append(column if order is None else column[order])
        if column.shape != parts[0].shape or column.ndim != 1:
            raise DataError(
                f"responses: {name!r} has shape {column.shape}, {names[0]!r} {parts[0].shape}"
            )
    return names, np.array(parts)


def infinite_values(names: tuple, columns: np.ndarray, rows: np.ndarray | None) -> dict[int, str]:
    """What :func:`mmfit.lmer` says of each of the responses (B, n) that has infinite values in the
    ``rows`` used (None: all)."""
    failures = {}
    infinite = np.isinf(columns)
    if rows is not None:
        used = np.zeros(columns.shape[1], dtype=bool)
        used[rows] = True
        infinite &= used
    for i in np.flatnonzero(infinite.any(axis=1)).tolist():
        name = str(names[i])
        variable = Variable(name, Expression(Name(name), name))
        values = {name: np.where(infinite[i], columns[i], 0.0)}
        try:
            VariableReader(Columns(values), name, States()).numbers(variable, "response")
        except FormulaError as error:
            failures[i] = error.reason
    return failures


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
            failures[i] = NO_ROWS
            continue
        groups.setdefault(b"" if complete[i] else observed[i].tobytes(), []).append(i)
    for key, members in groups.items():
        keep = np.flatnonzero(observed[members[0]]) if key else None
        yield keep, np.array(members, dtype=np.intp)
