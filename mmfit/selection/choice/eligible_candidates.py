"""The candidates of a selection: on one set of data, converged, each model once."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmfit.engine.criterion import CRITERIA
from mmfit.errors import ComparisonError, ComputationError
from mmfit.selection.pair_tests.compare import by_name, relations_of
from mmfit.selection.records import Candidate, SelectionStep
from mmfit.selection.relations.relations import Relations
from mmfit.selection.relations.structure import EQUAL, Structure


@dataclass(frozen=True, slots=True)
class EligibleCandidate:
    """A candidate that takes part, with what its structure says.

    ``fixed_class`` and ``random_class`` are equal for equal column spans and equal covariance
    families; ``size`` is the number of identified parameters without sigma.
    """

    candidate: Candidate
    structure: Structure
    fixed_class: int
    random_class: int

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def size(self) -> int:
        return self.structure.span.rank + self.structure.family.dimension


@dataclass(frozen=True, slots=True)
class EligibleCandidates:
    """In the order of the analysis, with the steps that say who was left out, and the relations."""

    members: tuple[EligibleCandidate, ...]
    steps: tuple[SelectionStep, ...]
    relations: Relations[str]


def eligible_candidates(
    candidates: Sequence[Candidate], relations: Relations[str] | None = None
) -> EligibleCandidates:
    """Settle which candidates take part; ``relations`` are theirs by name, where they are known.

    Raises
    ------
    ComparisonError : no candidate, or two of one name.
    ComputationError : no candidate converged.
    """
    named = by_name(candidates)
    if not named:
        raise ComparisonError("there is no candidate to select from")
    relations = relations or relations_of(named)
    lines = [f"{_count(len(named), 'candidate')}: {', '.join(named)}."]
    kept = _same_data(relations, list(named), lines)
    kept = _converged(kept, named, lines)
    members = _merged([_member(named[name], kept, relations) for name in kept], lines)
    lines += _singular_lines(members)
    text = " ".join(lines)
    step = SelectionStep(stage="candidates", candidates=tuple(named), text=text)
    return EligibleCandidates(tuple(members), (step,), relations)


def _same_data(relations: Relations[str], names: Sequence[str], lines: list[str]) -> list[str]:
    """The largest group of models of the same data; of equally large ones the first."""
    groups: list[list[str]] = []
    for name in names:
        for group in groups:
            if relations.difference(group[0], name) is None:
                group.append(name)
                break
        else:
            groups.append([name])
    largest = max(groups, key=len)
    for group in groups:
        if group is not largest:
            for name in group:
                _, reason = relations.difference(largest[0], name)
                lines.append(f"{name} is left out: {reason}.")
    return largest


def _converged(names: Sequence[str], named, lines: list[str]) -> list[str]:
    kept = []
    for name in names:
        fits = [named[name].fit_by(criterion) for criterion in CRITERIA]
        failed = [f"{f.criterion} ({f.optimizer.message})" for f in fits if not f.converged]
        if failed:
            lines.append(f"{name} is left out: not converged by {' and '.join(failed)}.")
        else:
            kept.append(name)
    if not kept:
        raise ComputationError("no model can be selected: none of the candidates converged")
    return kept


def _member(
    candidate: Candidate, kept: Sequence[str], relations: Relations[str]
) -> EligibleCandidate:
    name = candidate.name
    fixed = (i for i, one in enumerate(kept) if relations.fixed(one, name) == EQUAL)
    random = (i for i, one in enumerate(kept) if relations.random(one, name).kind == EQUAL)
    return EligibleCandidate(candidate, relations.structure(name), next(fixed), next(random))


def _merged(members, lines) -> list[EligibleCandidate]:
    first: dict[tuple[int, int], EligibleCandidate] = {}
    for member in members:
        key = (member.fixed_class, member.random_class)
        if key in first:
            lines.append(
                f"{member.name} is {first[key].name} written in another way, "
                f"the same model; {first[key].name} stands for both."
            )
        first.setdefault(key, member)
    return list(first.values())


def _singular_lines(members) -> list[str]:
    lines = []
    for member in members:
        fits = [fit for fit in map(member.candidate.fit_by, CRITERIA) if fit.singular]
        if fits:
            groups = dict.fromkeys(g for fit in fits for g in fit.singular_groups)
            by = " and ".join(fit.criterion for fit in fits)
            lines.append(
                f"The {by} fit of {member.name} is singular ({', '.join(groups)}): "
                "a variance is estimated as zero or a correlation as one, so the data do not "
                "support its whole random part."
            )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
