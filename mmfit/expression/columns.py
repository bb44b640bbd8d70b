"""Columns of a data frame as values of the expression language."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfit.errors import DataError
from mmfit.expression.labels import LabelError, Labels, level_labels, number_order, text_column
from mmfit.expression.values import (
    FactorValues,
    LabelledNumbers,
    Logical,
    Value,
    as_factor,
    code_objects,
    code_texts,
    sort_codes,
)


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
        self._factors: dict[str, FactorValues] = {}
        self._length: int | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._raw or name in self.frame

    def __getitem__(self, name: str) -> Any:
        """The column as the frame holds it.

        Raises
        ------
        DataError
            For a name that stands twice.
        """
        found = self._raw.get(name)
        if found is None:
            found = self.frame[name]
            if getattr(found, "ndim", 1) != 1:
                raise DataError(_not_one_column(name, found))
            self._raw[name] = found
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
            For a column whose values are none of these (dates, lists), or a name that stands twice;
            for different values that would have one label.
        """
        found = self._values.get(name)
        if found is None:
            try:
                found = self.factor(name) if name in self.categorical else _read(self[name], name)
            except LabelError as error:
                raise DataError(f"the column {name!r}: {error}") from None
            self._values[name] = found
        return found

    def factor(self, name: str) -> FactorValues:
        """The column as a factor, whatever its type."""
        found = self._factors.get(name)
        if found is None:
            try:
                found = self._labelled(name)
            except LabelError as error:
                raise DataError(f"the column {name!r}: {error}") from None
            self._factors[name] = found
        return found

    def _labelled(self, name: str) -> FactorValues:
        column = self[name]
        if self.texts(name) is not None:
            return numeral_factor(self.texts(name))
        numbers = _plain_numbers(column)
        if numbers is not None:
            return as_factor(numbers)
        objects = _number_objects(column)
        if objects is not None:
            return FactorValues(*code_objects(objects), kind="number")
        return as_factor(_read(column, name))

    def texts(self, name: str) -> Any:
        """The texts of a column of numbers, where the frame has them beside it, or None."""
        beside = text_column(name)
        return self[beside] if beside in self and _is_numeric(self[name]) else None


class SourceColumns(Columns):
    """The columns of a source as conditions and derived columns see them.

    A column of numbers that is declared categorical, has texts beside it, or holds whole numbers
    beyond what floats can tell apart, is LabelledNumbers.
    """

    def value(self, name: str) -> Value:
        found = self._values.get(name)
        if found is None:
            found = super().value(name)
            if _is_numeric(self[name]) and self._spelled(name):
                numbers = _read(self[name], name)
                found = LabelledNumbers(numbers, self.factor(name), name in self.categorical)
                self._values[name] = found
        return found

    def _spelled(self, name: str) -> bool:
        if name in self.categorical or self.texts(name) is not None:
            return True
        column = self[name]
        if getattr(column.dtype, "kind", "") not in "iu" or not len(column):
            return False
        return max(-int(column.min()), int(column.max())) >= _EXACT


_EXACT = 2**53
_FEW = 10_000


def numeral_factor(texts: Any) -> FactorValues:
    """A column of decimal numbers in the spelling of its source, by value and then by text."""
    factor = as_factor(_read(texts, "texts"))
    levels = tuple(factor.levels)
    order = np.array(number_order(levels), dtype=np.intp)
    codes = sort_codes(factor.codes, order)
    return FactorValues(codes, tuple(levels[k] for k in order), kind="number")


def _is_numeric(column: Any) -> bool:
    """Whether a column is one of numbers by its type."""
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind in "iuf" and column.ndim == 1
    return bool(getattr(dtype, "_is_numeric", False)) and not getattr(dtype, "_is_boolean", False)


def _number_objects(column: Any) -> np.ndarray | None:
    """A column of exact numbers in one of pandas' own types or as objects, as objects; or None."""
    import pandas as pd

    values = getattr(column, "array", column)
    if hasattr(values, "categories"):
        return None
    dtype = getattr(values, "dtype", None)
    if dtype is None:
        values = pd.Series(values).array
        dtype = values.dtype
    exact = dtype.kind == "O" and not isinstance(dtype, pd.StringDtype)
    exact = exact and pd.api.types.infer_dtype(pd.Series(values), skipna=True) in _NUMBERS
    if not exact and not (_is_numeric(values) and dtype.kind in "iuO"):
        return None
    objects = np.asarray(values.astype(object), dtype=object)
    objects[np.asarray(pd.isna(values), dtype=bool)] = None
    return objects


def _not_one_column(name: str, found: Any) -> str:
    if hasattr(found, "columns"):
        return (
            f"the column {name!r} stands more than once in the data ({found.shape[1]} columns); "
            "each column needs a name of its own"
        )
    return f"the column {name!r} is an array of {found.ndim} axes; one value per row is needed"


def _plain_numbers(column: Any) -> np.ndarray | None:
    """A numeric numpy column in its own type (integers stay integers), or None."""
    dtype = getattr(column, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iuf" or column.ndim != 1:
        return None
    return _array(column)


def _array(column: Any) -> np.ndarray:
    return column if isinstance(column, np.ndarray) else column.to_numpy()


def _read(column: Any, name: str) -> Value:
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        values = _array(column)
        return values if dtype.kind == "b" or dtype == np.float64 else values.astype(np.float64)
    values = getattr(column, "array", column)
    return _categorical(values) if hasattr(values, "categories") else _convert(values, name)


def _categorical(values: Any) -> FactorValues:
    categories = values.categories
    labels = _category_labels(categories)
    # A copy where they have the type already: the codes belong to the frame.
    codes = values.codes.astype(np.intp)
    return FactorValues(codes, labels, bool(values.ordered), "categorical").without_unused()


def _category_labels(categories: Any) -> Labels | tuple[str, ...]:
    """Labels of the categories; many texts, and integers, are formed when they are needed."""
    import pandas as pd

    if isinstance(categories.dtype, np.dtype) and categories.dtype.kind in "iu":
        return Labels(len(categories), lambda: level_labels(categories.to_numpy()))
    if pd.api.types.infer_dtype(categories, skipna=True) not in ("string", "empty"):
        return tuple(level_labels(categories.to_numpy()))
    if len(categories) <= _FEW:
        return tuple(categories.tolist())
    return Labels(len(categories), categories.tolist)


def _convert(values: Any, name: str) -> Value:
    """Columns of pandas' own types, of objects and of lists."""
    import pandas as pd

    if isinstance(getattr(values, "dtype", None), pd.StringDtype):
        return _texts(values)
    column = pd.Series(values)
    dtype = column.dtype
    if isinstance(dtype, pd.StringDtype):
        return _texts(column.array)
    if isinstance(dtype, pd.ArrowDtype):
        plain = _from_arrow(column)
        if plain is not None:
            return _read(plain, name)
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


def _from_arrow(column: Any) -> Any:
    """An Arrow column of texts or of a dictionary as pandas' own; None for another type."""
    import pandas as pd
    import pyarrow as pa

    kind = column.dtype.pyarrow_dtype
    if pa.types.is_dictionary(kind):
        return pa.chunked_array(pa.array(column.array)).to_pandas()
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return column.astype(pd.StringDtype()) if texts else None


_NUMBERS = frozenset({"integer", "floating", "mixed-integer-float", "decimal"})
_TEXTS = frozenset({"string", "mixed-integer", "mixed", "empty"})


def _texts(values: Any) -> FactorValues:
    codes, levels = code_texts(values)
    return FactorValues(codes, levels, kind="text")
