"""Contrast matrices, as R's ``contr.*`` make them (Chambers & Hastie 1992, section 2.3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.errors import DataError
from mmfit.expression.labels import value_label
from mmfit.formula.orthogonal import orthogonal_basis

KINDS = ("treatment", "sum", "helmert", "poly", "SAS")


@dataclass(frozen=True, slots=True)
class ContrastChoice:
    """A contrast that was asked for.

    Attributes
    ----------
    kind : str, one of ``KINDS``.
    base : int, the baseline of treatment contrasts, from 1.
    numbered : bool, columns of treatment and SAS contrasts named by number, not by level; R does
        so where the contrast is given as a function, ``C(f, contr.treatment)``.
    """

    kind: str
    base: int = 1
    numbered: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """The columns that stand for a factor.

    Attributes
    ----------
    matrix : (levels, k) float array.
    names : tuple of str, length k, set behind the factor's name.
    """

    matrix: np.ndarray
    names: tuple[str, ...]


def contrast_kind(name: str) -> str:
    """``sum`` for ``contr.sum`` or ``sum``; ``""`` where there is no such contrast."""
    short = name.removeprefix("contr.")
    return next((kind for kind in KINDS if kind.lower() == short.lower()), "")


def read_choice(value: object, factor: str, levels: Sequence[str] = ()) -> object:
    """A user's contrast for a factor: a name, or a matrix with a row per level.

    The rows of a DataFrame whose index holds labels are those of the levels of these labels.

    Raises
    ------
    DataError
        For a name that is no contrast, an index of other labels than the levels, or something else
        altogether.
    """
    if isinstance(value, ContrastChoice):
        return value
    if isinstance(value, str):
        kind = contrast_kind(value)
        if kind:
            return ContrastChoice(kind)
        known = ", ".join(KINDS)
        raise DataError(f"the contrast {value!r} of {factor} is unknown; known are {known}")
    try:
        matrix = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise DataError(
            f"the contrast of {factor} must be one of {', '.join(KINDS)}, or a matrix of numbers"
            " with a row per level"
        )
    return matrix[_by_label(value, factor, levels)] if hasattr(value, "iloc") else matrix


def _by_label(frame, factor: str, levels: Sequence[str]) -> list[int]:
    """The rows of a DataFrame in the order of the levels that its index names."""
    rows = [value_label(label) for label in frame.index.tolist()]
    if len(set(rows)) == len(rows) and set(rows) == set(levels):
        return [rows.index(level) for level in levels]
    if rows == [str(k) for k in range(len(rows))]:
        return list(range(len(rows)))
    raise DataError(
        f"the rows of the contrast matrix of {factor} are labelled {', '.join(map(repr, rows))}, "
        f"and its levels are {', '.join(map(repr, levels))}; they must be the same"
    )


def make_contrast(choice: object, levels: Sequence[str], factor: str) -> Contrast:
    """The contrast of a factor with these levels.

    Parameters
    ----------
    choice : ContrastChoice or (levels, k) array.

    Raises
    ------
    DataError
        For a matrix of the wrong shape or rank, or a baseline that does not exist.
    """
    count = len(levels)
    if isinstance(choice, np.ndarray):
        return _custom(choice, levels, factor)
    match choice.kind:
        case "treatment" | "SAS":
            base = count if choice.kind == "SAS" else choice.base
            if not 1 <= base <= count:
                raise DataError(f"the baseline {base} of {factor} is not among its {count} levels")
            kept = [k for k in range(count) if k != base - 1]
            names = (str(k + 1) if choice.numbered else levels[k] for k in kept)
            return Contrast(np.eye(count)[:, kept], tuple(names))
        case "sum":
            matrix = np.vstack([np.eye(count - 1), -np.ones((1, count - 1))])
        case "helmert":
            matrix = np.triu(-np.ones((count, count - 1)))
            matrix[np.arange(1, count), np.arange(count - 1)] = np.arange(1, count)
        case _:
            return _polynomial(count)
    return Contrast(matrix, tuple(str(k + 1) for k in range(count - 1)))


def _polynomial(count: int) -> Contrast:
    scores = np.arange(1.0, count + 1)
    columns = orthogonal_basis(scores, count - 1).columns(scores)
    names = [".L", ".Q", ".C"] + [f"^{k}" for k in range(4, count)]
    return Contrast(columns, tuple(names[: count - 1]))


def _custom(matrix: np.ndarray, levels: Sequence[str], factor: str) -> Contrast:
    rows, columns = matrix.shape
    if rows != len(levels) or not 1 <= columns < rows:
        raise DataError(
            f"the contrast matrix of {factor} is {rows} x {columns}; {len(levels)} rows (a row per"
            f" level) and at most {len(levels) - 1} columns are needed"
        )
    if np.linalg.matrix_rank(np.column_stack([np.ones(rows), matrix])) <= columns:
        raise DataError(f"the contrast matrix of {factor} is singular beside the intercept")
    return Contrast(matrix, tuple(str(k + 1) for k in range(columns)))
