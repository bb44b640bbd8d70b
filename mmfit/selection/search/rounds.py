"""One round of a search: all neighbours of the standing model, and which of them is taken."""

from dataclasses import dataclass

from mmfit.engine.records import Fit
from mmfit.errors import ComputationError, MmfitError
from mmfit.selection.choice.rankings import TIE
from mmfit.selection.pair_tests.likelihood_ratio import (
    WITHOUT_BOOTSTRAP,
    LikelihoodRatio,
    likelihood_ratio,
)
from mmfit.selection.records import NullSettings
from mmfit.selection.search.elements import RANDOM
from mmfit.selection.search.models import Fits
from mmfit.selection.search.moves import Move, State, beyond, move_words, moves_down, moves_up
from mmfit.selection.search.records import PASSED, REFUSED, REJECTED, TAKEN, SearchStep, of_fit
from mmfit.selection.search.words import decision_words, trial_words

# A criterion that is worse by less has "substantial support" still (Burnham & Anderson 2002,
# p. 70), and a parameter at the edge of its range counts less than a whole one: good enough a
# reason to leave a singular model.
SINGULAR_MARGIN = 2.0
P_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Settings:
    """``forward`` or backward; by which ``criterion``; the level ``alpha`` of its tests, and how
    their null distributions are found (``nulls``).
    """

    forward: bool
    criterion: str
    alpha: float
    nulls: NullSettings = WITHOUT_BOOTSTRAP

    def estimator(self, part: str) -> str:
        """The fits that are compared in one part."""
        return "REML" if part == RANDOM and self.criterion != "caic" else "ML"


@dataclass(frozen=True, slots=True)
class Trial:
    """A neighbour as it was found.

    Attributes
    ----------
    move : Move.
    refusal : str or None, why it cannot be stepped to.
    same : bool, whether it is the standing model with fewer terms.
    fit : Fit or None.
    test : LikelihoodRatio or None.
    value : float or None, by the information criterion;  gain : float, how much better it is than
        the standing model's.
    caic : float or None.
    """

    move: Move
    refusal: str | None = None
    same: bool = False
    fit: Fit | None = None
    test: LikelihoodRatio | None = None
    value: float | None = None
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """The steps of a round, and the state that it leads to (None: it ends here)."""

    steps: tuple[SearchStep, ...]
    chosen: State | None


def run_round(fits: Fits, settings: Settings, part: str, state: State, number: int) -> Round:
    """Look at all neighbours within ``part`` and take the best, if one is good enough."""
    scope = fits.models.scope
    moves = (moves_up if settings.forward else moves_down)(scope, state, part)
    standing = fits.fit(state, settings.estimator(part))
    trials = []
    for move in moves:
        trials.append(_trial(fits, settings, part, move, standing))
        further = beyond(scope, move) if _unusable(trials[-1]) else None
        if further is not None:
            trials.append(_trial(fits, settings, part, further, standing))
    best = _best(trials, settings, standing)
    steps = tuple(
        _step(fits, settings, part, number, trial, standing, trial is best) for trial in trials
    )
    return Round(steps, None if best is None else best.move.after)


def value_of(fits: Fits, state: State, fit: Fit, criterion: str) -> float:
    """AIC, BIC or conditional AIC of a fit."""
    if criterion == "caic":
        from mmfit.inference.fitted_model import FittedModel
        from mmfit.inference.measures.conditional import conditional_aic

        return float(conditional_aic(FittedModel(fit, fits.matrices(state))).caic)
    return float(fit.bic if criterion == "bic" else fit.aic)


def _unusable(trial: Trial) -> bool:
    return trial.fit is None and not trial.same


def _trial(fits: Fits, settings: Settings, part: str, move: Move, standing: Fit) -> Trial:
    null, alternative = move.before, move.after
    if not settings.forward:
        null, alternative = alternative, null
    try:
        pair = fits.models.pair(null, alternative)
        if pair.outcome == "same_model":
            reason = "it is the same model with more terms" if settings.forward else None
            return Trial(move, refusal=reason, same=not settings.forward)
        fit = fits.fit(move.after, settings.estimator(part))
        refusal = _refusal(settings, part, pair, fit, standing)
        if refusal is not None or not standing.converged:
            return Trial(move, refusal, fit=fit)
        if settings.criterion == "lrt":
            fitted = (standing, fit) if settings.forward else (fit, standing)
            test = likelihood_ratio(pair, *fitted, settings.nulls, source=fits.null_source(null))
            return Trial(move, fit=fit, test=test)
        before = value_of(fits, move.before, standing, settings.criterion)
        value = value_of(fits, move.after, fit, settings.criterion)
        return Trial(move, fit=fit, value=value, gain=before - value)
    except ComputationError as error:
        return Trial(move, refusal=f"it cannot be judged: {error}")
    except MmfitError as error:
        return Trial(move, refusal=f"it cannot be fitted: {error}")


def _refusal(settings: Settings, part: str, pair, fit: Fit, standing: Fit) -> str | None:
    if pair.outcome != "valid" or pair.swapped:
        return pair.reason
    if not fit.converged:
        return f"its {fit.criterion} fit did not converge ({fit.optimizer.message})"
    left = standing.singular and not settings.forward
    if part == RANDOM and fit.singular and not left:
        return f"its {fit.criterion} fit is singular ({', '.join(fit.singular_groups)})"
    return None


def _best(trials: list[Trial], settings: Settings, standing: Fit) -> Trial | None:
    for trial in trials:
        if trial.same:
            return trial
    open_to = [trial for trial in trials if trial.refusal is None]
    if not standing.converged:
        if settings.forward:
            return None
        return min(open_to, key=lambda trial: trial.fit.aic, default=None)
    good = [trial for trial in open_to if is_good(trial, settings, standing)]
    best = None
    for trial in good:
        if best is None or _merit(trial, settings) > _merit(best, settings) + _tie(settings):
            best = trial
    return best


def is_good(trial: Trial, settings: Settings, standing: Fit) -> bool:
    """Whether the criterion allows a step."""
    if trial.test is not None:
        return (trial.test.p_value < settings.alpha) == settings.forward
    if settings.forward:
        return trial.gain > TIE
    return trial.gain > (-SINGULAR_MARGIN if standing.singular else -TIE)


def _merit(trial: Trial, settings: Settings) -> float:
    if trial.test is None:
        return trial.gain
    p = trial.test.p_value
    return -p if settings.forward else p


def _tie(settings: Settings) -> float:
    return P_TIE if settings.criterion == "lrt" else TIE


def _step(fits, settings, part, number, trial: Trial, standing: Fit, taken: bool) -> SearchStep:
    good = trial.refusal is None and (
        trial.same or not standing.converged or is_good(trial, settings, standing)
    )
    if taken:
        decision = TAKEN
    elif trial.refusal is not None:
        decision = REFUSED
    else:
        decision = PASSED if good else REJECTED
    test, fit = trial.test, trial.fit
    move = move_words(fits.models.scope, trial.move)
    words = trial_words(trial, move, settings, standing)
    return SearchStep(
        step=number,
        part=part,
        standing=fits.models.formula(trial.move.before),
        candidate=fits.models.formula(trial.move.after),
        move=move,
        criterion=settings.estimator(part),
        chisq=None if test is None else test.chisq,
        df=None if test is None else test.df,
        p_value=None if test is None else test.p_value,
        p_value_kind=None if test is None else test.kind,
        null_distribution=None if test is None else test.null_distribution,
        p_value_chi2=None if test is None else test.p_value_chi2,
        caic=trial.value if settings.criterion == "caic" else None,
        **of_fit(fit),
        decision=decision,
        text=f"{words} {decision_words(decision, settings, part)}",
    )
