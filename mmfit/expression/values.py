"""What an expression can be while it is evaluated.

Numbers are float64 arrays (missing: NaN) or Python floats; truth values are bool arrays, or
``Logical`` where some are unknown; texts are ``Factor`` (columns) or ``str`` (constants).
"""

from dataclasses import dataclass, field

import numpy as np

from mmfit.expression.labels import level_labels


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A column of labels.

    Attributes
    ----------
    codes : (n,) intp array, positions in ``levels``; -1 where missing.
    levels : tuple of str, in the order of the levels; each occurs unless ``kind`` says otherwise.
    ordered : bool, an ordered categorical.
    kind : ``"text"`` (strings), ``"categorical"`` or ``"number"`` (numbers used as labels).
    contrast : a contrast that was asked for (by ``C()``), or None.
    """

    codes: np.ndarray
    levels: tuple[str, ...]
    ordered: bool = False
    kind: str = "categorical"
    contrast: object = field(default=None)

    def __len__(self) -> int:
        return len(self.codes)

    def without_unused(self) -> "Factor":
        """The same column with only those levels that occur."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))
        if counts.all():
            return self
        kept = np.flatnonzero(counts)
        position = np.full(len(self.levels) + 1, -1, dtype=np.intp)
        position[kept] = np.arange(len(kept))
        levels = tuple(self.levels[k] for k in kept)
        return Factor(position[self.codes], levels, self.ordered, self.kind, self.contrast)


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


Value = np.ndarray | float | bool | str | Factor | Logical | Matrix

# Integers are coded by counting as long as the table stays in proportion to the rows.
_TABLE_PER_ROW = 8
_SORT_BELOW = 4096


def code_numbers(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Codes (by value, ascending; -1 for NaN) and labels of a numeric column.

    Two floats with one label (equal to 15 digits) are one level, as in R's ``factor``.
    """
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= max(_TABLE_PER_ROW * len(values), 1024):
            return _code_small_range(values, low, high)
    codes, distinct = _code_sorted(values)
    labels = level_labels(distinct)
    if len(set(labels)) == len(labels):
        return codes, labels
    first = {}
    for label in labels:
        first.setdefault(label, len(first))
    merged = np.array([first[label] for label in labels] + [-1], dtype=np.intp)
    return merged[codes], list(first)


def _code_small_range(values: np.ndarray, low: int, high: int) -> tuple[np.ndarray, list[str]]:
    shifted = (values - values.dtype.type(low)).astype(np.intp)
    present = np.flatnonzero(np.bincount(shifted, minlength=high - low + 1))
    position = np.empty(high - low + 1, dtype=np.intp)
    position[present] = np.arange(len(present))
    return position[shifted], [str(value) for value in (present + low).tolist()]


def _code_sorted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
    if len(values) < _SORT_BELOW:
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


def code_texts(values) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes (by label, in code point order; -1 where missing) and labels of a column of texts."""
    import pandas as pd

    codes, distinct = pd.factorize(values)
    labels = level_labels(distinct.tolist() if hasattr(distinct, "tolist") else list(distinct))
    levels = sorted(set(labels))
    position = {label: k for k, label in enumerate(levels)}
    merged = np.array([position[label] for label in labels] + [-1], dtype=np.intp)
    return merged[codes], tuple(levels)


def as_factor(value: Value) -> Factor:
    """Any column as a factor: numbers by value, truth values as FALSE and TRUE."""
    if isinstance(value, Factor):
        return value
    if isinstance(value, Logical):
        codes = value.true.astype(np.intp)
        codes[value.unknown] = -1
        return Factor(codes, ("FALSE", "TRUE")).without_unused()
    if value.dtype.kind == "b":
        return Factor(value.astype(np.intp), ("FALSE", "TRUE")).without_unused()
    codes, labels = code_numbers(value)
    return Factor(codes, tuple(labels), kind="number")


def as_numbers(value: np.ndarray | float | bool | Logical) -> np.ndarray | float:
    """Numbers as they are, truth values as 0 and 1 (unknown: NaN)."""
    if isinstance(value, Logical):
        return np.where(value.unknown, np.nan, value.true.astype(float))
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, np.ndarray) and value.dtype != np.float64:
        return value.astype(np.float64)
    return value
