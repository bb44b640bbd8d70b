"""Responses drawn from a fitted model."""

import numpy as np

from mmfit.common.arguments import check_count, check_seed
from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.records import Fit
from mmfit.errors import ComputationError
from mmfit.formula.matrices import ModelMatrices


def simulate_responses(
    matrices: ModelMatrices, fit: Fit, n: int, seed: int, first: int = 0
) -> np.ndarray:
    """(nobs, n) draws of y = X beta + offset + Z b + e, with b and e drawn anew.

    Replicate i uses the i-th stream spawned from ``seed``, whatever ``n`` is; the columns are
    replicates ``first``, ``first`` + 1, .... The residual variance of a row is sigma^2 divided by
    its prior weight.

    Raises
    ------
    MmfitError
        When ``n`` is no whole number from 1, or ``seed`` none from 0.
    ComputationError
        For a fit without estimates.
    """
    check_count(n, "n", "the number of simulated responses must be a whole number of at least 1")
    check_seed(seed)
    if np.isnan(fit.sigma):
        raise ComputationError(
            f"{fit.formula}: there is no model to draw responses from; {fit.optimizer.message}"
        )
    mean = matrices.X @ fit.fixef
    if matrices.offset is not None:
        mean = mean + matrices.offset
    spread = np.full(matrices.nobs, fit.sigma)
    if matrices.weights is not None:
        spread = spread / np.sqrt(matrices.weights)
    roots = [semidefinite_cholesky(term.covariance) for term in fit.terms]
    out = np.empty((matrices.nobs, n))
    for column, stream in enumerate(np.random.SeedSequence(seed).spawn(first + n)[first:]):
        rng = np.random.default_rng(stream)
        y = mean + spread * rng.standard_normal(matrices.nobs)
        for term, root in zip(matrices.random, roots, strict=True):
            effects = rng.standard_normal((len(term.levels), len(root))) @ root.T
            y = y + np.einsum("nq,nq->n", term.model, effects[term.codes])
        out[:, column] = y
    return out
