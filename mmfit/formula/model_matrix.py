"""Terms and coded variables into a model matrix, as R's ``model.matrix`` does it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.errors import DesignError
from mmfit.formula.terms import Terms
from mmfit.formula.variables import MAX_CELLS, Coded, too_large

INTERCEPT = "(Intercept)"
# From this many rows, and rows per combination of levels, on each combination is worked out once.
_MANY_ROWS = 2048
_ROWS_PER_CELL = 8

Flags = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class CodedMatrix:
    """A model matrix.

    Attributes
    ----------
    matrix : (n, p) float array, its columns contiguous.
    names : tuple of str, length p.
    term_columns : per term (the intercept first, where there is one), its columns.
    distinct : (m, p) float array with the cross-products of ``matrix``: one scaled row for each
        that occurs where these are known to be few, ``matrix`` itself otherwise.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    term_columns: tuple[tuple[int, ...], ...]
    distinct: np.ndarray


def model_matrix(
    terms: Terms, variables: Sequence[Coded], rows: int, full_dummies: bool = False
) -> CodedMatrix:
    """The model matrix of some terms; in an interaction the first factor varies fastest.

    Parameters
    ----------
    terms : Terms;  variables : their variables, coded;  rows : int, n.
    full_dummies : bool, a column per level for every factor in every term, whatever its contrasts
        (the rank-deficient matrix behind type III tests).

    Raises
    ------
    DesignError
        Where the matrix would be larger than 4 GiB.
    """
    contrasted = _contrasted(terms, variables, full_dummies)
    widths = [
        math.prod(variables[k].coding.width(flag) for k, flag in zip(term, flags, strict=True))
        for term, flags in zip(terms.members, contrasted, strict=True)
    ]
    if rows * (sum(widths) + terms.intercept) > MAX_CELLS:
        widest = int(np.argmax(widths))
        raise DesignError(too_large(terms.labels[widest], widths[widest], rows))
    names, columns = _names(terms, variables, contrasted)
    cells = _cells(terms, variables, rows)
    if cells is None:
        matrix = _rows(terms, variables, contrasted, widths, rows).T
        return CodedMatrix(matrix, names, columns, matrix)
    place, counts, reduced = cells
    table = _rows(terms, reduced, contrasted, widths, len(counts))
    spread = np.empty((len(table), rows))
    for column, out in zip(table, spread, strict=True):
        # The places are in range; clipping lets numpy write to ``out`` without a buffer.
        column.take(place, out=out, mode="clip")
    return CodedMatrix(spread.T, names, columns, (table * np.sqrt(counts)).T)


def _cells(
    terms: Terms, variables: Sequence[Coded], rows: int
) -> tuple[np.ndarray, np.ndarray, list[Coded]] | None:
    """The combinations of levels that occur, where the terms are made of few factors alone.

    Returns
    -------
    place : (n,) intp array, the combination of each row;  counts : (m,) rows of each;
    reduced : the variables over the combinations in place of the rows. None where rows are many
    combinations or numbers.
    """
    used = sorted({k for term in terms.members for k in term})
    sizes = [len(variables[k].coding.levels or ()) for k in used]
    span = math.prod(sizes)
    if rows < _MANY_ROWS or not used or not 0 < span <= rows // _ROWS_PER_CELL:
        return None
    place = np.ravel_multi_index([variables[k].data for k in used], sizes)
    counts = np.bincount(place, minlength=span)
    cells = np.flatnonzero(counts)
    if len(cells) < span:
        position = np.empty(span, dtype=np.intp)
        position[cells] = np.arange(len(cells))
        place = position[place]
    reduced = list(variables)
    for k, codes in zip(used, np.unravel_index(cells, sizes), strict=True):
        reduced[k] = Coded(variables[k].coding, codes)
    return place, counts[cells], reduced


def _names(
    terms: Terms, variables: Sequence[Coded], contrasted: Flags
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names of the columns, and the columns of each term."""
    names: list[str] = [INTERCEPT] if terms.intercept else []
    columns = [(0,)] if terms.intercept else []
    for term, flags in zip(terms.members, contrasted, strict=True):
        labels = [""]
        for place, (k, flag) in enumerate(zip(term, flags, strict=True)):
            own = _variable_names(variables[k], flag)
            labels = [f"{a}:{b}" for b in own for a in labels] if place else own
        columns.append(tuple(range(len(names), len(names) + len(labels))))
        names.extend(labels)
    return tuple(names), tuple(columns)


def _variable_names(coded: Coded, contrasted: bool) -> list[str]:
    coding = coded.coding
    label = coding.variable.label
    if coding.levels is not None:
        return [label + name for name in (coding.contrast.names if contrasted else coding.levels)]
    # R numbers the columns of a matrix only where there are several.
    suffixes = coding.suffixes if len(coding.suffixes) > 1 else ("",)
    return [label + suffix for suffix in suffixes]


def _rows(
    terms: Terms,
    variables: Sequence[Coded],
    contrasted: Flags,
    widths: Sequence[int],
    rows: int,
) -> np.ndarray:
    """The model matrix transposed, (p, n): a column of it is a contiguous row here."""
    start = int(terms.intercept)
    out = np.empty((sum(widths) + start, rows))
    out[:start] = 1.0
    for term, flags, width in zip(terms.members, contrasted, widths, strict=True):
        _write_term([variables[k] for k in term], flags, out[start : start + width])
        start += width
    return out


def _write_term(variables: Sequence[Coded], flags: Sequence[bool], out: np.ndarray) -> None:
    if len(variables) == 1:
        _write_variable(variables[0], flags[0], out)
        return
    block = _variable_rows(variables[0], flags[0])
    for variable, flag in zip(variables[1:-1], flags[1:-1], strict=True):
        more = _variable_rows(variable, flag)
        block = (more[:, None, :] * block).reshape(-1, out.shape[1])
    last = _variable_rows(variables[-1], flags[-1])
    np.multiply(last[:, None, :], block, out=out.reshape(len(last), len(block), -1))


def _variable_rows(coded: Coded, contrasted: bool) -> np.ndarray:
    """The columns of one variable, (k, n)."""
    if coded.coding.levels is None:
        return coded.data[None, :] if coded.data.ndim == 1 else coded.data.T
    out = np.empty((coded.coding.width(contrasted), len(coded.data)))
    _write_variable(coded, contrasted, out)
    return out


def _write_variable(coded: Coded, contrasted: bool, out: np.ndarray) -> None:
    coding, data = coded.coding, coded.data
    if coding.levels is None:
        out[:] = data if data.ndim == 1 else data.T
    elif contrasted:
        for column, row in zip(np.ascontiguousarray(coding.contrast.matrix.T), out, strict=True):
            column.take(data, out=row, mode="clip")
    else:
        out[:] = 0.0
        out[data, np.arange(len(data))] = 1.0


def _contrasted(terms: Terms, variables: Sequence[Coded], full_dummies: bool) -> Flags:
    if full_dummies:
        return tuple(tuple(False for _ in term) for term in terms.members)
    if terms.intercept:
        return terms.contrasted
    # Without an intercept the first factor found gets a column per level (R's model.matrix).
    for place, term in enumerate(terms.members):
        for position, k in enumerate(term):
            if variables[k].coding.levels is not None:
                flags = list(terms.contrasted[place])
                flags[position] = False
                return (
                    *terms.contrasted[:place],
                    tuple(flags),
                    *terms.contrasted[place + 1 :],
                )
    return terms.contrasted
