"""A fit without the rows of one level of a grouping factor, for every level in turn.

At the theta of the fit the estimates without a set of rows are exact and need no refit: what the
set contributes is taken off R'V^-1 R (:mod:`mmfit.engine.deletion.row_sets`). Where sets are
so large that forming the criterion anew from the remaining rows is cheaper, that is done instead.
Refits go through the engine one by one, started at the theta of the fit.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.covariance.roots import lower_roots
from mmfit.engine.criterion import CRITERIA, Criterion
from mmfit.engine.deletion.row_sets import are_blocks, block_losses, row_sets, set_costs, set_losses
from mmfit.engine.derived.spherical_precision import build_precision
from mmfit.engine.estimates import estimates
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import fit_model, prepare
from mmfit.engine.records import Fit
from mmfit.engine.system.whitened_system import System
from mmfit.errors import ComputationError, DesignError
from mmfit.formula.matrices import ModelMatrices

# Smallest eigenvalue of X'X without a set, of that with it: below, a coefficient hangs on the set.
_DEPENDENT = 1e-9
# Arithmetic operations that a new evaluation takes: at least, and for each row.
_ANEW, _ANEW_ROW = 1e7, 500.0
# Operations that a factorisation takes at most, since a large one is sparse, and all together may.
_ANEW_MOST, _LIMIT = 1e10, 1e13


@dataclass(frozen=True, slots=True)
class Deletions:
    """Fits without one set of rows each; first axis: the set (L), units of the response.

    Attributes
    ----------
    rows : (L,) int, rows deleted.
    estimable : (L,) bool, whether the other rows identify all fixed effects; NaN below where not.
    fixef : (L, p);  vcov : (L, p, p);  sigma : (L,).
    covariances : per term (L, q, q), those of the refits; empty at fixed theta.
    converged : (L,) bool.
    """

    rows: np.ndarray
    estimable: np.ndarray
    fixef: np.ndarray
    vcov: np.ndarray
    sigma: np.ndarray
    covariances: tuple[np.ndarray, ...]
    converged: np.ndarray


def delete_levels(
    matrices: ModelMatrices, fit: Fit, codes: np.ndarray, levels: int, system: System
) -> Deletions:
    """Estimates at the theta of ``fit`` without the rows of each level.

    Parameters
    ----------
    codes : (n,) intp, level of each row, of one of the model's grouping factors.
    levels : their number, L >= 2.
    system : the whitened system of ``matrices``, with its rows.

    Raises
    ------
    DesignError
        When there is a single level, so that nothing would be left.
    ComputationError
        When so many evaluations of so large a criterion would take hours.
    """
    _require_levels(levels)
    out = _blank(matrices, system, codes, levels, ())
    wanted = out.estimable.copy()
    reduced = _reduced(system, _white_lambdas(system, fit.theta), codes, wanted)
    _fill(out, system, reduced, wanted, CRITERIA[fit.criterion])
    left = np.flatnonzero(out.estimable & ~np.isfinite(out.sigma))
    if len(left) * _cost_anew(system) > _LIMIT:
        raise ComputationError(
            f"leaving out each of {levels} levels would take hours: the grouping factors of "
            f"{matrices.formula} are crossed and large; ask for a factor of fewer levels"
        )
    for level in left:
        _anew(out, matrices, fit, codes, int(level))
    return out


def refit_levels(
    matrices: ModelMatrices, fit: Fit, codes: np.ndarray, levels: int, system: System
) -> Deletions:
    """Refits without the rows of each level, started at the theta of ``fit``.

    A level without which a grouping factor has a single level, or without which the model cannot be
    fitted, has ``converged`` false and NaN estimates.

    Raises
    ------
    DesignError
        When there is a single level, so that nothing would be left.
    """
    _require_levels(levels)
    sizes = tuple(len(term.effects) for term in matrices.random)
    out = _blank(matrices, system, codes, levels, sizes)
    out.converged[:] = False
    for level in np.flatnonzero(out.estimable):
        rest = without_rows(matrices, codes != level)
        if any(len(term.levels) < 2 for term in rest.random):
            continue
        try:
            again = fit_model(rest, criterion=CRITERIA[fit.criterion], start=fit.theta)
        except (DesignError, ComputationError):
            continue
        out.fixef[level], out.vcov[level], out.sigma[level] = again.fixef, again.vcov, again.sigma
        out.converged[level] = again.converged
        for block, term in zip(out.covariances, again.terms, strict=True):
            block[level] = term.covariance
    return out


def without_rows(matrices: ModelMatrices, keep: np.ndarray) -> ModelMatrices:
    """The model on the rows where ``keep`` (n,) is true; levels that have none are left out.

    Labels of levels are not kept: the result is for fitting.
    """
    random = []
    for term in matrices.random:
        present, codes = np.unique(term.codes[keep], return_inverse=True)
        labels = tuple(str(i) for i in range(len(present)))
        random.append(replace(term, model=term.model[keep], codes=codes.reshape(-1), levels=labels))
    weights, offset = matrices.weights, matrices.offset
    return replace(
        matrices,
        y=matrices.y[keep],
        X=matrices.X[keep],
        random=tuple(random),
        weights=None if weights is None else weights[keep],
        offset=None if offset is None else offset[keep],
        design=None,
    )


def _require_levels(levels: int) -> None:
    if levels < 2:
        raise DesignError(
            "the grouping factor has a single level: leaving it out leaves no rows to fit"
        )


def _white_lambdas(system: System, theta: np.ndarray) -> list[np.ndarray]:
    """Lambda (q, q) of each group for theta in lme4's order and scale."""
    return system.layout.lambdas(np.linalg.solve(system.theta_jacobian(), theta))


def _blank(matrices, system: System, codes, levels: int, sizes) -> Deletions:
    p = matrices.X.shape[1]
    rows = np.bincount(codes, minlength=levels)
    estimable = (system.nobs - rows > p) & _keeps_rank(system.X, codes, levels)
    return Deletions(
        rows=rows,
        estimable=estimable,
        fixef=np.full((levels, p), np.nan),
        vcov=np.full((levels, p, p), np.nan),
        sigma=np.full(levels, np.nan),
        covariances=tuple(np.full((levels, q, q), np.nan) for q in sizes),
        converged=np.ones(levels, dtype=bool),
    )


def _keeps_rank(X: np.ndarray, codes: np.ndarray, levels: int) -> np.ndarray:
    """(L,) bool: whether X (p, n), XX' = n I, keeps its rank without the rows of each level.

    The trace of what a level holds of XX' / n, the sum of its rows' leverages, bounds the largest
    eigenvalue: only levels that hold more than half need a closer look, at most 2 p of them.
    """
    n = X.shape[1]
    held = np.bincount(codes, np.einsum("pn,pn->n", X, X) / n, levels)
    out = np.ones(levels, dtype=bool)
    for level in np.flatnonzero(held > 0.5):
        rest = X[:, codes != level]
        out[level] = np.linalg.eigvalsh(rest @ rest.T / n)[0] > _DEPENDENT
    return out


def _reduced(system: System, lambdas, codes, wanted: np.ndarray) -> np.ndarray:
    """(L, m, m) R_(i)'V_(i)^-1 R_(i), NaN where a new evaluation is cheaper or not wanted."""
    m, levels = system.nfixed + 1, len(wanted)
    nothing = np.full((levels, m, m), np.nan)
    precision = build_precision(system.groups, lambdas)
    if precision is None:
        return nothing
    R = np.concatenate([system.X, system.y]).T
    U = precision.whiten(R)
    if are_blocks(precision, codes):
        return R.T @ U - block_losses(codes, levels, R, U)
    sets = row_sets(precision, codes, levels)
    cost = set_costs(precision, sets)
    which = np.flatnonzero(wanted & (cost < _cost_anew(system)))
    if len(which):
        nothing[which] = R.T @ U - set_losses(precision, sets, U, which)
    return nothing


def _cost_anew(system: System) -> float:
    """Arithmetic operations that the criterion takes when formed anew, roughly."""
    columns = sorted(group.levels * group.size for group in system.groups)
    dense = float(sum(columns[:-1])) ** 3
    return _ANEW + _ANEW_ROW * system.nobs + min(dense, _ANEW_MOST)


def _fill(out: Deletions, system: System, reduced, wanted, criterion: Criterion) -> None:
    """Turn R_(i)'V_(i)^-1 R_(i) into estimates in the user's units."""
    p = system.nfixed
    usable = wanted & np.isfinite(reduced).all(axis=(1, 2))
    which = np.flatnonzero(usable)
    inverse = np.linalg.inv(lower_roots(reduced[which]))
    last = inverse[:, -1]
    beta = -last[:, :-1] / last[:, -1:]
    r2 = 1 / last[:, -1] ** 2
    nu = criterion.nu(system.nobs - out.rows[which], p)
    sigma = system.scale[0] * np.sqrt(r2 / nu)
    back = system.back()
    half = (back @ np.swapaxes(inverse[:, :-1, :-1], 1, 2)) * sigma[:, None, None]
    out.fixef[which] = system.beta_start[0] + system.scale[0] * (beta @ back.T)
    out.vcov[which] = half @ np.swapaxes(half, 1, 2)
    out.sigma[which] = sigma


def _anew(out: Deletions, matrices: ModelMatrices, fit: Fit, codes, level: int) -> None:
    """One deletion from the cross-products of the other rows."""
    try:
        prepared = prepare(without_rows(matrices, codes != level))
    except DesignError:
        # What is left is fitted exactly: there is no residual variance to speak of.
        return
    system = prepared.system
    white = np.linalg.solve(system.theta_jacobian(), fit.theta)
    at = EstimationProblem(system, prepared.solver, CRITERIA[fit.criterion]).at(white)
    if not np.isfinite(at.objective).all():
        return
    found = estimates(at)
    out.fixef[level], out.vcov[level] = found.fixef[0], found.vcov[0]
    out.sigma[level] = found.sigma[0]
