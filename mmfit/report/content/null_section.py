"""The null distributions of each tested pair side by side, with the condition of each."""

import re
from collections.abc import Iterable

from mmfit.report.blocks import PageTable, rows_of, table
from mmfit.report.words.numbers import MISSING, NO_BREAK, count, fixed, p_text
from mmfit.selection import words
from mmfit.selection.records import Comparison, NullDistribution

# Ends of Monte Carlo intervals below this are not told apart.
SMALLEST = 1e-4
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_METHODS = {
    "chi2": "plain χ²",
    "chibar2": "mixture of χ²",
    "exact": "exact",
    "calibrated": "calibrated",
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


def null_table(comparisons: Iterable[Comparison]) -> PageTable | None:
    """Every p-value of every tested pair; the rows that decide are marked. None without rows."""
    rows = [(pair, found) for pair in comparisons for found in pair.distributions]
    if not rows:
        return None
    texts = [
        [pair.null for pair, _ in rows],
        [pair.alternative for pair, _ in rows],
        [_METHODS[found.method] for _, found in rows],
        [distribution_text(words.distribution(found)) for _, found in rows],
        [p_text(found.p_value) for _, found in rows],
        [_interval(found) for _, found in rows],
        ["yes" if found.holds else "no" for _, found in rows],
        [words.condition(found) for _, found in rows],
    ]
    heads = [("Null", "code"), ("Alternative", "code"), ("Method", "text")]
    heads += [("Null distribution", "text"), ("p", "number"), ("Monte Carlo 95%", "number")]
    heads += [("Holds", "text"), ("When it holds", "prose")]
    marked = [place for place, (_, found) in enumerate(rows) if found.decides]
    notes = ["The marked rows decide."] if marked else []
    return table("p-values by null distribution", heads, rows_of(texts), marked, notes)


def _interval(found: NullDistribution) -> str:
    if found.mc_low is None:
        return MISSING
    if found.mc_high < SMALLEST:
        text = f"< {SMALLEST:.4f}"
    else:
        digits = 4 if found.mc_high < 0.1 else 3
        text = f"{fixed(found.mc_low, digits)} to {fixed(found.mc_high, digits)}"
    return text if found.replicates is None else f"{text} ({count(found.replicates)})"
