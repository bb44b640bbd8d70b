"""The chosen model in lmerTest's terms: every table of its summary."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit, VarianceTerm
from mmfit.report.blocks import PageTable, Section, rows_of, table
from mmfit.report.content.inference_sections import notes_on, of_model
from mmfit.report.records import ReportInput
from mmfit.report.words.fits import (
    DF_WORDS,
    convergence_words,
    interval_texts,
    singular_words,
    unidentified_words,
)
from mmfit.report.words.numbers import column, count, fixed, p_text

QUANTILES = ("Min", "1Q", "Median", "3Q", "Max")


def residual_quantiles(quantiles: pd.DataFrame) -> PageTable:
    """Minimum, quartiles (R's type 7) and maximum: one row of ``residual_quantiles.csv``."""
    values = quantiles[["min", "q1", "median", "q3", "max"]].to_numpy()
    return table(
        "Scaled residuals",
        [(name, "number") for name in QUANTILES],
        [[fixed(float(value), 4) for value in row] for row in values],
    )


def random_table(fit: Fit) -> PageTable:
    """Variances, standard deviations and correlations, as in the summary of an lme4 fit."""
    variances, deviations = [], []
    for term in fit.terms:
        variances += list(np.diag(term.covariance))
        deviations += list(np.sqrt(np.diag(term.covariance)))
    variance_text = column([*variances, fit.sigma**2], 4)
    deviation_text = column([*deviations, fit.sigma], 4)
    width = max((len(term.effects) - 1 for term in fit.terms), default=0)
    rows, index = [], 0
    for term in fit.terms:
        for i, effect in enumerate(term.effects):
            correlations = _correlations(term, i, width)
            name = term.group if i == 0 else ""
            rows.append((name, effect, variance_text[index], deviation_text[index], *correlations))
            index += 1
    rows.append(("Residual", "", variance_text[-1], deviation_text[-1], *[""] * width))
    heads = [("Groups", "code"), ("Name", "code"), ("Variance", "number"), ("Std. dev.", "number")]
    heads += [("Corr." if k == 0 else "", "number") for k in range(width)]
    return table("Random effects", heads, rows, notes=(size_text(fit),))


def size_text(fit: Fit) -> str:
    """``Number of observations: 240; groups: clinic:region, 12; region, 4.``"""
    groups = "; ".join(f"{group.grouping}, {count(len(group.levels))}" for group in fit.groups)
    text = f"Number of observations: {count(fit.nobs)}"
    return f"{text}; groups: {groups}." if groups else f"{text}."


def _correlations(term: VarianceTerm, row: int, width: int) -> list[str]:
    sd = np.sqrt(np.diag(term.covariance))
    texts = []
    for j in range(row):
        scale = sd[row] * sd[j]
        texts.append(fixed(term.covariance[row, j] / scale if scale > 0 else math.nan, 2))
    return texts + [""] * (width - row)


def fixed_table(tidy: pd.DataFrame, df: str, notes: Sequence[str] = ()) -> PageTable:
    """Fixed effects with t tests and intervals: one model's rows of ``coefficients.csv``."""
    texts = [
        tidy["term"].tolist(),
        column(tidy["estimate"].tolist(), 4),
        column(tidy["std_error"].tolist(), 4),
        [fixed(value, 2) for value in tidy["df"]],
        [fixed(value, 3) for value in tidy["statistic"]],
        [p_text(value) for value in tidy["p_value"]],
        interval_texts(tidy),
    ]
    heads = [
        ("", "code"),
        ("Estimate", "number"),
        ("Std. error", "number"),
        ("df", "number"),
        ("t value", "number"),
        ("Pr(>|t|)", "number"),
        ("95% interval", "number"),
    ]
    caption = f"Fixed effects: t tests with {DF_WORDS[df]}"
    return table(caption, heads, rows_of(texts), notes=notes)


def correlation_table(pairs: pd.DataFrame) -> PageTable | None:
    """Correlation of the fixed effects, lower triangle, from one model's rows of
    ``fixed_correlation.csv``; None for a single coefficient.
    """
    if not len(pairs):
        return None
    found = {(row.term_2, row.term_1): fixed(row.correlation, 3) for row in pairs.itertuples()}
    names = list(dict.fromkeys([*pairs["term_1"], *pairs["term_2"]]))
    rows = [(name, *[found.get((name, other), "") for other in names[:-1]]) for name in names[1:]]
    heads = [("", "code"), *[(name, "number") for name in names[:-1]]]
    return table("Correlation of fixed effects", heads, rows)


def anova_view(anova: pd.DataFrame, df: str, notes: Sequence[str] = ()) -> PageTable | None:
    """Type III F tests: one model's rows of ``anova.csv``; None without terms."""
    if not len(anova):
        return None
    texts = [
        anova["term"].tolist(),
        column(anova["sum_sq"].tolist(), 4),
        column(anova["mean_sq"].tolist(), 4),
        [fixed(value, 0) for value in anova["num_df"]],
        [fixed(value, 2) for value in anova["den_df"]],
        [fixed(value, 3) for value in anova["statistic"]],
        [p_text(value) for value in anova["p_value"]],
    ]
    heads = [
        ("Term", "code"),
        ("Sum sq.", "number"),
        ("Mean sq.", "number"),
        ("Num. df", "number"),
        ("Den. df", "number"),
        ("F value", "number"),
        ("Pr(>F)", "number"),
    ]
    caption = f"Type III tests of the fixed terms with {DF_WORDS[df]}"
    return table(caption, heads, rows_of(texts), notes=notes)


def chosen_section(report: ReportInput) -> Section:
    """The summary of the chosen model's REML fit, as lmerTest prints it, and more."""
    chosen, df = report.chosen, report.analysis.df
    fit, name = chosen.reported, chosen.name
    own = {
        table: of_model(frame, name) for table, frame in report.tables.items() if "model" in frame
    }
    anova = own["anova"]
    tables = [
        residual_quantiles(own["residual_quantiles"]),
        random_table(fit),
        fixed_table(own["coefficients"], df, notes_on(report.tables, name, "coefficients")),
        correlation_table(own["fixed_correlation"]),
        anova_view(anova[anova["type"] == 3], df, notes_on(report.tables, name, "anova")),
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
