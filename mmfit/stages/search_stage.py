"""The search stage: candidates generated from a scope, and the audit of the selection."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mmfit.common.files import write_text
from mmfit.data import read_rows
from mmfit.engine import fit_both, fit_to_json
from mmfit.errors import naming
from mmfit.selection.pair_tests.likelihood_ratio import search_nulls
from mmfit.selection.records import NullSettings
from mmfit.selection.search.records import SearchPath, search_from_json, search_to_json
from mmfit.spec import Analysis, ModelSpec
from mmfit.spec.search import SELECTED
from mmfit.stages import inputs
from mmfit.stages.paths import CRITERIA, ResultFiles

if TYPE_CHECKING:
    from mmfit.selection.search.source import Source
    from mmfit.selection.search.stability_records import Stability


def search(analysis: Analysis, files: ResultFiles) -> None:
    """search.json and the fits of the selected model, with a search; in any case search.csv and
    stability.csv, which are empty where they are not wanted.

    Without a search the audit repeats the selection among the declared models, so that their fits
    and ``selection.json`` must be there.
    """
    if analysis.selection.search is None:
        _write_tables(files, None, _ladder_stability(analysis, files))
        return
    from mmfit.selection.search.models import Fits
    from mmfit.selection.search.stability import SearchTask, search_stability

    frame, _, _ = read_rows(files.folder)
    asked = analysis.selection
    source = _source(frame, analysis.scope_model)
    task = SearchTask(
        source,
        asked.scope.maximal,
        asked.scope.minimal,
        asked.search,
        asked.criterion,
        asked.alpha,
        search_nulls(_nulls(analysis, analysis.null_distribution)),
    )
    with naming("the search"):
        models = task.models()
        outcome = task.run(Fits(models))
        fits = fit_both(models.matrices(outcome.state))
        stability = None
        if asked.stability is not None:
            settings = asked.stability.model_dump()
            stability = search_stability(task, outcome, models=models, **settings)
    texts = {files.fit(SELECTED, by): fit_to_json(fits[by]) for by in CRITERIA}
    texts[search_file(files)] = search_to_json(outcome.path)
    for path, text in texts.items():
        write_text(path, text)
    _write_tables(files, outcome.path, stability)


def search_file(files: ResultFiles) -> Path:
    """search.json of an analysis."""
    return files.folder / "search.json"


def read_search(files: ResultFiles) -> SearchPath:
    """The search that was made.

    Raises
    ------
    DataError
        A file of another version.
    """
    return search_from_json(search_file(files).read_text(encoding="utf-8"))


def _source(frame: pd.DataFrame, spec: ModelSpec) -> "Source":
    from mmfit.selection.search.source import Source

    return Source(frame, spec.weights, spec.offset, spec.contrasts)


def _ladder_stability(analysis: Analysis, files: ResultFiles) -> "Stability | None":
    """The selection among the declared models repeated, where that is wanted."""
    asked = analysis.selection.stability
    if asked is None:
        return None
    from mmfit.selection.search.stability_ladder import ladder_stability

    frame, _, _ = read_rows(files.folder)
    sources = {name: (_source(frame, spec), spec.formula) for name, spec in analysis.models.items()}
    with naming("the stability of the selection"):
        return ladder_stability(
            inputs.candidates(analysis, files),
            sources,
            inputs.selection(files).chosen,
            alpha=analysis.selection.alpha,
            settings=_nulls(analysis, analysis.null_distribution),
            per_pair={pair: _nulls(analysis, own) for pair, own in analysis.pair_methods.items()},
            **asked.model_dump(),
        )


def _nulls(analysis: Analysis, method: str) -> NullSettings:
    """A way to find null distributions, with the settings of the bootstrap."""
    asked = analysis.bootstrap
    return NullSettings(method, asked.replicates, asked.seed, asked.stop)


def _write_tables(
    files: ResultFiles, path: SearchPath | None, stability: "Stability | None"
) -> None:
    from mmfit.tables.frames import write_tables
    from mmfit.tables.search_tables import search_tables

    write_tables(files.tables, "search", search_tables(path, stability))
