"""All models of a scope, ranked by an information criterion."""

from dataclasses import dataclass

from mmfit.engine.records import Fit
from mmfit.errors import ComputationError, MmfitError
from mmfit.selection.choice.rankings import TIE
from mmfit.selection.search.elements import RANDOM
from mmfit.selection.search.models import Fits
from mmfit.selection.search.moves import State, every_state, moves_down
from mmfit.selection.search.records import RANKED, REFUSED, SearchStep, of_fit
from mmfit.selection.search.rounds import value_of
from mmfit.selection.search.words import label


@dataclass(frozen=True, slots=True)
class _Found:
    state: State
    fit: Fit | None
    value: float
    refusal: str | None


def rank_all(fits: Fits, criterion: str, limit: int) -> tuple[State, list[SearchStep]]:
    """The best model, and a step per model: the ranked ones best first, then the others.

    All by ML, since the fixed parts differ. A model whose fit is singular is left out of the
    ranking where the scope has a simpler random part for it.

    Raises
    ------
    ComparisonError : more than ``limit`` models.
    ComputationError : not one of them could be ranked.
    """
    states = every_state(fits.models.scope, limit)
    found = [_found(fits, state, criterion) for state in states]
    ranked = _sorted([one for one in found if one.refusal is None])
    if not ranked:
        raise ComputationError(
            f"none of the {len(states)} models can be ranked; the first: {found[0].refusal}"
        )
    steps = [_step(fits, criterion, k, one, ranked[0]) for k, one in enumerate(ranked, start=1)]
    others = [one for one in found if one.refusal is not None]
    steps += [_step(fits, criterion, len(ranked) + 1, one, ranked[0]) for one in others]
    return ranked[0].state, steps


def _sorted(found: list[_Found]) -> list[_Found]:
    """By value; values that differ by rounding alone in the order given, simple models first."""
    ranked = sorted(found, key=lambda one: one.value)
    begin = 0
    for k in range(1, len(ranked) + 1):
        if k == len(ranked) or ranked[k].value - ranked[k - 1].value > TIE:
            ranked[begin:k] = sorted(ranked[begin:k], key=found.index)
            begin = k
    return ranked


def _found(fits: Fits, state: State, criterion: str) -> _Found:
    try:
        fit = fits.fit(state, "ML")
        if not fit.converged:
            return _Found(state, fit, 0.0, f"its fit did not converge ({fit.optimizer.message})")
        if fit.singular and moves_down(fits.models.scope, state, RANDOM):
            groups = ", ".join(fit.singular_groups)
            return _Found(state, fit, 0.0, f"its fit is singular ({groups})")
        return _Found(state, fit, value_of(fits, state, fit, criterion), None)
    except MmfitError as error:
        return _Found(state, None, 0.0, f"it cannot be fitted: {error}")


def _step(fits: Fits, criterion: str, rank: int, one: _Found, best: _Found) -> SearchStep:
    formula, fit = fits.models.formula(one.state), one.fit
    if one.refusal is None:
        text = (
            f"{rank}. {formula}: {label(criterion)} (ML) {one.value:.2f}, "
            f"{one.value - best.value:.2f} above the best."
        )
    else:
        text = f"{formula}: not ranked, {one.refusal}."
    return SearchStep(
        step=rank,
        part="all",
        standing=fits.models.formula(best.state),
        candidate=formula,
        criterion="ML",
        caic=one.value if criterion == "caic" and one.refusal is None else None,
        **of_fit(fit),
        decision=RANKED if one.refusal is None else REFUSED,
        text=text,
    )
