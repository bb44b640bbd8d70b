"""Intervals, term tests and measures of the chosen model, from the tables on disk."""

from collections.abc import Mapping

import pandas as pd

from mmfit.report.blocks import PageTable, Section, rows_of, table
from mmfit.report.content.null_section import distribution_text
from mmfit.report.figures.profile import profile_figure
from mmfit.report.words.fits import DF_WORDS, interval_texts
from mmfit.report.words.numbers import column, fixed, p_text

Tables = Mapping[str, pd.DataFrame]

_METHODS = {
    "profile": "Profile likelihood",
    "wald": "Wald",
    "bootstrap": "Parametric bootstrap",
}
_MEASURES = {
    "r2_marginal": "R², marginal (fixed effects)",
    "r2_conditional": "R², conditional (fixed and random effects)",
    "icc_adjusted": "Intraclass correlation, adjusted",
    "icc_unadjusted": "Intraclass correlation, unadjusted",
    "icc": "Share of the variance",
    "caic": "Conditional AIC",
    "caic_df": "Conditional AIC: degrees of freedom",
    "caic_log_lik": "Conditional log-likelihood",
}


# Values of the size of a log-likelihood.
_CRITERIA = ("caic", "caic_df", "caic_log_lik")


def of_model(frame: pd.DataFrame, model: str) -> pd.DataFrame:
    """The rows of one model, numbered anew."""
    return frame[frame["model"] == model].reset_index(drop=True)


def notes_on(tables: Tables, model: str, *names: str) -> tuple[str, ...]:
    """Why some of these tables lack rows of the model, or what must be said about them."""
    notes = of_model(tables["inference_notes"], model)
    return tuple(dict.fromkeys(notes.loc[notes["table"].isin(names), "text"]))


def intervals_section(tables: Tables, model: str, level: float) -> Section | None:
    """Intervals of all parameters, one column per method, and the profile curves."""
    intervals = of_model(tables["intervals"], model)
    curves = of_model(tables["profiles"], model)
    warnings = notes_on(tables, model, "intervals", "profiles")
    if not len(intervals) and not warnings:
        return None
    shown = [_intervals_table(intervals, level)] if len(intervals) else []
    figures = [profile_figure(curves, level, "profile")] if len(curves) else []
    paragraph = (
        "Profile intervals hold the parameters that the likelihood of the ML fit does not "
        "reject, whatever its shape; an interval of a standard deviation may begin at 0."
    )
    text = (paragraph,) if "profile" in set(intervals["method"]) else ()
    return Section(text, warnings, tuple(shown), tuple(figures))


def _intervals_table(intervals: pd.DataFrame, level: float) -> PageTable:
    methods = list(dict.fromkeys(intervals["method"]))
    names = list(dict.fromkeys(intervals["parameter"]))
    columns = [names]
    for method in methods:
        part = intervals[intervals["method"] == method].set_index("parameter").reindex(names)
        columns.append(interval_texts(part))
    heads = [("Parameter", "code")]
    heads += [(_METHODS[method], "number") for method in methods]
    return table(f"{100 * level:g}% intervals of the parameters", heads, rows_of(columns))


def term_tests_section(tables: Tables, model: str, df: str) -> Section | None:
    """Which fixed terms, and which random terms, the model could do without."""
    fixed_terms = of_model(tables["term_tests"], model)
    random_terms = of_model(tables["random_term_tests"], model)
    warnings = notes_on(tables, model, "term_tests", "random_term_tests")
    shown = []
    if len(fixed_terms):
        shown.append(_fixed_terms_table(fixed_terms, df))
    if len(random_terms):
        shown.append(_random_terms_table(random_terms))
    if not shown and not warnings:
        return None
    return Section((), warnings, tuple(shown))


def _fixed_terms_table(tests: pd.DataFrame, df: str) -> PageTable:
    texts = [
        tests["term"].tolist(),
        column(tests["sum_sq"].tolist(), 4),
        [fixed(value, 0) for value in tests["num_df"]],
        [fixed(value, 2) for value in tests["den_df"]],
        [fixed(value, 3) for value in tests["statistic"]],
        [p_text(value) for value in tests["p_value"]],
    ]
    heads = [("Term dropped", "code"), ("Sum sq.", "number"), ("Num. df", "number")]
    heads += [("Den. df", "number"), ("F value", "number"), ("Pr(>F)", "number")]
    caption = f"Fixed terms that can be dropped: F tests with {DF_WORDS[df]}"
    return table(caption, heads, rows_of(texts))


def _random_terms_table(tests: pd.DataFrame) -> PageTable:
    texts = [
        [str(term) for term in tests["term"]],
        [fixed(value, 0) for value in tests["npar"]],
        [fixed(value, 2) for value in tests["log_lik"]],
        [fixed(value, 2) for value in tests["aic"]],
        [fixed(value, 3) for value in tests["chisq"]],
        [fixed(value, 0) for value in tests["df"]],
        [p_text(value) for value in tests["p_value_chi2"]],
        [p_text(value) for value in tests["p_value"]],
        [distribution_text(_text(value)) for value in tests["null_distribution"]],
    ]
    heads = [("Term simplified", "code"), ("Parameters", "number"), ("Log-lik.", "number")]
    heads += [("AIC", "number"), ("χ²", "number"), ("df", "number"), ("p (plain χ²)", "number")]
    heads += [("p (decides)", "number"), ("Null distribution", "text")]
    return table("Random terms simplified one at a time (REML)", heads, rows_of(texts))


def measures_section(tables: Tables, model: str) -> Section | None:
    """R squared, intraclass correlations and the conditional AIC."""
    measures = of_model(tables["measures"], model)
    warnings = notes_on(tables, model, "measures")
    if not len(measures):
        return Section((), warnings) if warnings else None
    rows = [
        (_measure_name(name, group), _measure_value(name, value))
        for name, group, value in zip(
            measures["measure"], measures["group"], measures["value"], strict=True
        )
    ]
    notes = [_text(note) for note in measures["note"]]
    heads = [("Measure", "text"), ("Value", "number")]
    shown = table(
        "What the model explains", heads, rows, notes=[*dict.fromkeys(n for n in notes if n)]
    )
    paragraph = (
        "R² after Nakagawa, Johnson and Schielzeth (2017); the conditional AIC, which asks how "
        "well the groups at hand are predicted, after Greven and Kneib (2010), from the ML fit."
    )
    return Section((paragraph,), warnings, (shown,))


def _measure_name(name: str, group) -> str:
    words = _MEASURES.get(name, name)
    return words if _text(group) is None else f"{words}: {group}"


def _measure_value(name: str, value: float) -> str:
    return fixed(value, 2 if name in _CRITERIA else 3)


def _text(value) -> str | None:
    return None if value is None or value != value or value == "" else str(value)
