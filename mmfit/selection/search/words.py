"""What a step of a search says."""

from mmfit.selection.choice.ladder_words import p_words
from mmfit.selection.search.records import PASSED, REFUSED, REJECTED, TAKEN

LABELS = (("aic", "AIC"), ("bic", "BIC"), ("caic", "conditional AIC"))


def label(criterion: str) -> str:
    """An information criterion as printed."""
    return dict(LABELS)[criterion]


def trial_words(trial, move: str, settings, standing) -> str:
    """A neighbour and what was measured of it."""
    move = move[0].upper() + move[1:]
    if trial.same:
        return f"{move}: the same model with fewer terms."
    if trial.refusal is not None:
        return f"{move}: not possible, {trial.refusal}."
    fit = trial.fit
    if not standing.converged:
        return (
            f"{move}: the standing model's {standing.criterion} fit did not converge "
            f"({standing.optimizer.message}), so that nothing can be compared with it; AIC "
            f"{fit.aic:.2f}."
        )
    if trial.test is not None:
        return f"{move}: {_test_words(trial.test, fit.criterion)}.{_singular(settings, standing)}"
    more = "below" if trial.gain >= 0 else "above"
    return (
        f"{move}: {label(settings.criterion)} ({fit.criterion}) {trial.value:.2f}, "
        f"{abs(trial.gain):.2f} {more} that of the standing model.{_singular(settings, standing)}"
    )


def decision_words(decision: str, settings, part: str) -> str:
    """What follows from it."""
    done, stays = ("Added", "Not added") if settings.forward else ("Dropped", "Kept")
    if decision == TAKEN:
        return f"{done}."
    if decision == REFUSED:
        return f"{stays}."
    lrt = settings.criterion == "lrt"
    if decision == REJECTED:
        if not lrt:
            return f"No gain: {stays.lower()}."
        side = "not below" if settings.forward else "below"
        return f"p is {side} {settings.alpha:g}: {stays.lower()}."
    assert decision == PASSED
    if not lrt:
        return "Another step gains more."
    side, better = ("below", "smaller") if settings.forward else ("not below", "larger")
    return f"p is {side} {settings.alpha:g}, but another step has a {better} one, or comes first."


def _singular(settings, standing) -> str:
    if not standing.singular or settings.forward:
        return ""
    groups = ", ".join(standing.singular_groups)
    return f" The standing model is singular ({groups}), so that a simpler one is wanted."


def _test_words(test, criterion: str) -> str:
    words = f"chi-square {test.chisq:.4g} on {test.df} df, p = {p_words(test)} by"
    if test.kind == "plain":
        why = f": {test.note}" if test.note else ""
        return f"{words} the plain chi-square ({criterion}{why})"
    plain = f"; plain chi-square: {test.p_value_chi2:.4g}"
    return f"{words} {test.null_distribution} ({criterion}{plain})"
