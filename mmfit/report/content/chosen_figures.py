"""The plots of the chosen model: conditional modes, and residuals in several views."""

import pandas as pd

from mmfit.report.blocks import Figure
from mmfit.report.content.inference_sections import of_model
from mmfit.report.figures.diagnostics import (
    MOST_LABELS,
    EffectModes,
    caterpillar_figure,
    level_figure,
    quantile_figure,
    residual_figure,
)
from mmfit.report.records import ReportInput
from mmfit.tables.schema import LEVEL


def effect_figures(report: ReportInput) -> tuple[Figure, ...]:
    """A caterpillar plot per grouping factor and effect that the data tell something of."""
    table = of_model(report.tables["random_effects"], report.chosen.name)
    figures = []
    for index, (group, rows) in enumerate(table.groupby("group", sort=False), 1):
        for effect, part in enumerate(_effects(str(group), rows), 1):
            if part is not None:
                figures.append(caterpillar_figure(part, LEVEL, f"effects-{index}-{effect}"))
    return tuple(figures)


def _effects(group: str, rows: pd.DataFrame) -> list[EffectModes | None]:
    """The modes of each effect of a factor; None where the data tell none of them."""
    return [
        None
        if own["estimate"].isna().all()
        else EffectModes(
            group,
            str(term),
            tuple(own["level"]),
            *(own[name].to_numpy() for name in ("estimate", "conf_low", "conf_high")),
        )
        for term, own in rows.groupby("term", sort=False)
    ]


def residual_figures(report: ReportInput) -> tuple[Figure, ...]:
    """Residuals against fitted values, their quantiles, and by level of a small factor."""
    found, matrices = report.residuals, report.chosen.matrices
    if found is None:
        return ()
    scaled = found.weighted
    figures = [
        residual_figure(found.fitted, scaled, matrices.response, "residuals-fitted"),
        quantile_figure(scaled, "residuals-quantiles"),
    ]
    drawn: list[str] = []
    for term in matrices.random:
        if len(term.levels) <= MOST_LABELS and term.grouping not in drawn:
            drawn.append(term.grouping)
            key = f"residuals-levels-{len(drawn)}"
            figures.append(level_figure(scaled, term.codes, term.levels, term.grouping, key))
    return tuple(figures)
