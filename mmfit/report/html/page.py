"""report.html: every section put together and written in one step."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mmfit.common.files import write_text
from mmfit.engine import fitted_values
from mmfit.inference import anova, tidy
from mmfit.inference.prediction.untold import told_modes
from mmfit.report.content.chosen import (
    anova_view,
    convergence_words,
    correlation_table,
    fixed_table,
    random_table,
    residual_quantiles,
    singular_words,
    unidentified_words,
)
from mmfit.report.content.data_section import data_section
from mmfit.report.content.null_section import null_table
from mmfit.report.content.parts import Part, inference_parts
from mmfit.report.content.search_section import stability_table
from mmfit.report.content.sections import (
    candidate_notes,
    candidates_table,
    comparison_paragraphs,
    comparison_tables,
    ranking_table,
    steps_words,
)
from mmfit.report.figures.diagnostics import (
    MOST_LABELS,
    Figure,
    caterpillar_figure,
    level_figure,
    quantile_figure,
    residual_figure,
)
from mmfit.report.html.view import Section, Table, table
from mmfit.report.provenance import flat, provenance
from mmfit.report.records import ReportInput
from mmfit.report.words.methods import Methods, methods
from mmfit.report.words.numbers import fixed
from mmfit.report.words.verdict import alerts, verdict
from mmfit.selection.records import Candidate
from mmfit.tables.columns import TABLES
from mmfit.tables.model_tables import LEVEL, TABLE_FILES, scaled_residuals, weighted_residuals


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template shows."""

    path: str
    verdict: tuple[str, ...]
    alerts: tuple[str, ...]
    data: Section
    candidates: tuple[Table, ...]
    candidate_notes: tuple[str, ...]
    comparisons: Section
    steps: tuple[str, ...]
    rankings: tuple[Table, ...]
    chosen_name: str
    chosen_formula: str
    chosen: Section
    parts: tuple[Part, ...]
    effects: tuple[Figure, ...]
    residuals: tuple[Figure, ...]
    methods: Methods
    provenance: Table
    files: tuple[str, ...]


def write_report(path: str | Path, report: ReportInput) -> None:
    """Write ``report.html``; the same input gives the same bytes."""
    write_text(Path(path), render_report(report))


def render_report(report: ReportInput) -> str:
    """The page as HTML text, complete in itself."""
    return render("report.html", title=report.analysis.title, page=build_page(report))


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
        effects=effect_figures(chosen),
        residuals=residual_figures(chosen, weighted_residuals(chosen)),
        methods=methods(report),
        provenance=provenance_table(report),
        files=(*TABLE_FILES, "comparisons.csv", *_further_files(report)),
    )


def _comparison_tables(report: ReportInput) -> tuple[Table, ...]:
    tables = comparison_tables(report.comparisons)
    laws = null_table(report.comparisons)
    return tuple(tables if laws is None else [*tables[:1], laws, *tables[1:]])


def _selection_tables(report: ReportInput) -> tuple[Table, ...]:
    chosen = report.chosen.name
    rankings = [ranking_table(ranking, chosen) for ranking in report.selection.rankings]
    audit = stability_table(report.tables["stability"]) if "stability" in report.tables else None
    return tuple(rankings if audit is None else [*rankings, audit])


def _further_files(report: ReportInput) -> tuple[str, ...]:
    """The tables of the inference that have a row."""
    return tuple(f"{name}.csv" for name in TABLES if len(report.tables[name]))


def chosen_section(report: ReportInput) -> Section:
    """The summary of the chosen model's REML fit, as lmerTest prints it, and more."""
    chosen, df = report.chosen, report.analysis.df
    fit = chosen.reported
    tables = [
        residual_quantiles(scaled_residuals(chosen)),
        random_table(fit),
        fixed_table(tidy(chosen.reported_model, df=df, level=LEVEL), df),
        correlation_table(fit),
        anova_view(anova(chosen.reported_model, type=3, df=df), df),
    ]
    spec = report.analysis.models[chosen.name]
    extras = [
        f"{name}: {text}."
        for name, text in (("Weights", spec.weights), ("Offset", spec.offset))
        if text is not None
    ]
    if spec.weights is not None:
        extras.append("The residual plots show scaled residuals times the root of the weight.")
    extras += [f"Contrasts of {factor}: {code}." for factor, code in spec.contrasts.items()]
    singular = singular_words(fit)
    criterion = f"REML criterion at convergence: {fixed(fit.objective, 1)}."
    return Section(
        paragraphs=(" ".join([criterion, *extras]), convergence_words(fit)),
        warnings=(*unidentified_words(fit), *(() if singular is None else (singular,))),
        tables=tuple(one for one in tables if one is not None),
    )


def effect_figures(chosen: Candidate) -> tuple[Figure, ...]:
    """A caterpillar plot per grouping factor and effect that the data tell something of."""
    return tuple(
        caterpillar_figure(group, effect, LEVEL, f"effects-{index}-{effect + 1}")
        for index, group in enumerate(told_modes(chosen.reported_model), 1)
        for effect in range(len(group.effects))
        if not np.isnan(group.modes[:, effect]).all()
    )


def residual_figures(chosen: Candidate, scaled: np.ndarray) -> tuple[Figure, ...]:
    """Residuals against fitted values, their quantiles, and by level of a small factor."""
    matrices = chosen.matrices
    fitted = fitted_values(matrices, chosen.reported)
    figures = [
        residual_figure(fitted, scaled, matrices.response, "residuals-fitted"),
        quantile_figure(scaled, "residuals-quantiles"),
    ]
    drawn: list[str] = []
    for term in matrices.random:
        if len(term.levels) <= MOST_LABELS and term.grouping not in drawn:
            drawn.append(term.grouping)
            key = f"residuals-levels-{len(drawn)}"
            figures.append(level_figure(scaled, term.codes, term.levels, term.grouping, key))
    return tuple(figures)


def provenance_table(report: ReportInput) -> Table:
    """The entries of provenance.json."""
    rows = flat(provenance(report.analysis, report.dataset))
    return table("Provenance", [("Entry", "text"), ("Value", "code")], rows)


def render(template: str, **context: Any) -> str:
    """Fill a template of this package; all text is escaped, unknown names are errors."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(version=version("mmfit"), **context)
