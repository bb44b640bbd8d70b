"""Result tables as data frames of the declared columns and kinds, and back and forth to files."""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from mmfit.errors import DataError
from mmfit.tables.csvfile import write_csv
from mmfit.tables.schema import TABLES, TableSchema, tables_of

Frames = Mapping[str, pd.DataFrame]

_DTYPES = MappingProxyType(
    {"text": object, "number": float, "integer": float, "count": int, "truth": bool, "flag": object}
)
_TRUTHS = MappingProxyType({"true": True, "false": False})


def frame_of(name: str, columns: pd.DataFrame | Mapping[str, Iterable]) -> pd.DataFrame:
    """The table ``name`` from its columns, each of the kind declared, in the declared order.

    Raises
    ------
    KeyError : a column is not there; columns that the table does not have are passed over.
    """
    frame = {
        column: pd.Series(_values(columns[column], kind), dtype=_DTYPES[kind])
        for column, kind in TABLES[name].kinds.items()
    }
    return pd.DataFrame(frame)


def frame_of_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The table ``name`` from its rows, each with every column (and perhaps others)."""
    rows = list(rows)
    return frame_of(name, {c: [row[c] for row in rows] for c in TABLES[name].header})


def empty_frame(name: str) -> pd.DataFrame:
    """The table ``name`` without a row."""
    return frame_of(name, {column: [] for column in TABLES[name].header})


def stacked(name: str, frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Parts of the table ``name``, one below the other."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else empty_frame(name)


def write_tables(folder: str | Path, stage: str, frames: Frames) -> Frames:
    """Write the tables of a stage into ``folder`` (``results/<analysis>/tables``).

    They are given back as :func:`read_tables` reads them.

    Raises
    ------
    KeyError : a table of the stage is not there.
    """
    written = {table.name: frame_of(table.name, frames[table.name]) for table in tables_of(stage)}
    for name, frame in written.items():
        write_csv(Path(folder) / TABLES[name].file, as_written(name, frame))
    return written


def as_written(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The table as its file holds it: integers without a decimal point."""
    whole = [column for column, kind in TABLES[name].kinds.items() if kind in ("integer", "count")]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def read_tables(folder: str | Path, names: Iterable[str] | None = None) -> Frames:
    """The tables ``names`` (all of them) in ``folder`` as they were written, to the last digit.

    Raises
    ------
    FileNotFoundError : a table is not there.
    DataError : a file is not a table as this version writes it.
    """
    names = TABLES if names is None else names
    return MappingProxyType({name: _read(Path(folder), TABLES[name]) for name in names})


def _read(folder: Path, schema: TableSchema) -> pd.DataFrame:
    path = folder / schema.file
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    try:
        if tuple(header) != schema.header:
            raise ValueError(f"its columns are {', '.join(header)}")
        if any(len(row) != len(header) for row in rows):
            raise ValueError("a row has another number of fields")
        cells = {
            column: [_cell(row[place], kind) for row in rows]
            for place, (column, kind) in enumerate(schema.kinds.items())
        }
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{path}: not a table written by this version of mmfit ({error}); run "
            f"`mmfit {schema.stage}` again, or `mmfit run`"
        ) from None
    return frame_of(schema.name, cells)


def _cell(text: str, kind: str) -> str | float | int | bool | None:
    if kind == "truth" or (kind == "flag" and text):
        return _TRUTHS[text]
    if kind in ("text", "flag"):
        return text or None
    return int(text) if kind == "count" else float(text or "nan")


def _values(values: Iterable, kind: str) -> list:
    """A column as a list; a missing or empty text is None, a missing number NaN."""
    values = [None if v is None or v is pd.NA or v != v or v == "" else v for v in values]
    if kind == "text":
        return [None if v is None else str(v) for v in values]
    if kind == "flag":
        return [None if v is None else bool(v) for v in values]
    return [math.nan if v is None else v for v in values]


def empty_tables() -> Frames:
    """Every table without a row."""
    return MappingProxyType({name: empty_frame(name) for name in TABLES})
