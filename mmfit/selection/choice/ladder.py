"""Selection as it is taught: the random part first, then the fixed part, then REML for the rest.

1. Random part. Candidates that share a fixed part are tested by REML; of the fixed parts that come
   with more than one random part, the richest one is used.
2. Fixed part. Candidates with the random part so chosen are tested by ML.
3. The chosen model is reported as fitted by REML.
In both stages the walk starts at the simplest model and takes the next richer one whenever the
test against the standing one rejects; AIC settles pairs of which neither contains the other.
(Verbeke & Molenberghs 2000, chapter 9; Zuur et al. 2009, chapter 5.)
"""

from collections.abc import Mapping, Sequence

from mmfit.selection.choice.eligible_candidates import (
    EligibleCandidate,
    EligibleCandidates,
    eligible_candidates,
)
from mmfit.selection.choice.ladder_words import beside_words, test_words, testing_ground_words
from mmfit.selection.choice.rankings import TIE, rank_candidates
from mmfit.selection.pair_tests.compare import Pair, Plan, compare_candidates
from mmfit.selection.records import Candidate, Comparison, NullSettings, Selection, SelectionStep
from mmfit.selection.relations.relations import Relations


def select_model(
    candidates: Sequence[Candidate],
    comparisons: Sequence[Comparison] = (),
    alpha: float = 0.05,
    settings: NullSettings | None = None,
    per_pair: Mapping[Pair, NullSettings] | None = None,
    relations: Relations[str] | None = None,
) -> Selection:
    """Choose a model and write down every step.

    Parameters
    ----------
    candidates : in the order of the analysis, each with its REML and its ML fit.
    comparisons : tests already made; those that the walk needs beyond them are made here, from
        the same fits.
    alpha : level of the tests.
    settings : how the null distributions of the tests made here are found;  per_pair : the same of
        pairs that differ from that, in either order.
    relations : of the candidates by name, where they are known.

    Raises
    ------
    ComparisonError : no candidate, or a fit is missing.
    ComputationError : no candidate converged, or a null fits better than its alternative.
    """
    eligible = eligible_candidates(candidates, relations)
    plan = Plan(NullSettings() if settings is None else settings, per_pair or {})
    walk = _Walk(alpha, comparisons, plan, eligible.relations)
    standing, random_steps = _random_stage(eligible, walk)
    chosen, fixed_steps = _fixed_stage(eligible, standing, walk)
    rankings = rank_candidates([e.candidate for e in eligible.members], eligible.relations)
    return Selection(
        alpha=alpha,
        chosen=chosen.name,
        steps=(*eligible.steps, *random_steps, *fixed_steps, _refit_step(chosen, rankings)),
        rankings=rankings,
    )


class _Walk:
    """Decides between the standing model and a challenger; collects nothing, changes nothing."""

    def __init__(
        self,
        alpha: float,
        comparisons: Sequence[Comparison],
        plan: Plan,
        relations: Relations[str],
    ):
        self._alpha, self._plan, self._relations = alpha, plan, relations
        self._known = {frozenset((c.null, c.alternative)): c for c in comparisons}

    def through(self, stage: str, criterion: str, members: Sequence[EligibleCandidate]):
        """The model that stands at the end, and the steps; ``members`` from simple to rich."""
        standing, steps = members[0], []
        for challenger in members[1:]:
            step = self._decide(stage, criterion, standing, challenger)
            steps.append(step)
            if step.decision == challenger.name:
                standing = challenger
        return standing, steps

    def _decide(self, stage, criterion, standing, challenger) -> SelectionStep:
        found = self._known.get(frozenset((standing.name, challenger.name)))
        if found is None:
            settings = self._plan.settings_of(standing.name, challenger.name)
            found = compare_candidates(
                standing.candidate, challenger.candidate, settings, self._relations
            )
        if found.valid:
            return self._by_test(stage, found)
        return _by_aic(stage, criterion, standing, challenger, found)

    def _by_test(self, stage: str, test: Comparison) -> SelectionStep:
        rejects = test.p_value < self._alpha
        kept = test.alternative if rejects else test.null
        return SelectionStep(
            stage=stage,
            candidates=(test.null, test.alternative),
            text=f"{test_words(test)} {self._verdict(test, rejects)}"
            + beside_words(test, self._alpha),
            decision=kept,
            method="test",
            null=test.null,
            alternative=test.alternative,
            criterion=test.criterion,
            chisq=test.chisq,
            df=test.df,
            p_value=test.p_value,
            p_value_kind=test.kind,
            null_distribution=test.null_distribution,
        )

    def _verdict(self, test: Comparison, rejects: bool) -> str:
        if rejects:
            return f"Below {self._alpha:g}: {test.alternative} takes the place of {test.null}."
        return f"Not below {self._alpha:g}: {test.null} stays."


def _random_stage(eligible: EligibleCandidates, walk: _Walk):
    """The model whose random part is kept, and the steps."""
    every = eligible.members
    if len({e.random_class for e in every}) == 1:
        text = (
            "Random part: only one candidate, nothing to choose."
            if len(every) == 1
            else "Random part: all candidates have the same one, nothing to choose."
        )
        return every[0], [_said("random", every, text)]
    group = _testing_ground(every)
    if group is None:
        members = sorted(every, key=lambda e: e.size)
        text = (
            "Random part: no two candidates share a fixed part and differ in the random part, so "
            "it cannot be chosen by itself. Candidates are compared as they are, by ML; where both "
            "parts change at once, the test does not say which of them matters."
        )
        standing, steps = walk.through("random", "ML", members)
    else:
        members = sorted(group, key=lambda e: e.structure.family.dimension)
        text = testing_ground_words(every, group)
        standing, steps = walk.through("random", "REML", members)
    closing = _said("random", [standing], f"Random part kept: that of {standing.name}.", standing)
    return standing, [_said("random", members, text), *steps, closing]


def _testing_ground(members) -> list[EligibleCandidate] | None:
    """Candidates that share the richest fixed part which comes with more than one random part.

    Of fixed parts of the same rank the one with more random parts, then the first.
    """
    groups: dict[int, list[EligibleCandidate]] = {}
    for member in members:
        groups.setdefault(member.fixed_class, []).append(member)
    grounds = [group for group in groups.values() if len(group) > 1]
    if not grounds:
        return None
    return max(grounds, key=lambda group: (group[0].structure.span.rank, len(group)))


def _fixed_stage(eligible: EligibleCandidates, standing: EligibleCandidate, walk: _Walk):
    """The chosen model, and the steps."""
    members = [e for e in eligible.members if e.random_class == standing.random_class]
    members.sort(key=lambda e: e.structure.span.rank)
    if len(members) == 1:
        text = (
            f"Fixed part: no other candidate has the random part of {standing.name}, so its fixed "
            "part stays as it is."
        )
        return standing, [_said("fixed", members, text, standing)]
    names = ", ".join(e.name for e in members)
    text = f"Fixed part: {names} have the chosen random part; tests by ML, from simple to rich."
    chosen, steps = walk.through("fixed", "ML", members)
    return chosen, [_said("fixed", members, text), *steps]


def _refit_step(chosen: EligibleCandidate, rankings) -> SelectionStep:
    fit = chosen.candidate.fit_by("REML")
    text = (
        f"Chosen: {chosen.name}, {fit.formula}; reported as refitted by REML "
        f"(criterion {fit.objective:.4f})."
    )
    if fit.singular:
        text += (
            f" That fit is singular ({', '.join(fit.singular_groups)}): consider a simpler random "
            "part."
        )
    for ranking in rankings:
        best = [m.model for m in ranking.models if m.rank == 1]
        agrees = "agrees" if chosen.name in best else f"prefers {', '.join(best)}"
        text += f" {ranking.measure} ({ranking.criterion}) {agrees}."
    return SelectionStep(
        stage="refit",
        candidates=(chosen.name,),
        text=text,
        decision=chosen.name,
        criterion="REML",
    )


def _by_aic(stage, criterion, standing, challenger, refusal: Comparison) -> SelectionStep:
    fits = [e.candidate.fit_by(criterion) for e in (standing, challenger)]
    shift = 0.0
    if criterion == "REML":
        shift = standing.structure.basis_constant(challenger.structure)
    values = (float(fits[0].aic), float(fits[1].aic + shift))
    wins = values[1] < values[0] - TIE
    kept = challenger if wins else standing
    verdict = (
        f"{challenger.name} takes the place of {standing.name}"
        if wins
        else (f"{standing.name} stays")
    )
    return SelectionStep(
        stage=stage,
        candidates=(standing.name, challenger.name),
        text=(
            f"{standing.name} and {challenger.name}: {refusal.reason}. AIC ({criterion}) of "
            f"{standing.name} {values[0]:.2f}, of {challenger.name} {values[1]:.2f}: {verdict}."
        ),
        decision=kept.name,
        method="AIC",
        null=standing.name,
        alternative=challenger.name,
        criterion=criterion,
        aic=values,
    )


def _said(stage, members, text, standing: EligibleCandidate | None = None) -> SelectionStep:
    return SelectionStep(
        stage=stage,
        candidates=tuple(e.name for e in members),
        text=text,
        decision=None if standing is None else standing.name,
    )
