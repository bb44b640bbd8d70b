"""Comparisons and logic in which a missing value makes the answer unknown (Kleene's logic)."""

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import numpy as np

from mmfit.expression.labels import number_order, spellings, value_label
from mmfit.expression.values import (
    FactorValues,
    LabelledNumbers,
    Logical,
    Value,
    as_factor,
    as_numbers,
    sort_codes,
)

_OPERATORS: Mapping[str, Callable] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Truth = np.ndarray | bool | Logical


class NoOrderError(TypeError):
    """Labels without an order were compared by < or >."""


class AmbiguousLabelError(ValueError):
    """A number was compared with labels of which several spell it."""


def truth(value: np.ndarray | float | bool | LabelledNumbers | Logical) -> Truth:
    """Numbers as truth values (zero is false, NaN unknown); truth values as they are."""
    if isinstance(value, Logical | bool):
        return value
    if isinstance(value, float):
        return value != 0
    if isinstance(value, LabelledNumbers):
        value = value.numbers
    return value if value.dtype.kind == "b" else _logical(value != 0, np.isnan(value))


def _logical(true: np.ndarray, unknown: np.ndarray | bool) -> Truth:
    """Truth values with those marked where the answer is unknown."""
    if not np.any(unknown):
        return true if isinstance(true, np.ndarray) else bool(true)
    unknown = np.broadcast_to(unknown, np.broadcast_shapes(np.shape(true), np.shape(unknown)))
    return Logical(true & ~unknown, np.array(unknown))


def _parts(value: Truth) -> tuple[np.ndarray | bool, np.ndarray | bool]:
    return (value.true, value.unknown) if isinstance(value, Logical) else (value, False)


def negate(value: Truth) -> Truth:
    true, unknown = _parts(value)
    return _logical(np.logical_not(true), unknown)


def conjunction(left: Truth, right: Truth) -> Truth:
    """True where both are; unknown where neither is false and one is unknown."""
    (a, a_unknown), (b, b_unknown) = _parts(left), _parts(right)
    possible = np.logical_or(a, a_unknown) & np.logical_or(b, b_unknown)
    true = np.logical_and(a, b)
    return _logical(true, possible & ~true)


def disjunction(left: Truth, right: Truth) -> Truth:
    """True where one is; unknown where none is true and one is unknown."""
    (a, a_unknown), (b, b_unknown) = _parts(left), _parts(right)
    true = np.logical_or(a, b)
    return _logical(true, np.logical_or(a_unknown, b_unknown) & ~true)


def compare(name: str, left: Value, right: Value) -> Truth:
    """Compare two values; a factor is compared by its labels, whatever the other side is.

    Raises
    ------
    NoOrderError
        Where ``<`` or ``>`` meets labels that have no order.
    AmbiguousLabelError
        Where a number is compared with labels several of which spell it, none as it is written.
    """
    if isinstance(left, str) and isinstance(right, str):
        return bool(_OPERATORS[name](left, right))
    if isinstance(left, LabelledNumbers) or isinstance(right, LabelledNumbers):
        found = _compare_labelled(name, left, right)
        if found is not None:
            return found
    if isinstance(left, FactorValues | str) or isinstance(right, FactorValues | str):
        return _compare_labels(name, left, right)
    a, b = as_numbers(left), as_numbers(right)
    return _logical(_OPERATORS[name](a, b), np.isnan(a) | np.isnan(b))


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _compare_labelled(name: str, left: Value, right: Value) -> Truth | None:
    """Numbers with labels against a number or a column of numbers; None where labels decide."""
    if not isinstance(left, LabelledNumbers):
        return _compare_labelled(_MIRRORED.get(name, name), right, left)
    equality = name in ("==", "!=")
    if isinstance(right, LabelledNumbers):
        if equality and (left.categorical or right.categorical):
            return _equal_labels(name, left.factor, right.factor)
        a, b = _by_value(left.factor), _by_value(right.factor)
        return _equal_labels(name, a, b) if equality else None
    if not isinstance(right, float):
        return (
            None if isinstance(right, str | bool | FactorValues) else _by_number(name, left, right)
        )
    if equality and left.categorical:
        hits = np.array([*_is_label(left.factor.levels, right), False])
        equal = hits[left.factor.codes]
        return _logical(equal if name == "==" else ~equal, left.factor.codes < 0)
    exact = Decimal(getattr(right, "spelling", right))
    hits = [_OPERATORS[name](Decimal(label), exact) for label in left.factor.levels]
    return _logical(np.array([*hits, False])[left.factor.codes], left.factor.codes < 0)


def _by_number(name: str, left: LabelledNumbers, right: Value) -> Truth:
    a, b = left.numbers, as_numbers(right)
    return _logical(_OPERATORS[name](a, b), np.isnan(a) | np.isnan(b))


def _by_value(factor: FactorValues) -> FactorValues:
    """The same factor, labelled by the values alone."""
    labels = [format(Decimal(label).normalize(), "f") for label in factor.levels]
    levels = tuple(dict.fromkeys(labels))
    place = {label: k for k, label in enumerate(levels)}
    return FactorValues(
        np.array([*map(place.get, labels), -1], dtype=np.intp)[factor.codes], levels
    )


def _is_label(levels: Sequence[str], value: float) -> list[bool]:
    """Which of the labels a number means: the one spelt as it is written, or that of its value.

    Raises
    ------
    AmbiguousLabelError
        Where several labels have the value, and none is spelt as it is written.
    """
    written = str(getattr(value, "spelling", value))
    if written in levels:
        return [label == written for label in levels]
    hits = [Decimal(label) == Decimal(written) for label in levels]
    if sum(hits) > 1:
        found = " and ".join(repr(label) for label, hit in zip(levels, hits, strict=True) if hit)
        raise AmbiguousLabelError(f"this number is each of the labels {found}; put one in quotes")
    return hits


def _compare_labels(name: str, left: Value, right: Value) -> Truth:
    if isinstance(left, float | bool | str):
        return _compare_labels(_MIRRORED.get(name, name), right, left)
    factor = as_factor(left)
    if name in ("==", "!="):
        return _equal_labels(name, factor, right)
    if not isinstance(right, float | bool | str):
        raise NoOrderError("two columns of labels have no common order to compare by")
    return _ordered_labels(name, factor, value_label(right))


def _equal_labels(name: str, factor: FactorValues, right: Value) -> Truth:
    unknown = factor.codes < 0
    if isinstance(right, float | bool | str):
        known = set(factor.levels)
        wanted = next((label for label in spellings(right) if label in known), None)
        hits = np.array([label == wanted for label in factor.levels] + [False])
        equal = hits[factor.codes]
    else:
        other = as_factor(right)
        place = {label: k for k, label in enumerate(factor.levels)}
        codes = np.array([place.get(label, -2) for label in other.levels] + [-3])[other.codes]
        equal = codes == factor.codes
        unknown = unknown | (other.codes < 0)
    return _logical(equal if name == "==" else ~equal, unknown)


def _ordered_labels(name: str, factor: FactorValues, label: str) -> Truth:
    unknown = factor.codes < 0
    if factor.kind == "text":
        hits = [_OPERATORS[name](level, label) for level in factor.levels]
    elif not factor.ordered:
        raise NoOrderError(
            f"{name} needs numbers or an ordered categorical; labels can be compared by == and !="
        )
    elif label not in factor.levels:
        raise NoOrderError(f"{label!r} is not a level of the ordered categorical")
    else:
        place = factor.levels.index(label)
        hits = [_OPERATORS[name](k, place) for k in range(len(factor.levels))]
    return _logical(np.array([*hits, False])[factor.codes], unknown)


def member(left: Value, values: list[float | bool | str]) -> Truth:
    """Where a value is one of a list; unknown where it is missing."""
    if isinstance(left, LabelledNumbers):
        found = compare("==", left, values[0])
        for value in values[1:]:
            found = disjunction(found, compare("==", left, value))
        return found
    if isinstance(left, FactorValues | str) or any(isinstance(value, str) for value in values):
        if isinstance(left, float | bool | str):
            labels = {value_label(value) for value in values}
            return value_label(left) in labels
        factor = as_factor(left)
        known = set(factor.levels)
        meant = (next((t for t in spellings(v) if t in known), None) for v in values)
        labels = set(meant)
        hits = np.array([label in labels for label in factor.levels] + [False])
        return _logical(hits[factor.codes], factor.codes < 0)
    numbers = as_numbers(left)
    found = np.isin(numbers, np.array([float(value) for value in values]))
    return _logical(found, np.isnan(numbers))


def missing(value: Value) -> Truth:
    """Where a value is missing."""
    if isinstance(value, FactorValues | LabelledNumbers):
        return as_factor(value).codes < 0
    if isinstance(value, Logical):
        return value.unknown
    if isinstance(value, str | bool):
        return False
    found = np.isnan(value)
    return found if isinstance(found, np.ndarray) else bool(found)


def choose(test: Truth, yes: Value, no: Value, length: int) -> Value:
    """``yes`` where the test is true, ``no`` where it is false, missing where it is unknown."""
    true, unknown = _parts(test)
    true = np.broadcast_to(true, length)
    if isinstance(yes, FactorValues | str) or isinstance(no, FactorValues | str):
        return _choose_labels(true, unknown, yes, no, length)
    if isinstance(yes, LabelledNumbers) or isinstance(no, LabelledNumbers):
        return _choose_labelled(true, unknown, yes, no, length)
    if is_truth(yes) and is_truth(no):
        (a, a_unknown), (b, b_unknown) = _parts(yes), _parts(no)
        return _logical(np.where(true, a, b), unknown | np.where(true, a_unknown, b_unknown))
    chosen = np.where(true, as_numbers(yes), as_numbers(no))
    return np.where(unknown, np.nan, chosen) if np.any(unknown) else chosen


def _choose_labelled(
    true: np.ndarray, unknown: np.ndarray | bool, yes: Value, no: Value, length: int
) -> LabelledNumbers:
    numbers = np.where(true, as_numbers(yes), as_numbers(no))
    factor = _choose_labels(true, unknown, *map(_spelt, (yes, no)), length)
    order = np.array(number_order(factor.levels), dtype=np.intp)
    levels = tuple(factor.levels[k] for k in order)
    factor = FactorValues(sort_codes(factor.codes, order), levels, kind="number")
    numbers = np.where(np.broadcast_to(unknown, length), np.nan, numbers)
    categorical = any(isinstance(v, LabelledNumbers) and v.categorical for v in (yes, no))
    return LabelledNumbers(numbers, factor, categorical)


def _spelt(value: Value) -> FactorValues | str:
    """One side of a choice as labels, a constant as it is written."""
    if is_truth(value):
        value = as_numbers(value)
    return spellings(value)[0] if isinstance(value, float) else as_factor(value)


def is_truth(value: Value) -> bool:
    """Whether a value is one of truth and falsehood, not of numbers or texts."""
    return isinstance(value, bool | Logical) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "b"
    )


def _choose_labels(
    true: np.ndarray, unknown: np.ndarray | bool, yes: Value, no: Value, length: int
) -> FactorValues:
    sides = [_spread(side, length) for side in (yes, no)]
    levels = tuple(sorted({label for side in sides for label in side.levels}))
    place = {label: k for k, label in enumerate(levels)}
    a, b = (np.array([*(place[v] for v in s.levels), -1], dtype=np.intp)[s.codes] for s in sides)
    codes = np.where(true, a, b)
    codes[np.broadcast_to(unknown, length)] = -1
    return FactorValues(codes, levels, kind="text").without_unused()


def _spread(side: FactorValues | LabelledNumbers | str, length: int) -> FactorValues:
    constant = isinstance(side, str)
    return FactorValues(np.zeros(length, dtype=np.intp), (side,)) if constant else as_factor(side)
