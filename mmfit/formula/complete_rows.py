"""Which rows of the data a model can use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfit.common.alignment import aligned
from mmfit.errors import DataError

NO_ROWS = "every row has a missing value in one of the columns that the model uses"


def complete_rows(parsed, data, weights, offset):
    """The data without the rows that have a missing value in a column used, and their places.

    Weights and offset that are not named are matched to the rows by :func:`aligned`.
    """
    from mmfit.common.arguments import check_columns
    from mmfit.expression import variables
    from mmfit.expression.columns import Columns

    check_columns(data, "data")
    columns = Columns(data)
    names, arrays = list(parsed.variables), {"weights": weights, "offset": offset}
    for value in arrays.values():
        if isinstance(value, str):
            names.extend([value] if value in data else variables(value))
    missing = None
    for name in dict.fromkeys(names):
        if name in data:
            mask = _missing(columns[name])
            if mask is not None:
                missing = mask if missing is None else missing | mask
    arrays = {
        k: v if v is None or isinstance(v, str) else aligned(v, data, k) for k, v in arrays.items()
    }
    if missing is None or not missing.any():
        return columns, None, arrays
    keep = np.flatnonzero(~missing)
    if not len(keep):
        raise DataError(NO_ROWS)
    for name, value in arrays.items():
        if isinstance(value, np.ndarray):
            if value.shape != missing.shape:
                raise DataError(
                    f"{name}: {len(missing)} values are needed, one per row of the data"
                )
            arrays[name] = value[keep]
    return take_rows(data, keep), keep, arrays


def take_rows(data: Mapping[str, Any], keep: np.ndarray) -> Mapping[str, Any]:
    """The rows ``keep`` of a DataFrame or a mapping of columns."""
    if hasattr(data, "iloc"):
        return data.iloc[keep]
    return {name: _taken(data[name], keep) for name in data}


def _taken(values: Any, keep: np.ndarray) -> Any:
    """Some of the values of a column, in its own type."""
    if hasattr(values, "iloc"):
        return values.iloc[keep]
    if hasattr(values, "dtype"):
        return values[keep]
    return [values[k] for k in keep.tolist()]


def _missing(column) -> np.ndarray | None:
    """Which values of a column are missing; None where none is, or could be."""
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return None
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        missing = np.isnan(np.asarray(column))
        return missing if missing.any() else None
    values = getattr(column, "array", column)
    if hasattr(values, "categories"):
        return values.codes < 0 if values.codes.min(initial=0) < 0 else None
    import pandas as pd

    return np.asarray(pd.isna(values))
