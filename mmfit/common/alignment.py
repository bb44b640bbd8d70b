"""Values given beside the data, brought into the order of its rows.

The rule is that of ``data.assign(new=values)`` in pandas: what has no labels goes by position, and
a Series or DataFrame by the labels of its index. Where pandas would leave a row without its value,
or cannot tell which it is, the values are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mmfit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_BY_POSITION = "pass .to_numpy() to match by position"


def aligned(values: Any, data: Mapping[str, Any], role: str) -> np.ndarray:
    """Values (n,) or (n, B) as an array whose rows are those of ``data``.

    Parameters
    ----------
    values : array, list, Series or DataFrame;  data : DataFrame or mapping of columns.
    role : what the values are, for messages: ``"weights"``.

    Raises
    ------
    DataError
        As :func:`row_order`.
    """
    order = row_order(values, data, role)
    array = np.asarray(values)
    return array if order is None else array[order]


def row_order(values: Any, data: Mapping[str, Any], role: str) -> np.ndarray | None:
    """(n,) places among ``values`` of the rows of ``data``; None where they go as they stand.

    Raises
    ------
    DataError
        For labels that are not those of the data, or that stand more than once in another order;
        for data whose columns have labels of their own that differ.
    """
    own = _index(values)
    rows = None if own is None else data_index(data)
    if rows is None or own is rows or own.equals(rows):
        return None
    if len(own) != len(rows):
        raise DataError(f"{role}: {len(own)} values each, but the data have {len(rows)} rows")
    for index, whose in ((own, "these values"), (rows, "the data")):
        if not index.is_unique:
            twice = index[index.duplicated()].tolist()[0]
            raise DataError(
                f"{role}: rows are matched by the labels of the index, which differ in order from "
                f"the data's, but {twice!r} stands more than once in the index of {whose}; make "
                f"the labels unique, or {_BY_POSITION}"
            )
    order = own.get_indexer(rows)
    if (order < 0).any():
        lost = rows[order < 0].tolist()[0]
        raise DataError(
            f"{role}: rows are matched by the labels of the index, but {int((order < 0).sum())} of "
            f"the {len(rows)} rows of the data have none here, such as {lost!r}; give the values "
            f"the data's index, or {_BY_POSITION}"
        )
    return order


def data_index(data: Mapping[str, Any]) -> pd.Index | None:
    """The labels of the rows of a DataFrame, or of a mapping's Series; None where there are none.

    Raises
    ------
    DataError
        For a mapping whose Series have different labels.
    """
    if hasattr(data, "iloc"):
        return data.index
    first = None
    for name, column in data.items():
        index = _index(column)
        if index is None:
            continue
        if first is None:
            first, known = name, index
        elif index is not known and not index.equals(known):
            raise DataError(
                f"the columns {first!r} and {name!r} of the data have different indexes; make a "
                "DataFrame of them, or pass arrays"
            )
    return None if first is None else known


def _index(values: Any) -> pd.Index | None:
    return values.index if hasattr(values, "iloc") else None
