"""An estimate that is seen only where it lies in some intervals: its law, test and interval.

Of an estimate whose distance from the true value is t-distributed in units of its standard error,
and which is reported only where it lies in a set S, the tail beyond the observed value is

    P(T <= t | T in S; b) = sum over S of the mass below t / sum over S of the mass,

T - b being t-distributed (Fithian, Sun & Taylor 2014, arXiv:1410.2597; Lee, Sun, Sun & Taylor 2016,
Annals of Statistics 44: 907-927, for the normal law). Inverting the equal-tailed test gives an
interval with its coverage among reported estimates, and the value at which both tails are one half
an estimate that is median-unbiased among them. Where S is unbounded on both sides, as it is where a
large effect of either sign is always reported, intervals are bounded (Kivaranovic & Leeb 2021, JASA
116: 845-857).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtr

from mmfit.inference.distributions import t_quantile

# True values that are looked at lie this far apart, in standard errors, and as far as this many
# times the reach of the law.
_STEP, _REACHES = 0.05, 4.0
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class TruncatedT:
    """A t law on a union of intervals.

    Attributes
    ----------
    lows, highs : (k,) float arrays, the ends of the disjoint intervals, in standard errors.
    df : float, degrees of freedom; inf for the normal law.
    """

    lows: np.ndarray
    highs: np.ndarray
    df: float

    def p_values(self, value: float, centres: np.ndarray) -> np.ndarray:
        """(m,) two-sided equal-tailed p-values of true values ``centres`` (m,)."""
        below, above = self._tails(value, centres)
        whole = below + above
        # Where the law has no mass in S that a double holds, nothing speaks against the value.
        some = whole > 0
        return np.where(
            some, np.minimum(1.0, 2 * np.minimum(below, above) / np.where(some, whole, 1.0)), 1.0
        )

    def median(self, value: float) -> float:
        """The true value under which ``value`` is the median of what is reported; NaN where none
        within reach is."""

        def excess(centres: np.ndarray) -> np.ndarray:
            below, above = self._tails(value, centres)
            return below - above

        centres = self._centres(value)
        signs = excess(centres) > 0
        crossings = np.flatnonzero(signs[:-1] & ~signs[1:])
        if not len(crossings):
            return float("nan")
        nearest = crossings[np.argmin(np.abs(centres[crossings] - value))]
        ends = centres[nearest], centres[nearest + 1]
        return _boundary(*ends, lambda centre: excess(np.array([centre]))[0] > 0)

    def interval(self, value: float, level: float) -> tuple[float, float]:
        """The hull of the true values that a test at 1 - ``level`` does not reject.

        An end is infinite where no value that far is rejected; both are missing where all are.
        """
        middle = self.median(value)
        centres = self._centres(value)
        if np.isfinite(middle):
            centres = np.sort(np.append(centres, middle))
        kept = np.flatnonzero(self.p_values(value, centres) > 1 - level)

        if not len(kept):
            return np.nan, np.nan

        def is_kept(centre: float) -> bool:
            return bool(self.p_values(value, np.array([centre]))[0] > 1 - level)

        first, last = kept[0], kept[-1]
        low = -np.inf if first == 0 else _boundary(centres[first], centres[first - 1], is_kept)
        final = last == len(centres) - 1
        high = np.inf if final else _boundary(centres[last], centres[last + 1], is_kept)
        return low, high

    def _centres(self, value: float) -> np.ndarray:
        reach = _REACHES * reach_of(self.df)
        return value + np.arange(-round(reach / _STEP), round(reach / _STEP) + 1) * _STEP

    def _tails(self, value: float, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) masses of S up to the value and beyond it."""
        at = np.asarray(centres, dtype=float)[:, None]
        low, high = self.lows - at, self.highs - at
        split = np.clip(value - at, low, high)
        return self._mass(low, split).sum(axis=1), self._mass(split, high).sum(axis=1)

    def _mass(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Of intervals; in the upper tail by symmetry, where 1 minus a tail has no digits."""
        flip = low > 0
        low, high = np.where(flip, -high, low), np.where(flip, -low, high)
        return np.maximum(self._below(high) - self._below(low), 0.0)

    def _below(self, value: np.ndarray) -> np.ndarray:
        return ndtr(value) if np.isinf(self.df) else stdtr(self.df, value)


def reach_of(df: float) -> float:
    """How far from its centre, in standard errors, a t law is looked at: well beyond the 97.5%
    point, and bounded where that is not."""
    return float(min(3 + 2 * t_quantile(0.975, df), 30.0))


def _boundary(inside: float, outside: float, holds: Callable[[float], bool]) -> float:
    """Where ``holds`` ends between a value where it holds and one where it does not."""
    inside, outside = float(inside), float(outside)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
