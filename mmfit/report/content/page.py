"""The report: every section put together, as plain text, tables and drawings."""

from dataclasses import dataclass

from mmfit.report.blocks import Figure, PageTable, Section, table
from mmfit.report.content.chosen import chosen_section
from mmfit.report.content.chosen_figures import effect_figures, residual_figures
from mmfit.report.content.data_section import data_section
from mmfit.report.content.further_sections import Part, inference_parts
from mmfit.report.content.null_section import null_table
from mmfit.report.content.search_section import after_selection_table, stability_table
from mmfit.report.content.sections import (
    candidate_notes,
    candidates_table,
    comparison_paragraphs,
    comparison_tables,
    ranking_table,
    steps_words,
)
from mmfit.report.provenance import flat, provenance
from mmfit.report.records import ReportInput
from mmfit.report.words.methods import Methods, methods
from mmfit.report.words.verdict import alerts, verdict
from mmfit.tables.schema import TABLES, tables_of


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template shows."""

    path: str
    verdict: tuple[str, ...]
    alerts: tuple[str, ...]
    data: Section
    candidates: tuple[PageTable, ...]
    candidate_notes: tuple[str, ...]
    comparisons: Section
    steps: tuple[str, ...]
    rankings: tuple[PageTable, ...]
    chosen_name: str
    chosen_formula: str
    chosen: Section
    parts: tuple[Part, ...]
    effects: tuple[Figure, ...]
    residuals: tuple[Figure, ...]
    methods: Methods
    provenance: PageTable
    files: tuple[str, ...]


def build_page(report: ReportInput) -> Page:
    """All sections of the report."""
    chosen = report.chosen
    return Page(
        path=str(report.analysis.path),
        verdict=verdict(report),
        alerts=alerts(report),
        data=data_section(report),
        candidates=(candidates_table(report),),
        candidate_notes=tuple(candidate_notes(report)),
        comparisons=Section(
            paragraphs=tuple(comparison_paragraphs(report.comparisons)),
            tables=_comparison_tables(report),
        ),
        steps=tuple(steps_words(report.selection)),
        rankings=_selection_tables(report),
        chosen_name=chosen.name,
        chosen_formula=chosen.matrices.formula,
        chosen=chosen_section(report),
        parts=inference_parts(report),
        effects=effect_figures(report),
        residuals=residual_figures(report),
        methods=methods(report),
        provenance=provenance_table(report),
        files=_files(report),
    )


def _comparison_tables(report: ReportInput) -> tuple[PageTable, ...]:
    tables = comparison_tables(report.comparisons)
    laws = null_table(report.comparisons)
    return tuple(tables if laws is None else [*tables[:1], laws, *tables[1:]])


def _selection_tables(report: ReportInput) -> tuple[PageTable, ...]:
    chosen = report.chosen.name
    rankings = [ranking_table(ranking, chosen) for ranking in report.selection.rankings]
    makers = {"stability": stability_table, "after_selection": after_selection_table}
    audit = [make(report.tables[name]) for name, make in makers.items() if name in report.tables]
    return (*rankings, *(found for found in audit if found is not None))


def _files(report: ReportInput) -> tuple[str, ...]:
    """The tables of the fits and the comparisons, and of the others those that have a row."""
    always = [*(table.name for table in tables_of("tables")), "comparisons"]
    others = (name for name in TABLES if name not in always and len(report.tables[name]))
    return tuple(TABLES[name].file for name in (*always, *others))


def provenance_table(report: ReportInput) -> PageTable:
    """The entries of provenance.json."""
    rows = flat(provenance(report.analysis, report.dataset))
    return table("Provenance", [("Entry", "text"), ("Value", "code")], rows)
