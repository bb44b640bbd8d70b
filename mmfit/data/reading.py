"""Data files to data frames: exact numbers, text left as text, and nothing repaired silently.

A column is numeric if every value that is not missing is a decimal number; otherwise it is text.
Missing is an empty field, ``NA`` or ``NaN``. Numbers with leading zeros (``007``) are labels, so
their column is text. Blanks around a field do not count. ``TRUE`` and ``FALSE`` are text.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from mmfit.errors import DataError
from mmfit.expression.labels import level_labels
from mmfit.spec.data_files import data_file_problem, data_kind

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_MISSING = pa.array(["", "NA", "NaN"])
_NUMBER = r"^[-+]?((\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[iI]nf(inity)?)$"
_WHOLE = r"^[-+]?\d{1,18}$"
_PADDED = r"^[-+]?0\d"


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


def read_table(path: str | Path, sha256: str | None = None) -> Table:
    """Read a csv, tsv or parquet file, compressed by gzip or not.

    Raises
    ------
    DataError
        If the file cannot be read as a table: see ``require_file``; other checksum than
        ``sha256``; not UTF-8; no header, columns without a name or with the same name; rows with
        more or fewer fields than the header; no rows.
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
    frame = _parquet(name, raw) if kind == ".parquet" else _text(name, raw, _DELIMITERS[kind])
    if frame.empty:
        raise DataError(f"{name}: a header but no rows")
    return Table(frame, name, found)


def _unzip(name: str, raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: not a sound gzip file: {error}") from None


def _text(name: str, raw: bytes, delimiter: str) -> pd.DataFrame:
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}:{line}: byte 0x{raw[error.start]:02x} at position {error.start} is not UTF-8; "
            "save the file as UTF-8"
        ) from None
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
    return pd.DataFrame({column: _column(table[column]) for column in names})


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
        if column in names[:position]:
            first = names.index(column) + 1
            raise DataError(
                f"{name}:{line}: the header has two columns named {column!r} "
                f"(columns {first} and {position + 1}); each needs a name of its own"
            )
    other = next((sign for sign in (";", "\t", ",") if sign in names[0]), None)
    if len(names) == 1 and other is not None:
        said = {"\t": "tabs", ";": "semicolons", ",": "commas"}
        raise DataError(
            f"{name}:{line}: the header has one column, {names[0]!r}, with {said[other]} in its "
            f"name; fields must be separated by {said[delimiter]}"
        )
    return names


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


def _column(values: pa.ChunkedArray) -> pd.Series:
    values = pc.utf8_trim_whitespace(values)
    values = pc.if_else(pc.is_in(values, value_set=_MISSING), pa.scalar(None, pa.string()), values)
    if values.null_count == len(values):
        return values.cast(pa.float64()).to_pandas()
    # Labels with leading zeros would lose them as numbers.
    if not _all(values, _NUMBER) or pc.any(pc.match_substring_regex(values, _PADDED)).as_py():
        return values.to_pandas()
    plain = pc.utf8_ltrim(values, "+")
    return plain.cast(pa.int64() if _all(values, _WHOLE) else pa.float64()).to_pandas()


def _all(values: pa.ChunkedArray, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(values, pattern)).as_py()


def _parquet(name: str, raw: bytes) -> pd.DataFrame:
    try:
        table = pa.parquet.read_table(pa.BufferReader(raw))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{name}: not a parquet file: {error}") from None
    repeated = [n for n in table.column_names if table.column_names.count(n) > 1]
    if repeated:
        raise DataError(f"{name}: two columns are named {repeated[0]!r}; each needs its own name")
    frame = table.to_pandas(ignore_metadata=True)
    names = [column for column in frame.columns if not column.startswith("__index_level_")]
    return pd.DataFrame({column: _plain(frame[column]) for column in names})


def _plain(column: pd.Series) -> pd.Series:
    """Truth values as the text that csv files hold, and dictionaries with text labels."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.rename_categories(level_labels(column.cat.categories.to_numpy()))
    truth = column.dtype == bool or (
        column.dtype == object and column.dropna().map(type).eq(bool).all()
    )
    return column.map({True: "TRUE", False: "FALSE"}) if truth else column
