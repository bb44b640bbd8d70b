"""Reading result tables back into records."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from mmfit.errors import DataError
from mmfit.selection.records import Comparison
from mmfit.tables.columns import TABLES, frame_of
from mmfit.tables.model_tables import COMPARISONS, INTEGERS, TEXTS
from mmfit.tables.null_tables import read_null_distributions


def read_comparisons(folder: str | Path) -> tuple[Comparison, ...]:
    """The records behind ``comparisons.csv`` and ``null_distributions.csv``.

    Raises
    ------
    FileNotFoundError : one of the files is not there.
    DataError : a file is not such a table as this version writes it.
    """
    path = Path(folder) / "comparisons.csv"
    header, *rows = _lines(path)
    try:
        if tuple(header) != COMPARISONS:
            raise ValueError(f"its columns are {', '.join(header)}")
        found = tuple(_comparison(row) for row in rows)
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{path}: not a table of comparisons written by this version of mmfit ({error}); "
            "run `mmfit compare` again"
        ) from None
    deciding = {(c.null, c.alternative): c.null_distribution for c in found}
    laws = read_null_distributions(folder, deciding)
    return tuple(replace(c, distributions=laws.get((c.null, c.alternative), ())) for c in found)


def read_tables(folder: str | Path, names: Iterable[str]) -> Mapping[str, pd.DataFrame]:
    """The tables ``names`` in ``folder`` as they were written, to the last digit.

    Raises
    ------
    FileNotFoundError : a table is not there.
    DataError : a file is not a table as this version writes it.
    """
    return MappingProxyType(dict(_read(Path(folder), names)))


def _read(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in names:
        path = folder / f"{name}.csv"
        header, *rows = _lines(path)
        try:
            if header != [*TABLES[name]]:
                raise ValueError(f"its columns are {', '.join(header)}")
            cells = [[_cell(row[i], kind) for row in rows] for i, kind in _kinds(name)]
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(
                f"{path}: not a table written by this version of mmfit ({error}); run the stage "
                "that makes it again, or `mmfit run`"
            ) from None
        yield name, frame_of(name, dict(zip(TABLES[name], cells, strict=True)))


def _kinds(name: str) -> Iterator[tuple[int, str]]:
    return enumerate(TABLES[name].values())


def _cell(text: str, kind: str) -> str | float | int | bool | None:
    if kind == "truth":
        return {"true": True, "false": False}[text]
    if kind == "text":
        return text or None
    if kind == "count":
        return int(text)
    return float(text or "nan")


def _lines(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return [*csv.reader(file)] or [[]]


def _comparison(row: list[str]) -> Comparison:
    cells = zip(COMPARISONS, row, strict=True)
    return Comparison(**{column: _value(column, text) for column, text in cells})


def _value(column: str, text: str) -> str | int | float | bool | None:
    if column == "valid":
        return {"true": True, "false": False}[text]
    if text == "":
        return None
    if column in TEXTS:
        return text
    return int(text) if column in INTEGERS else float(text)
