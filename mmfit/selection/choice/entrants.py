"""The candidates of a selection: on one set of data, converged, each model once."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmfit.errors import ComparisonError, ComputationError
from mmfit.selection.pair_tests.compare import by_name
from mmfit.selection.records import CRITERIA, Candidate, SelectionStep
from mmfit.selection.relations.validity import (
    EQUAL,
    Structure,
    data_difference,
    fixed_relation,
    random_relation,
    structure,
)


@dataclass(frozen=True, slots=True)
class Entrant:
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
class Field:
    """The entrants in the order of the analysis, and the steps that say who was left out."""

    entrants: tuple[Entrant, ...]
    steps: tuple[SelectionStep, ...]


def enter(candidates: Sequence[Candidate]) -> Field:
    """Settle which candidates take part.

    Raises
    ------
    ComparisonError : no candidate, or two of one name.
    ComputationError : no candidate converged.
    """
    named = by_name(candidates)
    if not named:
        raise ComparisonError("there is no candidate to select from")
    structures = [structure(name, c.matrices) for name, c in named.items()]
    lines = [f"{_count(len(named), 'candidate')}: {', '.join(named)}."]
    kept = _same_data(structures, lines)
    kept = _converged(kept, named, lines)
    entrants = _merged([_entrant(s, kept, named) for s in kept], lines)
    lines += _singular_lines(entrants)
    text = " ".join(lines)
    step = SelectionStep(stage="candidates", candidates=tuple(named), text=text)
    return Field(tuple(entrants), (step,))


def _same_data(structures, lines) -> list[Structure]:
    """The largest group of models of the same data; of equally large ones the first."""
    groups: list[list[Structure]] = []
    for model in structures:
        for group in groups:
            if data_difference(group[0], model) is None:
                group.append(model)
                break
        else:
            groups.append([model])
    largest = max(groups, key=len)
    for group in groups:
        if group is not largest:
            for model in group:
                _, reason = data_difference(largest[0], model)
                lines.append(f"{model.name} is left out: {reason}.")
    return largest


def _converged(structures, named, lines) -> list[Structure]:
    kept = []
    for model in structures:
        fits = [named[model.name].fit_by(criterion) for criterion in CRITERIA]
        failed = [f"{f.criterion} ({f.optimizer.message})" for f in fits if not f.converged]
        if failed:
            lines.append(f"{model.name} is left out: not converged by {' and '.join(failed)}.")
        else:
            kept.append(model)
    if not kept:
        raise ComputationError("no model can be selected: none of the candidates converged")
    return kept


def _entrant(model: Structure, kept, named) -> Entrant:
    return Entrant(
        candidate=named[model.name],
        structure=model,
        fixed_class=next(i for i, m in enumerate(kept) if fixed_relation(m, model) == EQUAL),
        random_class=next(i for i, m in enumerate(kept) if random_relation(m, model).kind == EQUAL),
    )


def _merged(entrants, lines) -> list[Entrant]:
    first: dict[tuple[int, int], Entrant] = {}
    for entrant in entrants:
        key = (entrant.fixed_class, entrant.random_class)
        if key in first:
            lines.append(
                f"{entrant.name} is {first[key].name} written in another way, "
                f"the same model; {first[key].name} stands for both."
            )
        first.setdefault(key, entrant)
    return list(first.values())


def _singular_lines(entrants) -> list[str]:
    lines = []
    for entrant in entrants:
        fits = [fit for fit in map(entrant.candidate.fit_by, CRITERIA) if fit.singular]
        if fits:
            groups = dict.fromkeys(g for fit in fits for g in fit.singular_groups)
            by = " and ".join(fit.criterion for fit in fits)
            lines.append(
                f"The {by} fit of {entrant.name} is singular ({', '.join(groups)}): "
                "a variance is estimated as zero or a correlation as one, so the data do not "
                "support its whole random part."
            )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
