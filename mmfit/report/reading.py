"""Result tables read back into the records that they were made of."""

import csv
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

from mmfit.errors import DataError
from mmfit.selection.records import Comparison


def _optional(convert: Callable) -> Callable:
    return lambda text: convert(text) if text else None


_CONVERT = MappingProxyType(
    {
        str: str,
        bool: {"true": True, "false": False}.__getitem__,
        str | None: _optional(str),
        int | None: _optional(int),
        float | None: _optional(float),
    }
)


def read_comparisons(folder: str | Path) -> tuple[Comparison, ...]:
    """The inverse of ``mmfit.report.tables.write_comparisons``, without loss.

    Raises
    ------
    DataError
        When the file is not a table of comparisons written by this version.
    OSError
        When it cannot be read.
    """
    path = Path(folder) / "comparisons.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return tuple(
            Comparison(**{f.name: _CONVERT[f.type](row[f.name]) for f in fields(Comparison)})
            for row in rows
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: not a table of comparisons written by this version of mmfit ({error}); "
            "run `mmfit compare` again"
        ) from None
