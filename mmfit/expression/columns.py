"""Columns of a data frame as values of the expression language."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfit.errors import DataError
from mmfit.expression.labels import Labels, level_labels
from mmfit.expression.values import Factor, Logical, Value, as_factor, code_texts


class Columns:
    """The columns of a DataFrame (or of a mapping of arrays), each looked up and converted once.

    Parameters
    ----------
    frame : DataFrame, or mapping of names to one-dimensional arrays of one length; other Columns,
        whose look-ups are then shared.
    categorical : names of columns whose numbers are labels.
    """

    def __init__(self, frame: "Mapping[str, Any] | Columns", categorical: tuple[str, ...] = ()):
        shared = isinstance(frame, Columns)
        self.frame: Mapping[str, Any] = frame.frame if shared else frame
        # A look-up in a DataFrame takes longer than all else that is done with a short column.
        self._raw: dict[str, Any] = frame._raw if shared else {}
        self.categorical = frozenset(categorical)
        self._values: dict[str, Value] = {}
        self._factors: dict[str, Factor] = {}
        self._length: int | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._raw or name in self.frame

    def __getitem__(self, name: str) -> Any:
        """The column as the frame holds it."""
        found = self._raw.get(name)
        if found is None:
            found = self._raw[name] = self.frame[name]
        return found

    @property
    def length(self) -> int:
        """Number of rows."""
        if self._length is None:
            index = getattr(self.frame, "index", None)
            self._length = len(next(iter(self.frame.values()))) if index is None else len(index)
        return self._length

    def names(self) -> list[str]:
        return [str(name) for name in self.frame]

    def value(self, name: str) -> Value:
        """The column as numbers, truth values or a factor.

        Raises
        ------
        DataError
            For a column whose values are none of these (dates, lists), or a name that stands twice.
        """
        found = self._values.get(name)
        if found is None:
            found = self.factor(name) if name in self.categorical else _read(self[name], name)
            self._values[name] = found
        return found

    def factor(self, name: str) -> Factor:
        """The column as a factor, whatever its type."""
        found = self._factors.get(name)
        if found is None:
            column = _plain_numbers(self[name])
            found = as_factor(_read(self[name], name) if column is None else column)
            self._factors[name] = found
        return found


def _plain_numbers(column: Any) -> np.ndarray | None:
    """A numeric numpy column in its own type (integers stay integers), or None."""
    dtype = getattr(column, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iuf" or column.ndim != 1:
        return None
    return _array(column)


def _array(column: Any) -> np.ndarray:
    return column if isinstance(column, np.ndarray) else column.to_numpy()


def _read(column: Any, name: str) -> Value:
    if getattr(column, "ndim", 1) != 1:
        raise DataError(f"the column {name!r} stands more than once in the data")
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        values = _array(column)
        return values if dtype.kind == "b" or dtype == np.float64 else values.astype(np.float64)
    values = getattr(column, "array", column)
    return _categorical(values) if hasattr(values, "categories") else _convert(values, name)


def _categorical(values: Any) -> Factor:
    categories = values.categories
    labels = Labels(len(categories), lambda: level_labels(categories.to_numpy()))
    # A copy where they have the type already: the codes belong to the frame.
    codes = values.codes.astype(np.intp)
    return Factor(codes, labels, bool(values.ordered), "categorical").without_unused()


def _convert(values: Any, name: str) -> Value:
    """Columns of pandas' own types, of objects and of lists."""
    import pandas as pd

    if isinstance(getattr(values, "dtype", None), pd.StringDtype):
        return _texts(values)
    column = pd.Series(values)
    dtype = column.dtype
    if isinstance(dtype, pd.StringDtype):
        return _texts(column.array)
    kind = pd.api.types.infer_dtype(column, skipna=True) if dtype.kind == "O" else ""
    if pd.api.types.is_bool_dtype(dtype) or kind == "boolean":
        unknown = column.isna().to_numpy()
        true = column.astype(object).where(~unknown, False).to_numpy(dtype=bool)
        return Logical(true, unknown) if unknown.any() else true
    if (pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c") or kind in _NUMBERS:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    uniform = not kind.startswith("mixed")
    if kind in _TEXTS and (uniform or all(pd.api.types.is_scalar(item) for item in column)):
        return _texts(column.array)
    raise DataError(
        f"the column {name!r} holds {kind or dtype}; numbers, texts or truth values are needed"
    )


_NUMBERS = frozenset({"integer", "floating", "mixed-integer-float", "decimal"})
_TEXTS = frozenset({"string", "mixed-integer", "mixed", "empty"})


def _texts(values: Any) -> Factor:
    codes, levels = code_texts(values)
    return Factor(codes, levels, kind="text")
