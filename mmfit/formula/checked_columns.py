"""Columns of numbers beside the model matrices: weights and offsets, checked."""

import numpy as np

from mmfit.errors import DataError


def checked_weights(values: np.ndarray, label: str, rows: int) -> np.ndarray:
    """Prior weights, positive and finite, one per row.

    Raises
    ------
    DataError
    """
    weights = checked_column(values, label, rows, "weights")
    if len(weights) and not weights.min() > 0:
        bad = np.flatnonzero(~(weights > 0))
        where = f"row {bad[0] + 1}" + (f" ({len(bad)} rows in all)" if len(bad) > 1 else "")
        value = weights[bad[0]]
        raise DataError(f"the weights {label} must be positive, but are {value:g} in {where}")
    return weights


def checked_column(values: np.ndarray, label: str, rows: int, role: str) -> np.ndarray:
    """One finite number per row.

    Raises
    ------
    DataError
    """
    column = np.asarray(values)
    if column.ndim != 1 or len(column) != rows:
        shape = " x ".join(map(str, column.shape)) or "a single number"
        raise DataError(f"the {role} {label} must be one number per row ({rows}), not {shape}")
    if column.dtype.kind not in "iuf":
        raise DataError(f"the {role} {label} must be numeric, not {column.dtype}")
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        bad = np.flatnonzero(~np.isfinite(column))
        value = column[bad[0]]
        raise DataError(f"the {role} {label} must be finite, but is {value:g} in row {bad[0] + 1}")
    return column.astype(np.float64)
