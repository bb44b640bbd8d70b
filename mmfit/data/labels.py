"""The trap of labels that are reused across parents.

Where every region numbers its clinics from 1, ``(1 | region) + (1 | clinic)`` says that clinic 1
is one and the same clinic in all regions: crossed, as written. Nesting, ``(1 | region/clinic)``,
is nearly always meant. The data alone cannot tell: a crossed design looks just the same. So
there are two grades.

A *warning* needs that a model uses the inner factor alone, that its labels occur in several
levels of the outer one, and one of these signs that each outer level has its own:

1. another model of the analysis nests the two (``outer/inner`` or ``outer:inner``) and does not
   use the inner factor alone;
2. a third column gives every combination of the two a label of its own (``clinic`` beside
   ``region`` and ``clinic_in_region``), with at least two rows per combination on average (an
   identifier of single rows or trials proves nothing);
3. the inner column's name says so: ``clinic_in_region``, ``cask.of.batch``;
4. the data are simulated with ``labels: reused``.

A *note*, which only says what the model means as written, is given without such a sign where the
labels run like a counter that starts again in every outer level (1, 2, 3; a, b, c; P1, P2) and
the combinations hold at least two rows on average.

Limits: designs with one row per combination (plate x sample, subject x item) are taken as crossed;
so are reused labels that are no counter (names), or a counter with gaps in some outer level. A
crossed design with replication and numbered levels gets a needless note, never a warning.
Simulated data need no guess: what the design says is known.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from mmfit.data.diagnosis import DesignNote, Structure, factor_partition
from mmfit.expression.labels import is_text_column, label_column, level_labels
from mmfit.formula.partition import Partition
from mmfit.spec import Factor

_COUNTED = re.compile(r"(.*?)(\d+)")
_FEWEST_ROWS = 2.0


@dataclass(frozen=True, slots=True)
class _Combination:
    """Two columns taken together: how often labels of ``inner`` are reused across ``outer``."""

    outer: str
    inner: str
    groups: Partition
    reused: bool
    restarts: bool

    @property
    def rows(self) -> float:
        """Rows per combination that occurs, on average."""
        return len(self.groups.codes) / self.groups.levels


def reuse_notes(
    frame: pd.DataFrame,
    columns: Sequence[str],
    structures: Sequence[Structure],
    known: Mapping[str, Factor] | None = None,
) -> tuple[DesignNote, ...]:
    """Notes about labels reused across parents, at most one per pair of columns.

    Parameters
    ----------
    frame : the rows used, factors coded.
    columns : the single columns that are grouping factors of some model or declared categorical.
    structures : the grouping factors of every model.
    known : the factors of the design, if the data are simulated.
    """
    notes: dict[frozenset[str], DesignNote] = {}
    for outer, inner in _suspects(columns, structures):
        if _is_reverse(outer, inner, structures):
            continue
        pair = frozenset((outer, inner))
        combination = _combine(frame, outer, inner)
        if not combination.reused:
            continue
        if known is not None:
            sign = _known_sign(outer, inner, known)
        else:
            sign = _sign(frame, combination, structures)
        if sign is not None:
            found = _warning(frame, combination, sign)
        elif known is None and _counter_restarts(frame, combination):
            found = _note(frame, combination)
        else:
            continue
        if pair not in notes or (found.severity, notes[pair].severity) == ("warning", "note"):
            notes[pair] = found
    return tuple(notes.values())


def _suspects(columns: Sequence[str], structures: Sequence[Structure]) -> Iterable[tuple[str, str]]:
    """Pairs (outer, inner) such that a model uses inner alone and nowhere combines the two.

    Within a model the outer factor is expected to be written first, so such pairs come first.
    """
    pairs: dict[tuple[str, str], None] = {}
    late: dict[tuple[str, str], None] = {}
    for structure in structures:
        alone = [factor[0] for factor in structure if len(factor) == 1]
        for inner in alone:
            for outer in columns:
                together = any({outer, inner} <= set(factor) for factor in structure)
                if outer == inner or together:
                    continue
                swapped = outer in alone and alone.index(outer) > alone.index(inner)
                (late if swapped else pairs)[outer, inner] = None
    return [*pairs, *(pair for pair in late if pair not in pairs)]


def _is_reverse(outer: str, inner: str, structures: Sequence[Structure]) -> bool:
    """Whether a model or a column's name says that ``outer`` lies within ``inner``."""
    nests = any(
        _nests(inner, outer, structure) and (outer,) not in structure for structure in structures
    )
    return nests or _says_within(outer, inner)


def _nests(outer: str, inner: str, structure: Structure) -> bool:
    """The outer factor beside the combination of the two is how outer/inner expands."""
    return (outer,) in structure and any({outer, inner} <= set(factor) for factor in structure)


def _says_within(inner: str, outer: str) -> bool:
    """Whether the name of ``inner`` is like ``clinic_in_region``, with ``outer`` the region."""
    pattern = rf"[_. -](in|within|of|per)[_. -]?{re.escape(outer)}$"
    return re.search(pattern, inner, re.IGNORECASE) is not None


def _combine(frame: pd.DataFrame, outer: str, inner: str) -> _Combination:
    both = factor_partition(frame, (outer, inner))
    around, within = factor_partition(frame, (outer,)), factor_partition(frame, (inner,))
    n_outer, n_inner, met = around.levels, within.levels, around.meet(within)
    per_outer = np.bincount(met.first, minlength=n_outer)
    per_inner = np.bincount(met.second, minlength=n_inner)
    last = np.full(n_outer, -1)
    np.maximum.at(last, met.first, met.second)
    # Nested either way is no reuse. A counter restarts where each outer level has the first labels.
    reused = both.levels > max(n_outer, n_inner) and bool((per_inner > 1).mean() >= 0.5)
    restarts = bool((last + 1 == per_outer).all() and (per_outer > 1).all())
    return _Combination(outer, inner, both, reused, restarts)


def _known_sign(outer: str, inner: str, known: Mapping[str, Factor]) -> str | None:
    factor = known.get(inner)
    nested = factor is not None and factor.within == outer and factor.labels == "reused"
    return "the simulated design nests them" if nested else None


def _sign(
    frame: pd.DataFrame, combination: _Combination, structures: Sequence[Structure]
) -> str | None:
    """What speaks for nesting, in words; None if nothing does."""
    outer, inner = combination.outer, combination.inner
    for structure in structures:
        if _nests(outer, inner, structure) and (inner,) not in structure:
            return "another model nests them"
    if _says_within(inner, outer):
        return "the column's name says so"
    unique = _refining(frame, combination)
    if unique is not None:
        return f"{unique} labels every combination of the two uniquely"
    return None


def _refining(frame: pd.DataFrame, combination: _Combination) -> str | None:
    """A third column whose groups are the combinations of the two, or None."""
    if combination.rows < _FEWEST_ROWS:
        return None
    for column in frame.columns:
        if is_text_column(column):
            continue
        dtype = frame[column].dtype
        labels = isinstance(dtype, pd.CategoricalDtype) or types.is_integer_dtype(dtype)
        if not labels or column in (combination.outer, combination.inner):
            continue
        if frame[column].isna().any() or frame[column].nunique() != combination.groups.levels:
            continue
        if factor_partition(frame, (column,)).is_inside(combination.groups):
            return column
    return None


def _counter_restarts(frame: pd.DataFrame, combination: _Combination) -> bool:
    enough = combination.rows >= _FEWEST_ROWS
    return combination.restarts and enough and is_counter(_labels(frame, combination.inner))


def _labels(frame: pd.DataFrame, name: str) -> list[str]:
    column = frame[label_column(frame, name)]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return level_labels(column.cat.categories.to_numpy())
    return level_labels(np.unique(column.to_numpy()))


def is_counter(labels: Sequence[str]) -> bool:
    """Whether labels count: 1, 2, 3; 0, 1; a, b, c; or a common prefix and such a number.

    >>> is_counter(["P1", "P2", "P10"]), is_counter(["north", "south"])
    (False, False)
    """
    if labels[0] in ("a", "A"):
        return [ord(label) if len(label) == 1 else -1 for label in labels] == [
            ord(labels[0]) + k for k in range(len(labels))
        ]
    parts = [_COUNTED.fullmatch(label) for label in labels]
    if not all(parts) or len({part[1] for part in parts}) != 1:
        return False
    numbers = sorted(int(part[2]) for part in parts)
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _warning(frame: pd.DataFrame, combination: _Combination, sign: str) -> DesignNote:
    outer, inner = combination.outer, combination.inner
    message = (
        f"As written, (1 | {inner}) is crossed with {outer}: {_same(frame, combination)}. "
        f"Nesting was probably meant, because {sign}: write (1 | {outer}/{inner})."
    )
    return DesignNote("reused labels", "warning", (outer, inner), message)


def _note(frame: pd.DataFrame, combination: _Combination) -> DesignNote:
    outer, inner = combination.outer, combination.inner
    # Where both columns count, nothing but the order of writing says which would be the outer one.
    either = _counter_restarts(frame, _combine(frame, inner, outer))
    message = (
        f"As written, {outer} and {inner} are crossed: {_same(frame, combination)}. "
        f"If each level of {outer} has levels of {inner} of its own, whose labels only start "
        f"again, nesting is meant: write (1 | {outer}/{inner})"
        + (f", or (1 | {inner}/{outer}) if it is the other way round." if either else ".")
    )
    return DesignNote("reused labels", "note", (outer, inner), message)


def _same(frame: pd.DataFrame, combination: _Combination) -> str:
    label = _labels(frame, combination.inner)[0]
    return (
        f"{combination.inner} {label} counts as one and the same in every level of "
        f"{combination.outer} where it occurs"
    )
