"""Tables of docs/size.md from the measured rejection rates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.size_studies import GROUPS, RATIOS, Cell, Test

WORDS = {
    "chi2": "plain χ²",
    "chibar2": "mixture of χ²",
    "exact": "exact",
    "bootstrap": "bootstrap",
    "auto": "`auto`",
    "adjusted": "plain χ², size-adjusted",
    "normal": "normal",
    "residual": "n − p",
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
}
DOUBTFUL, LARGE = 0.058, 0.06
"""Rates of what decides at 5%: from which a cell is measured again, and which is called high."""
LEVEL = 1  # the place of 5% among the levels
_BY_REPLICATES = ("bootstrap", "calibrated", "auto")

Record = Mapping[str, Any]
Measured = Sequence[tuple[Cell, Record]]


def rate(record: Record, method: str, level: int = LEVEL) -> float:
    """Share of the data sets that a method rejects in."""
    return record["rejected"][method][level]


def error(record: Record, method: str, truth: float = 0.05) -> float:
    """Monte Carlo standard error of a rate, that of the pooled replicates included."""
    used = record["datasets"] - record["unusable"]
    pooled = method in _BY_REPLICATES and "exact" not in record["rejected"]
    more = 1 / record["own"] if pooled and record["own"] else 0.0
    return float(np.sqrt(truth * (1 - truth) / used * (1 + more)))


def above(measured: Measured, method: str = "auto") -> list[tuple[Cell, Record]]:
    """The cells where a method rejects more than 5% by more than 1.96 Monte Carlo errors."""
    return [(cell, record) for cell, record in measured if _is_above(record, method)]


def rejects_often(record: Record, rate_at_least: float = DOUBTFUL) -> bool:
    """Whether ``auto`` rejects so often, and more than 5% by more than chance."""
    return rate(record, "auto") > rate_at_least and _is_above(record, "auto")


def may_be_chance(record: Record) -> bool:
    """Whether ``auto`` rejects often, but not beyond doubt more than 6%."""
    return rejects_often(record) and rate(record, "auto") < LARGE + 2.58 * error(record, "auto")


def _is_above(record: Record, method: str) -> bool:
    return rate(record, method) > 0.05 + 1.96 * error(record, method)


def summary(tests: Iterable[Test], measured: Measured, methods: Sequence[str]) -> str:
    """A row per kind: median and range of each method over its cells, and how many are above."""
    head = ["test", "cells", *(WORDS[method] for method in methods), "above 5%", "above 6%"]
    rows = []
    for test in tests:
        own = [(cell, record) for cell, record in measured if cell.test is test]
        if own:
            spread = [_spread(own, method) for method in methods]
            high = sum(rejects_often(record, LARGE) for _, record in own)
            counts = [str(len(above(own))), str(high)]
            rows.append([test.title, str(len(own)), *spread, *counts])
    return table(head, rows)


def _spread(measured: Measured, method: str) -> str:
    rates = [100 * rate(r, method) for _, r in measured if method in r["rejected"]]
    return f"{np.median(rates):.1f} ({min(rates):.1f}–{max(rates):.1f})" if rates else ""


def levels(tests: Iterable[Test], measured: Measured) -> str:
    """Median and range of what decides at the other levels."""
    rows = []
    for test in tests:
        own = [record for cell, record in measured if cell.test is test]
        if own:
            row = [test.title]
            for level in range(3):
                rates = 100 * np.array([rate(record, "auto", level) for record in own])
                row.append(f"{np.median(rates):.1f} ({rates.min():.1f}–{rates.max():.1f})")
            rows.append(row)
    return table(["test", "nominal 1%", "nominal 5%", "nominal 10%"], rows)


def listing(measured: Measured) -> str:
    """A row per cell, of few cells."""
    head = ["test", "groups", "rows", "ratio", "singular nulls", "plain χ²", "bootstrap", "`auto`"]
    repeated = any("again" in record for _, record in measured)
    rows = []
    for cell, record in measured:
        first = next(iter(record["rejected"]))
        bootstrap = record["rejected"].get("bootstrap")
        row = [
            cell.test.title,
            str(cell.groups),
            "8 each" if cell.balanced else "4 to 12",
            f"{cell.ratio:g}",
            f"{100 * record['singular']:.0f}%",
            f"{100 * rate(record, first):.1f}",
            "" if bootstrap is None else f"{100 * bootstrap[LEVEL]:.1f}",
            _with_error(record),
        ]
        rows.append([*row, _with_error(record.get("again"))] if repeated else row)
    return table([*head, "again"] if repeated else head, rows)


def _with_error(record: Record | None) -> str:
    if record is None:
        return ""
    return f"{100 * rate(record, 'auto'):.1f} ± {196 * error(record, 'auto'):.1f}"


def grid(test: Test, measured: Measured, methods: Sequence[str]) -> str:
    """A row per number of groups and balance, a column per ratio, methods side by side."""
    found = {
        (cell.groups, cell.balanced, cell.ratio): record
        for cell, record in measured
        if cell.test is test
    }
    ratios = [ratio for ratio in RATIOS if any(key[2] == ratio for key in found)]
    rows = []
    for groups in GROUPS:
        for balanced in (True, False):
            cells = [_side_by_side(found.get((groups, balanced, r)), methods) for r in ratios]
            if any(cells):
                rows.append([str(groups), "8 each" if balanced else "4 to 12", *cells])
    return table(["groups", "rows", *(f"ratio {ratio:g}" for ratio in ratios)], rows)


def _side_by_side(record: Record | None, methods: Sequence[str]) -> str:
    if record is None:
        return ""
    shown = [method for method in methods if method in record["rejected"]]
    return " / ".join(f"{100 * rate(record, method):.1f}" for method in shown)


def highest_by_groups(measured: Measured, rows: Iterable[tuple[str, str, str]]) -> str:
    """The highest rate of some methods, a column per number of groups.

    ``rows`` : kind of test, method, and its name on the page.
    """
    out = []
    for kind, method, name in rows:
        row = [name]
        for groups in GROUPS:
            rates = [
                rate(record, method)
                for cell, record in measured
                if cell.test.kind == kind and cell.groups == groups
            ]
            row.append(f"{100 * max(rates):.1f}" if rates else "")
        out.append(row)
    return table(["highest rate by groups", *map(str, GROUPS)], out)


def by_errors(measured: Measured) -> str:
    """A row per test, law of the errors and number of groups."""
    methods = ("chi2", "chibar2", "bootstrap", "auto")
    head = ["test", "errors", "groups", *(WORDS[method] for method in methods)]
    rows = []
    for cell, record in measured:
        rates = [
            f"{100 * rate(record, method):.1f}" if method in record["rejected"] else ""
            for method in methods
        ]
        rows.append([cell.test.title, cell.errors, str(cell.groups), *rates])
    return table(head, rows)


def power(measured: Measured) -> str:
    """A row per alternative."""
    methods = ("chi2", "chibar2", "adjusted", "bootstrap", "auto")
    head = ["test", "groups", "truth", *(WORDS[method] for method in methods)]
    rows = []
    for cell, record in measured:
        rates = [
            f"{100 * rate(record, method):.1f}" if method in record["rejected"] else ""
            for method in methods
        ]
        rows.append([cell.test.title, str(cell.groups), cell.truth, *rates])
    return table(head, rows)


def agreement(records: Iterable[Record]) -> str:
    """Pooled replicates beside those of each data set's own."""
    head = ["cell", "by", "own replicates", "pooled", "decided otherwise"]
    rows = []
    for record in records:
        for method in ("bootstrap", "auto"):
            found = record[method]
            rates = [
                " / ".join(f"{100 * share:.2f}" for share in found[name])
                for name in ("own", "pooled", "differ")
            ]
            rows.append([f"`{record['cell']}`", WORDS[method], *rates])
    return table(head, rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
