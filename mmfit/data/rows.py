"""From the source's rows to the rows used: ``where``, ``derive``, missing values, factors."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from pandas.api import types

from mmfit.data.records import MissingCount, RowReport
from mmfit.errors import DataError, FormulaError
from mmfit.expression import condition, evaluate, variables
from mmfit.expression.labels import level_labels
from mmfit.spec import Analysis
from mmfit.spec.problems import did_you_mean, listing

_SHOWN = 5


def require_columns(frame: pd.DataFrame, used: Mapping[str, Iterable[str]]) -> None:
    """Refuse names that are no columns, all of them, each with the nearest one that is.

    Parameters
    ----------
    used : names by the place that uses them (``file: models.m1``).

    Raises
    ------
    DataError
    """
    columns = [str(column) for column in frame.columns]
    problems = [
        f"{place}: the data have no column {name!r}{did_you_mean(name, columns)}; "
        f"columns: {listing(columns)}"
        for place, names in used.items()
        for name in dict.fromkeys(names)
        if name not in columns
    ]
    if problems:
        raise DataError("\n".join(problems))


def prepare_rows(frame: pd.DataFrame, analysis: Analysis) -> tuple[pd.DataFrame, RowReport]:
    """Apply ``where``, then ``derive``, then keep the rows that are complete for all candidates.

    Parameters
    ----------
    frame : the source's rows, in its order.
    analysis : whose ``data``, ``models`` and scope of a search decide.

    Returns
    -------
    The rows used, factors coded, indexed by their number in the source (from 1), and the report.

    Raises
    ------
    DataError
        Unknown columns; a condition or expression that cannot be evaluated; no rows left;
        infinite values; missing values under ``missing: error``.
    """
    data, file = analysis.data, analysis.path
    read = len(frame)
    frame = frame.set_axis(pd.RangeIndex(1, read + 1))
    frame = _filter(frame, data.where, file)
    selected = len(frame)
    for name, text in data.derive.items():
        frame = frame.assign(**{name: derived(frame, name, text, file)})
    used = {f"{file}: {place}": spec.variables for place, spec in analysis.specs.items()}
    require_columns(frame, {f"{file}: data.categorical": data.categorical, **used})
    needed = {name for names in used.values() for name in names}
    columns = [column for column in frame.columns if column in needed]
    _refuse_infinite(frame, columns, file)
    complete, missing = _complete(frame, columns)
    if missing and data.missing == "error":
        raise _missing_error(frame, missing, file)
    kept = frame[complete]
    report = RowReport(read, data.where, read - selected, selected - len(kept), missing, len(kept))
    if kept.empty:
        raise DataError(f"{file}: data: no rows are left: {' '.join(report.sentences())}")
    return code_factors(kept, data.categorical, columns, file), report


def _filter(frame: pd.DataFrame, where: str | None, file: str) -> pd.DataFrame:
    if where is None:
        return frame
    place = f"{file}: data.where"
    require_columns(frame, {place: variables(where)})
    try:
        kept = frame[condition(where, frame)]
    except FormulaError as error:
        raise DataError(f"{place}: {error}") from None
    if kept.empty:
        raise DataError(f"{place}: no rows are left: {where} holds in none of {len(frame)} rows")
    return kept


def derived(frame: pd.DataFrame, name: str, text: str, file: str) -> pd.Series:
    """One entry of ``derive``, a value per row; ``file`` is that of the analysis, for messages.

    Raises
    ------
    DataError
        Unknown columns; an expression that cannot be evaluated or has no value in some row.
    """
    place = f"{file}: data.derive.{name}"
    used = variables(text)
    require_columns(frame, {place: used})
    try:
        values = pd.Series(evaluate(text, frame), index=frame.index)
    except FormulaError as error:
        raise DataError(f"{place}: {error}") from None
    if types.is_bool_dtype(values.dtype):
        return values.astype(object).map({True: "TRUE", False: "FALSE"})
    # A value that comes out missing from values that are not is log(-1) or 0/0, and would be
    # dropped as missing without a word.
    undefined = values.isna() & frame[list(used)].notna().all(axis=1)
    if undefined.any():
        row = undefined.idxmax()
        given = ", ".join(f"{column} = {frame.at[row, column]}" for column in used)
        raise DataError(f"{place}: {text} has no value in row {row} of the data ({given})")
    return values


def _refuse_infinite(frame: pd.DataFrame, columns: list[str], file: str) -> None:
    for column in columns:
        if not types.is_float_dtype(frame[column].dtype):
            continue
        infinite = np.isinf(frame[column].to_numpy(dtype=float, na_value=np.nan))
        if infinite.any():
            rows = rows_text(frame.index[infinite])
            raise DataError(
                f"{file}: data: the column {column!r} is infinite in {rows} of the data; "
                "finite numbers, or nothing for a missing value, are allowed"
            )


def _complete(
    frame: pd.DataFrame, columns: list[str]
) -> tuple[np.ndarray, tuple[MissingCount, ...]]:
    absent = frame[columns].isna()
    counts = absent.sum()
    missing = tuple(MissingCount(c, int(counts[c])) for c in columns if counts[c])
    return ~absent.any(axis=1).to_numpy(), missing


def _missing_error(frame: pd.DataFrame, missing: tuple[MissingCount, ...], file: str) -> DataError:
    said = []
    for count in missing:
        rows = frame.index[frame[count.column].isna()]
        said.append(f"{count.column!r} in {rows_text(rows)}")
    return DataError(
        f"{file}: data.missing: values are missing, and `missing: error` is set: "
        f"{'; '.join(said)} of the data; fill them in, or write `missing: drop`"
    )


def rows_text(rows: pd.Index) -> str:
    """``row 3`` or ``rows 3, 5, 8, … (12 in all)``."""
    return f"row{'s' * (len(rows) != 1)} {listing([str(row) for row in rows], _SHOWN)}"


def code_factors(
    frame: pd.DataFrame, categorical: tuple[str, ...], needed: list[str], file: str
) -> pd.DataFrame:
    """Text columns and those in ``categorical`` as categoricals of the levels that occur."""
    coded = {}
    for column in frame.columns:
        values = frame[column]
        if column in categorical or not types.is_numeric_dtype(values.dtype):
            coded[column] = _categorical(values, column, column in needed, file)
        else:
            coded[column] = values.array
    return pd.DataFrame(coded, index=frame.index)


def _categorical(values: pd.Series, column: str, needed: bool, file: str) -> pd.Categorical:
    """Levels sorted: numbers by value, text by code point; a categorical keeps its own order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.array.remove_unused_categories()
    kind = types.infer_dtype(values, skipna=True)
    if kind not in ("string", "integer", "floating", "empty", "mixed-integer-float"):
        if needed:
            raise DataError(
                f"{file}: data: the column {column!r} holds values of kind {kind}; "
                "numbers or text are allowed (derive a number from it before)"
            )
        values = values.astype(str).where(values.notna())
    codes, distinct = pd.factorize(values.array)
    order = np.argsort(distinct) if kind != "string" else _by_code_point(distinct)
    labels = level_labels(np.asarray(distinct)[order])
    rank = np.empty(len(order) + 1, dtype=np.intp)
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    return pd.Categorical.from_codes(rank[codes], labels)


def _by_code_point(labels: Iterable[str]) -> np.ndarray:
    labels = list(labels)
    return np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.intp)
