"""The chosen model in lmerTest's terms: every table of its summary."""

import math
import re

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit, VarianceTerm
from mmfit.inference.diagnosis.diagnosis import convergence_text, singular_text
from mmfit.report.html.view import Table, rows_of, table
from mmfit.report.words.numbers import MINUS, MISSING, column, count, fixed, p_text, typeset_powers

QUANTILES = ("Min", "1Q", "Median", "3Q", "Max")
DF_WORDS = {
    "satterthwaite": "Satterthwaite's degrees of freedom",
    "kenward-roger": "Kenward and Roger's covariance and degrees of freedom",
    "residual": "residual degrees of freedom (n − p)",
    "normal": "the normal distribution",
}


def residual_quantiles(scaled: np.ndarray) -> Table:
    """Minimum, quartiles (R's type 7) and maximum of the scaled residuals."""
    values = np.quantile(scaled, (0, 0.25, 0.5, 0.75, 1))
    return table(
        "Scaled residuals",
        [(name, "number") for name in QUANTILES],
        [[fixed(float(value), 4) for value in values]],
    )


def random_table(fit: Fit) -> Table:
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


def fixed_table(tidy: pd.DataFrame, df: str) -> Table:
    """Fixed effects with t tests and intervals, from the result of ``mmfit.inference.tidy``."""
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
    return table(caption, heads, rows_of(texts), notes=_notes(tidy))


def interval_texts(tidy: pd.DataFrame) -> list[str]:
    """Each interval with the decimals that its own width needs."""
    texts = []
    for low, high in zip(tidy["conf_low"], tidy["conf_high"], strict=True):
        if math.isnan(low) and math.isnan(high):
            texts.append(MISSING)
            continue
        exponent = math.floor(math.log10(high - low)) if high > low else 0
        decimals = min(max(2 - exponent, 0), 6)
        texts.append(f"{fixed(low, decimals)} to {fixed(high, decimals)}")
    return texts


def correlation_table(fit: Fit) -> Table | None:
    """Correlation of the fixed effects, lower triangle; None for a single coefficient."""
    names = fit.fixed_names
    if len(names) < 2:
        return None
    sd = np.sqrt(np.diag(fit.vcov))
    correlation = fit.vcov / np.outer(sd, sd)
    rows = [
        (names[i], *[fixed(correlation[i, j], 3) if j < i else "" for j in range(len(names) - 1)])
        for i in range(1, len(names))
    ]
    heads = [("", "code"), *[(name, "number") for name in names[:-1]]]
    return table("Correlation of fixed effects", heads, rows)


def anova_view(anova: pd.DataFrame, df: str) -> Table | None:
    """Type III F tests, from the result of ``mmfit.inference.anova``; None without terms."""
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
    return table(caption, heads, rows_of(texts), notes=_notes(anova))


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    """What the table's maker says of it."""
    note = frame.attrs.get("note")
    return (note,) if note else ()


def convergence_words(fit: Fit) -> str:
    """How the optimum was found, in one paragraph."""
    return _typeset(convergence_text(fit))


def unidentified_words(fit: Fit) -> tuple[str, ...]:
    """What the data do not tell of the covariances and what the shown numbers are then."""
    if not fit.unidentified:
        return ()
    told = " ".join(f"{record.text[0].upper()}{record.text[1:]}." for record in fit.unidentified)
    text = f"Not identified: {told} The table shows one of many equally good values of these."
    if any(record.beside_fixed for record in fit.unidentified):
        return (f"{text} Standard errors of fixed effects that hang on them are not told either.",)
    return (f"{text} The criterion, the fixed effects and their standard errors are the same.",)


def singular_words(fit: Fit) -> str | None:
    """What is singular in a fit and what that means; None for a regular fit."""
    text = singular_text(fit)
    return None if text is None else _typeset(text)


def _typeset(text: str) -> str:
    """Plain signs and powers as a reader expects them."""
    return re.sub(r"(?<![\w-])-(?=\d)", MINUS, typeset_powers(text))
