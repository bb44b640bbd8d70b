"""The null distributions of each tested pair side by side, with the condition of each."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from mmfit.report.html.view import Table, rows_of, table
from mmfit.report.words.numbers import MISSING, NO_BREAK, count, fixed, p_text
from mmfit.selection.records import Comparison

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_METHODS = {
    "chi2": "plain χ²",
    "chibar2": "mixture of χ²",
    "exact": "exact",
    "bootstrap": "parametric bootstrap",
}


def distribution_text(distribution: str | None) -> str:
    """``0.5 chi2(1) + 0.5 chi2(2)`` as ``0.5 χ²₁ + 0.5 χ²₂``; a dash for none."""
    if distribution is None:
        return MISSING

    def symbol(match: re.Match) -> str:
        space = NO_BREAK if match[1] else ""
        return f"{space}χ²{match[2].translate(_SUBSCRIPTS)}"

    return re.sub(r"( ?)chi2\((\d+)\)", symbol, distribution)


def decided(comparisons: Iterable[Comparison]) -> Mapping[tuple[str, str], str | None]:
    """For each tested pair the null distribution that its decision rests on."""
    return {(one.null, one.alternative): one.null_distribution for one in comparisons if one.valid}


def null_table(rows: pd.DataFrame, deciding: Mapping[tuple[str, str], str | None]) -> Table | None:
    """Every p-value of every tested pair; the rows that decide are marked. None without rows.

    Parameters
    ----------
    rows : as in ``null_distributions.csv``.
    deciding : for each pair (null, alternative) the distribution that its decision rests on.
    """
    if not len(rows):
        return None
    texts = [
        rows["null"].tolist(),
        rows["alternative"].tolist(),
        [_METHODS.get(method, method) for method in rows["method"]],
        [distribution_text(_text(value)) for value in rows["distribution"]],
        [p_text(value) for value in rows["p_value"]],
        [_interval(row) for row in rows.itertuples()],
        ["yes" if holds else "no" for holds in rows["holds"]],
        [_text(value) or "" for value in rows["condition"]],
    ]
    heads = [("Null", "code"), ("Alternative", "code"), ("Method", "text")]
    heads += [("Null distribution", "text"), ("p", "number"), ("Monte Carlo 95%", "number")]
    heads += [("Holds", "text"), ("When it holds", "prose")]
    marked = [
        place
        for place, row in enumerate(rows.itertuples())
        if row.holds and deciding.get((row.null, row.alternative)) == row.distribution
    ]
    notes = ["The marked rows decide."] if marked else []
    return table("p-values by null distribution", heads, rows_of(texts), marked, notes)


def _interval(row) -> str:
    if row.mc_low != row.mc_low:
        return MISSING
    digits = 4 if row.mc_high < 0.1 else 3
    text = f"{fixed(row.mc_low, digits)} to {fixed(row.mc_high, digits)}"
    if row.replicates == row.replicates:
        text += f" ({count(int(row.replicates))})"
    return text


def _text(value) -> str | None:
    return None if value is None or value != value or value == "" else str(value)
