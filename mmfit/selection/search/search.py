"""Searches: from a maximal model down, from a minimal one up, or through all models between them.

1. Random part, with the richest fixed part, by REML: tests with the p-value of the edge of the
   variances' range, or an information criterion (the X are the same, so REML criteria compare).
2. Fixed part, with the random part so chosen, by ML.
3. The chosen model is reported as fitted by REML.
(Verbeke & Molenberghs 2000, chapter 9; Zuur et al. 2009, chapter 5.) The conditional AIC goes by ML
throughout. Steps respect marginality (see the module ``moves``). A singular model is left
for a simpler one wherever the criterion does not forbid it, and none is stepped to from a model
that is not singular. Ties go to the simpler model, then to the first in the order of the formula.
"""

from dataclasses import dataclass
from numbers import Real

from mmfit.errors import ComparisonError
from mmfit.selection.pair_tests.likelihood_ratio import WITHOUT_BOOTSTRAP
from mmfit.selection.records import NullSettings
from mmfit.selection.search.elements import FIXED, RANDOM
from mmfit.selection.search.exhaustive import rank_all
from mmfit.selection.search.models import Fits
from mmfit.selection.search.moves import State, parts_of
from mmfit.selection.search.records import CHOSEN, START, SearchPath, SearchStep, of_fit
from mmfit.selection.search.rounds import Round, Settings, run_round

SEARCHES = ("backward", "forward", "exhaustive")
CRITERIA = ("lrt", "aic", "bic", "caic")
MOST_MODELS = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state that a search ended in, and how it came there."""

    state: State
    path: SearchPath


def search_models(
    fits: Fits,
    search: str = "backward",
    criterion: str = "lrt",
    alpha: float = 0.05,
    nulls: NullSettings = WITHOUT_BOOTSTRAP,
) -> Outcome:
    """Search the scope of ``fits.models``.

    Parameters
    ----------
    fits : of the models of a scope.
    search : ``backward``, ``forward`` or ``exhaustive`` (at most 4,096 models).
    criterion : ``lrt`` (not in an exhaustive search), ``aic``, ``bic`` or ``caic``.
    alpha : level of the tests.
    nulls : how their null distributions are found; by default exact and large-sample ones alone.

    Raises
    ------
    ComparisonError : settings that do not go together; too many models for an exhaustive search.
    ComputationError : no model could be fitted; a null that fits better than its alternative.
    MmfitError : what fitting the first model raises.
    """
    check_settings(search, criterion, alpha)
    settings = Settings(search == "forward", criterion, alpha, nulls)
    if search == "exhaustive":
        state, steps = rank_all(fits, criterion, MOST_MODELS)
    else:
        state, steps = _walk(fits, settings)
    models = fits.models
    final = _final(fits, state, len(steps) and steps[-1].step + 1)
    path = SearchPath(
        search=search,
        criterion=criterion,
        alpha=alpha,
        maximal=models.formula(models.scope.maximal),
        minimal=models.formula(models.scope.minimal),
        steps=(*steps, final),
        chosen=models.formula(state),
        parts=parts_of(models.scope, state),
    )
    return Outcome(state, path)


def check_settings(search: str, criterion: str, alpha: float) -> None:
    """Refuse settings that do not exist or do not go together."""
    if search not in SEARCHES:
        raise ComparisonError(f"search={search!r}: {', '.join(SEARCHES)} are allowed")
    if criterion not in CRITERIA:
        raise ComparisonError(f"criterion={criterion!r}: {', '.join(CRITERIA)} are allowed")
    if not isinstance(alpha, Real) or not 0 < alpha < 1:
        raise ComparisonError(f"alpha={alpha!r}: a number between 0 and 1 is allowed")
    if search == "exhaustive" and criterion == "lrt":
        raise ComparisonError(
            "an exhaustive search ranks all models at once, which tests of pairs cannot: use aic, "
            "bic or caic, or search backward or forward"
        )


def _walk(fits: Fits, settings: Settings) -> tuple[State, list[SearchStep]]:
    scope = fits.models.scope
    fixed = len(scope.members(FIXED))
    top, bottom = scope.maximal, scope.minimal
    state = (*top[:fixed], *bottom[fixed:]) if settings.forward else top
    steps = [_start(fits, state, settings)]
    for part in (RANDOM, FIXED):
        if settings.forward and part == FIXED:
            state = (*bottom[:fixed], *state[fixed:])
        state, steps = _through(fits, settings, part, state, steps)
    return state, steps


def _through(fits, settings: Settings, part: str, state: State, steps: list[SearchStep]):
    """Rounds in one part until none leads on."""
    while True:
        found: Round = run_round(fits, settings, part, state, steps[-1].step + 1)
        steps = [*steps, *found.steps]
        if found.chosen is None:
            return state, steps
        state = found.chosen


def _start(fits: Fits, state: State, settings: Settings) -> SearchStep:
    formula = fits.models.formula(state)
    by = "ML" if settings.criterion == "caic" else "REML"
    fit = fits.fit(state, by)
    how = (
        "the smallest random part, with the largest fixed part, is where the search begins"
        if settings.forward
        else "the largest model is where the search begins"
    )
    text = f"{formula}: {how}; {by} criterion {fit.objective:.4f}"
    text += f"; singular ({', '.join(fit.singular_groups)})." if fit.singular else "."
    return _marked(0, START, formula, by, fit, START, text)


def _final(fits: Fits, state: State, number: int) -> SearchStep:
    formula = fits.models.formula(state)
    fit = fits.fit(state, "REML")
    text = f"Chosen: {formula}; reported as fitted by REML (criterion {fit.objective:.4f})."
    if fit.singular:
        text += (
            f" That fit is singular ({', '.join(fit.singular_groups)}): these data do not tell its "
            "random part from a simpler one."
        )
    if not fit.converged:
        text += f" That fit did not converge ({fit.optimizer.message})."
    return _marked(number, "final", formula, "REML", fit, CHOSEN, text)


def _marked(step, part, formula, criterion, fit, decision, text) -> SearchStep:
    return SearchStep(
        step=step,
        part=part,
        standing=formula,
        candidate=formula,
        criterion=criterion,
        **of_fit(fit),
        decision=decision,
        text=text,
    )
