"""p-values of many data sets at once, each by replicates of its own.

What :mod:`mmfit.inference.null_distributions.calibration` does with one data set is done here with
arrays, since a study has millions; ``check`` holds the two against each other.
"""

import numpy as np
from scipy.special import chdtrc, fdtrc

from mmfit.errors import ComputationError
from mmfit.inference.null_distributions.bootstrap import ROUNDING, TIE
from mmfit.inference.null_distributions.calibration import (
    BODY,
    FEWEST_ABOVE,
    FEWEST_ALIKE,
    scaled_chi_square,
    scaled_tail,
    tail_without_law,
)
from mmfit.inference.null_distributions.exact_tests import ExactNull
from mmfit.inference.null_distributions.mixtures import ChiBarSquare, plain

# Of the logarithm of the place where a tail begins, over the law's scale.
_GRID = np.linspace(np.log(1e-9), np.log(1e3), 4000)
_CLOSE = 1e-4


def by_law(law: ChiBarSquare, observed: np.ndarray) -> np.ndarray:
    """P(X >= observed), 1 at zero."""
    return np.where(observed > 0, _beyond(law, observed), 1.0)


def by_counting(observed: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """The bootstrap's p-values, with ``replicates`` (N, R), NaN where there is none."""
    tie = TIE + ROUNDING * np.abs(observed)
    reached = (replicates >= (observed - tie)[:, None]).sum(axis=1)
    return (1 + reached) / (1 + np.isfinite(replicates).sum(axis=1))


def by_mean(df: int, observed: np.ndarray, replicates: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """``scaled_chi_square`` of each; NaN where it refuses."""
    good = np.isfinite(replicates)
    conditional = (good & alike).sum(axis=1) >= FEWEST_ALIKE
    used = good & (alike | ~conditional[:, None])
    count = used.sum(axis=1)
    values = np.where(used, replicates, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=1) / count
        spread = np.where(used, replicates - mean[:, None], 0.0)
        variance = (spread**2).sum(axis=1) / (count - 1)
        freedom = 2 * count * mean**2 / variance
        p = np.where(observed > 0, fdtrc(df, freedom, observed / mean), 1.0)
    return np.where((count > 1) & (mean > 0), p, np.nan)


def by_tail(law: ChiBarSquare, observed: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """``scaled_tail`` of each; NaN where it refuses."""
    return _by_tail(law, observed, replicates)[0]


def by_tail_alone(df: int, observed: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """``tail_without_law`` of each; NaN where it refuses."""
    out, _ = _by_tail(plain(1), observed, replicates)
    for k in range(2, df + 1):
        p, scale = _by_tail(plain(k), observed, replicates)
        out = np.where(scale >= 1, p, out)
    return out


def _by_tail(law: ChiBarSquare, observed, replicates) -> tuple[np.ndarray, np.ndarray]:
    """p-values and the scales of the tails."""
    count = np.isfinite(replicates).sum(axis=1)
    ordered = np.sort(replicates, axis=1)  # NaN come last
    place = np.minimum((BODY * count).astype(int), replicates.shape[1] - 1)
    above = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore"):
        over = ordered > above[:, None]
    exceeding = over.sum(axis=1)
    share = exceeding / (count + 1)
    mean = np.where(over, ordered - above[:, None], 0.0).sum(axis=1) / np.maximum(exceeding, 1)
    body = np.maximum(by_counting(observed, replicates), share)
    beyond, scale = _tail(law, observed, above, mean)
    p = np.where(observed > 0, np.where(observed <= above, body, share * beyond), 1.0)
    return np.where(exceeding >= FEWEST_ABOVE, p, np.nan), scale


def _tail(law: ChiBarSquare, observed, above, mean) -> tuple[np.ndarray, np.ndarray]:
    """P(X > observed | X > above), X having the mean excess ``mean`` over ``above``; X's scale."""
    start = np.exp(_GRID)
    excess = _mean_excess(law, start)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Above, over the scale: the mean excess over it falls where it grows.
        sought = np.log(mean / above)
        begin = np.exp(np.interp(-sought, _GRID - np.log(excess), _GRID))
        scale = np.where(above > 0, above / begin, mean / _mean_excess(law, np.zeros(1))[0])
        return _beyond(law, observed / scale) / _beyond(law, above / scale), scale


def _beyond(law: ChiBarSquare, x: np.ndarray) -> np.ndarray:
    return sum(w * chdtrc(df, x) for w, df in zip(law.weights, law.dfs, strict=True) if df)


def _mean_excess(law: ChiBarSquare, x: np.ndarray) -> np.ndarray:
    terms = zip(law.weights, law.dfs, strict=True)
    above = sum(w * (df * chdtrc(df + 2, x) - x * chdtrc(df, x)) for w, df in terms if df)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(_beyond(law, x) > 1e-250, above / _beyond(law, x), 2.0)


def by_exact(law: ExactNull, observed: np.ndarray) -> np.ndarray:
    """p-values by the exact null distribution, between points where it is evaluated."""
    grid = np.concatenate([[0.0], np.geomspace(1e-4, max(observed.max(), 1.0), 120)])
    tails = np.array([law.survival(x).probability for x in grid])
    # From 0 to the first point the tail falls by the mass at 0.
    return np.where(observed > grid[1], np.interp(observed, grid[1:], tails[1:]), 1.0)


def check(law: ChiBarSquare | None, df: int, edge: bool, p, observed, replicates, alike) -> None:
    """Whether p-values are those of the package, of a few data sets.

    Raises
    ------
    AssertionError : they are not.
    """
    for i in range(len(p)):
        try:
            if not edge:
                known = scaled_chi_square(df, observed[i], replicates[i], alike[i])
            elif law is None:
                known = tail_without_law(df, observed[i], replicates[i])
            else:
                known = scaled_tail(law, observed[i], replicates[i])
            expected = known.p_value
        except ComputationError:
            expected = np.nan
        assert np.isclose(p[i], expected, rtol=_CLOSE, equal_nan=True), (law, p[i], expected)
