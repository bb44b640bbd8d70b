"""Likelihood-ratio tests of the random terms of one model, as lmerTest's ``ranova`` gives them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.criterion import CRITERIA
from mmfit.engine.fit import fit_model
from mmfit.engine.records import Fit
from mmfit.errors import ComparisonError, MmfitError
from mmfit.inference.fitted_model import FittedModel
from mmfit.selection.pair_tests.likelihood_ratio import likelihood_ratio
from mmfit.selection.records import NullSettings
from mmfit.selection.relations.families import covariance_family
from mmfit.selection.relations.reduced_terms import ReducedTerm, reduced_models
from mmfit.selection.relations.structure import Structure, structure
from mmfit.selection.relations.validity import assess

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "term",
    "npar",
    "log_lik",
    "aic",
    "chisq",
    "df",
    "p_value",
    "null_distribution",
    "p_value_chi2",
    "p_value_boundary",
    "note",
)


def ranova(model: FittedModel, settings: NullSettings | None = None) -> "pd.DataFrame":
    """Test every random term against the model in which it is one effect simpler.

    A term loses each effect that is no margin of another (``Days in (Days | Subject)``), a random
    intercept is removed whole (``(1 | Subject)``); without any random term a linear model is left,
    whose restricted likelihood counts. The fits are by the criterion of ``model``: under REML and
    under ML alike the fixed part does not change.

    Parameters
    ----------
    model : by REML or by ML, its matrices built from a formula.
    settings : how null distributions are found; without them the best that keeps its level.

    Returns
    -------
    DataFrame: term (``<none>`` first: the model itself), npar, log_lik, aic, chisq, df, p_value by
    null_distribution, p_value_chi2 (the plain chi-square's, as lmerTest has it), p_value_boundary
    (the former name of p_value, for one release), note.

    Raises
    ------
    ComparisonError
        For a model without random terms, or matrices that were not built from a formula.
    ComputationError
        When a smaller model fits better, so that the given fit is no optimum.
    """
    import pandas as pd

    fit, matrices = model.fit, model.matrices
    if not matrices.random:
        raise ComparisonError(f"{fit.formula} has no random term that could be tested")
    full = structure(fit.formula, matrices)
    nothing = (*[None] * (len(COLUMNS) - 5), _full_note(fit))
    rows = [("<none>", fit.npar, fit.log_lik, float(fit.aic), *nothing)]
    settings = NullSettings() if settings is None else settings
    for reduced in reduced_models(matrices):
        rows.append(_row(fit, full, reduced, settings))
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    floats = ("log_lik", "aic", "chisq", "p_value", "p_value_chi2", "p_value_boundary")
    return table.astype(dict.fromkeys(floats, float) | {"npar": "Int64", "df": "Int64"})


def _full_note(fit: Fit) -> str | None:
    if not fit.converged:
        return f"not converged: {fit.optimizer.detail}"
    if fit.singular:
        return f"the fit is singular ({', '.join(fit.singular_groups)})"
    return None


def _row(fit: Fit, full: Structure, reduced: ReducedTerm, settings: NullSettings) -> tuple:
    if reduced.matrices is None:
        return (reduced.label, *[None] * (len(COLUMNS) - 2), reduced.reason)
    try:
        smaller = fit_model(
            reduced.matrices, criterion=CRITERIA[fit.criterion], start=_start(fit, reduced)
        )
    except MmfitError as error:
        return (reduced.label, *[None] * (len(COLUMNS) - 2), str(error))
    smaller = replace(smaller, formula=f"the model without {reduced.label}")
    values = (reduced.label, smaller.npar, smaller.log_lik, float(smaller.aic))
    family = covariance_family(reduced.matrices)
    inner = Structure(smaller.formula, reduced.matrices, full.span, family)
    pair = assess(inner, full)
    notes = [reduced.reason, *pair.notes]
    failed = [f.optimizer.message for f in (fit, smaller) if not f.converged]
    if pair.outcome != "valid" or pair.swapped or failed:
        why = f"no test: {'; '.join(failed) or pair.reason}"
        nothing = [None] * (len(COLUMNS) - len(values) - 1)
        return (*values, *nothing, _joined([*notes, why]))
    test = likelihood_ratio(pair, smaller, fit, replace(settings, only_deciding=True))
    return (
        *values,
        test.chisq,
        test.df,
        test.p_value,
        test.null_distribution,
        test.p_value_chi2,
        test.p_value,
        _joined([*notes, test.note]),
    )


def _joined(notes: Sequence[str | None]) -> str | None:
    return "; ".join(note for note in notes if note) or None


def _start(fit: Fit, reduced: ReducedTerm) -> np.ndarray:
    """Theta of the smaller model from the covariances of the larger one."""
    parts = []
    for place, term in enumerate(fit.terms):
        effects = term.effects
        if place == reduced.place:
            if reduced.simpler is None:
                continue
            effects = reduced.simpler.effects
        unique = len(set(term.effects)) == len(term.effects)
        if unique and set(effects) <= set(term.effects):
            rows = [term.effects.index(name) for name in effects]
            block = term.covariance[np.ix_(rows, rows)] / fit.sigma**2
        else:
            size = max(np.trace(term.covariance) / len(term.effects), 0.0) / fit.sigma**2
            block = size * np.eye(len(effects))
        root = semidefinite_cholesky(block[None])[0]
        parts.append(root.T[np.triu_indices(len(effects))])
    return np.concatenate(parts) if parts else np.zeros(0)
