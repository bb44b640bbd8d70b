"""Tests of hypotheses that the user writes down.

The contrasts L are a (q, p) array; a (p,) array; a mapping (or Series) of terms to weights; a list
of such mappings; or a DataFrame with a row per contrast, its columns terms. Terms not named weigh
0. Of a rank-deficient model, p may count the columns that were left out; otherwise they weigh 0.

A joint test is one row sum_sq, mean_sq, num_df, den_df, statistic (F), p_value; rows that follow
from others do not count twice. Otherwise there is a row per contrast with contrast (its name in a
DataFrame or Series, or what it says), estimate (of L beta), std_error, df, statistic (t), p_value,
conf_low, conf_high. What the data do not determine, because it depends on which of dependent
columns were left out of the model, is missing.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_level
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.names import distinct
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.f_tests import (
    COLUMNS,
    check_basis,
    in_basis,
    no_test,
    run_test,
    untestable_note,
)
from mmfit.inference.fixed_effects.hypotheses import fixed_root
from mmfit.inference.precision.degrees_of_freedom import FixedEffectPrecision, unidentified_note
from mmfit.inference.precision.t_tests import t_columns

# Largest weight of a contrast: its square, times a variance, is to be a number.
_SIZES = (1e-100, 1e100)


@dataclass(frozen=True, slots=True, eq=False)
class _Contrasts:
    """Rows L beta = rhs in the coefficients that the fit has.

    Attributes
    ----------
    labels : q texts;  rows : (q, p);  estimable : (q,) bool;  rhs : (q,).
    """

    labels: list[str]
    rows: np.ndarray
    estimable: np.ndarray
    rhs: np.ndarray

    def lost_note(self, matrices: ModelMatrices) -> str:
        """Which rows the data do not determine, in words, or ``""``."""
        lost = [self.labels[k] for k in np.flatnonzero(~self.estimable)]
        if not lost:
            return ""
        return (
            f"The data do not determine {', '.join(lost)}: what it is depends on which of "
            f"dependent columns are left out of the model ({', '.join(matrices.dropped)})."
        )


def contest(
    model: FittedModel,
    L: Any,
    rhs: Any = 0.0,
    *,
    df: str = "satterthwaite",
    joint: bool = True,
    level: float = 0.95,
    basis: str = "canonical",
) -> pd.DataFrame:
    """Test L beta = rhs, jointly by F or row by row by t (lmerTest's ``contest``).

    ``L`` and the columns of the result: see the module. ``attrs["note"]`` says what is missing, and
    what a reader must know of the method (a singular fit), else ``""``.

    Parameters
    ----------
    L : the contrasts;  rhs : a number, or one per row.
    df : one of ``mmfit.inference.METHODS``;  level : coverage of the intervals.
    joint : all rows at once, or each for itself.
    basis : ``canonical``, or ``lmertest``: Satterthwaite's denominator of a joint test from rows
        as they are given, which is lmerTest's but depends on how the hypothesis is written.

    Raises
    ------
    MmfitError
        For an L that does not fit the model (unknown terms, wrong width, missing or infinite
        weights, nothing but zeros), a rhs of another length, rows that contradict each other, or
        an unknown method, basis or level.
    """
    check_level(level)
    check_basis(basis)
    rows, labels = _rows(L, model.matrices)
    contrasts = _Contrasts(
        labels, *_in_the_fit(rows, model.matrices), _right_hand_side(rhs, len(rows))
    )
    known = model.precision(df)
    if joint:
        return _jointly(known, contrasts, model.matrices, basis)
    return _one_by_one(known, contrasts, model.matrices, level)


def _jointly(
    known: FixedEffectPrecision, asked: _Contrasts, matrices: ModelMatrices, basis: str
) -> pd.DataFrame:
    """One F test of all rows; none where one of them is not estimable."""
    lost = not asked.estimable.all()
    if lost:
        test = no_test(int(np.linalg.matrix_rank(asked.rows)))
    else:
        hypothesis = in_basis(asked.rows, asked.rhs, fixed_root(matrices), basis, known)
        test = run_test(known, hypothesis)
    table = pd.DataFrame([test.row(known.fit.sigma)], columns=list(COLUMNS))
    missing = "" if lost else untestable_note(table)
    return _noted(table, asked.lost_note(matrices), known.note, missing)


def _one_by_one(
    known: FixedEffectPrecision, asked: _Contrasts, matrices: ModelMatrices, level: float
) -> pd.DataFrame:
    """A t test of each row; those that are not estimable hold no number."""
    L, lost = asked.rows, ~asked.estimable
    with np.errstate(divide="ignore", invalid="ignore"):
        tests = t_columns(L @ known.fit.fixef, known.std_error(L), known.df(L), level, asked.rhs)
    table = pd.DataFrame({"contrast": asked.labels} | tests)
    table.loc[lost, table.columns[1:]] = np.nan
    hidden = known.unidentified(L) & ~lost
    missing = unidentified_note([asked.labels[k] for k in np.flatnonzero(hidden)])
    return _noted(table, asked.lost_note(matrices), known.note, missing)


def _noted(table: pd.DataFrame, *notes: str) -> pd.DataFrame:
    table.attrs["note"] = " ".join(note for note in notes if note)
    return table


def _in_the_fit(rows: np.ndarray, matrices: ModelMatrices) -> tuple[np.ndarray, np.ndarray]:
    """Rows (q, c) in the coefficients that the fit has (q, p), and which of them are estimable.

    An estimable one is the same whichever of dependent columns were left out.
    """
    if not matrices.dropped:
        return rows, np.ones(len(rows), dtype=bool)
    return rows[:, matrices.design.kept], matrices.design.estimable(rows)


def _rows(L: Any, matrices: ModelMatrices) -> tuple[np.ndarray, list[str]]:
    """(q, c) weights of all columns, those left out of the model too, and a label per row."""
    names = matrices.all_fixed_names
    if not matrices.fixed_names:
        raise MmfitError("the model has no fixed effects to test")
    for term in _named(L):
        if names.count(term) > 1:
            raise MmfitError(_ambiguous(term, matrices))
    if isinstance(L, pd.DataFrame):
        _once(L.columns)
        given = [_weights(dict(zip(L.columns, row, strict=True)), names) for row in L.to_numpy()]
        labels = [label if isinstance(label, str) else "" for label in L.index]
    elif isinstance(L, pd.Series) and not isinstance(L.index, pd.RangeIndex):
        _once(L.index)
        given, labels = [_weights(L.to_dict(), names)], [str(L.name) if L.name else ""]
    elif isinstance(L, Mapping):
        given, labels = [_weights(L, names)], [""]
    elif isinstance(L, list | tuple) and L and all(isinstance(row, Mapping) for row in L):
        given, labels = [_weights(row, names) for row in L], [""] * len(L)
    else:
        given = _array(L, matrices)
        labels = [""] * len(given)
    rows = np.array(given, dtype=float).reshape(len(labels), len(names))
    said = distinct(list(names))
    labels = [label or _says(row, said) for label, row in zip(labels, rows, strict=True)]
    if not len(rows):
        raise MmfitError("L has no rows; give at least one contrast")
    _check(rows, labels)
    return rows, labels


def _named(L: Any) -> list:
    """The terms that L names."""
    if isinstance(L, pd.DataFrame):
        return list(L.columns)
    if isinstance(L, pd.Series):
        return [] if isinstance(L.index, pd.RangeIndex) else list(L.index)
    several = isinstance(L, list | tuple) and all(isinstance(row, Mapping) for row in L)
    mappings = L if several else [L] if isinstance(L, Mapping) else []
    return [term for row in mappings for term in row]


def _ambiguous(name: str, matrices: ModelMatrices) -> str:
    """What to say of a name that several fixed effects have."""
    names = matrices.all_fixed_names
    found = [
        f"number {k + 1}, of the term {term.name}"
        for term in matrices.fixed_terms
        for k in term.columns
        if names[k] == name
    ]
    return (
        f"{name!r} is the name of {len(found)} fixed effects: {'; '.join(found)}. Give L as "
        f"numbers, one for each of the {len(names)} fixed effects, or rename a variable"
    )


def _once(terms: pd.Index) -> None:
    if not terms.is_unique:
        twice = terms[terms.duplicated()][0]
        raise MmfitError(f"L gives {twice!r} more than one weight")


def _weights(row: Mapping[Any, Any], names: tuple[str, ...]) -> list[float]:
    unknown = [term for term in row if term not in names]
    if unknown:
        lower = {name.lower(): name for name in reversed(names)}
        near = difflib.get_close_matches(str(unknown[0]).lower(), lower, n=1, cutoff=0.6)
        hint = f"did you mean {lower[near[0]]!r}?" if near else f"the model has {', '.join(names)}"
        raise MmfitError(f"there is no fixed effect {unknown[0]!r}; {hint}")
    return [_number(row.get(name, 0.0), name) for name in names]


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise MmfitError(f"the weight of {name!r} in L must be a number, not {value!r}") from None


def _array(L: Any, matrices: ModelMatrices) -> np.ndarray:
    """Numbers for the coefficients of the fit, or for all columns, as weights of all columns."""
    names, every = matrices.fixed_names, matrices.all_fixed_names
    try:
        rows = np.asarray(L)
        rows = np.atleast_2d(np.empty((0, 0, 0)) if np.iscomplexobj(rows) else rows.astype(float))
    except (TypeError, ValueError):
        rows = np.empty((0, 0, 0))
    if rows.ndim != 2:
        raise MmfitError(
            "L must be numbers, (q, p) or (p,), or terms with their weights, such as "
            f"{{{names[0]!r}: 1}}"
        )
    if rows.shape[1] == len(every):
        return rows
    if rows.shape[1] != len(names):
        more = f" (or {len(every)} with those left out of the model)" if matrices.dropped else ""
        raise MmfitError(
            f"L has {rows.shape[1]} columns, but the model has {len(names)} fixed effects{more}: "
            f"{', '.join(names)}"
        )
    whole = np.zeros((len(rows), len(every)))
    whole[:, matrices.design.kept] = rows
    return whole


def _check(rows: np.ndarray, labels: Iterable[str]) -> None:
    for row, label in zip(rows, labels, strict=True):
        if not np.isfinite(row).all():
            raise MmfitError(f"the weights of the contrast {label!r} are not all finite numbers")
        if not row.any():
            raise MmfitError("a contrast with weights of nothing but 0 tests nothing")
        if not _SIZES[0] < np.abs(row).max() < _SIZES[1]:
            raise MmfitError(
                f"the weights of the contrast {label!r} are beyond what can be computed with; "
                "scale them to about 1"
            )


def _right_hand_side(rhs: Any, rows: int) -> np.ndarray:
    try:
        target = np.asarray(rhs, dtype=float)
    except (TypeError, ValueError):
        raise MmfitError(f"rhs must be a number, or one per row of L, not {rhs!r}") from None
    if target.ndim == 0:
        target = np.full(rows, float(target))
    if target.shape != (rows,) or not np.isfinite(target).all():
        raise MmfitError(
            f"rhs must be a finite number, or {rows} of them, one per row of L; it is {rhs!r}"
        )
    return target


def _says(row: np.ndarray, names: Sequence[str]) -> str:
    """``a - 0.5 b``."""
    parts = []
    for weight, name in zip(row, names, strict=True):
        if weight:
            size = "" if abs(weight) == 1 else f"{abs(weight):.6g} "
            sign = "-" if weight < 0 else "+"
            parts.append(f"{sign} {size}{name}" if parts else f"{sign.strip('+')}{size}{name}")
    return " ".join(parts)
