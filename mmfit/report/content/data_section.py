"""The data section: rows and reasons, variables, grouping factors and their structure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from pandas.api import types

from mmfit.formula.grouping_factors import grouping_factors
from mmfit.report.blocks import PageTable, Section, table
from mmfit.report.figures.structure import structure_figures
from mmfit.report.records import ReportInput
from mmfit.report.words.numbers import MISSING, count, fixed, general, listed

if TYPE_CHECKING:
    from mmfit.data.diagnosis import FactorRecord, PairRecord
    from mmfit.data.records import SourceRecord


def data_section(report: ReportInput) -> Section:
    """What the models were fitted to."""
    dataset = report.dataset
    design = dataset.design
    tables = [variables_table(dataset.frame, used_variables(report))]
    if design.factors:
        tables.append(factors_table(design.factors))
    if design.pairs:
        tables.append(pairs_table(design.pairs))
    text = " ".join(dataset.row_report.sentences())
    return Section(
        paragraphs=(f"{source_words(dataset.source)} {text}",),
        warnings=tuple(dataset.warnings),
        tables=tuple(tables),
        figures=structure_figures(
            grouping_factors(term for c in report.candidates for term in c.matrices.random),
            report.chosen.matrices.nobs,
        ),
    )


def source_words(source: "SourceRecord") -> str:
    """The file with its checksum, or the seed of the simulation."""
    if source.kind == "file":
        return f"Data from {source.file} (SHA-256 {source.sha256[:12]}…)."
    return f"Simulated data, seed {source.seed}."


def used_variables(report: ReportInput) -> tuple[str, ...]:
    """Columns that some candidate uses, each once, in order of appearance."""
    specs = report.analysis.models.values()
    return tuple(dict.fromkeys(name for spec in specs for name in spec.variables))


def variables_table(frame: pd.DataFrame, names: Sequence[str]) -> PageTable:
    """Kind, range, mean and standard deviation of the columns that the candidates use."""
    heads = [
        ("Variable", "code"),
        ("Kind", "text"),
        ("Levels", "number"),
        ("Mean", "number"),
        ("Std. dev.", "number"),
        ("Minimum", "number"),
        ("Maximum", "number"),
    ]
    return table("Variables of the candidate models", heads, [_variable(frame, n) for n in names])


def _variable(frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    values = frame[name]
    if isinstance(values.dtype, pd.CategoricalDtype) or not types.is_numeric_dtype(values):
        return (name, "factor", count(values.nunique()), *[""] * 4)
    numbers = values.astype(float)
    spread = general(float(numbers.std())) if len(numbers) > 1 else MISSING
    ends = (general(float(numbers.min())), general(float(numbers.max())))
    return (name, "numeric", "", general(float(numbers.mean())), spread, *ends)


def factors_table(factors: Sequence["FactorRecord"]) -> PageTable:
    """Levels, rows per level and the relation to the other factors, a row per grouping factor."""
    rows = [
        (
            factor.name,
            count(factor.levels),
            _range(factor.rows_min, factor.rows_max),
            "yes" if factor.balanced else "no",
            listed(factor.nested_in) or MISSING,
            listed(factor.crossed_with) or MISSING,
            listed(factor.same_as) or MISSING,
        )
        for factor in factors
    ]
    heads = [
        ("Factor", "code"),
        ("Levels", "number"),
        ("Rows per level", "number"),
        ("Balanced", "text"),
        ("Nested in", "text"),
        ("Crossed with", "text"),
        ("Same groups as", "text"),
    ]
    return table("Grouping factors", heads, rows)


def pairs_table(pairs: Sequence["PairRecord"]) -> PageTable:
    """The relation of every two grouping factors."""
    rows = [
        (
            f"{pair.first}, {pair.second}",
            f"{pair.first} nested in {pair.second}" if pair.relation == "nested" else pair.relation,
            count(pair.combinations),
            f"{fixed(100 * pair.share, 1)}%",
            "yes" if pair.balanced else "no",
        )
        for pair in pairs
    ]
    heads = [
        ("Factors", "code"),
        ("Relation", "text"),
        ("Combinations", "number"),
        ("Of all possible", "number"),
        ("Equal rows in each", "text"),
    ]
    return table("Pairs of grouping factors", heads, rows)


def _range(low: int, high: int) -> str:
    return count(low) if low == high else f"{count(low)}–{count(high)}"
