"""The search stage: candidates generated from a scope, and the audit of the selection."""

from typing import TYPE_CHECKING

import pandas as pd

from mmfit.common.files import write_text
from mmfit.engine import fit_both
from mmfit.errors import naming
from mmfit.selection.pair_tests.likelihood_ratio import search_nulls
from mmfit.selection.search.records import SearchPath, search_to_json
from mmfit.spec import ModelSpec
from mmfit.spec.search import SELECTED
from mmfit.stages.session import Session

if TYPE_CHECKING:
    from mmfit.selection.search.after_selection_records import AfterSelection
    from mmfit.selection.search.source import RowSource
    from mmfit.selection.search.stability_records import Stability


def search(session: Session) -> None:
    """search.json and the fits of the selected model, with a search; in any case search.csv,
    stability.csv and after_selection.csv, which are empty where they are not wanted.

    Without a search the audit repeats the selection among the declared models, so that their fits
    and ``selection.json`` must be there.
    """
    analysis = session.analysis
    if analysis.selection.search is None:
        _write_tables(session, None, *_ladder_audit(session))
        return
    from mmfit.selection.search.after_search import after_search
    from mmfit.selection.search.models import Fits
    from mmfit.selection.search.stability import SearchTask, search_stability

    asked = analysis.selection
    source = _source(session.rows[0], analysis.scope_model)
    task = SearchTask(
        source,
        asked.scope.maximal,
        asked.scope.minimal,
        asked.search,
        asked.criterion,
        asked.alpha,
        search_nulls(session.null_settings[0]),
    )
    with naming("the search"):
        models = task.models()
        outcome = task.run(Fits(models))
        session.built[SELECTED] = models.matrices(outcome.state)
        system = session.system(SELECTED)
        fits = fit_both(system.matrices, system.prepared)
        stability = after = None
        if asked.stability is not None:
            settings = asked.stability.model_dump()
            stability = search_stability(task, outcome, models=models, **settings)
            after = after_search(task, models, outcome, stability, SELECTED)
    session.write_fits(SELECTED, fits)
    write_text(session.files.search, search_to_json(outcome.path))
    session.search = outcome.path
    _write_tables(session, outcome.path, stability, after)


def _source(frame: pd.DataFrame, spec: ModelSpec) -> "RowSource":
    from mmfit.selection.search.source import RowSource

    return RowSource(frame, spec.weights, spec.offset, spec.contrasts)


def _ladder_audit(session: Session) -> "tuple[Stability | None, AfterSelection | None]":
    """The selection among the declared models repeated, and its coefficients with the selection
    counted, where that is wanted."""
    analysis = session.analysis
    asked = analysis.selection.stability
    if asked is None:
        return None, None
    from mmfit.selection.search.after_search import after_ladder
    from mmfit.selection.search.stability_ladder import LadderTask, ladder_stability

    frame = session.rows[0]
    sources = {name: (_source(frame, spec), spec.formula) for name, spec in analysis.models.items()}
    alpha, relations = analysis.selection.alpha, session.relations
    task = LadderTask(session.candidates, alpha, *session.null_settings, relations)
    chosen = session.selection.chosen
    with naming("the stability of the selection"):
        stability = ladder_stability(task, sources, chosen, **asked.model_dump())
        return stability, after_ladder(task, chosen, stability)


def _write_tables(
    session: Session,
    path: SearchPath | None,
    stability: "Stability | None",
    after: "AfterSelection | None",
) -> None:
    from mmfit.tables.search_tables import search_tables

    session.write_tables("search", search_tables(path, stability, after))
