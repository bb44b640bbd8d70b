"""Many responses on one design: each has its own theta, all are advanced together.

Responses go through the optimiser in blocks whose size follows from the design alone, and no
response's arithmetic depends on the others, so that results do not depend on their order.
"""

import numpy as np

from mmfit.engine.criterion import REML, Criterion
from mmfit.engine.estimates import estimates, variance_uncertainty
from mmfit.engine.many_fits import ManyFits, joined_fits
from mmfit.engine.optimize.minque_start import starting_theta
from mmfit.engine.optimize.optimizer import optimize
from mmfit.engine.preparation import Prepared, prepared_blocks
from mmfit.engine.system.degenerate import without_residual
from mmfit.formula.matrices import ModelMatrices

# Searches that end with more than this residual variance (of that beside the fixed effects) at a
# minimum have not gone where the likelihood is unbounded.
_SUSPECT = 1e-6


def fit_many(
    matrices: ModelMatrices,
    responses: np.ndarray,
    *,
    criterion: Criterion = REML,
    further: bool = True,
) -> ManyFits:
    """Fit one model to each row of ``responses`` (B, n), in place of the model's response.

    ``further``: search from other starts where a fit of its own would. Replicates of a bootstrap do
    without: it takes ten times as long, and finds a lower minimum in some 2% of them.

    One without estimates (its criterion cannot be evaluated at its start, or has no minimum) has
    NaN for its numbers.

    Raises
    ------
    DesignError
        When the fixed effects leave nothing to estimate, or fit a response exactly.
    """
    parts, asked = [], []
    for prepared, places in prepared_blocks(matrices, responses):
        fits, doubtful = fit_block(prepared, responses[places], criterion, None, further)
        parts.append(fits)
        asked.append(doubtful)
    fits = joined_fits(parts, responses)
    return without_unbounded(fits, np.concatenate(asked)[: len(responses)])


def fit_block(
    prepared: Prepared,
    responses: np.ndarray,
    criterion: Criterion,
    start: np.ndarray | None = None,
    further: bool = True,
) -> tuple[ManyFits, np.ndarray]:
    """Fit the ``responses`` (b, n) that were ``prepared``, from the whitened ``start`` (b, k) or
    MINQUE(0).

    Returns
    -------
    ManyFits, and (b,) bool: of which of them :func:`without_unbounded` must ask.
    """
    problem = prepared.problem(criterion)
    theta = starting_theta(problem) if start is None else start
    at, outcomes = optimize(problem, theta, prepared.unmodelled, further)
    found = estimates(at)
    fits = ManyFits(
        matrices=prepared.matrices,
        responses=responses,
        criterion=criterion,
        solver=problem.solver.name,
        white_theta=at.theta,
        theta=found.theta,
        objective=at.objective,
        sigma=found.sigma,
        fixef=found.fixef,
        vcov=found.vcov,
        covariances=found.covariances,
        singular=found.singular,
        outcomes=outcomes,
        unbounded=np.zeros(len(found.sigma), dtype=bool),
        at=at if problem.batch == 1 else None,
    )
    return fits, _doubtful(fits, at.r2 > _SUSPECT * problem.nu)


def _doubtful(fits: ManyFits, residual: np.ndarray) -> np.ndarray:
    """(B,) bool: whose likelihood may have no maximum; ``residual`` (B,) bool, the search ended
    with a residual variance to speak of.

    Those whose search has not ended at a minimum with one. Where rows are few for the coefficients,
    a likelihood without bound may have such a minimum too: then the singular ones are asked of, and
    all where there are no more rows than coefficients.
    """
    suspect, matrices = ~(fits.converged & residual), fits.matrices
    n, p = matrices.X.shape
    columns = p + sum(len(t.levels) * len(t.effects) for t in matrices.random)
    if columns >= n:
        return np.ones_like(suspect)
    return suspect | fits.singular.any(axis=1) if 2 * columns >= n else suspect


def without_unbounded(fits: ManyFits, doubtful: np.ndarray) -> ManyFits:
    """The fits, without the numbers of those of the ``doubtful`` (B,) bool whose likelihood has no
    maximum."""
    members = np.flatnonzero(doubtful)
    if len(members):
        responses = fits.responses[members]
        members = members[without_residual(fits.matrices, responses, fits.criterion)]
    return fits.without_estimates(members) if len(members) else fits


def many_uncertainty(fits: ManyFits) -> tuple[np.ndarray, np.ndarray]:
    """What Satterthwaite's method needs of each response: (B, k + 1, k + 1), (B, k + 1, p, p).

    See :func:`mmfit.engine.estimates.variance_uncertainty`. The cross-products are formed anew,
    so that a set of fits need not hold them.
    """
    parts = [
        variance_uncertainty(prepared.problem(fits.criterion).at(fits.white_theta[places]))
        for prepared, places in prepared_blocks(fits.matrices, fits.responses)
    ]
    return tuple(np.concatenate(part)[: len(fits.sigma)] for part in zip(*parts, strict=True))
