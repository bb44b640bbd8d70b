"""Predictions from a fitted model, with their standard errors and intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mmfit.arguments import check_level
from mmfit.engine import fitted_values
from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.design import NewMatrices, NewRandom
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.distributions import t_quantile
from mmfit.inference.fixed_effects.degrees_of_freedom import df_note, satterthwaite_df

INTERVALS = ("confidence", "prediction")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """New rows: their matrices and ``weights`` (n,)."""

    matrices: NewMatrices
    weights: np.ndarray


def predict(
    fit: Fit,
    matrices: ModelMatrices,
    new_data: Mapping[str, Any] | None = None,
    *,
    random_effects: bool = True,
    std_error: bool = False,
    interval: str | None = None,
    level: float = 0.95,
) -> np.ndarray | pd.DataFrame:
    """Predictions for new rows, or for the rows of the fit.

    With ``random_effects`` the conditional modes are added; a level that the fit did not see
    has a mode of zero. The offset of the formula is added where it can be computed.

    Without ``std_error`` and ``interval`` an array (n,). With either a table: estimate, std_error,
    df, conf_low, conf_high, where the limits are estimate -/+ t std_error:

    - ``confidence`` (also ``std_error=True`` alone): for the mean of such a row. Population
      predictions: x'vcov(beta)x. Conditional ones: the variance of the error of x'beta + z'b
      (Henderson 1975), in which an unseen level counts with its whole variance.
    - ``prediction``: for a new response. sigma^2 / weight is added, and with
      ``random_effects=False``, which then means rows of groups not seen before, z'Psi z. A weight
      is 1 unless the new data have the columns of the model's weights.

    Degrees of freedom by Satterthwaite's method applied to the whole variance, 2 v^2 / (g'Ag) with
    g its derivative in (theta, sigma) (Kuznetsova, Brockhoff & Christensen 2017, section 2). That
    theta is estimated enters through them alone. ``attrs["notes"]`` says where levels are new, and
    what a reader must know of the method (a singular fit).

    Raises
    ------
    FormulaError, DataError
        Columns that are missing or cannot be used.
    MmfitError
        For an unknown ``interval``, or a level outside (0, 1).
    """
    if interval is not None and interval not in INTERVALS:
        raise MmfitError(
            f"interval={interval!r} is not known; choose one of {', '.join(INTERVALS)}, or None"
        )
    check_level(level)
    wanted = std_error or interval is not None
    if new_data is None and random_effects and not wanted:
        return fitted_values(matrices, fit)
    rows = _rows(matrices, new_data, random_effects, interval == "prediction")
    estimate = _estimate(fit, matrices, rows.matrices, random_effects)
    if not wanted:
        return estimate
    conditional = random_effects and bool(matrices.random)
    variance, slopes = (_conditional if conditional else _population)(fit, matrices, rows, interval)
    table = _table(fit, estimate, variance, slopes, level)
    unseen = _unseen(matrices, rows.matrices) if conditional else []
    method = df_note(fit)
    table.attrs["notes"] = [*unseen, method] if method else unseen
    return table


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


def _rows(
    matrices: ModelMatrices, new_data: Mapping[str, Any] | None, modes: bool, response: bool
) -> Rows:
    """The rows' matrices, with random terms where ``modes`` or a new ``response`` need them."""
    if new_data is None:
        terms = tuple(NewRandom(t.group, t.effects, t.model, t.codes) for t in matrices.random)
        new = NewMatrices(matrices.X, terms, matrices.offset)
        return Rows(new, np.ones(matrices.nobs) if matrices.weights is None else matrices.weights)
    new = matrices.design.rebuild(new_data, random=modes or response, grouped=modes)
    weights = matrices.design.prior_weights(new_data) if response else None
    return Rows(new, np.ones(len(new.X)) if weights is None else weights)


def _estimate(fit: Fit, matrices: ModelMatrices, new: NewMatrices, modes: bool) -> np.ndarray:
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


def _population(fit, matrices, rows: Rows, interval) -> tuple[np.ndarray, np.ndarray]:
    """Variances (n,) of x'beta-hat, or of a new response of new groups; derivatives (n, k + 1)."""
    X = rows.matrices.X
    variance = np.einsum("np,pq,nq->n", X, fit.vcov, X)
    slopes = np.einsum("np,ipq,nq->ni", X, fit.uncertainty.jacobian, X)
    if interval == "prediction":
        spread, change = _group_variance(fit, rows.matrices.random)
        extra = spread + fit.sigma**2 / rows.weights
        variance = variance + extra
        slopes[:, :-1] += change
        slopes[:, -1] += 2 * extra / fit.sigma
    return variance, slopes


def _group_variance(fit: Fit, random: tuple[NewRandom, ...]) -> tuple[np.ndarray, np.ndarray]:
    """z'Psi z sigma^2 (n,) of new levels of all groups and its derivatives (n, k) in theta."""
    begin, spread, changes = 0, 0.0, []
    for term in random:
        q = len(term.effects)
        # theta goes down the columns of the lower triangle.
        column, row = np.triu_indices(q)
        root = np.zeros((q, q))
        root[row, column] = fit.theta[begin : begin + len(row)]
        begin += len(row)
        left = term.model @ root
        spread = spread + (left**2).sum(axis=1) * fit.sigma**2
        changes.append(2 * fit.sigma**2 * left[:, column] * term.model[:, row])
    return spread, np.hstack(changes) if changes else 0.0


def _conditional(fit, matrices, rows: Rows, interval) -> tuple[np.ndarray, np.ndarray]:
    """The same of the errors of x'beta-hat + z'b-hat, or of a new response of these rows."""
    # Here, because only this needs more of the engine than the record of the fit.
    from mmfit.inference.prediction.prediction_error import error_variance

    found = error_variance(fit, matrices, rows.matrices.X, rows.matrices.random)
    scaled = found.value + (1 / rows.weights if interval == "prediction" else 0.0)
    variance = scaled * fit.sigma**2
    slopes = np.column_stack([found.slopes * fit.sigma**2, 2 * scaled * fit.sigma])
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
