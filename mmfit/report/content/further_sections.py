"""The parts of the report between the chosen model's summary and the methods, in their order."""

from dataclasses import dataclass

from mmfit.report.blocks import Section
from mmfit.report.content.diagnosis_sections import diagnosis_section
from mmfit.report.content.inference_sections import (
    intervals_section,
    measures_section,
    term_tests_section,
)
from mmfit.report.content.means_sections import means_section
from mmfit.report.records import ReportInput


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page: ``key`` is its anchor, ``title`` its heading."""

    key: str
    title: str
    section: Section


def inference_parts(report: ReportInput) -> tuple[Part, ...]:
    """What the analysis asked for about the chosen model; a part without content is left out."""
    model, df = report.chosen.name, report.analysis.df
    level, tables = report.analysis.inference.level, report.tables
    parts = (
        ("intervals", "Intervals", intervals_section(tables, model, level)),
        ("terms", "Tests of terms", term_tests_section(tables, model, df)),
        ("means", "Means and slopes", means_section(tables, model, df, level)),
        ("measures", "Explained variance", measures_section(tables, model)),
        ("diagnosis", "Diagnosis", diagnosis_section(tables, model)),
    )
    return tuple(Part(key, title, section) for key, title, section in parts if section is not None)
