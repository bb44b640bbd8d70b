"""The selection among declared candidates, repeated on bootstrap samples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

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
    candidates : with their fits to the data.
    sources : per candidate its rows and its formula, for the cluster bootstrap.
    chosen : name of the candidate selected from the data.
    alpha : level of the tests.
    settings, per_pair : how the null distributions of the selection were found, for all pairs and
        for those that differ; see ``likelihood_ratio.audit_nulls`` for what an audit makes of them.
    relations : of the candidates by name, where they are known.
    samples, method, seed : as for ``search_stability``.

    Raises
    ------
    ComparisonError : as for ``search_stability``.
    """
    check_settings(samples, method, seed)
    named = {candidate.name: candidate for candidate in candidates}
    parts = {name: _parts(candidate) for name, candidate in named.items()}
    if method == "cluster":
        known = clusters([candidate.matrices for candidate in candidates])
        text = cluster_words(known)
        sets = (_refitted(sources, known, rng) for rng in generators(samples, seed))
    else:
        origin = named[chosen]
        text = f"responses drawn from the REML fit of {chosen}"
        sets = _redrawn(candidates, origin, samples, seed)
    nulls = audit_nulls(settings, samples, alpha)
    own = {pair: audit_nulls(its, samples, alpha) for pair, its in (per_pair or {}).items()}

    # The rows of drawn clusters are others in every sample; drawn responses leave them as they are.
    shared = (relations or relations_of(named)) if method == "parametric" else None

    asked = {"alpha": alpha, "settings": nulls, "per_pair": own, "relations": shared}

    def select(found: list[Candidate]) -> str:
        return select_model(found, **asked).chosen

    choices = [_selected(make, select, parts) for make in sets]
    terms = tuple(dict.fromkeys(part for own in parts.values() for part in own))
    return Stability(
        method, samples, seed, text, counted_rows(choices, Choice(chosen, parts[chosen]), terms)
    )


def _selected(make, select: Callable[[list[Candidate]], str], parts) -> Choice:
    try:
        chosen = select(make())
    except MmfitError as error:
        return Choice(None, failure=reason(error))
    return Choice(chosen, parts[chosen])


def _redrawn(candidates, origin: Candidate, samples: int, seed: int) -> Iterator[Callable]:
    """Per sample, what makes the candidates with their fits to a drawn response."""
    for responses in drawn_responses(origin.matrices, origin.reported, samples, seed):
        batches = {
            (c.name, by): fit_all(c.matrices, responses, by) for c in candidates for by in CRITERIA
        }
        for member, y in enumerate(responses):
            yield lambda y=y, member=member, batches=batches: [
                _member_candidate(c, y, member, batches) for c in candidates
            ]


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
