"""Parametric bootstrap of all parameters, and intervals from its draws."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mmfit.common.arguments import check_count, check_seed, fewest_draws
from mmfit.engine.criterion import CRITERIA
from mmfit.engine.many import fit_many
from mmfit.engine.simulate import simulate_responses
from mmfit.errors import MmfitError
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.intervals.parameters import estimates, parameter_values, parameters

KINDS = ("percentile", "basic", "normal")
# Numbers of simulated responses that are held at once.
_NUMBERS = 10_000_000


@dataclass(frozen=True, slots=True)
class BootstrapDraws:
    """Estimates from responses that were drawn from a fit.

    Attributes
    ----------
    parameters : tuple of str, lme4's names in lme4's order;  estimates : (P,), of the fit.
    values : (R, P), of the replicates that converged, in the order of their streams; NaN for a
        correlation with an effect whose variance is zero there.
    failed : int, replicates that did not converge.
    """

    parameters: tuple[str, ...]
    estimates: np.ndarray
    values: np.ndarray
    failed: int


def bootstrap_draws(model: FittedModel, replicates: int, seed: int) -> BootstrapDraws:
    """Fit ``replicates`` responses drawn from ``fit``, by its own criterion.

    Raises
    ------
    MmfitError
        When ``replicates`` or ``seed`` is no such number, or ``fit`` has not converged.
    """
    fit, matrices = model.fit, model.matrices
    check_count(replicates, "replicates", "a whole number of at least 1 is needed")
    check_seed(seed)
    if not fit.converged:
        raise MmfitError(
            f"{fit.formula}: responses drawn from a fit that has not converged say nothing about "
            f"the model; the fit has {fit.optimizer.message}"
        )
    wanted, criterion = parameters(fit), CRITERIA[fit.criterion]
    block, parts, failed = max(_NUMBERS // matrices.nobs, 2), [], 0
    for first in range(0, replicates, block):
        count = min(block, replicates - first)
        responses = simulate_responses(matrices, fit, count, seed, first)
        many = fit_many(
            matrices, np.ascontiguousarray(responses.T), criterion=criterion, further=False
        )
        values = parameter_values(wanted, many.covariances, many.sigma, many.fixef)
        parts.append(values[many.converged])
        failed += int(np.sum(~many.converged))
    return BootstrapDraws(
        parameters=tuple(parameter.name for parameter in wanted),
        estimates=estimates(fit),
        values=np.concatenate(parts),
        failed=failed,
    )


def draw_intervals(draws: BootstrapDraws, level: float, kind: str = "percentile") -> np.ndarray:
    """(P, 2): bootstrap intervals (Davison & Hinkley 1997, chapter 5).

    Replicates in which a correlation is not defined, since a standard deviation is zero, are left
    out of that correlation's interval; it is missing where the others are too few for the level.

    Raises
    ------
    MmfitError
        For an unknown kind, or when the level asks for quantiles beyond the draws.
    """
    if kind not in KINDS:
        raise MmfitError(f"kind={kind!r} is not known; choose one of {', '.join(KINDS)}")
    needed = 1 if kind == "normal" else fewest_draws(level)
    if len(draws.values) < needed:
        raise MmfitError(
            f"an interval of coverage {level:g} needs at least {needed} bootstrap replicates, and "
            f"there are {len(draws.values)}; ask for more replicates"
        )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    out = np.empty((len(draws.parameters), 2))
    for i, column in enumerate(draws.values.T):
        known, estimate = np.sort(column[np.isfinite(column)]), draws.estimates[i]
        if kind == "normal":
            centre = 2 * estimate - known.mean() if len(known) else np.nan
            spread = known.std(ddof=1) if len(known) > 1 else np.nan
            out[i] = centre + ndtri(tails) * spread
            continue
        if len(known) < needed:
            out[i] = np.nan
            continue
        ends = _quantiles(known, tails)
        out[i] = ends if kind == "percentile" else 2 * estimate - ends[::-1]
    return out


def draw_notes(draws: BootstrapDraws, ends: np.ndarray) -> tuple[str, ...]:
    """A sentence for each parameter whose interval ``ends`` (P, 2) is missing."""
    known = np.isfinite(draws.values).sum(axis=0)
    return tuple(
        f"{name} is defined in {known[i]} of {len(draws.values)} replicates only (a standard "
        "deviation is zero in the others), too few for an interval."
        for i, name in enumerate(draws.parameters)
        if np.isnan(ends[i]).any()
    )


def _quantiles(draws: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Order statistic (R + 1) p, between two of them on the scale of normal quantiles.

    Davison & Hinkley 1997, eq. 5.8.
    """
    total = len(draws) + 1
    rank = total * tails
    whole = np.round(rank)
    rank = np.where(np.abs(rank - whole) < 1e-9 * total, whole, rank)
    low = np.clip(np.floor(rank).astype(int), 1, len(draws))
    high = np.minimum(low + 1, len(draws))
    first, second = ndtri(low / total), ndtri(np.minimum(high, len(draws)) / total)
    gap = np.where(second > first, second - first, 1.0)
    share = np.where(rank > low, (ndtri(tails) - first) / gap, 0.0)
    return draws[low - 1] + share * (draws[high - 1] - draws[low - 1])
