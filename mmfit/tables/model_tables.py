"""The result tables: one function per table, one row order, the columns fixed here.

Rows stand in the order of the candidates (that of the YAML), within a model in lme4's order.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from mmfit.formula.unidentified import unidentified_text
from mmfit.inference import anova, random_effects, tidy, varcorr
from mmfit.selection.records import Candidate, Comparison
from mmfit.tables.csvfile import write_csv
from mmfit.tables.null_tables import null_distributions_table

MODELS = (
    "model",
    "formula",
    "criterion",
    "npar",
    "nobs",
    "log_lik",
    "deviance",
    "aic",
    "bic",
    "sigma",
    "singular",
    "converged",
    "unidentified",
)
COEFFICIENTS = (
    "model",
    "term",
    "estimate",
    "std_error",
    "df",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
)
VARIANCE_COMPONENTS = ("model", "group", "term_1", "term_2", "vcov", "sdcor", "note")
RANDOM_EFFECTS = (
    "model",
    "group",
    "level",
    "term",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
)
ANOVA = (
    "model",
    "type",
    "term",
    "sum_sq",
    "mean_sq",
    "num_df",
    "den_df",
    "statistic",
    "p_value",
)
COMPARISONS = (
    "null",
    "alternative",
    "criterion",
    "valid",
    "reason",
    "npar_null",
    "npar_alternative",
    "aic_null",
    "aic_alternative",
    "bic_null",
    "bic_alternative",
    "log_lik_null",
    "log_lik_alternative",
    "chisq",
    "df",
    "p_value",
    "null_distribution",
    "p_value_boundary",
    "note",
    "outcome",
)
RESIDUAL_QUANTILES = ("model", "min", "q1", "median", "q3", "max")
FIXED_CORRELATION = ("model", "term_1", "term_2", "vcov", "correlation")
TABLE_FILES = (
    "models.csv",
    "coefficients.csv",
    "variance_components.csv",
    "random_effects.csv",
    "anova.csv",
    "residual_quantiles.csv",
    "fixed_correlation.csv",
)
CRITERIA = ("REML", "ML")
ANOVA_TYPES = (1, 2, 3)
LEVEL = 0.95
INTEGERS = {"npar_null", "npar_alternative", "df"}
TEXTS = {"null", "alternative", "criterion", "reason", "null_distribution", "note", "outcome"}


def models_table(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """A row per model and criterion; ``deviance`` is -2 log-likelihood or the REML criterion."""
    rows = [
        (
            candidate.name,
            fit.formula,
            fit.criterion,
            fit.npar,
            fit.nobs,
            fit.log_lik,
            fit.objective,
            fit.aic,
            float(fit.bic),
            fit.sigma,
            fit.singular,
            fit.converged,
            unidentified_text(fit.unidentified),
        )
        for candidate in candidates
        for fit in (candidate.fit_by(criterion) for criterion in CRITERIA)
    ]
    return pd.DataFrame(rows, columns=MODELS)


def coefficients_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """Fixed effects of the REML fits with t tests and 95% Wald intervals.

    ``df`` names the method for the degrees of freedom, as in the analysis file.
    """
    parts = [
        _labelled(
            tidy(candidate.reported_model, df=df, level=LEVEL),
            candidate.name,
            COEFFICIENTS,
        )
        for candidate in candidates
    ]
    return _stacked(parts, COEFFICIENTS)


def variance_components_table(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Variances and covariances of the REML fits (see ``mmfit.inference.varcorr``).

    ``note`` says of an entry why the data do not tell it.
    """
    parts = []
    for candidate in candidates:
        fit = candidate.reported
        table = varcorr(candidate.reported_model)
        told = {one: record.text for record in fit.unidentified for one in record.parameters}
        names = zip(table["group"], table["term_1"], table["term_2"].fillna(""), strict=True)
        noted = table.assign(note=[told.get(name, "") for name in names])
        parts.append(_labelled(noted, candidate.name, VARIANCE_COMPONENTS))
    return _stacked(parts, VARIANCE_COMPONENTS)


def random_effects_table(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Conditional modes of the REML fits (see ``mmfit.inference.random_effects``)."""
    parts = [
        _labelled(
            random_effects(candidate.reported_model, LEVEL),
            candidate.name,
            RANDOM_EFFECTS,
        )
        for candidate in candidates
    ]
    return _stacked(parts, RANDOM_EFFECTS)


def anova_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """F tests of types I, II and III of the fixed terms of the REML fits."""
    parts = []
    for candidate in candidates:
        for type_ in ANOVA_TYPES:
            table = anova(candidate.reported_model, type=type_, df=df)
            parts.append(_labelled(table.assign(type=type_), candidate.name, ANOVA))
    return _stacked(parts, ANOVA)


def residual_quantiles_table(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Minimum, quartiles (R's type 7) and maximum of the scaled residuals of the REML fits."""
    rows = [
        (candidate.name, *np.quantile(scaled_residuals(candidate), (0, 0.25, 0.5, 0.75, 1)))
        for candidate in candidates
    ]
    return pd.DataFrame(rows, columns=RESIDUAL_QUANTILES)


def scaled_residuals(candidate: Candidate) -> np.ndarray:
    """lme4's scaled residuals of the REML fit, (n,): without the weights, if there are any."""
    model = candidate.reported_model
    return (model.matrices.y - model.fitted) / model.fit.sigma


def weighted_residuals(candidate: Candidate) -> np.ndarray:
    """Scaled residuals times the square root of the prior weight, (n,): of variance 1 in the model.

    These, and not lme4's, are what a plot can judge the residual variance by.
    """
    scaled, weights = scaled_residuals(candidate), candidate.matrices.weights
    return scaled if weights is None else np.sqrt(weights) * scaled


def fixed_correlation_table(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Covariances and correlations of the fixed effects of the REML fits, each pair once.

    Missing where no data tell a coefficient's variance.
    """
    rows = []
    for candidate in candidates:
        fit = candidate.reported
        hidden = fit.uncertainty.confounding
        told = (
            np.ones(len(fit.fixef)) if hidden is None else ~hidden.concerns(np.eye(len(fit.fixef)))
        )
        vcov = np.where(np.outer(told, told), fit.vcov, np.nan)
        sd = np.sqrt(np.diag(vcov))
        for i, j in combinations(range(len(sd)), 2):
            covariance = float(vcov[i, j])
            names = fit.fixed_names[i], fit.fixed_names[j]
            rows.append((candidate.name, *names, covariance, covariance / (sd[i] * sd[j])))
    return pd.DataFrame(rows, columns=FIXED_CORRELATION)


def comparisons_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """A row per pair; a refused pair has its reason and no number."""
    records = [dataclasses.asdict(comparison) for comparison in comparisons]
    frame = pd.DataFrame({name: [record[name] for record in records] for name in COMPARISONS})
    kinds = {
        name: "Int64" if name in INTEGERS else object if name in TEXTS else float
        for name in COMPARISONS
        if name != "valid"
    }
    return frame.astype(kinds | {"valid": bool})


def write_comparisons(folder: str | Path, comparisons: Iterable[Comparison]) -> None:
    """Write ``comparisons.csv`` and ``null_distributions.csv`` (``results/<analysis>/tables``)."""
    comparisons = tuple(comparisons)
    tables = comparisons_table(comparisons), null_distributions_table(comparisons)
    for name, table in zip(("comparisons.csv", "null_distributions.csv"), tables, strict=True):
        write_csv(Path(folder) / name, table)


def write_tables(folder: str | Path, candidates: Sequence[Candidate], df: str) -> None:
    """Write the seven tables of the fits into ``folder`` (``results/<analysis>/tables``).

    All tables are computed before the first is written, so that a failure leaves none behind.
    """
    tables = (
        models_table(candidates),
        coefficients_table(candidates, df),
        variance_components_table(candidates),
        random_effects_table(candidates),
        anova_table(candidates, df),
        residual_quantiles_table(candidates),
        fixed_correlation_table(candidates),
    )
    for name, table in zip(TABLE_FILES, tables, strict=True):
        write_csv(Path(folder) / name, table)


def _labelled(table: pd.DataFrame, model: str, columns: Sequence[str]) -> pd.DataFrame:
    return table.assign(model=model)[list(columns)]


def _stacked(parts: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True)
