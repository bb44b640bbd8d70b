"""What an expression can be while it is evaluated.

Numbers are float64 arrays (missing: NaN) or Python floats; truth values are bool arrays, or
``Logical`` where some are unknown; texts are ``FactorValues`` (columns) or ``str`` (constants).
Columns that are numbers and labels at once are ``LabelledNumbers`` in conditions and derived
columns.
"""

from dataclasses import dataclass, field

import numpy as np

from mmfit.expression.labels import Labels, level_labels, require_distinct, value_label


@dataclass(frozen=True, slots=True, eq=False)
class FactorValues:
    """A column of labels.

    Attributes
    ----------
    codes : (n,) intp array, positions in ``levels``; -1 where missing.
    levels : tuple of str or Labels, in the order of the levels; each occurs unless ``kind`` says
        otherwise.
    ordered : bool, an ordered categorical.
    kind : ``"text"`` (strings), ``"categorical"`` or ``"number"`` (numbers used as labels).
    contrast : a contrast that was asked for (by ``C()``), or None.
    """

    codes: np.ndarray
    levels: tuple[str, ...] | Labels
    ordered: bool = False
    kind: str = "categorical"
    contrast: object = field(default=None)

    def __len__(self) -> int:
        return len(self.codes)

    def without_unused(self) -> "FactorValues":
        """The same column with only those levels that occur."""
        kept, position = present_codes(self.codes, len(self.levels))
        if position is None:
            return self
        levels = self.levels
        fewer = Labels(len(kept), lambda: map(tuple(levels).__getitem__, kept.tolist()))
        codes = position[self.codes]
        return FactorValues(codes, fewer, self.ordered, self.kind, self.contrast)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledNumbers:
    """A column of numbers whose texts matter: arithmetic takes the numbers, ``==`` the labels.

    Attributes
    ----------
    numbers : (n,) float64 array.
    factor : FactorValues, the labels; each is a decimal number.
    categorical : bool, whether two spellings of one number are two labels; if not, ``==`` compares
        the numbers, with all their digits.
    """

    numbers: np.ndarray
    factor: FactorValues
    categorical: bool

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Logical:
    """Truth values of which some are unknown (Kleene's logic, R's NA).

    Attributes
    ----------
    true, unknown : (n,) bool arrays; ``true`` is False where ``unknown``.
    """

    true: np.ndarray
    unknown: np.ndarray

    def __len__(self) -> int:
        return len(self.true)


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Several columns of numbers from one term (``poly``, ``bs``, ``ns``).

    Attributes
    ----------
    columns : (n, k) float64 array.
    suffixes : tuple of str, length k, what is set behind the term's name for each column.
    """

    columns: np.ndarray
    suffixes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns)


Value = np.ndarray | float | bool | str | FactorValues | LabelledNumbers | Logical | Matrix

# Codes are renumbered through a table as long as it stays in proportion to the rows.
TABLE_PER_ROW = 16
_SORT_BELOW = 4096
# Below so many texts a dictionary is faster than all that pandas does around its own.
_FEW = 512
# A share of the rows in which a level that occurs is found almost surely.
_SAMPLE_PER_LEVEL = 16


def present_codes(codes: np.ndarray, span: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Which of the codes 0 to ``span - 1`` occur, and the place of each among them.

    Parameters
    ----------
    codes : (n,) intp array, -1 where missing;  span : int.

    Returns
    -------
    kept : ascending array of the codes that occur, or None where all do.
    position : (span + 1,) intp array, -1 in its last place so that -1 stays -1; or None.
    """
    seen = np.zeros(span + 1, dtype=bool)
    stride = len(codes) // (_SAMPLE_PER_LEVEL * span + 1)
    if stride > 1:
        seen[codes[::stride]] = True
        if seen[:span].all():
            return None, None
    seen[codes] = True
    seen = seen[:span]
    if seen.all():
        return None, None
    kept = np.flatnonzero(seen)
    position = np.empty(span + 1, dtype=np.intp)
    position[kept] = np.arange(len(kept))
    position[span] = -1
    return kept, position


def code_numbers(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...] | Labels]:
    """Codes (by value, ascending; -1 for NaN) and labels of a numeric column.

    Different numbers are different levels, also where R's 15 digits are the same.

    Raises
    ------
    LabelError
        For whole numbers that a float cannot tell from their neighbours.
    """
    values = _whole_numbers(values)
    if values.dtype.kind in "iu":
        return _code_integers(values)
    codes, distinct = _code_sorted(values)
    return codes, tuple(level_labels(distinct))


def _whole_numbers(values: np.ndarray) -> np.ndarray:
    """A float column of whole numbers as the integers that it is labelled by."""
    if values.dtype.kind != "f" or not len(values) or float(values[0]) % 1:
        return values
    exact = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    if not np.isfinite(values).all() or max(-float(values.min()), float(values.max())) >= exact:
        return values
    whole = values.astype(np.int64)
    return whole if (whole == values).all() else values


def _code_integers(values: np.ndarray) -> tuple[np.ndarray, Labels]:
    if not len(values):
        return np.empty(0, dtype=np.intp), Labels(0, tuple)
    low, high = int(values.min()), int(values.max())
    if high - low > max(TABLE_PER_ROW * len(values), 1024):
        codes, distinct = _code_sorted(values)
        return codes, Labels(len(distinct), lambda: level_labels(distinct))
    if values.dtype.itemsize < 8:
        values = values.astype(np.intp)
    codes = (values - values.dtype.type(low)).astype(np.intp, copy=False)
    kept, position = present_codes(codes, high - low + 1)
    if position is None:
        return codes, Labels(high - low + 1, lambda: map(str, range(low, high + 1)))
    return position[codes], Labels(len(kept), lambda: [str(k + low) for k in kept.tolist()])


def _code_sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(values) < _SORT_BELOW:
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        distinct, inverse = np.unique(values[~missing], return_inverse=True)
        codes = np.full(len(values), -1, dtype=np.intp)
        codes[~missing] = inverse
        return codes, distinct
    import pandas as pd

    codes, distinct = pd.factorize(values)
    return sort_codes(codes, np.argsort(distinct, kind="stable")), np.sort(distinct)


def sort_codes(codes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Codes after their levels were put into ``order``; -1 stays."""
    rank = np.full(len(order) + 1, -1, dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank[codes]


def compact(key: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of keys among the sorted distinct ones, and those."""
    if span <= max(TABLE_PER_ROW * len(key), 1024):
        keys, position = present_codes(key, span)
        return (key, np.arange(span)) if position is None else (position[key], keys)
    import pandas as pd

    codes, keys = pd.factorize(key)
    order = np.argsort(keys, kind="stable")
    return sort_codes(codes, order), keys[order]


def code_texts(values) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes (by label, in code point order; -1 where missing) and labels of a column of texts.

    Raises
    ------
    LabelError
        Where different values have one label: the number 1 and the text "1".
    """
    import pandas as pd

    if len(values) < _FEW and isinstance(values.dtype, pd.StringDtype) and not values.isna().any():
        return _code_few(values.tolist())
    mixed = not isinstance(values.dtype, pd.StringDtype)
    if mixed and pd.api.types.infer_dtype(values, skipna=True) != "string":
        values = _labelled_objects(values)
    codes, distinct = pd.factorize(values)
    labels = [str(label) for label in distinct.tolist()]
    levels = sorted(labels)
    position = {label: k for k, label in enumerate(levels)}
    ordered = np.array([position[label] for label in labels] + [-1], dtype=np.intp)
    return ordered[codes], tuple(levels)


def _labelled_objects(values) -> np.ndarray:
    """The labels of a column of mixed values, None where missing.

    Python takes 1, 1.0 and True for one value, and two of these have a label of their own.
    """
    import pandas as pd

    values = np.asarray(values, dtype=object)
    missing = pd.isna(values)
    labels = np.full(len(values), None, dtype=object)
    kinds: dict[str, tuple[bool, object]] = {}
    for row in np.flatnonzero(~missing).tolist():
        value = values[row]
        labels[row] = label = value_label(value)
        text, first = kinds.setdefault(label, (isinstance(value, str), value))
        if text != isinstance(value, str):
            require_distinct((label, label), (first, value))
    return labels


def code_objects(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes (by value, ascending; -1 where missing) and labels of numbers that are Python objects.

    Parameters
    ----------
    values : (n,) object array of integers of any size, floats and Decimals.

    Raises
    ------
    LabelError
        As ``level_labels``.
    """
    import pandas as pd

    codes, distinct = pd.factorize(values)
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    return sort_codes(codes, np.array(order, dtype=np.intp)), tuple(
        level_labels([distinct[k] for k in order])
    )


def _code_few(texts: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    levels = sorted(set(texts))
    position = {label: k for k, label in enumerate(levels)}
    codes = np.fromiter(map(position.__getitem__, texts), dtype=np.intp, count=len(texts))
    return codes, tuple(levels)


def as_factor(value: Value) -> FactorValues:
    """Any column as a factor: numbers by value, truth values as FALSE and TRUE."""
    if isinstance(value, FactorValues):
        return value
    if isinstance(value, LabelledNumbers):
        return value.factor
    if isinstance(value, Logical):
        codes = value.true.astype(np.intp)
        codes[value.unknown] = -1
        return FactorValues(codes, ("FALSE", "TRUE")).without_unused()
    if value.dtype.kind == "b":
        return FactorValues(value.astype(np.intp), ("FALSE", "TRUE")).without_unused()
    codes, labels = code_numbers(value)
    return FactorValues(codes, labels, kind="number")


def as_numbers(value: np.ndarray | float | bool | LabelledNumbers | Logical) -> np.ndarray | float:
    """Numbers as they are, truth values as 0 and 1 (unknown: NaN)."""
    if isinstance(value, LabelledNumbers):
        return value.numbers
    if isinstance(value, Logical):
        return np.where(value.unknown, np.nan, value.true.astype(float))
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, np.ndarray) and value.dtype != np.float64:
        return value.astype(np.float64)
    return value
