"""From the source's rows to the rows used: ``where``, ``derive``, missing values, factors."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd
from pandas.api import types

from mmfit.data.records import MissingCount, RowReport
from mmfit.errors import DataError, FormulaError
from mmfit.expression import condition, variables
from mmfit.expression.columns import numeral_factor
from mmfit.expression.interface import evaluate_with_texts
from mmfit.expression.labels import LabelError, is_text_column, level_labels, text_column
from mmfit.expression.values import sort_codes
from mmfit.spec import Analysis
from mmfit.spec.label_columns import pure_labels
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
    columns = [str(column) for column in frame.columns if not is_text_column(column)]
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
    data, file, labels = analysis.data, analysis.path, pure_labels(analysis)
    read = len(frame)
    frame = frame.set_axis(pd.RangeIndex(1, read + 1))
    frame = _filter(frame, data.where, labels, file)
    selected = len(frame)
    for name, text in data.derive.items():
        frame = with_derived(frame, name, text, labels, file)
    used = {f"{file}: {place}": spec.variables for place, spec in analysis.specs.items()}
    require_columns(frame, {f"{file}: data.categorical": data.categorical, **used})
    needed = {name for names in used.values() for name in names}
    columns = [column for column in frame.columns if column in needed]
    # Labels that their numbers tell stay numbers, as they are in the file.
    spelled = {name for name in labels if text_column(name) in frame}
    _refuse_infinite(frame, [name for name in columns if name not in spelled], file)
    complete, missing = _complete(frame, columns)
    if missing and data.missing == "error":
        raise _missing_error(frame, missing, file)
    kept = frame[complete]
    report = RowReport(read, data.where, read - selected, selected - len(kept), missing, len(kept))
    if kept.empty:
        raise DataError(f"{file}: data: no rows are left: {' '.join(report.sentences())}")
    return code_factors(kept, {*data.categorical, *spelled}, columns, columns, file), report


def _filter(
    frame: pd.DataFrame, where: str | None, labels: tuple[str, ...], file: str
) -> pd.DataFrame:
    if where is None:
        return frame
    place = f"{file}: data.where"
    require_columns(frame, {place: variables(where)})
    try:
        kept = frame[condition(where, frame, labels)]
    except FormulaError as error:
        raise DataError(f"{place}: {error}") from None
    if kept.empty:
        raise DataError(f"{place}: no rows are left: {where} holds in none of {len(frame)} rows")
    return kept


def with_derived(
    frame: pd.DataFrame, name: str, text: str, labels: tuple[str, ...], file: str
) -> pd.DataFrame:
    """The frame with one entry of ``derive``; ``file`` is that of the analysis, for messages.

    What is taken over from a column of numbers with texts has the texts, too. ``labels`` are the
    columns whose numbers are labels.

    Raises
    ------
    DataError
        Unknown columns; an expression that cannot be evaluated or has no value in some row.
    """
    place = f"{file}: data.derive.{name}"
    used = variables(text)
    require_columns(frame, {place: used})
    try:
        found, texts = evaluate_with_texts(text, frame, labels)
    except FormulaError as error:
        raise DataError(f"{place}: {error}") from None
    values = pd.Series(found, index=frame.index)
    if types.is_bool_dtype(values.dtype):
        values = values.astype(object).map({True: "TRUE", False: "FALSE"})
    else:
        _refuse_undefined(frame, values, text, place)
    frame = frame.drop(columns=text_column(name), errors="ignore")
    beside = {} if texts is None else {text_column(name): texts}
    return frame.assign(**{name: values, **beside})


def _refuse_undefined(frame: pd.DataFrame, values: pd.Series, text: str, place: str) -> None:
    """A value that comes out missing from values that are not is log(-1) or 0/0.

    It would be dropped as missing without a word.
    """
    used = list(variables(text))
    undefined = values.isna() & frame[used].notna().all(axis=1)
    if undefined.any():
        row = undefined.idxmax()
        given = ", ".join(f"{column} = {frame.at[row, column]}" for column in used)
        raise DataError(f"{place}: {text} has no value in row {row} of the data ({given})")


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
    frame: pd.DataFrame,
    categorical: Collection[str],
    spelled: Collection[str],
    needed: Collection[str],
    file: str,
) -> pd.DataFrame:
    """Text columns and those in ``categorical`` as categoricals of the levels that occur.

    Parameters
    ----------
    spelled : columns of numbers whose texts stay beside them, where there are any.
    needed : columns that cannot be of a kind without labels.
    """
    coded = {}
    for column in frame.columns:
        if is_text_column(column):
            continue
        values, beside = frame[column], text_column(column)
        if column in categorical and beside in frame:
            coded[column] = _by_text(frame[beside])
        elif column in categorical or not types.is_numeric_dtype(values.dtype):
            coded[column] = _categorical(values, column, column in needed, file)
        else:
            coded[column] = values.array
            if beside in frame and column in spelled:
                coded[beside] = _by_text(frame[beside])
    return pd.DataFrame(coded, index=frame.index)


def _by_text(texts: pd.Series) -> pd.Categorical:
    """Numbers in the spelling of their source, by value and then by text."""
    factor = numeral_factor(texts)
    return pd.Categorical.from_codes(factor.codes, list(factor.levels))


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
    try:
        labels = level_labels(np.asarray(distinct)[order])
    except LabelError as error:
        raise DataError(f"{file}: data: the column {column!r}: {error}") from None
    return pd.Categorical.from_codes(sort_codes(codes, order), labels)


def _by_code_point(labels: Iterable[str]) -> np.ndarray:
    labels = list(labels)
    return np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.intp)
