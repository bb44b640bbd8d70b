"""Fit a model: the fit of a single response, a batch of one."""

import numpy as np

from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.criterion import ML, REML, Criterion
from mmfit.engine.many import fit_block, without_unbounded
from mmfit.engine.optimize.second_starts import isotropic
from mmfit.engine.preparation import Prepared, prepare
from mmfit.engine.records import Fit
from mmfit.engine.system.whitened_system import System
from mmfit.formula.matrices import ModelMatrices

# Relative standard deviations beyond this one are no start: the criterion has no digits there.
_HUGE = 1e8


def fit_model(
    matrices: ModelMatrices,
    *,
    criterion: Criterion = REML,
    start: np.ndarray | None = None,
    prepared: Prepared | None = None,
) -> Fit:
    """Fit a linear mixed model by REML, or by another criterion.

    Parameters
    ----------
    matrices : the model;  criterion : REML or ML.
    start : (k,) theta in lme4's order and scale; MINQUE(0) for None, or NaN; one at which the
        criterion cannot be evaluated is replaced.
    prepared : the result of :func:`prepare` for the same matrices, to share its work.

    Raises
    ------
    DesignError
        When the fixed effects leave nothing to estimate.
    ComputationError
        When the criterion cannot be evaluated anywhere.
    """
    prepared = prepare(matrices) if prepared is None else prepared
    if start is None or not np.isfinite(start).all():
        theta = None
    else:
        theta = _whitened_start(prepared.system, start)
    fits, doubtful = fit_block(prepared, matrices.y[None], criterion, theta)
    return without_unbounded(fits, doubtful).member(0)


def fit_both(matrices: ModelMatrices, prepared: Prepared | None = None) -> dict[str, Fit]:
    """The REML and the ML fit from the same cross-products, ML started at the REML theta.

    ``prepared`` is the result of :func:`prepare` for the same matrices, to share its work.
    """
    prepared = prepare(matrices) if prepared is None else prepared
    reml = fit_model(matrices, criterion=REML, prepared=prepared)
    ml = fit_model(matrices, criterion=ML, start=reml.theta, prepared=prepared)
    return {fit.criterion: fit for fit in (reml, ml)}


def fitted_values(matrices: ModelMatrices, fit: Fit) -> np.ndarray:
    """(n,) conditional fitted values: X beta + Z b + offset, in units of the response."""
    out = matrices.X @ fit.fixef
    if matrices.offset is not None:
        out = out + matrices.offset
    used: dict[str, int] = {}
    modes = {group.grouping: group.modes for group in fit.groups}
    for term in matrices.random:
        begin = used.get(term.grouping, 0)
        used[term.grouping] = begin + len(term.effects)
        columns = modes[term.grouping][:, begin : used[term.grouping]]
        out = out + np.einsum("nq,nq->n", term.model, columns[term.codes])
    return out


def _whitened_start(system: System, theta: np.ndarray) -> np.ndarray:
    """(1, k): a user-scale theta whitened, and moved off the boundary, where no search begins.

    A theta that has no finite covariance in double precision gives way to one of moderate size.
    """
    if not len(system.layout):
        return np.zeros((1, 0))
    with np.errstate(all="ignore"):
        white = np.linalg.solve(system.theta_jacobian(), np.asarray(theta, dtype=float))[None]
        # its square must be a number, and leave room for sums
        white = np.where(np.abs(white) < _HUGE, white, np.sign(white) * _HUGE)
    if not np.isfinite(white).all():
        return isotropic(system, np.ones((1, len(system.terms))))
    lambdas = system.layout.lambdas(white)
    for block in system.terms:
        part = lambdas[block.group][:, block.place, block.place]
        values, vectors = np.linalg.eigh(part @ np.swapaxes(part, 1, 2))
        if values.min() < 1e-4:
            raised = (vectors * np.maximum(values, 1e-4)[:, None]) @ np.swapaxes(vectors, 1, 2)
            part[:] = semidefinite_cholesky(raised)
    return system.layout.theta(lambdas)
