"""Conditional modes of the random effects, those that the data tell, and their table."""

from dataclasses import replace

import numpy as np
import pandas as pd

from mmfit.engine.estimates import conditional_modes
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.preparation import Prepared
from mmfit.engine.records import GroupModes
from mmfit.inference.distributions import t_quantile
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.precision.unseen_moves import DIFFERENT, moved_thetas


def random_effects(model: FittedModel, level: float = 0.95) -> pd.DataFrame:
    """Conditional modes with their conditional standard deviations and normal intervals.

    Columns group, level, term, estimate, std_error, conf_low, conf_high; level by level, the
    terms of a level together. ``std_error`` is the square root of lme4's ``condVar``. Modes and
    variances that follow by covariances that no data tell are NaN.
    """
    z = float(t_quantile(0.5 + level / 2, np.inf))
    parts = []
    for group in identified_modes(model):
        count, q = group.modes.shape
        std_error = np.sqrt(np.diagonal(group.covariance, axis1=1, axis2=2)).ravel()
        estimate = group.modes.ravel()
        columns = {
            "group": group.grouping,
            "level": np.repeat(np.array(group.levels, dtype=object), q),
            "term": list(group.effects) * count,
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": estimate - z * std_error,
            "conf_high": estimate + z * std_error,
        }
        parts.append(pd.DataFrame(columns))
    if not parts:
        names = ["group", "level", "term", "estimate", "std_error", "conf_low", "conf_high"]
        return pd.DataFrame(columns=names)
    return pd.concat(parts, ignore_index=True)


def identified_modes(model: FittedModel) -> tuple[GroupModes, ...]:
    """The conditional modes of a fit; NaN where they, or their variances, are guesses."""
    fit, matrices = model.fit, model.matrices
    if not fit.terms or fit.uncertainty.confounding is None:
        return fit.groups
    prepared, problem = model.system.design_problem
    moves = model.system.unseen_moves
    first = _modes(problem, moves.theta)
    sizes = _standard_deviations(prepared, moves.theta)
    lost = [np.zeros(modes.shape[1:], dtype=bool) for modes, _ in first]
    spreads = [np.zeros(modes.shape[1:], dtype=bool) for modes, _ in first]
    for theta, grown in moved_thetas(prepared, moves):
        other = _modes(problem, theta)
        for t, ((modes, variance), (new, spread)) in enumerate(zip(first, other, strict=True)):
            size = np.abs(modes) + sizes[t]
            lost[t] |= (np.abs(new - modes) > DIFFERENT * size).any(axis=0)
            spreads[t] |= np.abs(spread * grown - variance) > DIFFERENT * variance
    members: dict[str, list[int]] = {}
    for t, term in enumerate(matrices.random):
        members.setdefault(term.grouping, []).append(t)
    return tuple(
        _without(group, *(np.hstack([part[t] for t in own]) for part in (lost, spreads)))
        for group, own in zip(fit.groups, members.values(), strict=True)
    )


def _standard_deviations(prepared: Prepared, theta: np.ndarray) -> list[np.ndarray]:
    """Per term (q,) the standard deviations of its effects, in units of sigma."""
    lambdas = prepared.system.layout.lambdas(theta)
    out = []
    for block in prepared.system.terms:
        root = block.inverse @ lambdas[block.group][block.place, block.place]
        out.append(np.sqrt((root**2).sum(axis=1)))
    return out


def _without(group: GroupModes, lost: np.ndarray, spread: np.ndarray) -> GroupModes:
    """A group's modes without those ``lost`` (L, q), and variances without these and ``spread``."""
    blank = lost | spread
    covariance = np.where(blank[:, :, None] | blank[:, None, :], np.nan, group.covariance)
    return replace(group, modes=np.where(lost, np.nan, group.modes), covariance=covariance)


def _modes(problem: EstimationProblem, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per term the modes (responses, levels, q) and their variances (levels, q) by sigma^2."""
    at = problem.at(np.repeat(theta[None], problem.batch, axis=0))
    found = [conditional_modes(at, i) for i in range(problem.batch)]
    blocks = at.factor.posterior_blocks()
    out = []
    for t, block in enumerate(problem.system.terms):
        back = found[0][t][1]
        variance = np.einsum("qr,lrs,qs->lq", back, blocks[block.group][0], back)
        out.append((np.array([modes[t][0] for modes in found]), variance))
    return out
