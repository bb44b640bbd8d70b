"""The null distributions of every test, side by side: ``null_distributions.csv``."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from mmfit.errors import DataError
from mmfit.selection.records import Comparison, NullDistribution
from mmfit.tables.columns import NULL_DISTRIBUTIONS, frame_of

FILE = "null_distributions.csv"
_NUMBERS = ("p_value", "mc_low", "mc_high")


def null_distributions_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """A row per valid pair and null distribution, in the order of the pairs."""
    rows = [
        {"null": comparison.null, "alternative": comparison.alternative}
        | {name: getattr(found, name) for name in NullDistribution.__dataclass_fields__}
        for comparison in comparisons
        for found in comparison.distributions
    ]
    columns = {name: [row[name] for row in rows] for name in NULL_DISTRIBUTIONS}
    return frame_of("null_distributions", columns).astype({"replicates": "Int64"})


def read_null_distributions(
    folder: str | Path,
) -> Mapping[tuple[str, str], tuple[NullDistribution, ...]]:
    """The records behind ``null_distributions.csv`` by (null, alternative), without loss.

    Raises
    ------
    FileNotFoundError : there is no such file.
    DataError : the file is not such a table as this version writes it.
    """
    path = Path(folder) / FILE
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    found: dict[tuple[str, str], tuple[NullDistribution, ...]] = {}
    try:
        if tuple(header) != tuple(NULL_DISTRIBUTIONS):
            raise ValueError(f"its columns are {', '.join(header)}")
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            pair = cells.pop("null"), cells.pop("alternative")
            found[pair] = (*found.get(pair, ()), _record(cells))
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{path}: not a table of null distributions written by this version of mmfit "
            f"({error}); run `mmfit compare` again"
        ) from None
    return found


def _record(cells: Mapping[str, str]) -> NullDistribution:
    numbers = {name: float(cells[name]) if cells[name] else None for name in _NUMBERS}
    return NullDistribution(
        method=cells["method"],
        distribution=cells["distribution"],
        replicates=int(cells["replicates"]) if cells["replicates"] else None,
        holds={"true": True, "false": False}[cells["holds"]],
        condition=cells["condition"],
        **numbers,
    )
