"""Reading result tables back into records."""

import csv
from pathlib import Path

from mmfit.errors import DataError
from mmfit.report.tables import COMPARISONS, INTEGERS, TEXTS
from mmfit.selection.records import Comparison


def read_comparisons(folder: str | Path) -> tuple[Comparison, ...]:
    """The records behind ``comparisons.csv`` in ``folder``, without loss.

    Raises
    ------
    FileNotFoundError : there is no such file.
    DataError : the file is not a table of comparisons as this version writes it.
    """
    path = Path(folder) / "comparisons.csv"
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    try:
        if tuple(header) != COMPARISONS:
            raise ValueError(f"its columns are {', '.join(header)}")
        return tuple(_comparison(row) for row in rows)
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{path}: not a table of comparisons written by this version of mmfit ({error}); "
            "run `mmfit compare` again"
        ) from None


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
