"""The tables of the stage ``compare``: pairs of models, and the null distributions of each."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from mmfit.selection import words
from mmfit.selection.records import Comparison, NullDistribution, Remark
from mmfit.tables.frames import Frames, frame_of_rows
from mmfit.tables.schema import TABLES

# For one release.
_FORMER = "p_value_boundary"


def comparison_tables(comparisons: Iterable[Comparison]) -> Frames:
    """``comparisons`` and ``null_distributions`` by name; a refused pair has no number."""
    comparisons = tuple(comparisons)
    pairs = [
        {f.name: getattr(one, f.name) for f in fields(one)} | {_FORMER: one.p_value}
        for one in comparisons
    ]
    laws = [_law_row(one, law) for one in comparisons for law in one.distributions]
    return {
        "comparisons": frame_of_rows("comparisons", pairs),
        "null_distributions": frame_of_rows("null_distributions", laws),
    }


def comparisons_of(tables: Frames) -> tuple[Comparison, ...]:
    """The records behind ``comparisons`` and ``null_distributions``.

    Without loss but for the null distributions, whose conditions are the words that are there.
    """
    laws: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in _rows(tables["null_distributions"]):
        laws.setdefault((row["null"], row["alternative"]), []).append(row)
    return tuple(
        _comparison(row, laws.get((row["null"], row["alternative"]), ()))
        for row in _rows(tables["comparisons"])
    )


def _comparison(row: Mapping[str, Any], laws: Iterable[Mapping[str, Any]]) -> Comparison:
    whole = (name for name, kind in TABLES["comparisons"].kinds.items() if kind == "integer")
    values = dict(row) | {name: None if row[name] is None else int(row[name]) for name in whole}
    del values[_FORMER]
    return Comparison(**values, distributions=tuple(_law(law, row["criterion"]) for law in laws))


def _law_row(comparison: Comparison, found: NullDistribution) -> Mapping[str, Any]:
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
        "decides": found.decides,
        "condition": words.condition(found),
        "dfs": _listed(found.dfs),
        "weights": _listed(found.weights),
        "scale": found.scale,
        "tail": found.tail,
    }


def _law(row: Mapping[str, Any], criterion: str) -> NullDistribution:
    return NullDistribution(
        method=row["method"],
        p_value=row["p_value"],
        mc_low=row["mc_low"],
        mc_high=row["mc_high"],
        replicates=None if row["replicates"] is None else int(row["replicates"]),
        holds=row["holds"],
        condition=(Remark("said", (row["condition"],)),),
        decides=row["decides"],
        dfs=tuple(int(df) for df in (row["dfs"] or "").split()),
        weights=tuple(float(weight) for weight in (row["weights"] or "").split()),
        criterion=criterion if row["method"] == "exact" else None,
        scale=row["scale"],
        tail=row["tail"],
    )


def _listed(values: Iterable[float]) -> str | None:
    """Numbers with all of their digits, one after the other."""
    return " ".join(repr(value) for value in values) or None


def _rows(frame: pd.DataFrame) -> list[Mapping[str, Any]]:
    """The rows of a table; what is missing is None."""
    columns = [[None if v != v else v for v in frame[name].tolist()] for name in frame]
    return [dict(zip(frame.columns, values, strict=True)) for values in zip(*columns, strict=True)]
