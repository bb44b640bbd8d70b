"""Predictions from a fitted model, with their standard errors and intervals.

With ``random_effects`` the conditional modes are added; a level that the fit did not see has a mode
of zero. The fit's offset is added: computed from the new data where it is known by its text,
``offset`` where it was given as numbers.

A row has no prediction (NaN) where the data do not determine it: cells, slopes and covariates that
the fit does not estimate (:class:`mmfit.formula.estimability.Estimability`), and random effects
that follow from what is known by covariances that no data tell.

The limits of an interval are estimate -/+ t std_error:

- ``confidence`` (also ``std_error=True`` alone): for the mean of such a row. Population
  predictions: x'vcov(beta)x. Conditional ones: the variance of the error of x'beta + z'b (Henderson
  1975), in which an unseen level counts with its whole variance.
- ``prediction``: for a new response. sigma^2 / weight is added, and with ``random_effects=False``,
  which then means rows of groups not seen before, z'Psi z. A weight is 1 unless the new data have
  the columns of the model's weights; ``weights`` are needed where the fit's were given as numbers.

Degrees of freedom by Satterthwaite's method applied to the whole variance, 2 v^2 / (g'Ag) with g
its derivative in (theta, sigma) (Kuznetsova, Brockhoff & Christensen 2017, section 2). That theta
is estimated enters through them alone. A variance that depends on variance parameters that no data
tell is missing. ``attrs["notes"]`` says what is missing and why, where levels are new, and what a
reader must know of the method (a singular fit).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_level
from mmfit.engine import fitted_values
from mmfit.errors import MmfitError
from mmfit.formula.design import NewMatrices
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.distributions import t_quantile
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.precision.degrees_of_freedom import satterthwaite_df, unidentified_note
from mmfit.inference.prediction.new_rows import Rows, new_rows, rows_of_fit
from mmfit.inference.prediction.prediction_error import error_variance, group_variance
from mmfit.inference.prediction.unidentified import unidentified_predictions, unidentified_variances

INTERVALS = ("confidence", "prediction")


def predict(
    model: FittedModel,
    new_data: Mapping[str, Any] | None = None,
    *,
    random_effects: bool = True,
    std_error: bool = False,
    interval: str | None = None,
    level: float = 0.95,
    offset: Any = None,
    weights: Any = None,
) -> np.ndarray | pd.DataFrame:
    """Predictions for new rows, or for the rows of the fit: an array (n,), NaN where there is none.

    With ``std_error`` or ``interval`` a table: estimate, std_error, df, conf_low, conf_high, with
    ``attrs["notes"]``. What the arguments mean: see the module.

    Raises
    ------
    FormulaError, DataError
        Columns, offsets or weights that are missing or cannot be used.
    MmfitError
        For an unknown ``interval``, or a level outside (0, 1).
    """
    _check(interval, level)
    if new_data is None and (offset is not None or weights is not None):
        raise MmfitError("offset= and weights= are those of new rows; the fit has its own")
    wanted, matrices = std_error or interval is not None, model.matrices
    if new_data is not None:
        asked = {"modes": random_effects, "response": interval == "prediction"}
        rows = new_rows(matrices, new_data, **asked, offset=offset, weights=weights)
    elif random_effects and not wanted:
        return model.fitted.copy()
    else:
        rows = rows_of_fit(matrices)
    guessed = _guessed(model, rows.matrices, random_effects and new_data is not None)
    estimate = _estimate(model, rows.matrices, random_effects)
    estimate = np.where(rows.matrices.estimable & ~guessed, estimate, np.nan)
    if not wanted:
        return estimate
    return _with_errors(model, rows, estimate, guessed, random_effects, interval, level)


def _check(interval: str | None, level: float) -> None:
    if interval is not None and interval not in INTERVALS:
        raise MmfitError(
            f"interval={interval!r} is not known; choose one of {', '.join(INTERVALS)}, or None"
        )
    check_level(level)


def _guessed(model: FittedModel, new: NewMatrices, modes: bool) -> np.ndarray:
    """(n,) bool: rows that have no prediction for what they need of the random effects."""
    if modes and model.matrices.random:
        return unidentified_predictions(model, new)
    return np.zeros(len(new.X), dtype=bool)


def _with_errors(
    model: FittedModel,
    rows: Rows,
    estimate: np.ndarray,
    guessed: np.ndarray,
    random_effects: bool,
    interval: str | None,
    level: float,
) -> pd.DataFrame:
    """The table of predictions with their standard errors and intervals."""
    matrices = model.matrices
    conditional = random_effects and bool(matrices.random)
    variance, slopes = (_conditional if conditional else _population)(model, rows, interval)
    blind = unidentified_variances(model, rows, conditional, interval == "prediction")
    variance = np.where(np.isnan(estimate) | blind, np.nan, variance)
    table = _table(model.fit, estimate, variance, slopes, level)
    notes = _missing(matrices, rows.matrices, guessed, blind)
    unseen = _unseen(matrices, rows.matrices) if conditional else []
    table.attrs["notes"] = [note for note in (*notes, *unseen, model.precision().note) if note]
    return table


def _missing(
    matrices: ModelMatrices, new: NewMatrices, guessed: np.ndarray, blind: np.ndarray
) -> list[str]:
    """Why rows have no prediction, or none with a standard error, in sentences."""
    total, lost = len(guessed), ~new.estimable
    notes = []
    if lost.any():
        notes.append(
            f"{lost.sum()} of {total} rows cannot be predicted: the data do not tell their effects "
            "apart from others, or lack combinations of levels (left out of the model: "
            f"{', '.join(matrices.dropped)})."
        )
    guessed = guessed & ~lost
    if guessed.any():
        groups = ", ".join(dict.fromkeys(term.grouping for term in matrices.random))
        notes.append(
            f"{guessed.sum()} of {total} rows cannot be predicted: what they need of the random "
            f"effects ({groups}) follows from what the data show by covariances that no data tell."
        )
    blind = blind & ~lost & ~guessed
    if blind.any():
        notes.append(unidentified_note([f"{blind.sum()} of {total} rows"]))
    return notes


def _unseen(matrices: ModelMatrices, new: NewMatrices) -> list[str]:
    """A sentence for each grouping factor with levels that the fit did not see."""
    counts = {}
    for old, term in zip(matrices.random, new.random, strict=True):
        counts[old.grouping] = int((term.codes < 0).sum())
    return [
        f"{count} {'row has' if count == 1 else 'rows have'} a level of {grouping} that the fit "
        "did not see; it counts as a draw from the population of its levels."
        for grouping, count in counts.items()
        if count
    ]


def _estimate(model: FittedModel, new: NewMatrices, modes: bool) -> np.ndarray:
    fit, matrices = model.fit, model.matrices
    if not modes:
        out = new.X @ fit.fixef
        return out if new.offset is None else out + new.offset
    random = tuple(
        replace(
            old,
            model=term.model * (term.codes >= 0)[:, None],
            codes=np.maximum(term.codes, 0),
            constant=(),
        )
        for old, term in zip(matrices.random, new.random, strict=True)
    )
    return fitted_values(replace(matrices, X=new.X, random=random, offset=new.offset), fit)


def _population(model: FittedModel, rows: Rows, interval) -> tuple[np.ndarray, np.ndarray]:
    """Variances (n,) of x'beta-hat, or of a new response of new groups; derivatives (n, k + 1)."""
    fit, X = model.fit, rows.matrices.X
    variance = np.einsum("np,pq,nq->n", X, fit.vcov, X)
    slopes = np.einsum("np,ipq,nq->ni", X, fit.uncertainty.jacobian, X)
    if interval == "prediction":
        spread, change = group_variance(fit.theta, rows.matrices.random)
        extra = fit.sigma**2 * (spread + 1 / rows.weights)
        variance = variance + extra
        slopes[:, :-1] += fit.sigma**2 * change
        slopes[:, -1] += 2 * extra / fit.sigma
    return variance, slopes


def _conditional(model: FittedModel, rows: Rows, interval) -> tuple[np.ndarray, np.ndarray]:
    """The same of the errors of x'beta-hat + z'b-hat, or of a new response of these rows."""
    found = error_variance(model, rows.matrices.X, rows.matrices.random)
    scaled = found.value + (1 / rows.weights if interval == "prediction" else 0.0)
    sigma = model.fit.sigma
    variance = scaled * sigma**2
    slopes = np.column_stack([found.slopes * sigma**2, 2 * scaled * sigma])
    return variance, slopes


def _table(fit, estimate, variance, slopes, level: float) -> pd.DataFrame:
    std_error = np.sqrt(np.maximum(variance, 0.0))
    df = satterthwaite_df(variance, slopes, fit.uncertainty.covariance)
    half = t_quantile(0.5 + level / 2, df) * std_error
    return pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": std_error,
            "df": df,
            "conf_low": estimate - half,
            "conf_high": estimate + half,
        }
    )
