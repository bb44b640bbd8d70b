"""The selection among declared candidates, repeated on bootstrap samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.fit import fit_both, fit_model
from mmfit.errors import MmfitError
from mmfit.selection.choice.ladder import select_model
from mmfit.selection.pair_tests.compare import Pair, relations_of
from mmfit.selection.pair_tests.likelihood_ratio import (
    WITHOUT_BOOTSTRAP,
    audit_nulls,
    sample_nulls,
)
from mmfit.selection.records import Candidate, NullSettings
from mmfit.selection.relations.relations import Relations
from mmfit.selection.search.batch import fit_all
from mmfit.selection.search.elements import make_scope
from mmfit.selection.search.moves import parts_of
from mmfit.selection.search.source import RowSource, clusters, drawn
from mmfit.selection.search.stability import (
    check_settings,
    cluster_words,
    drawn_responses,
    generators,
    reason,
)
from mmfit.selection.search.stability_records import Choice, Stability, counted_rows


@dataclass(frozen=True, slots=True)
class LadderTask:
    """A selection among declared candidates, to repeat.

    Attributes
    ----------
    candidates : with their fits to the data.
    alpha : level of the tests.
    settings, per_pair : how null distributions are found, of all pairs and of those that differ.
    relations : of the candidates by name, where they are known.
    """

    candidates: Sequence[Candidate]
    alpha: float = 0.05
    settings: NullSettings = WITHOUT_BOOTSTRAP
    per_pair: Mapping[Pair, NullSettings] | None = None
    relations: Relations[str] | None = None

    @property
    def named(self) -> dict[str, Candidate]:
        """The candidates by name."""
        return {candidate.name: candidate for candidate in self.candidates}

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """What is in each candidate."""
        return {candidate.name: _parts(candidate) for candidate in self.candidates}

    def with_nulls(self, change: Callable[[NullSettings], NullSettings]) -> "LadderTask":
        """The same selection with other settings of its null distributions."""
        own = {pair: change(its) for pair, its in (self.per_pair or {}).items()}
        return replace(self, settings=change(self.settings), per_pair=own)

    def of_sample(self, seed: int, sample: int) -> "LadderTask":
        """The selection of one sample, whose replicates have a stream of their own."""
        return self.with_nulls(lambda nulls: sample_nulls(nulls, seed, sample))

    def select(self, found: Sequence[Candidate], relations: Relations[str] | None) -> str:
        """The name of the chosen one of the candidates, fitted anew."""
        asked = {"alpha": self.alpha, "settings": self.settings, "per_pair": self.per_pair}
        return select_model(found, relations=relations, **asked).chosen


def ladder_stability(
    task: LadderTask,
    sources: dict[str, tuple[RowSource, str]],
    chosen: str,
    *,
    samples: int = 100,
    method: str = "parametric",
    seed: int = 1,
) -> Stability:
    """Repeat the selection among declared candidates on bootstrap samples.

    Parameters
    ----------
    task : the selection;  chosen : name of the candidate selected from the data.
    sources : per candidate its rows and its formula, for the cluster bootstrap.
    samples, method, seed : as for ``search_stability``.

    Raises
    ------
    ComparisonError : as for ``search_stability``.
    """
    check_settings(samples, method, seed)
    task = task.with_nulls(lambda nulls: audit_nulls(nulls, samples, task.alpha))
    parts = task.parts
    if method == "cluster":
        known = clusters([candidate.matrices for candidate in task.candidates])
        text = cluster_words(known)
        sets = (_refitted(sources, known, rng) for rng in generators(samples, seed))
        # Drawn clusters have other rows in every sample, and other relations with them.
        choices = [
            _selected(make, task.of_sample(seed, k), parts, None) for k, make in enumerate(sets)
        ]
    else:
        origin = task.named[chosen]
        text = f"responses drawn from the REML fit of {chosen}"
        choices = []
        for responses in drawn_responses(origin.matrices, origin.reported, samples, seed):
            numbers = range(len(choices), len(choices) + len(responses))
            tasks = [task.of_sample(seed, k) for k in numbers]
            choices += ladder_choices(tasks, responses)
    terms = tuple(dict.fromkeys(part for own in parts.values() for part in own))
    rows = counted_rows(choices, Choice(chosen, parts[chosen]), terms)
    return Stability(method, samples, seed, text, rows, tuple(choices))


def ladder_choices(tasks: Sequence[LadderTask], responses: np.ndarray) -> list[Choice]:
    """The selections (B) among the same candidates, each fitted to all responses (B, n) at once."""
    task = tasks[0]
    batches = {
        (c.name, by): fit_all(c.matrices, responses, by) for c in task.candidates for by in CRITERIA
    }
    parts, choices = task.parts, []
    relations = task.relations or relations_of(task.named)
    for member, y in enumerate(responses):

        def make(y=y, member=member) -> list[Candidate]:
            return [_member_candidate(c, y, member, batches) for c in task.candidates]

        choices.append(_selected(make, tasks[member], parts, relations))
    return choices


def _selected(make, task: LadderTask, parts, relations: Relations[str] | None) -> Choice:
    try:
        found = make()
        chosen = task.select(found, relations)
    except MmfitError as error:
        return Choice(None, failure=reason(error))
    (names,) = (c.matrices.fixed_names for c in found if c.name == chosen)
    return Choice(chosen, parts[chosen], coefficients=names)


def _member_candidate(candidate: Candidate, y: np.ndarray, member: int, batches) -> Candidate:
    matrices = replace(candidate.matrices, y=y)
    fits = {}
    for by in CRITERIA:
        many = batches[candidate.name, by]
        fits[by] = (
            fit_model(matrices, criterion=CRITERIA[by]) if many is None else many.member(member)
        )
    return Candidate(candidate.name, matrices, fits)


def _refitted(sources, known, rng: np.random.Generator) -> Callable[[], list[Candidate]]:
    """What makes the candidates on drawn clusters; models of other settings see the same draw."""
    state = rng.bit_generator.state

    def make() -> list[Candidate]:
        found = []
        for name, (source, formula) in sources.items():
            own = np.random.default_rng()
            own.bit_generator.state = state
            matrices = drawn(source, known, own).build(formula)
            found.append(Candidate(name, matrices, fit_both(matrices)))
        return found

    return make


def _parts(candidate: Candidate) -> tuple[str, ...]:
    scope = make_scope(candidate.matrices)
    return parts_of(scope, scope.maximal)
