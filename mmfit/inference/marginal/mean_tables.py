"""Estimates of linear functions of the fixed effects as tables, and how their rows are named."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.names import column_names
from mmfit.inference.marginal.predictors import label_text
from mmfit.inference.marginal.reference_grid import Averages, ReferenceGrid, to_fitted
from mmfit.inference.precision.degrees_of_freedom import FixedEffectPrecision, unidentified_note


@dataclass(frozen=True, slots=True, eq=False)
class FunctionEstimates:
    """Linear functions of the fixed effects: (m,) arrays, NaN where the fit does not estimate one.

    Attributes
    ----------
    estimate, std_error : in units of the response;  df : degrees of freedom.
    """

    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray

    @property
    def statistic(self) -> np.ndarray:
        """t; NaN where the standard error is zero."""
        known = self.std_error > 0
        return np.where(known, self.estimate / np.where(known, self.std_error, 1.0), np.nan)


def estimates(
    known: FixedEffectPrecision, matrices: ModelMatrices, functions: np.ndarray, offset: float = 0.0
) -> FunctionEstimates:
    """Estimates of functions (m, columns), as a ReferenceGrid gives them, plus ``offset``."""
    L, estimable = to_fitted(matrices, functions)
    estimate, std_error, freedom = np.full((3, len(L)), np.nan)
    L = L[estimable]
    estimate[estimable] = L @ known.fit.fixef + offset
    std_error[estimable] = known.std_error(L)
    certain = ~L.any(axis=1)
    # A function without coefficients is zero for certain.
    freedom[estimable] = np.where(certain, np.inf, 0.0)
    tested = np.flatnonzero(estimable)[~certain]
    freedom[tested] = known.df(L[~certain]) if len(tested) else 0.0
    return FunctionEstimates(estimate, std_error, freedom)


def labels(averages: Averages, compared: int) -> list[str]:
    """Names of the means in contrasts, as emmeans writes them."""
    columns = []
    for predictor, codes in zip(averages.predictors[:compared], averages.codes.T, strict=False):
        texts = [label_text(label) for label in predictor.labels]
        if all(_is_number(text) for text in texts):
            texts = [predictor.name + text for text in texts]
        columns.append([texts[k] for k in codes])
    labels = [" ".join(parts) for parts in zip(*columns, strict=True)]
    return [f"({label})" if any(c in label for c in "-+/*") else label for label in labels]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def moments(found: FunctionEstimates) -> dict[str, np.ndarray]:
    """The columns estimate, std_error, df."""
    return {"estimate": found.estimate, "std_error": found.std_error, "df": found.df}


def limits(found: FunctionEstimates, half: np.ndarray) -> dict[str, np.ndarray]:
    """The columns conf_low, conf_high of intervals of half-widths ``half`` (m,)."""
    return {"conf_low": found.estimate - half, "conf_high": found.estimate + half}


def tested(
    columns: dict[str, list], found: FunctionEstimates, p_value: np.ndarray, half: np.ndarray
) -> pd.DataFrame:
    """A table of tests: the given columns, then the estimates, statistic, p_value and limits."""
    tests = {"statistic": found.statistic, "p_value": p_value}
    return pd.DataFrame(columns | moments(found) | tests | limits(found, half))


def with_notes(
    table: pd.DataFrame,
    grid: ReferenceGrid,
    averages: Averages,
    known: FixedEffectPrecision,
) -> pd.DataFrame:
    """The table with what a reader should know of it in ``attrs["notes"]``, a list of sentences."""
    shown = [predictor.name for predictor in averages.predictors]
    over = [p.name for p in grid.predictors if len(p.labels) > 1 and p.name not in shown]
    notes = []
    missing = int(table["estimate"].isna().sum())
    unidentified = int((table["estimate"].notna() & table["std_error"].isna()).sum())
    if missing:
        lost = ", ".join(grid.matrices.dropped)
        notes.append(
            f"{missing} of {len(table)} cannot be estimated: the data do not tell them apart from "
            f"other effects, or lack combinations of levels (left out of the model: {lost})."
        )
    if unidentified:
        notes.append(unidentified_note([f"{unidentified} of {len(table)}"]))
    if "statistic" in table:
        same = int((table["statistic"].isna() & (table["std_error"] == 0)).sum())
        if same:
            notes.append(
                f"{same} of {len(table)} are zero in this model whatever the data; no test."
            )
    if over:
        notes.append(f"Averaged with equal weights over the levels of {', '.join(over)}.")
    mixed = [name for name in over if _interact(grid.matrices, shown, name)]
    if mixed:
        notes.append(f"These differ by {', '.join(mixed)} in the model: averages may mislead.")
    inner = [f"{name} within {', '.join(outer)}" for name, outer in grid.nests.items()]
    if inner:
        notes.append(f"Nested factors are taken at the levels that occur: {'; '.join(inner)}.")
    table.attrs["notes"] = notes + ([known.note] if known.note else [])
    return table


def _interact(matrices: ModelMatrices, shown: list[str], name: str) -> bool:
    """Whether a term of the fixed part holds a column together with one of those shown."""
    inner = {
        variable.label: set(column_names(variable.expression.root))
        for variable in matrices.design.formula.fixed.variables
    }
    held = [set().union(*(inner[v] for v in t.variables)) for t in matrices.fixed_terms]
    return any(name in columns and columns.intersection(shown) for columns in held)
