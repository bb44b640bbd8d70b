"""Checks of the assumptions about the residuals and the random effects.

Every check has a number, where there is one a p-value, a verdict and a sentence. With many rows a
test finds departures that matter to nobody, so that where a size can be given the verdict ``look``
needs both a p-value below 0.01 (several tests are made at once) and a departure of some size.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr

from mmfit.engine.records import Fit, GroupModes
from mmfit.engine.system.whitened_system import System
from mmfit.inference.fitted_model import FittedModel

ALPHA = 0.01
# Shapiro and Wilk's test as Royston (1995) gives it is for at most so many values.
_SHAPIRO = 5000
# Sizes of departures that matter: skewness, excess kurtosis, ratio of standard deviations, and how
# far the spreads of levels vary, as a share of their mean.
_SKEWNESS, _KURTOSIS, _RATIO, _SHARE = 0.5, 1.0, 1.5, 0.2
_FAR = 4.0
_LEVERAGE = 0.5
# Levels with fewer rows say nothing about their own spread.
_ROWS = 5
# Levels from which a test of the random effects' normality can find anything.
_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a row of ``Diagnosis.checks``.

    Attributes
    ----------
    check : str, what is checked.
    value : float, the statistic;  p_value : float; NaN where there is none.
    verdict : ``"ok"`` or ``"look"``.
    text : str, a plain sentence.
    """

    check: str
    value: float
    p_value: float
    verdict: str
    text: str


def verdict(worth_a_look: bool) -> str:
    """``look`` or ``ok``."""
    return "look" if worth_a_look else "ok"


def weighted_residuals(model: FittedModel) -> np.ndarray:
    """(n,) conditional residuals over sigma, times the root of the prior weight: of variance 1."""
    fit, matrices = model.fit, model.matrices
    scaled = (matrices.y - model.fitted) / fit.sigma
    return scaled if matrices.weights is None else np.sqrt(matrices.weights) * scaled


def residual_checks(model: FittedModel) -> list[Check]:
    """Normality, outliers, spread against the fitted values and by level, leverage."""
    fit, matrices = model.fit, model.matrices
    scaled = weighted_residuals(model)
    out = [normality("normality of the residuals", scaled, "the scaled residuals")]
    out.append(_outliers(scaled))
    out += [one for one in [_spread_by_fitted(scaled, model.fitted)] if one is not None]
    seen: set[str] = set()
    for term in matrices.random:
        if term.grouping not in seen:
            seen.add(term.grouping)
            by_level = _spread_by_level(scaled, term.codes, term.grouping)
            out += [] if by_level is None else [by_level]
    if len(fit.fixef):
        out.append(_leverage(model.system.with_rows))
    return out


def random_effect_checks(fit: Fit) -> list[Check]:
    """Normality of the conditional modes of every effect that has a variance.

    A mode is divided by its standard deviation in the model, root(Psi - condVar), which differs
    from level to level where the levels differ in size.
    """
    out = []
    covariance = {group.grouping: _joint_covariance(fit, group) for group in fit.groups}
    for group in fit.groups:
        prior = covariance[group.grouping]
        posterior = np.diagonal(group.covariance, axis1=1, axis2=2)
        for j, effect in enumerate(group.effects):
            name = f"{effect} by {group.grouping}"
            check = f"normality of the random effects: {name}"
            variance = prior[j] - posterior[:, j]
            known = variance > 1e-8 * prior[j]
            if not prior[j] > 0 or known.sum() < 3:
                continue
            modes = group.modes[known, j] / np.sqrt(variance[known])
            shrinkage = float(np.mean(variance[known]) / prior[j])
            if known.sum() < _LEVELS:
                text = f"{known.sum()} levels are too few to judge the distribution of {name}."
                out.append(Check(check, np.nan, np.nan, "ok", text))
                continue
            found = normality(check, modes, f"the standardised modes of {name}")
            note = (
                f" On average a mode keeps {100 * shrinkage:.0f}% of the variance of the effect; "
                "modes that are shrunk look more normal than the effects are."
            )
            out.append(Check(check, found.value, found.p_value, found.verdict, found.text + note))
    return out


def _joint_covariance(fit: Fit, group: GroupModes) -> np.ndarray:
    """(q,) variances of the effects of one grouping factor, over its terms."""
    parts = [np.diag(term.covariance) for term in fit.terms if term.grouping == group.grouping]
    return np.concatenate(parts)


def normality(check: str, values: np.ndarray, what: str) -> Check:
    """Shapiro and Wilk's test, or Jarque and Bera's (1987, eq. 5) for more than 5,000 values."""
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    if not spread > 0:
        return Check(check, np.nan, np.nan, "ok", f"{_capital(what)} do not vary.")
    skewness = float(np.mean(centred**3)) / spread**3
    kurtosis = float(np.mean(centred**4)) / spread**4 - 3
    if len(values) <= _SHAPIRO:
        # Here, because scipy.stats takes longer to import than a fit takes.
        from scipy.stats import shapiro

        value, p_value = (float(part) for part in shapiro(values))
        name = f"Shapiro-Wilk W = {value:.3f}"
    else:
        value = len(values) * (skewness**2 / 6 + kurtosis**2 / 24)
        p_value = float(chdtrc(2, value))
        name = f"Jarque-Bera {value:.4g}"
    sizeable = abs(skewness) > _SKEWNESS or abs(kurtosis) > _KURTOSIS
    look = p_value < ALPHA and sizeable
    opening = "depart from a normal distribution" if look else "agree with a normal distribution"
    if p_value < ALPHA and not sizeable:
        opening = "depart from a normal distribution by little"
    text = (
        f"{_capital(what)} {opening} ({name}, {p_words(p_value)}): skewness {skewness:.2f}, excess "
        f"kurtosis {kurtosis:.2f}."
    )
    return Check(check, value, p_value, verdict(look), text)


def _outliers(scaled: np.ndarray) -> Check:
    """The largest residual with Bonferroni's correction for having looked at all of them."""
    n = len(scaled)
    worst = int(np.argmax(np.abs(scaled)))
    value = float(np.abs(scaled[worst]))
    p_value = min(1.0, float(2 * n * ndtr(-value)))
    far = int((np.abs(scaled) > _FAR).sum())
    expected = float(2 * n * ndtr(-_FAR))
    text = (
        f"Scaled residuals beyond {_FAR:g}: {far} of {n} (normal: {expected:.2g}); the "
        f"largest, {scaled[worst]:.2f}, is that of row {worst + 1} of those used "
        f"(Bonferroni {p_words(p_value)})."
    )
    return Check("outliers", value, p_value, verdict(p_value < 0.05), text)


def _spread_by_fitted(scaled: np.ndarray, fitted: np.ndarray) -> Check | None:
    """Koenker's (1981) score test: n R^2 of the squared residuals on the fitted values."""
    if not np.ptp(fitted) > 1e-10 * max(1.0, float(np.abs(fitted).max())):
        return None
    squares = scaled**2
    if not np.ptp(squares) > 0:
        return None
    correlation = float(np.corrcoef(squares, fitted)[0, 1])
    value = len(scaled) * correlation**2
    p_value = float(chdtrc(1, value))
    order = np.argsort(fitted, kind="stable")
    third = max(len(order) // 3, 1)
    low, high = (float(np.sqrt(squares[part].mean())) for part in (order[:third], order[-third:]))
    ratio = high / low if low > 0 else np.inf
    look = p_value < ALPHA and not 1 / _RATIO <= ratio <= _RATIO
    course = "grows with" if correlation > 0 else "falls with"
    state = (
        f"The spread of the residuals {course} the fitted values"
        if p_value < ALPHA
        else "The spread of the residuals does not change with the fitted values beyond chance"
    )
    text = (
        f"{state} (score test {value:.3g} on 1 df, {p_words(p_value)}): in the upper third it is "
        f"{ratio:.2f} times that in the lower third."
    )
    return Check("spread against fitted values", value, p_value, verdict(look), text)


def _spread_by_level(scaled: np.ndarray, codes: np.ndarray, group: str) -> Check | None:
    """Brown and Forsythe's (1974) test over the levels that have at least five rows."""
    counts = np.bincount(codes)
    keep = counts[codes] >= _ROWS
    levels, label = np.unique(codes[keep], return_inverse=True)
    if len(levels) < 2:
        return None
    values, label = scaled[keep], label.reshape(-1)
    deviation = np.abs(values - _medians(values, label, len(levels))[label])
    sizes = np.bincount(label)
    means = np.bincount(label, deviation) / sizes
    between = float((sizes * (means - deviation.mean()) ** 2).sum())
    within = float(((deviation - means[label]) ** 2).sum())
    first, second = len(levels) - 1, len(values) - len(levels)
    if not within > 0:
        return None
    value = (between / first) / (within / second)
    p_value = float(fdtrc(first, second, value))
    # How much the levels' mean deviations differ beyond chance: a one-way analysis of variance.
    typical = (len(values) - float((sizes**2).sum()) / len(values)) / first
    beyond = max(0.0, between / first - within / second) / typical
    share = float(np.sqrt(beyond) / deviation.mean())
    look = p_value < ALPHA and share > _SHARE
    state = "differs" if p_value < ALPHA else "does not differ beyond chance"
    text = (
        f"The spread of the residuals {state} between the levels of {group} (Brown-Forsythe F = "
        f"{value:.3g} on {first} and {second} df, {p_words(p_value)}); beyond chance, the levels' "
        f"spreads vary by about {100 * share:.0f}% of their mean."
    )
    return Check(f"spread by {group}", value, p_value, verdict(look), text)


def _medians(values: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    """(count,) median of the values of each label."""
    order = np.lexsort((values, label))
    size = np.bincount(label, minlength=count)
    start = np.cumsum(size) - size
    ordered = values[order]
    return (ordered[start + (size - 1) // 2] + ordered[start + size // 2]) / 2


def _leverage(system: System) -> Check:
    """Diagonal of the least-squares projection on the (weighted) fixed effects."""
    leverage = np.einsum("pn,pn->n", system.X, system.X) / system.nobs
    worst = int(np.argmax(leverage))
    value = float(leverage[worst])
    text = (
        f"The largest leverage of a row on the fixed effects is {value:.3g} (row {worst + 1} of "
        f"those used; the mean is {leverage.mean():.3g}); {int((leverage > _LEVERAGE).sum())} rows "
        f"are above {_LEVERAGE:g}, from where a row decides most of its own fit."
    )
    return Check("leverage", value, np.nan, verdict(value > _LEVERAGE), text)


def p_words(p_value: float) -> str:
    """``p = 0.027`` or ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
