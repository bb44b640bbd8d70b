"""Intervals and p-values of a chosen model's coefficients that count the selection.

A coefficient is reported because the selection kept it, and kept coefficients are those that came
out large; what was left out beside them is in them. So the law of its estimate is taken

- in the richest model of the selection, which leaves nothing out: for ``parametric`` with the REML
  fit's standard error and Satterthwaite's degrees of freedom, for ``cluster`` with the covariance
  over drawn levels;
- given that the coefficient is reported: the selection is repeated on responses in which the
  estimate has other values, all else being equal (:mod:`reported_values`), and the t law is cut
  off where the coefficient is not reported (:mod:`truncated_t`).

The p-value and the interval hold among all data sets in which the coefficient is reported, at
every true value. They are of the coefficient of the richest model; if the chosen model is true,
this is its own. A coefficient that every model has is not selected, and gets the richest model's t
interval. Nothing of it is drawn, but for the covariance of ``cluster``; tests are repeated with
their own replicates.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.fit import fit_model
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.precision.t_tests import t_columns
from mmfit.selection.search.after_selection_records import AfterSelection, AfterSelectionRow
from mmfit.selection.search.cluster_covariance import FEWEST_SAMPLES, cluster_covariance
from mmfit.selection.search.reported_values import reported_values
from mmfit.selection.search.richest import RichestModel, richest_model
from mmfit.selection.search.source import Clusters
from mmfit.selection.search.stability import generators, responses_at_once
from mmfit.selection.search.stability_records import LEVEL, Choice, Stability
from mmfit.selection.search.truncated_t import TruncatedT

Select = Callable[[np.ndarray], Sequence[Choice]]
"""From (B, n) responses to what is chosen of each."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A selection whose coefficients are asked for.

    Attributes
    ----------
    name : str, of the chosen model;  chosen : its FittedModel, by REML.
    others : the other models that could have been chosen, or one that contains them all.
    always : coefficients that every model has.
    select : repeats the selection;  known : Clusters for the cluster bootstrap, else None.
    """

    name: str
    chosen: FittedModel
    others: Sequence[ModelMatrices]
    always: Collection[str]
    select: Select
    known: Clusters | None


@dataclass(frozen=True, slots=True)
class _Estimates:
    """Of the richest model: estimates, standard errors and degrees of freedom (p,), with their
    covariance (p, p); or why there are none."""

    fixef: np.ndarray | None = None
    std_error: np.ndarray | None = None
    df: np.ndarray | None = None
    vcov: np.ndarray | None = None
    missing: str = ""
    note: str = ""


def after_selection(asked: Selected, stability: Stability) -> AfterSelection:
    """The coefficients of the chosen model, naive and with the selection.

    Parameters
    ----------
    asked : the selection;  stability : its audit.
    """
    richest = richest_model(asked.chosen.matrices, asked.others)
    known = _estimates(richest.matrices, asked.chosen.matrices, asked.known, stability)
    rows, selections = [], 0
    for k, naive in enumerate(_naive(asked, stability)):
        missing = known.missing or _missing(naive["term"], richest, known, k)
        if missing:
            rows.append(AfterSelectionRow(**naive, note=missing))
            continue
        found, count = _selective(asked, richest.matrices, known, k)
        selections += count
        rows.append(AfterSelectionRow(**naive, **found))
    return AfterSelection(tuple(rows), selections)


def _naive(asked: Selected, stability: Stability) -> list[dict]:
    """What takes the model as given, and how often each coefficient was there."""
    fit = asked.chosen.fit
    precision, each = asked.chosen.precision(), np.eye(len(fit.fixef))
    tests = t_columns(fit.fixef, precision.std_error(each), precision.df(each), LEVEL)
    del tests["statistic"]
    used = [choice for choice in stability.choices if choice.failure is None]
    rows = []
    for k, term in enumerate(fit.fixed_names):
        count = sum(term in choice.coefficients for choice in used)
        row = {"model": asked.name, "term": term}
        row |= {name: float(values[k]) for name, values in tests.items()}
        row |= {"frequency": count / len(used) if used else None, "samples": len(used)}
        rows.append(row)
    return rows


def _estimates(
    matrices: ModelMatrices, chosen: ModelMatrices, known: Clusters | None, stability: Stability
) -> _Estimates:
    """Of the richest model; with the chosen model's random part where its own cannot be fitted."""
    model, note = _fitted(matrices), ""
    if isinstance(model, str):
        note = f"random part of the chosen model: {model}."
        model = _fitted(replace(matrices, random=chosen.random))
    if isinstance(model, str):
        return _Estimates(missing=model)
    fixef, each = model.fit.fixef, np.eye(len(model.fit.fixef))
    if known is None:
        precision = model.precision()
        further = f"richest model: {precision.note}" if precision.note else ""
        note = " ".join(text for text in (note, further) if text)
        return _Estimates(
            fixef, precision.std_error(each), precision.df(each), precision.vcov, note=note
        )
    found = cluster_covariance(model.matrices, known, generators(stability.samples, stability.seed))
    if found.vcov is None:
        return _Estimates(
            missing=f"the richest model could be fitted to {found.samples} of "
            f"{stability.samples} samples of levels; a variance needs {FEWEST_SAMPLES}"
        )
    std_error = np.sqrt(found.vcov.diagonal())
    return _Estimates(fixef, std_error, np.full(len(fixef), found.df), found.vcov, note=note)


def _fitted(matrices: ModelMatrices) -> FittedModel | str:
    """The REML fit, or why there is none."""
    try:
        model = FittedModel(fit_model(matrices), matrices)
    except MmfitError as error:
        return f"the richest model cannot be fitted ({str(error).splitlines()[0]})"
    if not model.fit.converged:
        return f"the fit of the richest model did not converge ({model.fit.optimizer.message})"
    return model


def _missing(term: str, richest: RichestModel, known: _Estimates, k: int) -> str:
    """Why a coefficient has no interval, or ``""``."""
    if term in richest.absent:
        return (
            "the richest model does not tell it: it has columns that are combinations of this and "
            "others"
        )
    if not (known.std_error[k] > 0 and known.df[k] > 0):
        return "the richest model has no standard error or no degrees of freedom for it"
    return ""


def _selective(
    asked: Selected, matrices: ModelMatrices, known: _Estimates, k: int
) -> tuple[dict, int]:
    """What counts the selection of coefficient k, and how often the selection was made for it."""
    term, scale, df = matrices.fixed_names[k], known.std_error[k], float(known.df[k])
    value, notes, count = known.fixef[k] / scale, [known.note], 0
    law = TruncatedT(np.array([-np.inf]), np.array([np.inf]), df)
    if term not in asked.always:
        direction = matrices.X @ (known.vcov[:, k] / known.vcov[k, k]) * scale

        def reported(values: np.ndarray) -> np.ndarray:
            size, kept = responses_at_once(matrices.nobs), []
            for begin in range(0, len(values), size):
                shifts = values[begin : begin + size, None] - value
                choices = asked.select(matrices.y + shifts * direction)
                kept += [term in choice.coefficients for choice in choices]
            return np.array(kept)

        found = reported_values(value, df, reported)
        law, count = found.law, found.selections
        if not found.observed:
            notes.append(
                "repeated with its tests in less time, the selection does not have it on the data "
                "themselves"
            )
    result = {"std_error_selection": float(scale), "df_selection": df}
    if law is not None:
        low, high = law.interval(value, LEVEL)
        if np.isnan(low):
            notes.append("no value within reach makes what is reported likely")
        result |= {
            "estimate_selection": float(law.median(value) * scale),
            "p_value_selection": float(law.p_values(value, np.zeros(1))[0]),
            "conf_low_selection": float(low * scale),
            "conf_high_selection": float(high * scale),
        }
    return result | {"note": " ".join(note for note in notes if note)}, count
