"""Singular covariances: effects put at exactly zero, and the check that they belong there.

The criterion is even in each column of Lambda, so theta = 0 is a stationary point whether or not it
is a minimum. What a bound would guard is checked through Psi instead: at a minimum the derivative
of the criterion with respect to Psi is not negative in Psi's null space.
"""

import numpy as np

from mmfit.engine.covariance.roots import NEAR_ZERO, nearly_singular, semidefinite_cholesky
from mmfit.engine.optimize.newton_searches import Search

# Below this relative standard deviation (of sigma) an effect counts as zero.
_ZERO = 1e-4
# A derivative with respect to a variance at zero below -_NEGATIVE (per row) leaves the boundary. It
# is little more than rounding, since a column that is nearly in the span of X has a small one.
_NEGATIVE = 1e-9
# Variances tried there, ordinary ones first.
_TRIED = (0.1, 0.01, 1e-3, 1e-4, 10.0, 1e3, 1e5)
# What rounding may do to the criterion: absolutely, and in proportion to it (with n = 10^6).
_NOISE, _RELATIVE_NOISE = 1e-9, 1e-14


def snap(search: Search, members: np.ndarray) -> None:
    """Put effects whose variance is all but zero at exactly zero where that costs nothing."""
    system = search.problem.system
    lambdas = system.layout.lambdas(search.theta[members])
    changed = np.zeros(len(members), dtype=bool)
    for term in system.terms:
        block = lambdas[term.group][:, term.place, term.place]
        who = np.flatnonzero(nearly_singular(block, NEAR_ZERO))
        if not len(who):
            continue
        values, vectors = _eigen(block[who])
        values = np.where(values < NEAR_ZERO**2, 0.0, values)
        root = semidefinite_cholesky((vectors * values[:, None]) @ vectors.transpose(0, 2, 1))
        changed[who] |= (root != block[who]).any(axis=(1, 2))
        block[who] = root
    if not changed.any():
        return
    who = members[changed]
    trial = search.evaluate(system.layout.theta(lambdas)[changed], who)
    good = trial.objective <= search.objective[who] + _noise(search.objective[who])
    if good.any():
        search.accept(who, trial, good)


def leave_boundary(search: Search, members: np.ndarray) -> np.ndarray:
    """Move those whose criterion still falls off a boundary; who moved."""
    system = search.problem.system
    moved = np.zeros(len(members), dtype=bool)
    for term in system.terms:
        block = system.layout.lambdas(search.theta[members])[term.group]
        flat = nearly_singular(block[:, term.place, term.place], _ZERO)
        waiting = np.flatnonzero(flat & ~moved)
        if not len(waiting):
            continue
        direction, falls = _way_out(search, term, members[waiting])
        waiting, direction = waiting[falls], direction[falls]
        for variance in _TRIED:
            if not len(waiting):
                break
            who = members[waiting]
            lambdas = system.layout.lambdas(search.theta[who])
            block = lambdas[term.group][:, term.place, term.place]
            psi = block @ np.swapaxes(block, 1, 2)
            block[:] = semidefinite_cholesky(
                psi + variance * direction[:, :, None] * direction[:, None, :]
            )
            trial = search.evaluate(system.layout.theta(lambdas), who)
            good = trial.objective < search.objective[who] - _noise(search.objective[who])
            if good.any():
                search.accept(who, trial, good)
                moved[waiting[good]] = True
            waiting, direction = waiting[~good], direction[~good]
    return members[moved]


def _way_out(search: Search, term, members) -> tuple[np.ndarray, np.ndarray]:
    """Per member the direction in the null space of its Psi along which the criterion falls most,
    and whether it falls by more than rounding."""
    layout, q = search.problem.system.layout, term.size
    slope = term.structure.slope_matrix(search.psi_slope[members][:, term.thetas])
    block = layout.lambdas(search.theta[members])[term.group][:, term.place, term.place]
    values, vectors = _eigen(block)
    null = vectors * (values < _ZERO**2)[:, None]
    inner = np.swapaxes(null, 1, 2) @ slope @ null
    slopes, ways = np.linalg.eigh(inner) if q > 1 else (inner[:, 0], np.ones_like(inner))
    falls = slopes[:, 0] < -_NEGATIVE * search.problem.system.nobs
    return (null @ ways[:, :, :1])[:, :, 0], falls


def _noise(objective: np.ndarray) -> np.ndarray:
    return _NOISE + _RELATIVE_NOISE * np.abs(objective)


def _eigen(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of the covariances of a stack of Lambdas."""
    psi = block @ np.swapaxes(block, 1, 2)
    if psi.shape[-1] == 1:
        return psi[:, 0], np.ones_like(psi)
    return np.linalg.eigh(psi)
