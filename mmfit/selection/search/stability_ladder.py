"""The selection among declared candidates, repeated on bootstrap samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.fit import fit_both, fit_model
from mmfit.errors import MmfitError
from mmfit.selection.choice.ladder import select_model
from mmfit.selection.pair_tests.compare import Pair, relations_of
from mmfit.selection.pair_tests.likelihood_ratio import WITHOUT_BOOTSTRAP, audit_nulls
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
    """A selection among declared candidates, to repeat without a bootstrap.

    Attributes
    ----------
    candidates : with their fits to the data.
    alpha : level of the tests.
    settings, per_pair : how the null distributions of the selection were found, for all pairs and
        for those that differ; ``auto`` without a bootstrap takes the place of a bootstrap.
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

    def selector(self, same_rows: bool) -> Callable[[list[Candidate]], str]:
        """What gives the name of the chosen one of the candidates, fitted anew."""
        shared = None
        if same_rows:
            # Drawn clusters have other rows in every sample; responses leave them as they are.
            shared = self.relations or relations_of(self.named)
        own = {pair: audit_nulls(its) for pair, its in (self.per_pair or {}).items()}
        asked = {"alpha": self.alpha, "settings": audit_nulls(self.settings), "per_pair": own}

        def select(found: list[Candidate]) -> str:
            return select_model(found, relations=shared, **asked).chosen

        return select


def ladder_stability(
    candidates: Sequence[Candidate],
    sources: dict[str, tuple[RowSource, str]],
    chosen: str,
    *,
    alpha: float = 0.05,
    settings: NullSettings = WITHOUT_BOOTSTRAP,
    per_pair: Mapping[Pair, NullSettings] | None = None,
    relations: Relations[str] | None = None,
    samples: int = 100,
    method: str = "parametric",
    seed: int = 1,
) -> Stability:
    """Repeat the selection among declared candidates on bootstrap samples.

    Parameters
    ----------
    sources : per candidate its rows and its formula, for the cluster bootstrap.
    chosen : name of the candidate selected from the data.
    candidates, alpha, settings, per_pair, relations : as of ``LadderTask``.
    samples, method, seed : as for ``search_stability``.

    Raises
    ------
    ComparisonError : as for ``search_stability``.
    """
    check_settings(samples, method, seed)
    task = LadderTask(candidates, alpha, settings, per_pair, relations)
    parts = task.parts
    if method == "cluster":
        known = clusters([candidate.matrices for candidate in candidates])
        text = cluster_words(known)
        sets = (_refitted(sources, known, rng) for rng in generators(samples, seed))
        select = task.selector(same_rows=False)
        choices = [_selected(make, select, parts) for make in sets]
    else:
        origin = task.named[chosen]
        text = f"responses drawn from the REML fit of {chosen}"
        choices = []
        select = task.selector(same_rows=True)
        for responses in drawn_responses(origin.matrices, origin.reported, samples, seed):
            choices += ladder_choices(task, select, responses)
    terms = tuple(dict.fromkeys(part for own in parts.values() for part in own))
    rows = counted_rows(choices, Choice(chosen, parts[chosen]), terms)
    return Stability(method, samples, seed, text, rows, tuple(choices))


def ladder_choices(
    task: LadderTask, select: Callable[[list[Candidate]], str], responses: np.ndarray
) -> list[Choice]:
    """The selections of responses (B, n), each candidate fitted to all at once."""
    batches = {
        (c.name, by): fit_all(c.matrices, responses, by) for c in task.candidates for by in CRITERIA
    }
    parts, choices = task.parts, []
    for member, y in enumerate(responses):

        def make(y=y, member=member) -> list[Candidate]:
            return [_member_candidate(c, y, member, batches) for c in task.candidates]

        choices.append(_selected(make, select, parts))
    return choices


def _selected(make, select: Callable[[list[Candidate]], str], parts) -> Choice:
    try:
        found = make()
        chosen = select(found)
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
