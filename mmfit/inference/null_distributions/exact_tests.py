"""Exact finite-sample null distributions of (restricted) likelihood-ratio tests of one variance.

y = X beta + Z b + e with b ~ N(0, lambda sigma^2 I), the null being lambda = 0 and, where s fixed
effects are tested along, these being zero, too. Let mu be the positive eigenvalues of Z'MZ, M the
projection off X, and xi those of Z'Z; w, u independent standard normal. Then (Crainiceanu & Ruppert
2004, J. R. Stat. Soc. B 66: 165-185, theorem 1 and eqs 6 to 9)

    RLRT ~ sup over lambda >= 0 of  (n - p) log(S / D(lambda)) - sum of log(1 + lambda mu),
    LRT  ~ sup over lambda >= 0 of  n log((S + sum of u^2) / D(lambda)) - sum of log(1 + lambda xi),
    S = sum of w^2,  D(lambda) = sum of w^2 / (1 + lambda mu)   (mu = 0 for n - p - K of the w),

p being the rank of the alternative's X. Here the tail is not counted among draws of the statistic.
The event {statistic >= t} says that the K + s squares that the random and the tested fixed effects
account for are, as a whole, large beside the n - p - K others, for given proportions among them;
and so, given the proportions, it has the probability of a beta variable. Only the proportions are
simulated. In a balanced one-way design there is nothing left to simulate: the test is the F test,
as it is for fixed effects in a linear model, where there is no mu.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import betainc

from mmfit.engine.criterion import REML, Criterion
from mmfit.inference.null_distributions.spectra import Spectrum

_SEED = 20_040_401
_MOST_DRAWS, _FEWEST_DRAWS, _WORK = 40_000, 4_000, 500_000
_BLOCK = 2_000
# Steps of log lambda on the grid that the supremum is sought on; a parabola leads on from there.
_STEP = 0.15
_LOWEST = 1e-4


@dataclass(frozen=True, slots=True)
class TailProbability:
    """A probability and its Monte Carlo standard error (0 where nothing was simulated)."""

    probability: float
    error: float


@dataclass(frozen=True, slots=True)
class ExactNull:
    """The exact null distribution of one test.

    Attributes
    ----------
    spectrum : Spectrum of the tested term.
    fixed : int, s, fixed effects tested along (0 for RLRT).
    criterion : Criterion, REML for RLRT, ML for LRT.
    """

    spectrum: Spectrum
    fixed: int
    criterion: Criterion

    def __str__(self) -> str:
        return "exact RLRT" if self.criterion == REML else "exact LRT"

    @property
    def nu(self) -> int:
        """What multiplies the logarithm of the ratio of sums of squares."""
        return self.criterion.nu(self.spectrum.nobs, self.spectrum.nfixed)

    @property
    def eigenvalues(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of the log-determinant in the criterion, mu or xi, and how often each occurs."""
        spectrum = self.spectrum
        if self.criterion == REML:
            return spectrum.values, spectrum.counts
        return spectrum.sizes, spectrum.size_counts

    @property
    def draws(self) -> int:
        """Number of simulated proportions; 0 where none are needed."""
        parts = len(self.spectrum.values) + (self.fixed > 0)
        return 0 if parts == 1 else int(np.clip(_WORK // parts, _FEWEST_DRAWS, _MOST_DRAWS))

    def survival(self, x: float) -> TailProbability:
        """P(statistic >= x); 1 at x = 0, whatever the mass there."""
        return TailProbability(1.0, 0.0) if x <= 0 else _tail(self, float(x))

    @property
    def at_zero(self) -> float:
        """P(statistic = 0)."""
        return 1.0 - _tail(self, 0.0).probability

    def quantile(self, probability: float) -> float:
        """The smallest x with P(statistic <= x) >= ``probability``."""
        # Here, because a test needs no quantile.
        from scipy.optimize import brentq

        if probability <= self.at_zero:
            return 0.0
        high = 1.0
        while self.survival(high).probability > 1 - probability:
            high *= 2
        return float(
            brentq(lambda x: _tail(self, x).probability - (1 - probability), 0.0, high, xtol=1e-10)
        )


@lru_cache(maxsize=4)
def _shares(sizes: tuple[float, ...], draws: int) -> np.ndarray:
    """(draws, G + 1): of the K + s squares, the share of each spectral value and of the u."""
    halves = np.array(sizes) / 2
    if not draws:
        return (halves > 0).astype(float)[None]
    rng = np.random.default_rng(_SEED)
    squares = np.zeros((draws, len(halves)))
    used = halves > 0
    squares[:, used] = rng.standard_gamma(halves[used], (draws, int(used.sum())))
    return squares / squares.sum(axis=1, keepdims=True)


@lru_cache(maxsize=256)
def _tail(null: ExactNull, x: float) -> TailProbability:
    """P(statistic > x) for x >= 0."""
    spectrum = null.spectrum
    shares = _shares((*spectrum.counts.tolist(), float(null.fixed)), null.draws)
    odds = np.concatenate(
        [
            _largest_odds(null, x, shares[start : start + _BLOCK])
            for start in range(0, len(shares), _BLOCK)
        ]
    )
    if spectrum.residual == 0:
        tails = (odds > 0).astype(float)
    else:
        with np.errstate(divide="ignore"):
            below = 1 / (1 + 1 / np.maximum(odds, 0.0))
        own = (spectrum.rank + null.fixed) / 2
        tails = betainc(spectrum.residual / 2, own, below)
    error = 0.0 if len(tails) == 1 else float(tails.std(ddof=1) / np.sqrt(len(tails)))
    return TailProbability(float(tails.mean()), error)


def _largest_odds(null: ExactNull, x: float, shares: np.ndarray) -> np.ndarray:
    """(draws,) A: the statistic exceeds x where the other squares are less than A times these.

    With v the shares of the w and v_u that of the u, that is the largest over lambda of
    (v_u + sum of v lambda mu / (1 + lambda mu)) / (e^c - 1) - sum of v / (1 + lambda mu), where
    c nu = x + sum of log(1 + lambda xi) (xi = mu for RLRT).
    """
    spectrum = null.spectrum
    if not spectrum.rank:
        return _at_zero_lambda(null, x, shares)
    grid = _grid(null, x)
    odds = _odds(null, x, grid, shares)
    best = np.argmax(odds, axis=1)
    largest = odds[np.arange(len(odds)), best]
    inner = np.flatnonzero((best > 0) & (best < len(grid) - 1))
    before, here, after = (odds[inner, best[inner] + k] for k in (-1, 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = 0.5 * (before - after) / (before - 2 * here + after)
    shift = np.where(np.abs(shift) <= 1, shift, 0.0)
    vertex = grid[best[inner]] * (grid[1] / grid[0]) ** shift
    largest[inner] = np.maximum(here, _odds(null, x, vertex[:, None], shares[inner])[:, 0])
    return np.maximum(largest, _at_zero_lambda(null, x, shares))


def _odds(null: ExactNull, x: float, points: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(draws, L) the odds at every lambda, ``points`` (L,) for all draws or (draws, 1)."""
    own, tested = shares[:, :-1], shares[:, -1:]
    through = points[..., None] * null.spectrum.values
    left = 1 / (1 + through)
    with np.errstate(divide="ignore", over="ignore"):
        gain = 1 / np.expm1(_penalty(null, x, points))
    if points.ndim == 1:
        taken, left = own @ (through * left).T, own @ left.T
    else:
        taken, left = (np.einsum("dg,dlg->dl", own, part) for part in (through * left, left))
    with np.errstate(invalid="ignore"):
        return (tested + taken) * gain - left


def _penalty(null: ExactNull, x: float, points: np.ndarray) -> np.ndarray:
    """c at every lambda."""
    values, counts = null.eigenvalues
    return (x + np.log1p(points[..., None] * values) @ counts) / null.nu


def _at_zero_lambda(null: ExactNull, x: float, shares: np.ndarray) -> np.ndarray:
    """(draws,) the odds for lambda -> 0, where x = 0 leaves a ratio of derivatives."""
    spectrum, own, tested = null.spectrum, shares[:, :-1], shares[:, -1]
    left = own.sum(axis=1)
    if x > 0:
        return tested / np.expm1(x / null.nu) - left
    if null.fixed:
        return np.full(len(shares), np.inf)
    values, counts = null.eigenvalues
    return null.nu * (own @ spectrum.values) / (values @ counts) - left


def _grid(null: ExactNull, x: float) -> np.ndarray:
    """Values of lambda among which every supremum lies.

    In a balanced design 1 + lambda mu is the F statistic, which a statistic of x makes about
    (n - p - K) / K e^(x / (n - p - K)); the grid goes well beyond that.
    """
    spectrum = null.spectrum
    rest = max(spectrum.residual, 1)
    reach = np.log(max(rest / spectrum.rank, 1.0)) + min(x / rest, 60.0) + np.log(1e3)
    low = np.log(_LOWEST / spectrum.values.max())
    high = reach - np.log(spectrum.values.min())
    step = _STEP if null.draws else _STEP / 10
    return np.exp(np.linspace(low, high, int(np.ceil((high - low) / step)) + 1))
