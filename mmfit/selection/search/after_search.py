"""The coefficients after a search, and after a selection among declared candidates."""

from dataclasses import replace

import numpy as np

from mmfit.engine.fit import fit_model
from mmfit.errors import MmfitError
from mmfit.inference.fitted_model import FittedModel
from mmfit.selection.pair_tests.likelihood_ratio import line_nulls
from mmfit.selection.search.after_selection import Selected, after_selection
from mmfit.selection.search.after_selection_records import AfterSelection
from mmfit.selection.search.models import Models
from mmfit.selection.search.search import Outcome
from mmfit.selection.search.source import clusters
from mmfit.selection.search.stability import SearchTask, batch_choices
from mmfit.selection.search.stability_ladder import LadderTask, ladder_choices
from mmfit.selection.search.stability_records import Choice, Stability


def after_search(
    task: SearchTask, models: Models, outcome: Outcome, stability: Stability, name: str = ""
) -> AfterSelection:
    """The coefficients of the model that a search ended with, the search counted.

    Parameters
    ----------
    task, models, outcome : the search, its models on the data, and what it gave.
    stability : its audit by ``search_stability``.
    name : of the chosen model; by default its formula.

    Raises
    ------
    ComparisonError : no levels that could be drawn, for an audit by clusters.
    """
    task = replace(task, nulls=line_nulls(task.nulls, task.alpha))
    matrices, maximal = models.matrices(outcome.state), models.matrices(models.scope.maximal)

    def select(responses: np.ndarray) -> list[Choice]:
        return batch_choices([task] * len(responses), models, responses)

    asked = Selected(
        name or outcome.path.chosen,
        FittedModel(fit_model(matrices), matrices),
        [maximal],
        _always(models),
        select,
        clusters([maximal]) if stability.method == "cluster" else None,
    )
    return after_selection(asked, stability)


def after_ladder(task: LadderTask, chosen: str, stability: Stability) -> AfterSelection:
    """The coefficients of the chosen candidate, the selection among all of them counted.

    Parameters
    ----------
    task : the selection;  chosen : name of the candidate selected from the data.
    stability : its audit by ``ladder_stability``.

    Raises
    ------
    ComparisonError : as for ``after_search``.
    """
    task = task.with_nulls(lambda nulls: line_nulls(nulls, task.alpha))

    def select(responses: np.ndarray) -> list[Choice]:
        return ladder_choices([task] * len(responses), responses)

    named = task.named
    every = [candidate.matrices for candidate in task.candidates]
    asked = Selected(
        chosen,
        named[chosen].model("REML"),
        [c.matrices for c in task.candidates if c.name != chosen],
        set.intersection(*(set(matrices.fixed_names) for matrices in every)),
        select,
        clusters(every) if stability.method == "cluster" else None,
    )
    return after_selection(asked, stability)


def _always(models: Models) -> tuple[str, ...]:
    """The coefficients of the minimal model, which every model of the scope has."""
    try:
        return models.matrices(models.scope.minimal).fixed_names
    except MmfitError:
        return ()
