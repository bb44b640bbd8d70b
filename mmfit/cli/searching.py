"""The search stage: candidates generated from a scope, and the audit of the selection."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mmfit.cli import inputs
from mmfit.cli.paths import CRITERIA, ResultFiles
from mmfit.common.files import write_text
from mmfit.data import read_rows
from mmfit.engine import fit_both, fit_to_json
from mmfit.errors import naming
from mmfit.selection.pair_tests.likelihood_ratio import search_nulls
from mmfit.selection.records import Candidate, NullSettings, Ranking, Selection, SelectionStep
from mmfit.selection.search.records import RANKED, SearchPath, search_from_json, search_to_json
from mmfit.spec import Analysis, ModelSpec
from mmfit.spec.search import SELECTED

if TYPE_CHECKING:
    from mmfit.selection.search.source import Source
    from mmfit.selection.search.stability_records import Stability

# Of the models that an exhaustive search ranks, so many are named among the steps of the selection.
MOST_RANKED = 10


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


def searched_selection(
    candidates: tuple[Candidate, ...], path: SearchPath, alpha: float
) -> Selection:
    """The selection that a search is: its steps in words, and rankings of all candidates."""
    from mmfit.selection.choice.entrants import enter
    from mmfit.selection.choice.rankings import rank_candidates

    first = sorted(candidates, key=lambda candidate: candidate.name != SELECTED)
    field = enter(first)
    rankings = rank_candidates(
        [e.candidate for e in field.entrants], [e.structure for e in field.entrants]
    )
    told = [_selection_step(step) for step in _told(path)]
    refit = told.pop()
    if len(field.entrants) > 1:
        verdicts = [_verdict(ranking) for ranking in rankings]
        refit = replace(refit, text=f"{refit.text} {' '.join(verdicts)}")
    return Selection(
        alpha=alpha,
        chosen=SELECTED,
        steps=(_opening(path), *told, *field.steps, refit),
        rankings=rankings,
    )


def _verdict(ranking: Ranking) -> str:
    """Whether an information criterion puts the selected model first among the candidates."""
    best = [model.model for model in ranking.models if model.rank == 1]
    agrees = "agrees" if SELECTED in best else f"prefers {', '.join(best)}"
    return f"{ranking.measure} ({ranking.criterion}) {agrees}."


def _opening(path: SearchPath) -> SelectionStep:
    by = {"lrt": f"likelihood-ratio tests at {path.alpha:g}", "caic": "the conditional AIC"}
    article = "An" if path.search == "exhaustive" else "A"
    measure = by.get(path.criterion, path.criterion.upper())
    text = f"{article} {path.search} search by {measure} between {path.minimal} and {path.maximal}."
    return SelectionStep(stage="candidates", candidates=(SELECTED,), text=text)


def _told(path: SearchPath):
    """The steps that are told one by one."""
    ranked = [step for step in path.steps if step.part == "all"]
    hidden = set(map(id, ranked[MOST_RANKED:]))
    return [step for step in path.steps if id(step) not in hidden]


def _selection_step(step) -> SelectionStep:
    stages = {"random": "random", "fixed": "fixed", "final": "refit"}
    final = step.part == "final"
    prefix = {"random": "Random part: ", "fixed": "Fixed part: "}.get(step.part, "")
    return SelectionStep(
        stage=stages.get(step.part, "candidates"),
        candidates=(SELECTED,),
        text=prefix + step.text,
        decision=SELECTED if final else None,
        criterion=None if step.decision == RANKED else step.criterion,
    )


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
    from mmfit.tables.csvfile import write_csv
    from mmfit.tables.search_tables import search_table, stability_table

    write_csv(files.tables / "search.csv", search_table(path))
    write_csv(files.tables / "stability.csv", stability_table(stability))
