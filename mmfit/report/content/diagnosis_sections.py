"""What the checks of the chosen model found, and which levels its estimates hang on."""

import re

import numpy as np
import pandas as pd

from mmfit.report.blocks import Figure, PageTable, Section, rows_of, table
from mmfit.report.content.inference_sections import Tables, notes_on, of_model
from mmfit.report.figures import svg
from mmfit.report.words.numbers import (
    MINUS,
    column,
    count,
    fixed,
    general,
    listed,
    p_text,
    typeset_powers,
)

# Levels in the table of the most influential ones, by factor.
MOST_LEVELS = 5


def diagnosis_section(tables: Tables, model: str) -> Section | None:
    """Checks with their verdicts; the most influential levels of every grouping factor."""
    checks = of_model(tables["diagnosis"], model)
    influence = of_model(tables["influence"], model)
    warnings = notes_on(tables, model, "diagnosis", "influence")
    lost = influence[influence["cooks_distance"].isna()].drop_duplicates(["group", "level"])
    if len(lost):
        names = listed([f"{row.level} of {row.group}" for row in lost.itertuples()])
        warnings = (*warnings, f"Without {names} the fixed effects cannot all be estimated.")
    influence = influence[influence["cooks_distance"].notna()]
    shown, figures = [], []
    if len(checks):
        shown.append(_checks_table(checks))
    if len(influence):
        shown.append(_influence_table(influence))
        for place, group in enumerate(dict.fromkeys(influence["group"]), 1):
            part = influence[influence["group"] == group]
            figures.append(_influence_figure(part, group, f"influence-{place}"))
    if not shown and not warnings:
        return None
    return Section((), warnings, tuple(shown), tuple(figures))


def _checks_table(checks: pd.DataFrame) -> PageTable:
    texts = [
        checks["check"].tolist(),
        [general(value, 3) if value == value else "" for value in checks["value"]],
        [p_text(value) if value == value else "" for value in checks["p_value"]],
        [_text(value) for value in checks["verdict"]],
        [_typeset(_text(value)) for value in checks["text"]],
    ]
    heads = [("Check", "text"), ("Value", "number"), ("p", "number"), ("Verdict", "text")]
    heads.append(("What was found", "prose"))
    marked = [i for i, verdict in enumerate(checks["verdict"]) if verdict != "ok"]
    return table("Checks of the fit", heads, rows_of(texts), marked)


def _influence_table(influence: pd.DataFrame) -> PageTable:
    rows = []
    for group in dict.fromkeys(influence["group"]):
        part = influence[influence["group"] == group]
        levels = part.drop_duplicates("level").sort_values(
            "cooks_distance", ascending=False, kind="stable"
        )
        for level in levels.head(MOST_LEVELS).itertuples():
            own = part[part["level"] == level.level]
            largest = own.loc[own["change_se"].abs().idxmax()]
            rows.append(
                (
                    group,
                    str(level.level),
                    fixed(level.cooks_distance, 3),
                    str(largest["term"]),
                    column([largest["change"]], 3)[0],
                    fixed(largest["change_se"], 2),
                )
            )
    heads = [("Grouping factor", "code"), ("Level left out", "code")]
    heads += [("Cook's distance", "number"), ("Coefficient that moves most", "code")]
    heads += [("Change", "number"), ("In standard errors", "number")]
    return table("The levels that matter most to the fixed effects", heads, rows)


def _influence_figure(part: pd.DataFrame, group: str, key: str) -> Figure:
    levels = part.drop_duplicates("level")
    distance = np.sort(levels["cooks_distance"].to_numpy())[::-1]
    with svg.drawing() as (figure, axes):
        at = np.arange(1, len(distance) + 1)
        axes.plot(at, distance, "o", color=svg.ACCENT, markersize=2.6 if len(at) < 200 else 1.0)
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel(f"Rank of the level of {group}")
        axes.set_ylabel("Cook's distance")
        markup = svg.inline(
            figure,
            key,
            f"Cook's distance by level of {group}",
            f"{count(len(distance))} levels; the largest distance is {fixed(distance[0], 3)}.",
        )
    return Figure(
        markup,
        f"How far the fixed effects move when a level of {group} is left out (Cook's distance), "
        "largest first.",
    )


def _typeset(text: str) -> str:
    """True minus signs, and powers of ten as they are printed."""
    return typeset_powers(re.sub(r"(?<![\w.)])-(?=\d)", MINUS, text))


def _text(value) -> str:
    return "" if value is None or value != value else str(value)
