"""The selection that a search is, in the records of a selection among declared candidates."""

from collections.abc import Sequence
from dataclasses import replace

from mmfit.selection.choice.eligible_candidates import eligible_candidates
from mmfit.selection.choice.rankings import rank_candidates
from mmfit.selection.records import Candidate, Ranking, Selection, SelectionStep
from mmfit.selection.relations.relations import Relations
from mmfit.selection.search.records import RANKED, SearchPath, SearchStep

# Of the models that an exhaustive search ranks, so many are named among the steps of the selection.
MOST_RANKED = 10


def searched_selection(
    candidates: Sequence[Candidate],
    path: SearchPath,
    alpha: float,
    selected: str,
    relations: Relations[str] | None = None,
) -> Selection:
    """The selection that a search is: its steps in words, and rankings of all candidates.

    ``selected`` is what the model that the search ended with is called among the candidates;
    ``relations`` are those of the candidates by name, where they are known.
    """
    first = sorted(candidates, key=lambda candidate: candidate.name != selected)
    eligible = eligible_candidates(first, relations)
    rankings = rank_candidates([one.candidate for one in eligible.members], eligible.relations)
    told = [_selection_step(step, selected) for step in _told(path)]
    refit = told.pop()
    if len(eligible.members) > 1:
        verdicts = [_verdict(ranking, selected) for ranking in rankings]
        refit = replace(refit, text=f"{refit.text} {' '.join(verdicts)}")
    return Selection(
        alpha=alpha,
        chosen=selected,
        steps=(_opening(path, selected), *told, *eligible.steps, refit),
        rankings=rankings,
    )


def _verdict(ranking: Ranking, selected: str) -> str:
    """Whether an information criterion puts the selected model first among the candidates."""
    best = [model.model for model in ranking.models if model.rank == 1]
    agrees = "agrees" if selected in best else f"prefers {', '.join(best)}"
    return f"{ranking.measure} ({ranking.criterion}) {agrees}."


def _opening(path: SearchPath, selected: str) -> SelectionStep:
    by = {"lrt": f"likelihood-ratio tests at {path.alpha:g}", "caic": "the conditional AIC"}
    article = "An" if path.search == "exhaustive" else "A"
    measure = by.get(path.criterion, path.criterion.upper())
    text = f"{article} {path.search} search by {measure} between {path.minimal} and {path.maximal}."
    return SelectionStep(stage="candidates", candidates=(selected,), text=text)


def _told(path: SearchPath) -> list[SearchStep]:
    """The steps that are told one by one."""
    ranked = [step for step in path.steps if step.part == "all"]
    hidden = set(map(id, ranked[MOST_RANKED:]))
    return [step for step in path.steps if id(step) not in hidden]


def _selection_step(step: SearchStep, selected: str) -> SelectionStep:
    stages = {"random": "random", "fixed": "fixed", "final": "refit"}
    final = step.part == "final"
    prefix = {"random": "Random part: ", "fixed": "Fixed part: "}.get(step.part, "")
    return SelectionStep(
        stage=stages.get(step.part, "candidates"),
        candidates=(selected,),
        text=prefix + step.text,
        decision=selected if final else None,
        criterion=None if step.decision == RANKED else step.criterion,
    )
