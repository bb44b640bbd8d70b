"""Comparisons and logic in which a missing value makes the answer unknown (Kleene's logic)."""

import operator
from collections.abc import Callable, Mapping

import numpy as np

from mmfit.expression.labels import value_label
from mmfit.expression.values import Factor, Logical, Value, as_factor, as_numbers

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


def truth(value: np.ndarray | float | bool | Logical) -> Truth:
    """Numbers as truth values (zero is false, NaN unknown); truth values as they are."""
    if isinstance(value, Logical | bool):
        return value
    if isinstance(value, float):
        return value != 0
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
    """
    if isinstance(left, str) and isinstance(right, str):
        return bool(_OPERATORS[name](left, right))
    if isinstance(left, Factor | str) or isinstance(right, Factor | str):
        return _compare_labels(name, left, right)
    a, b = as_numbers(left), as_numbers(right)
    return _logical(_OPERATORS[name](a, b), np.isnan(a) | np.isnan(b))


def _compare_labels(name: str, left: Value, right: Value) -> Truth:
    if isinstance(left, float | bool | str):
        mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(name, name)
        return _compare_labels(mirrored, right, left)
    factor = as_factor(left)
    if name in ("==", "!="):
        return _equal_labels(name, factor, right)
    if not isinstance(right, float | bool | str):
        raise NoOrderError("two columns of labels have no common order to compare by")
    return _ordered_labels(name, factor, value_label(right))


def _equal_labels(name: str, factor: Factor, right: Value) -> Truth:
    unknown = factor.codes < 0
    if isinstance(right, float | bool | str):
        wanted = value_label(right)
        hits = np.array([label == wanted for label in factor.levels] + [False])
        equal = hits[factor.codes]
    else:
        other = as_factor(right)
        place = {label: k for k, label in enumerate(factor.levels)}
        codes = np.array([place.get(label, -2) for label in other.levels] + [-3])[other.codes]
        equal = codes == factor.codes
        unknown = unknown | (other.codes < 0)
    return _logical(equal if name == "==" else ~equal, unknown)


def _ordered_labels(name: str, factor: Factor, label: str) -> Truth:
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
    if isinstance(left, Factor | str) or any(isinstance(value, str) for value in values):
        labels = {value_label(value) for value in values}
        if isinstance(left, float | bool | str):
            return value_label(left) in labels
        factor = as_factor(left)
        hits = np.array([label in labels for label in factor.levels] + [False])
        return _logical(hits[factor.codes], factor.codes < 0)
    numbers = as_numbers(left)
    found = np.isin(numbers, np.array([float(value) for value in values]))
    return _logical(found, np.isnan(numbers))


def missing(value: Value) -> Truth:
    """Where a value is missing."""
    if isinstance(value, Factor):
        return value.codes < 0
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
    if isinstance(yes, Factor | str):
        return _choose_labels(true, unknown, yes, no, length)
    if is_truth(yes) and is_truth(no):
        (a, a_unknown), (b, b_unknown) = _parts(yes), _parts(no)
        return _logical(np.where(true, a, b), unknown | np.where(true, a_unknown, b_unknown))
    chosen = np.where(true, as_numbers(yes), as_numbers(no))
    return np.where(unknown, np.nan, chosen) if np.any(unknown) else chosen


def is_truth(value: Value) -> bool:
    """Whether a value is one of truth and falsehood, not of numbers or texts."""
    return isinstance(value, bool | Logical) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "b"
    )


def _choose_labels(
    true: np.ndarray, unknown: np.ndarray | bool, yes: Value, no: Value, length: int
) -> Factor:
    sides = [_spread(side, length) for side in (yes, no)]
    levels = tuple(sorted({label for side in sides for label in side.levels}))
    place = {label: k for k, label in enumerate(levels)}
    a, b = (np.array([*(place[v] for v in s.levels), -1], dtype=np.intp)[s.codes] for s in sides)
    codes = np.where(true, a, b)
    codes[np.broadcast_to(unknown, length)] = -1
    return Factor(codes, levels, kind="text").without_unused()


def _spread(side: Factor | str, length: int) -> Factor:
    return Factor(np.zeros(length, dtype=np.intp), (side,)) if isinstance(side, str) else side
