"""Marginal means, their contrasts, slopes by level and predictions of the chosen model."""

import pandas as pd

from mmfit.report.blocks import PageTable, Section, rows_of, table
from mmfit.report.content.inference_sections import Tables, notes_on, of_model
from mmfit.report.words.fits import DF_WORDS, interval_texts
from mmfit.report.words.numbers import column, count, fixed, p_text

_ADJUSTMENTS = {
    "tukey": "p-values and intervals adjusted by Tukey's method within each factor",
    "holm": "p-values adjusted by Holm's method within each factor",
    "none": "p-values not adjusted for their number",
}
# The page shows this many rows of a table; the rest stands in the CSV file.
MOST_ROWS = 60


def means_section(tables: Tables, model: str, df: str, level: float) -> Section | None:
    """Means by the levels of factors, their differences, slopes, predictions."""
    names = ("means", "contrasts", "slopes", "predictions")
    parts = {name: of_model(tables[name], model) for name in names}
    warnings = notes_on(tables, model, *names)
    makers = (
        ("means", lambda part: _means(part, df, level)),
        ("contrasts", lambda part: _contrasts(part, level)),
        ("slopes", lambda part: _slopes(part, level)),
        ("predictions", lambda part: _predictions(part, level)),
    )
    shown = tuple(make(parts[name]) for name, make in makers if len(parts[name]))
    if not shown and not warnings:
        return None
    paragraph = (
        "Means are those of a balanced design: other factors count each level alike, covariates "
        "stand at their mean."
    )
    return Section((paragraph,) if len(parts["means"]) else (), warnings, shown)


def _means(part: pd.DataFrame, df: str, level: float) -> PageTable:
    heads = [("Factor", "code"), ("Level", "code")]
    caption = f"Marginal means, with {DF_WORDS[df]}"
    return _estimates(part, caption, heads, ("factor", "level"), level)


def _contrasts(part: pd.DataFrame, level: float) -> PageTable:
    heads = [("Factor", "code"), ("Contrast", "code")]
    adjusted = dict.fromkeys(part["adjust"])
    notes = [_ADJUSTMENTS[name] for name in adjusted]
    if any("|" in factor for factor in part["factor"]):
        notes.append("of a | b, the differences within a level of b are a family of their own")
    caption = "Differences between marginal means"
    return _estimates(part, caption, heads, ("factor", "contrast"), level, notes, tested=True)


def _slopes(part: pd.DataFrame, level: float) -> PageTable:
    heads = [("Covariate", "code"), ("By", "code"), ("Level", "code")]
    return _estimates(part, "Slopes", heads, ("covariate", "by", "level"), level, tested=True)


def _predictions(part: pd.DataFrame, level: float) -> PageTable:
    return _estimates(part, "Predictions", [("Row", "text")], ("row",), level)


def _estimates(part, caption, heads, names, level, notes=(), *, tested=False) -> PageTable:
    """Estimates by the columns ``names``, with t tests where ``tested``, and intervals."""
    total = len(part)
    part = part.head(MOST_ROWS)
    texts = [["" if value is None else str(value) for value in part[name]] for name in names]
    texts += [
        column(part["estimate"].tolist(), 4),
        column(part["std_error"].tolist(), 4),
        [fixed(value, 2) for value in part["df"]],
    ]
    columns = [*heads, ("Estimate", "number"), ("Std. error", "number"), ("df", "number")]
    if tested:
        texts.append([fixed(value, 3) for value in part["statistic"]])
        texts.append([p_text(value) for value in part["p_value"]])
        columns += [("t value", "number"), ("Pr(>|t|)", "number")]
    texts.append(interval_texts(part))
    columns.append((f"{100 * level:g}% interval", "number"))
    notes = list(notes)
    if total > MOST_ROWS:
        notes.append(f"The first {count(MOST_ROWS)} of {count(total)} rows.")
    return table(caption, columns, rows_of(texts), notes=notes)
