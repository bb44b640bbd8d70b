"""Large-sample null distributions, fitted to bootstrap replicates of the statistic.

The large-sample law has the right shape long before it has the right size. Replicates of the
statistic under the null tell its size, and some hundred of them tell it well, where a share of
exceedances needs thousands and ends at 1 / (replicates + 1).

**Nothing at the edge of its range** (:func:`scaled_chi_square`): T / c is chi-square, c the mean of
the replicates over df (Bartlett 1937, Proc. R. Soc. A 160: 268-282, who has the mean by expansion;
by the bootstrap: Rocke 1989, J. Am. Stat. Assoc. 84: 598-601). The mean is taken over those
replicates whose null fit is singular in the same terms as the fit to the data. Whether a variance
is estimated as zero tells much of what the statistic can be, and nothing of the hypothesis: with
few groups the unconditional mean rejects a true null too often (docs/size.md). As the mean is an
estimate, T / (df c) is referred to an F distribution whose denominator has the mean's own degrees
of freedom; were T exactly c chi2(df), the test would be exact for any number of replicates.

**Variances at the edge** (:func:`scaled_tail`): the statistic has a mass at zero, and the mixture's
weights are far from their limits in small samples. Up to their 60th percentile the replicates count
as they are; above it the mixture's tail stands, scaled so that its mean excess is theirs.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from mmfit.errors import ComputationError
from mmfit.inference.distributions import NORMAL_95, binomial_interval
from mmfit.inference.null_distributions.bootstrap import exceedances
from mmfit.inference.null_distributions.mixtures import ChiBarSquare, plain

BODY = 0.6
"""Share of the replicates below the scaled tail."""
FEWEST_ALIKE = 50
"""Replicates whose null fit is singular as that of the data, below which all are taken."""
FEWEST_ABOVE = 20
"""Replicates above the tail's beginning, below which it is not fitted."""
_NOTHING = 1e-250
_NO_ERROR = 1e-6


@dataclass(frozen=True, slots=True)
class CalibratedPValue:
    """A p-value by a law that was fitted to replicates.

    Attributes
    ----------
    p_value, low, high : float, with its 95% Monte Carlo interval.
    scale : float, by which the large-sample law (its tail) is stretched.
    replicates : int, statistics that were used.
    conditional : bool, whether these are only those with a null fit singular as that of the data.
    above : float or None, where the scaled tail begins (None: the whole law is scaled).
    law : ChiBarSquare, what is scaled.
    """

    p_value: float
    low: float
    high: float
    scale: float
    replicates: int
    law: ChiBarSquare
    conditional: bool = False
    above: float | None = None


def scaled_chi_square(
    df: int, observed: float, statistics: np.ndarray, alike: np.ndarray
) -> CalibratedPValue:
    """The p-value by c chi2(``df``).

    Parameters
    ----------
    observed : the statistic.
    statistics : (R,) replicates under the null, NaN where a fit did not converge.
    alike : (R,) bool, whether a replicate's null fit is singular in the same terms as the data's.

    Raises
    ------
    ComputationError : no statistic is above zero.
    """
    good = np.isfinite(statistics)
    conditional = bool((good & alike).sum() >= FEWEST_ALIKE)
    values = statistics[good & alike] if conditional else statistics[good]
    mean = float(values.mean()) if len(values) > 1 else 0.0
    if mean <= 0:
        raise ComputationError("no bootstrap statistic is above zero")
    error = float(values.std(ddof=1)) / (mean * np.sqrt(len(values)))
    scale = mean / df

    def tail(factor: float) -> float:
        ratio = observed / (scale * factor)
        if ratio <= 0:
            return 1.0
        # Beyond so many degrees of freedom the two are one.
        if error < _NO_ERROR:
            return float(chdtrc(df, ratio))
        return float(fdtrc(df, 2 / error**2, ratio / df))

    spread = np.exp(NORMAL_95 * error)
    return CalibratedPValue(
        tail(1.0), tail(1 / spread), tail(spread), scale, len(values), plain(df), conditional
    )


def tail_without_law(df: int, observed: float, statistics: np.ndarray) -> CalibratedPValue:
    """The p-value by the replicates and a scaled tail where no large-sample law is known.

    The tail of a mixture is that of its largest chi-square, which need not have weight: the one
    taken has the most degrees of freedom, up to ``df``, that do not have to be shrunk to fit. A
    shrunken tail would fall too fast for ever.

    Raises
    ------
    ComputationError : too few statistics lie in the tail.
    """
    for k in range(df, 1, -1):
        found = scaled_tail(plain(k), observed, statistics)
        if found.scale >= 1:
            return found
    return scaled_tail(plain(1), observed, statistics)


def scaled_tail(law: ChiBarSquare, observed: float, statistics: np.ndarray) -> CalibratedPValue:
    """The p-value by the replicates and, above their 60th percentile, the scaled tail of ``law``.

    Parameters
    ----------
    law : the large-sample mixture;  observed : the statistic.
    statistics : (R,) replicates under the null, NaN where a fit did not converge.

    Raises
    ------
    ComputationError : too few statistics lie in the tail.
    """
    values = np.sort(statistics[np.isfinite(statistics)])
    count = len(values)
    above = float(values[int(BODY * count)]) if count else 0.0
    excess = values[values > above] - above
    if len(excess) < FEWEST_ABOVE:
        raise ComputationError("too few bootstrap statistics lie in the tail")
    share = len(excess) / (count + 1)
    mean, error = float(excess.mean()), float(excess.std(ddof=1)) / np.sqrt(len(excess))
    scale = _tail_scale(law, above, mean)
    if observed <= above:
        reached = int(exceedances(values, observed).sum())
        p_value = max((1 + reached) / (1 + count), share)
        low, high = binomial_interval(reached, count)
        return CalibratedPValue(p_value, low, max(high, p_value), scale, count, law, above=above)

    def tail(a: float) -> float:
        start = _beyond(law, above / a)
        if start < _NOTHING:
            return float(share * np.exp((above - observed) / (2 * a)))
        return float(share * _beyond(law, observed / a) / start)

    p_value = tail(scale)
    # How far the tail moves with the mean excess, as it errs by its standard error.
    moved = tail(_tail_scale(law, above, mean + error))
    by_scale = np.log(max(moved, _NOTHING) / max(p_value, _NOTHING))
    spread = np.exp(NORMAL_95 * np.hypot(by_scale, np.sqrt((1 - share) / (count * share))))
    low, high = float(p_value / spread), float(min(p_value * spread, 1.0))
    return CalibratedPValue(p_value, low, high, scale, count, law, above=above)


def _beyond(law: ChiBarSquare, x: float) -> float:
    """P(X > x); at x = 0 the probability above zero."""
    return sum(w * chdtrc(df, x) for w, df in zip(law.weights, law.dfs, strict=True) if df)


def _mean_excess(law: ChiBarSquare, x: float) -> float:
    """E(X - x | X > x), by the moments of truncated chi-squares."""
    beyond = _beyond(law, x)
    if beyond < _NOTHING:
        # The tail of every chi-square is that of an exponential variable in the end.
        return 2.0
    terms = zip(law.weights, law.dfs, strict=True)
    above = sum(w * (df * chdtrc(df + 2, x) - x * chdtrc(df, x)) for w, df in terms if df)
    return above / beyond


def _tail_scale(law: ChiBarSquare, above: float, mean: float) -> float:
    """a > 0 so that a times a variable of ``law`` exceeds ``above``, if it does, by ``mean``."""
    # Here, because most of what is imported with this file can do without.
    from scipy.optimize import brentq

    def difference(a: float) -> float:
        return a * _mean_excess(law, above / a) / mean - 1

    # Mean excesses of chi2(df) lie between 1 and max(2, df).
    least, most = 0.9 * mean / max(2, *law.dfs), 1.1 * mean
    return float(brentq(difference, least, most, rtol=1e-10, xtol=1e-300))
