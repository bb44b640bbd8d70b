"""Data files to data frames: exact numbers, text left as text, and nothing repaired silently.

A column is numeric if every value that is not missing is a decimal number; otherwise it is text.
Missing is an empty field, ``NA`` or ``NaN``. Numbers with leading zeros (``007``) are labels, so
their column is text. Blanks around a field do not count. ``TRUE`` and ``FALSE`` are text.

A label is the text that stands in the file. Where a numeric column may serve as labels and numbers
would not give its texts back (``1.10``, ``1E3``, sixteen digits and more), the texts stand in a
column of their own beside it, see ``mmfit.expression.labels.text_column``.
"""

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from mmfit.errors import DataError
from mmfit.expression.labels import (
    LabelError,
    is_text_column,
    level_labels,
    text_column,
    value_label,
)
from mmfit.spec.data_files import data_file_problem, data_kind

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_SAID = {";": "semicolons", "\t": "tabs", ",": "commas"}
_MISSING = pa.array(["", "NA", "NaN"])
_NUMBER = r"^[-+]?((\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[iI]nf(inity)?)$"
_WHOLE = r"^[-+]?\d{1,18}$"
_PADDED = r"^[-+]?0\d"
_COUNT = r"^(0|-?[1-9]\d{0,14})$"
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Table:
    """A data file as read.

    Attributes
    ----------
    frame : DataFrame, rows and columns as in the file.
    file : str, the path as given.
    sha256 : str, checksum of the file's bytes (of the compressed ones where it is compressed).
    """

    frame: pd.DataFrame
    file: str
    sha256: str


def require_file(path: str | Path) -> Path:
    """The path, if a data file of a known kind stands there.

    Raises
    ------
    DataError
        If there is no such file (with the nearest name in that folder), it is a directory, or its
        name does not end in .csv, .tsv or .parquet, with or without .gz.
    """
    problem = data_file_problem(path)
    if problem is not None:
        raise DataError("; ".join(problem))
    return Path(path)


def read_table(path: str | Path, sha256: str | None = None, spelled: Collection[str] = ()) -> Table:
    """Read a csv, tsv or parquet file, compressed by gzip or not.

    Parameters
    ----------
    path : a file of a known kind;  sha256 : the checksum that it must have, if any.
    spelled : names of columns whose numbers may be labels.

    Raises
    ------
    DataError
        If the file cannot be read as a table: see ``require_file``; other checksum than
        ``sha256``; not UTF-8; no header, columns without a name or with the same name; a quote that
        is not closed at the end of its field; rows with more or fewer fields than the header; no
        rows; different values of a column of labels that would have one label.
    """
    file = require_file(path)
    name = str(path)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from None
    found = hashlib.sha256(raw).hexdigest()
    if sha256 is not None and found != sha256:
        raise DataError(
            f"{name}: the checksum does not match: expected sha256 {sha256}, found {found}; "
            "restore the file, or correct `sha256` if the change was meant"
        )
    if file.suffix.lower() == ".gz":
        raw = _unzip(name, raw)
    if not raw.strip():
        raise DataError(f"{name}: the file is empty; a header and rows are needed")
    kind = data_kind(file)
    if kind == ".parquet":
        frame = _parquet(name, raw, spelled)
    else:
        frame = _text(name, raw, _DELIMITERS[kind], spelled)
    if frame.empty:
        raise DataError(f"{name}: a header but no rows")
    return Table(frame, name, found)


def _unzip(name: str, raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: not a sound gzip file: {error}") from None


def _text(name: str, raw: bytes, delimiter: str, spelled: Collection[str]) -> pd.DataFrame:
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}:{line}: byte 0x{raw[error.start]:02x} at position {error.start} is not UTF-8; "
            "save the file as UTF-8"
        ) from None
    if '"' in text:
        _check_quotes(name, text, delimiter)
    names = _header(name, text, delimiter)
    options = {
        "read_options": pa.csv.ReadOptions(column_names=names, skip_rows=0, use_threads=False),
        "parse_options": pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    }
    try:
        table = pa.csv.read_csv(pa.BufferReader(raw), **options)
    except pa.ArrowInvalid as error:
        raise _ragged(name, text, delimiter, error) from None
    # The header is read as a row, because pyarrow skips rows by lines and a name may hold one.
    table = table.slice(1)
    return _frame({column: _column(table[column], column in spelled) for column in names})


def _frame(columns: dict[str, tuple[pd.Series, pd.Series | None]]) -> pd.DataFrame:
    """A frame of columns, each followed by its texts where there are any."""
    found = {}
    for name, (values, texts) in columns.items():
        found[name] = values
        if texts is not None:
            found[text_column(name)] = texts
    return pd.DataFrame(found)


def _check_quotes(name: str, text: str, delimiter: str) -> None:
    """Refuse a quoted field that does not end with its quote: it would swallow what follows."""
    start, end = rf"(?:\A|(?<=[{delimiter}\r\n]))", rf"(?=[ \t]*(?:[{delimiter}\r\n]|\Z))"
    body = r'"[^"]*(?:""[^"]*)*'
    # One pass without a look at single fields is enough where nothing is left that opens one.
    if re.search(start + '"', re.sub(f'{start}{body}"{end}', "", text)) is None:
        return
    for found in re.finditer(f'{start}{body}(?P<end>"{end})?', text):
        if found["end"]:
            continue
        line = text.count("\n", 0, found.start()) + 1
        shown = repr(text[found.start() : found.start() + 20].splitlines()[0])
        if found.end() == len(text):
            what = "is never closed"
        else:
            closed = text.count("\n", 0, found.end()) + 1
            what = f"is followed by more text where it is closed, on line {closed}"
        raise DataError(
            f"{name}:{line}: the quote that opens the field {shown} {what}; put a quote at the end "
            'of the field, and write "" for one within it'
        )


def _fields(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number at which each record ends, and its fields; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(f"line {reader.line_num}: {error}") from None


def _header(name: str, text: str, delimiter: str) -> list[str]:
    line, fields = next(_fields(text, delimiter))
    names = [field.strip() for field in fields]
    for position, column in enumerate(names):
        if not column:
            raise DataError(f"{name}:{line}: column {position + 1} has no name in the header")
        _check_name(f"{name}:{line}", column)
        if column in names[:position]:
            first = names.index(column) + 1
            raise DataError(
                f"{name}:{line}: the header has two columns named {column!r} "
                f"(columns {first} and {position + 1}); each needs a name of its own"
            )
    other = next((sign for sign in _SAID if sign in names[0]), None)
    if len(names) == 1 and other is not None:
        raise DataError(
            f"{name}:{line}: the header has one column, {names[0]!r}, with {_SAID[other]} in its "
            f"name; fields must be separated by {_SAID[delimiter]}"
        )
    return names


def _check_name(place: str, column: str) -> None:
    if is_text_column(column):
        raise DataError(f"{place}: the name {column!r} is that of the texts of a column; rename it")


def _ragged(name: str, text: str, delimiter: str, error: pa.ArrowInvalid) -> DataError:
    records = _fields(text, delimiter)
    width = len(next(records)[1])
    for line, fields in records:
        if len(fields) != width:
            return DataError(
                f"{name}:{line}: this row has {len(fields)} fields and the header has {width}; "
                "every row needs as many"
            )
    return DataError(f"{name}: not a table: {error}")


def _column(texts: pa.ChunkedArray, spelled: bool) -> tuple[pd.Series, pd.Series | None]:
    """A column of fields, and its texts where they are asked for and numbers do not tell them."""
    texts = pc.ascii_trim_whitespace(texts)
    values = pc.utf8_trim_whitespace(texts)
    missing = pc.is_in(values, value_set=_MISSING)
    values = pc.if_else(missing, pa.scalar(None, pa.string()), values)
    if values.null_count == len(values):
        return values.cast(pa.float64()).to_pandas(), None
    # Labels with leading zeros would lose them as numbers.
    if not _all(values, _NUMBER) or pc.any(pc.match_substring_regex(values, _PADDED)).as_py():
        return pc.if_else(missing, pa.scalar(None, pa.string()), texts).to_pandas(), None
    plain = pc.utf8_ltrim(values, "+")
    numbers = plain.cast(pa.int64() if _all(values, _WHOLE) else pa.float64()).to_pandas()
    return numbers, values.to_pandas() if spelled and not _told_by_numbers(values) else None


def _told_by_numbers(texts: pa.ChunkedArray) -> bool:
    """Whether every text is the label of its number, with no digits beyond those of a float."""
    if _all(texts, _COUNT):
        return True
    distinct = pc.unique(texts.drop_null()).to_pylist()
    return all(abs(float(text)) < _EXACT and value_label(float(text)) == text for text in distinct)


def _all(values: pa.ChunkedArray, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(values, pattern)).as_py()


def _parquet(name: str, raw: bytes, spelled: Collection[str]) -> pd.DataFrame:
    try:
        table = pa.parquet.read_table(pa.BufferReader(raw))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{name}: not a parquet file: {error}") from None
    repeated = [n for n in table.column_names if table.column_names.count(n) > 1]
    if repeated:
        raise DataError(f"{name}: two columns are named {repeated[0]!r}; each needs its own name")
    table = table.replace_schema_metadata(None)
    columns = {}
    for column in table.column_names:
        if column.startswith("__index_level_"):
            continue
        _check_name(name, column)
        try:
            columns[column] = _plain(table[column], column in spelled)
        except LabelError as error:
            raise DataError(f"{name}: the column {column!r}: {error}") from None
    return _frame(columns)


def _plain(values: pa.ChunkedArray, spelled: bool) -> tuple[pd.Series, pd.Series | None]:
    """A column as those of csv files are, and its texts as ``_column`` gives them.

    Truth values are the text that csv files hold, dictionaries have text labels, decimals are
    numbers, and integers keep their digits where some are missing.
    """
    if pa.types.is_decimal(values.type):
        texts = [None if value is None else value_label(value) for value in values.to_pylist()]
        texts = pa.chunked_array([pa.array(texts, pa.string())])
        keep = spelled and not _told_by_numbers(texts)
        return values.cast(pa.float64()).to_pandas(), texts.to_pandas() if keep else None
    if pa.types.is_integer(values.type) and values.null_count:
        ends = pc.min_max(values).as_py()
        if values.null_count < len(values) and max(-ends["min"], ends["max"]) >= _EXACT:
            kind = "UInt64" if pa.types.is_unsigned_integer(values.type) else "Int64"
            return pd.Series(pd.array(values.to_pylist(), dtype=kind)), None
    if pa.types.is_dictionary(values.type):
        values = values.unify_dictionaries()
    column = values.to_pandas()
    if isinstance(column.dtype, pd.CategoricalDtype):
        labels = level_labels(column.cat.categories.to_numpy())
        return column.cat.rename_categories(labels), None
    truth = column.dtype == bool or (
        column.dtype == object and column.dropna().map(type).eq(bool).all()
    )
    return column.map({True: "TRUE", False: "FALSE"}) if truth else column, None
