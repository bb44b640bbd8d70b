"""Tail probabilities of the t and F distributions; infinite degrees of freedom are the limits.

Where the degrees of freedom are missing (NaN), or none (0 or less), so are the results. Every other
argument has an answer in bounded time, however extreme it is: infinity where a quantile is beyond
what a double can hold.

scipy.special's functions are called directly: importing scipy.stats costs more than a fit.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import betaincinv, chdtrc, fdtrc, gammaln, ndtr, ndtri, stdtr, stdtrit

NORMAL_95 = 1.959963984540054
"""The 97.5% quantile of the normal distribution."""
# t / sqrt(df) from which on the incomplete beta function is its first term, to 16 digits.
_FAR = 3e8
# Degrees of freedom from which on all quantiles are within reach of scipy's search.
_FEW = 1.0


def t_p_value(statistic, df) -> np.ndarray:
    """Two-sided p-values of t statistics."""
    statistic, df = np.broadcast_arrays(np.abs(np.asarray(statistic, float)), np.asarray(df, float))
    known = _known(df)
    tail = 2 * stdtr(known, -statistic)
    far = statistic > _FAR * np.sqrt(known)
    if far.any():
        with np.errstate(divide="ignore"):
            log_x = np.log(known) - 2 * np.log(statistic)
        first = np.exp(np.minimum(known / 2 * log_x - _log_factor(known), 0.0))
        tail = np.where(far, first, tail)
    return _in_range(df, tail, lambda: 2 * ndtr(-statistic))


def binomial_interval(count: int, total: int, stopped: bool = False) -> tuple[float, float]:
    """95% interval of a probability by Clopper & Pearson 1934 (Biometrika 26: 404-413).

    ``stopped``: ``count`` was fixed and ``total`` is random, the last of them being one of those
    that count; the tails are of that sampling.
    """
    low = float(betaincinv(count, total - count + 1, 0.025)) if count else 0.0
    above = count if stopped else count + 1
    high = float(betaincinv(above, total - count, 0.975)) if count < total else 1.0
    return low, high


def t_quantile(probability: float, df) -> np.ndarray:
    """Quantile of Student's t, for a probability from 1/2 to 1."""
    df = np.asarray(df, float)
    known = _known(df)
    found = stdtrit(np.maximum(known, _FEW), probability)
    few = known < _FEW
    if few.any():
        with np.errstate(divide="ignore", over="ignore"):
            log_x = (np.log(2 * (1 - probability)) + _log_factor(known)) * 2 / known
            beyond = np.exp((np.log(known) - log_x) / 2)
        far = beyond > _FAR * np.sqrt(known)
        near = stdtrit(np.where(far, 1.0, known), probability)
        found = np.where(few, np.where(far, beyond, near), found)
    return _in_range(df, found, lambda: ndtri(probability))


def f_p_value(statistic: float, num_df: float, den_df: float) -> float:
    """Upper tail of the F distribution."""
    if not den_df > 0:
        return float("nan")
    found = float("nan") if np.isinf(den_df) else float(fdtrc(num_df, den_df, statistic))
    if np.isnan(found):
        # scipy gives up on denominators beyond 1e150, which are as good as infinite.
        found = float(chdtrc(num_df, num_df * statistic))
    return found


def _known(df: np.ndarray) -> np.ndarray:
    """Degrees of freedom that are any; 1 for those that are none, or infinitely many."""
    return np.where((df > 0) & (df < np.inf), np.maximum(df, 1e-300), 1.0)


def _in_range(df: np.ndarray, found: np.ndarray, limit: Callable) -> np.ndarray:
    """``found`` for degrees of freedom, the limit for infinitely many, NaN for none."""
    usual = (df > 0) & (df < np.inf)
    return found if usual.all() else np.where(usual, found, np.where(df > 0, limit(), np.nan))


def _log_factor(df: np.ndarray) -> np.ndarray:
    """log of c with P(|T| > t) = x^(df/2) / c for x = df / (df + t^2) near 0: df B(df/2, 1/2) / 2.

    It is the first term of the incomplete beta function; scipy's functions end too early there. For
    the smallest df by its series, where the logarithms would cancel.
    """
    small = np.minimum(df, 1e-5)
    with np.errstate(invalid="ignore"):
        whole = gammaln(df / 2 + 1) + gammaln(0.5) - gammaln((df + 1) / 2)
    return np.where(df > small, whole, small * np.log(2) - small**2 * np.pi**2 / 24)
