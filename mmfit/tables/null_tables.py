"""The null distributions of every test, side by side: ``null_distributions.csv``."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mmfit.errors import DataError
from mmfit.selection import words
from mmfit.selection.records import Comparison, NullDistribution, Remark
from mmfit.tables.columns import NULL_DISTRIBUTIONS, frame_of

Pair = tuple[str, str]

FILE = "null_distributions.csv"
_NUMBERS = ("p_value", "mc_low", "mc_high")


def null_distributions_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """A row per valid pair and null distribution, in the order of the pairs."""
    rows = [
        _row(comparison, found) for comparison in comparisons for found in comparison.distributions
    ]
    columns = {name: [row[name] for row in rows] for name in NULL_DISTRIBUTIONS}
    return frame_of("null_distributions", columns).astype({"replicates": "Int64"})


def _row(comparison: Comparison, found: NullDistribution) -> Mapping[str, Any]:
    return {
        "null": comparison.null,
        "alternative": comparison.alternative,
        "method": found.method,
        "distribution": words.distribution(found),
        "p_value": found.p_value,
        "mc_low": found.mc_low,
        "mc_high": found.mc_high,
        "replicates": found.replicates,
        "holds": found.holds,
        "condition": words.condition(found),
    }


def read_null_distributions(
    folder: str | Path, deciding: Mapping[Pair, str | None]
) -> Mapping[Pair, tuple[NullDistribution, ...]]:
    """The records behind ``null_distributions.csv`` by (null, alternative).

    ``deciding`` has the distribution that each pair's test rests on, as ``comparisons.csv`` names
    it: the key from that table into this one. Weights have the digits that are printed.

    Raises
    ------
    FileNotFoundError : there is no such file.
    DataError : the file is not such a table as this version writes it.
    """
    path = Path(folder) / FILE
    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    found: dict[Pair, tuple[NullDistribution, ...]] = {}
    try:
        if tuple(header) != tuple(NULL_DISTRIBUTIONS):
            raise ValueError(f"its columns are {', '.join(header)}")
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            pair = cells.pop("null"), cells.pop("alternative")
            found[pair] = (*found.get(pair, ()), _record(cells, deciding.get(pair)))
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{path}: not a table of null distributions written by this version of mmfit "
            f"({error}); run `mmfit compare` again"
        ) from None
    return found


def _record(cells: Mapping[str, str], deciding: str | None) -> NullDistribution:
    numbers = {name: float(cells[name]) if cells[name] else None for name in _NUMBERS}
    dfs, weights = words.mixture_of(cells["distribution"])
    return NullDistribution(
        method=cells["method"],
        replicates=int(cells["replicates"]) if cells["replicates"] else None,
        holds={"true": True, "false": False}[cells["holds"]],
        condition=(Remark("said", (cells["condition"],)),),
        decides=cells["distribution"] == deciding,
        dfs=dfs,
        weights=weights,
        criterion=words.criterion_of(cells["distribution"]),
        **numbers,
    )
