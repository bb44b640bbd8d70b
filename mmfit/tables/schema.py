"""The schema of the result tables: names, columns and kinds of every CSV file.

The writer, the reader, the outputs of the workflow's rules and the list in results/README.md are
made from it. It needs nothing but Python, so that rules and the console script can read it cheaply.

A column holds ``text`` (None where missing), ``number`` (float, NaN where missing), ``integer``
(the same, a whole number in the file), ``count`` (int, never missing), ``truth`` (bool, never
missing) or ``flag`` (bool, None where missing).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LEVEL = 0.95
"""Coverage of the intervals in the tables of the stage ``tables``."""

KINDS = ("text", "number", "integer", "count", "truth", "flag")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``name``, ``kind`` as above, and a ``note`` where the name does not say it all."""

    name: str
    kind: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table.

    Attributes
    ----------
    name : str;  file : str, ``<name>.csv``.
    stage : the stage that writes it: ``compare``, ``tables``, ``inference`` or ``search``.
    row : what a row is, in words.
    columns : in the order of the file.
    """

    name: str
    stage: str
    row: str
    columns: tuple[Column, ...]

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each column, in their order."""
        return MappingProxyType({column.name: column.kind for column in self.columns})

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return tuple(column.name for column in self.columns)


def _table(name: str, stage: str, row: str, *lines: str) -> TableSchema:
    """A table from lines ``kind: column, column (note), column``."""
    columns = []
    for line in lines:
        kind, _, rest = line.partition(": ")
        for entry in rest.split(", ") if "(" not in rest else _split(rest):
            column, _, note = entry.partition(" (")
            columns.append(Column(column, kind, note.removesuffix(")")))
    return TableSchema(name, stage, row, tuple(columns))


def _split(text: str) -> list[str]:
    """At commas that stand outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


_ALL = (
    _table(
        "models",
        "tables",
        "a model under one criterion",
        "text: model, formula, criterion",
        "count: npar, nobs",
        "number: log_lik, deviance, aic, bic, sigma",
        "truth: singular, converged",
        "text: unidentified (which covariance parameters the data cannot tell apart; empty for"
        " none)",
    ),
    _table(
        "coefficients",
        "tables",
        "a fixed effect (REML)",
        "text: model, term",
        "number: estimate, std_error, df, statistic, p_value, conf_low, conf_high",
    ),
    _table(
        "variance_components",
        "tables",
        "a variance or covariance (REML)",
        "text: model, group, term_1, term_2",
        "number: vcov, sdcor",
        "text: note (why the data do not tell this entry)",
    ),
    _table(
        "random_effects",
        "tables",
        "a conditional mode (REML)",
        "text: model, group, level, term",
        "number: estimate, std_error, conf_low, conf_high",
    ),
    _table(
        "anova",
        "tables",
        "a term of a model, by type I, II and III (REML)",
        "text: model",
        "count: type",
        "text: term",
        "number: sum_sq, mean_sq",
        "integer: num_df",
        "number: den_df, statistic, p_value",
    ),
    _table(
        "residual_quantiles",
        "tables",
        "a model (REML): quantiles of its scaled residuals",
        "text: model",
        "number: min, q1, median, q3, max",
    ),
    _table(
        "fixed_correlation",
        "tables",
        "a pair of fixed effects (REML)",
        "text: model, term_1, term_2",
        "number: vcov, correlation",
    ),
    _table(
        "comparisons",
        "compare",
        "a pair of models",
        "text: null, alternative, criterion",
        "truth: valid",
        "text: reason",
        "integer: npar_null, npar_alternative",
        "number: aic_null, aic_alternative, bic_null, bic_alternative, log_lik_null,"
        " log_lik_alternative, chisq",
        "integer: df",
        "number: p_value (by `null_distribution`: the one to go by)",
        "text: null_distribution",
        "number: p_value_chi2 (by the plain chi-square), p_value_boundary (the former name of"
        " `p_value`, the same number; for one release)",
        "text: note, outcome",
    ),
    _table(
        "null_distributions",
        "compare",
        "a pair and a null distribution",
        "text: null, alternative, method (chi2, chibar2, exact, calibrated, bootstrap),"
        " distribution",
        "number: p_value, mc_low (its 95% Monte Carlo interval, where it is simulated), mc_high",
        "integer: replicates",
        "truth: holds, decides",
        "text: condition, dfs (of a mixture of chi-squares, or of the law that is calibrated),"
        " weights",
        "number: scale (of a calibrated law)",
        "truth: tail (whether its tail alone is scaled)",
    ),
    _table(
        "intervals",
        "inference",
        "a parameter by one method (profile: of the ML fit; wald, bootstrap: REML)",
        "text: model, method, parameter",
        "number: estimate, conf_low, conf_high, level",
    ),
    _table(
        "profiles",
        "inference",
        "a point of a profile curve (ML)",
        "text: model, parameter",
        "number: value, zeta (signed root), deviance_increase",
    ),
    _table(
        "term_tests",
        "inference",
        "a fixed term that can be dropped (REML)",
        "text: model, term",
        "number: sum_sq, mean_sq, num_df, den_df, statistic, p_value",
    ),
    _table(
        "random_term_tests",
        "inference",
        "the model (`<none>`), then each random term simplified (REML)",
        "text: model, term",
        "integer: npar",
        "number: log_lik, aic, chisq",
        "integer: df",
        "number: p_value (by `null_distribution`)",
        "text: null_distribution",
        "number: p_value_chi2 (by the plain chi-square), p_value_boundary (the former name of"
        " `p_value`; for one release)",
        "text: note",
    ),
    _table(
        "measures",
        "inference",
        "a measure: r2_marginal, r2_conditional, icc_adjusted, icc_unadjusted, icc (per group),"
        " caic, caic_df, caic_log_lik (the last three by ML)",
        "text: model, measure, group",
        "number: value",
        "text: note",
    ),
    _table(
        "means",
        "inference",
        "a marginal mean (REML)",
        "text: model, factor, level (`a:b` for cells)",
        "number: estimate, std_error, df, conf_low, conf_high",
    ),
    _table(
        "contrasts",
        "inference",
        "a difference between two marginal means (REML)",
        "text: model, factor, contrast (`a1 - a2`; `a1 - a2 (b1)` for `a | b`, of which each level"
        " of b is adjusted by itself)",
        "number: estimate, std_error, df, statistic, p_value, conf_low, conf_high",
        "text: adjust",
    ),
    _table(
        "slopes",
        "inference",
        "a slope (REML)",
        "text: model, covariate, by, level",
        "number: estimate, std_error, df, statistic, p_value, conf_low, conf_high",
    ),
    _table(
        "influence",
        "inference",
        "a level left out, and a fixed effect (REML)",
        "text: model, group, level",
        "count: rows",
        "number: cooks_distance, covratio, sigma",
        "text: verdict, term",
        "number: estimate_without, change, change_se (in standard errors)",
    ),
    _table(
        "diagnosis",
        "inference",
        "a check (REML)",
        "text: model, check",
        "number: value, p_value",
        "text: verdict, text",
    ),
    _table(
        "predictions",
        "inference",
        "a row to predict, numbered from 1 (REML)",
        "text: model",
        "count: row",
        "number: estimate, std_error, df, conf_low, conf_high",
    ),
    _table(
        "inference_notes",
        "inference",
        "why a table lacks rows, or what must be said of them",
        "text: model, table, text",
    ),
    _table(
        "search",
        "search",
        "a model that the search looked at",
        "count: step",
        "text: part, standing, candidate, move, criterion",
        "number: chisq",
        "integer: df",
        "number: p_value",
        "text: p_value_kind, null_distribution",
        "number: p_value_chi2 (by the plain chi-square), aic, bic, caic",
        "flag: singular",
        "text: decision, text",
    ),
    _table(
        "stability",
        "search",
        "a model chosen, a term kept, or a failure, over the bootstrap samples",
        "text: kind, model",
        "truth: chosen (in the data themselves)",
        "count: count",
        "number: frequency, mc_low, mc_high",
    ),
    _table(
        "after_selection",
        "search",
        "a fixed effect of the chosen model (REML), the model taken as given, then the selection"
        " counted (`_selection`)",
        "text: model, term",
        "number: estimate, std_error, df, p_value, conf_low, conf_high, frequency (share of the"
        " samples whose selected model has it)",
        "count: samples (in which a model was selected)",
        "number: estimate_selection, std_error_selection, df_selection, p_value_selection,"
        " conf_low_selection, conf_high_selection",
        "text: note (why numbers are missing, or what must be said of them)",
    ),
)

TABLES: Mapping[str, TableSchema] = MappingProxyType({table.name: table for table in _ALL})
"""Every table by name; those of a stage in the order in which they are written."""


def tables_of(stage: str) -> tuple[TableSchema, ...]:
    """The tables that a stage writes."""
    return tuple(table for table in TABLES.values() if table.stage == stage)


def readme_rows(stages: tuple[str, ...]) -> str:
    """The tables of the stages as rows of results/README.md."""
    lines = ["| table | a row is | columns |", "|---|---|---|"]
    for table in TABLES.values():
        if table.stage in stages:
            columns = (f"{c.name} ({c.note})" if c.note else c.name for c in table.columns)
            cells = (f"`{table.file}`", table.row, ", ".join(columns).replace("|", "\\|"))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
