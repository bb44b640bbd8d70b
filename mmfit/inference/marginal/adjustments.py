"""Adjustments for comparing a family of means: Tukey's and Holm's.

Tukey: Q = max difference of k independent standard normal variables over an independent root of
chi-square / df has the studentized range distribution; a family of k means is compared by
P(Q > sqrt(2) |t|) (Tukey 1953; Copenhaver & Holland 1988, Journal of Statistical Computation and
Simulation 30). The tail is computed as an integral of positive terms, so that it keeps its relative
precision: 1 - P(range < w) = k int phi(z) (Phi(z)^(k-1) - (Phi(z) - Phi(z - w))^(k-1)) dz. Both
integrals are trapezoidal sums over the whole line, which converge exponentially for integrands that
are analytic and vanish at both ends (Trefethen & Weideman 2014, SIAM Review 56).

Holm: Holm 1979, Scandinavian Journal of Statistics 6.
"""

import numpy as np
from scipy.special import gammaln, log_ndtr

from mmfit.errors import MmfitError
from mmfit.inference.distributions import t_p_value, t_quantile

ADJUSTMENTS = ("none", "tukey", "holm")

# Spacing of the nodes of the normal variable, and how far they reach.
_SPACING = 0.17
_NORMAL = 8.5
# Largest spacing of the nodes of log s, and the fall of the logarithm of the integrand (for one
# pair of means) beyond which nothing is lost.
_STEP = 0.0625
_NEGLIGIBLE = 42.0
# Below these degrees of freedom the nodes are those of log w, w = q s, between these limits: beyond
# them the tail of the range is 1 less w^2 / 4, or nothing.
_FEW = 0.5
_NARROW, _WIDE = -26.0, np.log(80.0)
# Largest logarithm of a double.
_LARGEST = 709.0


def check_adjustment(adjust: str) -> None:
    """Raise MmfitError when ``adjust`` is not one of ADJUSTMENTS."""
    if adjust not in ADJUSTMENTS:
        raise MmfitError(f"adjust={adjust!r} is not known; choose one of {', '.join(ADJUSTMENTS)}")


def adjusted_p_values(statistic: np.ndarray, df: np.ndarray, family: int, adjust: str):
    """p-values of all pairwise t statistics (m,) among ``family`` means, two-sided.

    A missing statistic gives a missing p-value and counts in the family, as in emmeans.
    """
    plain = t_p_value(statistic, df)
    if len(statistic) <= 1 or adjust == "none":
        return plain
    if adjust == "holm":
        return holm(plain)
    return np.array(
        [
            range_tail(np.sqrt(2) * abs(t), family, nu) if np.isfinite(t) else np.nan
            for t, nu in zip(statistic, df, strict=True)
        ]
    )


def critical_values(df: np.ndarray, family: int, adjust: str, level: float) -> np.ndarray:
    """(m,) multiples of the standard errors for m intervals that hold jointly at ``level``.

    Tukey's for ``tukey``; Bonferroni's for ``holm``, which has no intervals of its own.
    """
    count = len(df)
    if count <= 1 or adjust == "none":
        return t_quantile(0.5 + level / 2, df)
    if adjust == "holm":
        return t_quantile(1 - (1 - level) / (2 * count), df)
    out = np.full(count, np.nan)
    known, guess = {}, None
    for k in np.argsort(df, kind="stable"):
        nu = float(df[k])
        if np.isnan(nu):
            continue
        if nu not in known:
            guess = known[nu] = range_quantile(level, family, nu, guess)
        out[k] = known[nu] / np.sqrt(2)
    return out


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of (m,) p-values; missing ones stay missing and count."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    out = np.full(len(p), np.nan)
    known = order[: int(np.isfinite(p).sum())]
    steps = p[known] * (len(p) - np.arange(len(known)))
    out[known] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out


def range_tail(q: float, k: int, df: float) -> float:
    """P(Q > q) of the studentized range of ``k`` means on ``df`` degrees of freedom (or inf).

    Relative error about 1e-10 for df from 1/2 on and k up to thousands; NaN without degrees of
    freedom. Time and memory are bounded for all arguments.
    """
    if np.isnan(q) or not df > 0:
        return float("nan")
    if q <= 0:
        return 1.0
    if k == 2:
        return float(t_p_value(q / np.sqrt(2), df))
    if np.isinf(df) or np.isinf(q):
        return float(_normal_tail(np.array([q]), k)[0])
    if df < _FEW:
        return _tail_of_few(q, k, df)
    x, weights = _log_chi_nodes(df, q, k)
    return float(min(weights @ _normal_tail(q * np.exp(x), k), 1.0))


def _tail_of_few(q: float, k: int, df: float) -> float:
    """The tail for few degrees of freedom, where log s is spread over a multiple of 1 / df.

    E exp(-(q s)^2 / 4) = (1 + q^2 / (2 df))^(-df / 2) is known, and differs from the tail of the
    range only where q s is neither small nor large.
    """
    log_q, df = np.log(q), max(df, 1e-300)
    log_w = np.arange(_NARROW, _WIDE, _STEP)
    w = np.exp(log_w)
    weights = _STEP * _log_chi_density(log_w - log_q, df)
    whole = np.exp(-df / 2 * np.logaddexp(0.0, 2 * log_q - np.log(2 * df)))
    total = whole + weights @ (_normal_tail(w, k) - np.exp(-(w**2) / 4))
    return float(min(max(total, 0.0), 1.0))


def range_quantile(level: float, k: int, df: float, guess: float | None = None) -> float:
    """The q with P(Q > q) = 1 - level; ``guess`` is where the search begins.

    Secant steps in (log q, log tail), in which the tail is nearly straight; bisection where they
    leave the bracket. Infinity where q is beyond what a double can hold.
    """
    if k == 2 or not df > 0:
        return float(np.sqrt(2) * t_quantile(0.5 + level / 2, df))
    target = np.log1p(-level)

    def gap(x: float) -> float:
        return np.log(max(range_tail(float(np.exp(x)), k, df), 1e-300)) - target

    low = np.log(t_quantile(0.5 + level / 2, df))
    high = np.log(np.sqrt(2) * t_quantile(1 - (1 - level) / (k * (k - 1)), df))
    if low >= _LARGEST or (high >= _LARGEST and gap(_LARGEST) > 0):
        return float("inf")
    high = min(high, _LARGEST)
    start = np.log(guess) if guess else high
    x0 = float(np.clip(start, low, high))
    x1 = x0 - 0.01 if x0 - 0.01 > low else x0 + 0.01
    g0, g1 = gap(x0), gap(x1)
    for _ in range(60):
        if g1 > 0:
            low = max(low, x1)
        else:
            high = min(high, x1)
        if abs(g1) < 1e-11 or high - low < 1e-13:
            break
        step = x1 - g1 * (x1 - x0) / (g1 - g0) if g1 != g0 else low
        x0, g0, x1 = x1, g1, step if low < step < high else (low + high) / 2
        g1 = gap(x1)
    return float(np.exp(x1))


def _normal_tail(w: np.ndarray, k: int) -> np.ndarray:
    """1 - P(range of k standard normal variables < w), for w (m,)."""
    w = np.minimum(w, np.exp(_WIDE))
    # For a wide range the largest lies near w / 2, for a narrow one near 0.
    z = w[:, None] / 2 + np.arange(-_NORMAL, _NORMAL + _SPACING / 2, _SPACING)
    log_below = log_ndtr(z)
    with np.errstate(divide="ignore"):
        inside = np.log1p(-np.exp(np.minimum(log_ndtr(z - w[:, None]) - log_below, 0.0)))
    density = np.exp(-0.5 * z**2 + (k - 1) * log_below)
    total = -(density * np.expm1((k - 1) * inside)).sum(axis=1)
    return np.minimum(k * _SPACING / np.sqrt(2 * np.pi) * total, 1.0)


def _log_chi_nodes(df: float, q: float, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes x = log s and weights of the density of s = sqrt(chi-square / df) for the tail at q.

    The tail of the range behaves as exp(-w^2 / 4), which moves what matters from s = 1 to below.
    """
    peak = -0.5 * np.logaddexp(0.0, 2 * np.log(q) - np.log(2 * df))
    depth = (_NEGLIGIBLE + 2 * np.log(k)) / df
    left = np.sqrt(depth / 0.568) if depth < 0.568 else depth + 0.5
    right = min(np.sqrt(depth), 0.5 * np.log1p(2 * depth) + 1.0)
    step = min(_STEP, 0.5 / np.sqrt(2 * df))
    x = peak + step * np.arange(-np.ceil(left / step), np.ceil(right / step) + 1)
    return x, step * _log_chi_density(x, df)


def _log_chi_density(x: np.ndarray, df: float) -> np.ndarray:
    """Density of x = log s."""
    twice = 2 * np.minimum(x, _LARGEST / 4)
    series = twice**2 * (0.5 + twice * (1 / 6 + twice * (1 / 24 + twice / 120)))
    bend = np.where(np.abs(twice) < 1e-3, series, np.expm1(twice) - twice)
    with np.errstate(over="ignore"):
        return np.exp(_log_constant(df / 2) - df / 2 * bend)


def _log_constant(a: float) -> float:
    """log of 2 a^a exp(-a) / Gamma(a), by Stirling's series where terms would cancel."""
    if a < 50:
        return float(np.log(2) + a * np.log(a) - a - gammaln(a))
    return float(np.log(2) + 0.5 * np.log(a / (2 * np.pi)) - 1 / (12 * a) + a**-3 / 360)
