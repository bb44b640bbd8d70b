"""Rows whose prediction, or its precision, hangs on variance parameters that no data tell apart.

Two sets of variance parameters between which no data of the design can tell
(:mod:`mmfit.engine.confounding`) may still predict differently: the effect of a treatment
that a person was never given follows from those that were by a covariance that nobody has seen.
Such a row has no prediction. The question is answered by predicting at two such sets, from
responses that have nothing to do with the data's: along a move that no data see, the best linear
unbiased prediction is a linear function of the step, so that any step will do.
"""

from itertools import combinations_with_replacement

import numpy as np

from mmfit.engine.confounding import unseen_moves
from mmfit.engine.criterion import REML
from mmfit.engine.estimates import conditional_modes, estimates
from mmfit.engine.evaluation import EstimationProblem
from mmfit.formula.design import NewMatrices, NewRandom
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.precision.unseen_moves import DIFFERENT, moved_thetas
from mmfit.inference.prediction.new_rows import Rows
from mmfit.inference.prediction.prediction_error import error_variances, group_variance

# Eigenvalues of a level's cross-products below this share of the largest may be zero, and shares of
# a row beyond this lie outside of what the level has shown.
_DEPENDENT, _OUTSIDE = 1e-12, 1e-6


def unidentified_predictions(model: FittedModel, new: NewMatrices) -> np.ndarray:
    """(n,) bool: rows whose conditional prediction is a guess.

    Only a row that is no combination of what its levels have shown can be one; where there is none
    nothing is computed.
    """
    fit, matrices = model.fit, model.matrices
    beyond = _beyond_their_levels(matrices, new)
    if not beyond.any() or fit.uncertainty.confounding is None:
        return np.zeros(len(beyond), dtype=bool)
    prepared, problem = model.system.design_problem
    moves = model.system.unseen_moves
    first = _predicted(problem, moves.theta, new)
    changed = np.zeros(len(beyond), dtype=bool)
    for theta, _ in moved_thetas(prepared, moves):
        difference = np.abs(_predicted(problem, theta, new) - first)
        changed |= (difference > DIFFERENT * (1 + np.abs(first))).any(axis=0)
    return beyond & changed


def unidentified_variances(
    model: FittedModel, rows: Rows, conditional: bool, response: bool
) -> np.ndarray:
    """(n,) bool: rows whose prediction has a variance that no data tell.

    ``conditional``, or of the population; of a new ``response``, or of its mean.
    """
    fit, matrices = model.fit, model.matrices
    hidden = fit.uncertainty.confounding
    new = rows.matrices
    if hidden is None:
        return np.zeros(len(new.X), dtype=bool)
    if not conditional and not response:
        return hidden.concerns(new.X)
    prepared = model.prepared
    problem = prepared.problem(REML)
    moves = unseen_moves(problem)
    steps = list(moved_thetas(prepared, moves))
    thetas = np.array([moves.theta, *(theta for theta, _ in steps)])
    if conditional:
        total = error_variances(prepared, matrices, thetas, new.X, new.random)
    else:
        total = np.array([_of_the_population(problem, theta, new) for theta in thetas])
    total = total + (1 / rows.weights if response else 0.0)
    scale = np.array([1.0, *(scale for _, scale in steps)])
    changed = np.abs(total * scale[:, None] - total[0]) > DIFFERENT * total[0]
    return changed.any(axis=0)


def _of_the_population(
    problem: EstimationProblem, theta: np.ndarray, new: NewMatrices
) -> np.ndarray:
    """(n,) x'(X'V^-1 X)^-1 x + z'Psi z, in units of sigma^2."""
    half = new.X @ problem.system.back() @ problem.at(theta).R_inverse[0]
    user = problem.system.theta_jacobian() @ theta
    return (half**2).sum(axis=1) + group_variance(user, new.random)[0]


def _predicted(problem: EstimationProblem, theta: np.ndarray, new: NewMatrices) -> np.ndarray:
    """(responses, n): x'beta-hat + z'b-hat, a level that the fit did not see at b = 0."""
    at = problem.at(np.repeat(theta[None], problem.batch, axis=0))
    out = estimates(at).fixef @ new.X.T
    for i, row in enumerate(out):
        for (modes, _), term in zip(conditional_modes(at, i), new.random, strict=True):
            known = term.codes >= 0
            row[known] += np.einsum("nq,nq->n", term.model[known], modes[term.codes[known]])
    return out


def _beyond_their_levels(matrices: ModelMatrices, new: NewMatrices) -> np.ndarray:
    """(n,) bool: rows that may be no combination of the rows of a level that they belong to."""
    out = np.zeros(len(new.X), dtype=bool)
    pairs = list(zip(matrices.random, new.random, strict=True))
    while pairs:
        own = [pair for pair in pairs if np.array_equal(pair[0].codes, pairs[0][0].codes)]
        pairs = [pair for pair in pairs if not any(pair is other for other in own)]
        codes = np.array([term.codes for _, term in own])
        parted = (codes != codes[0]).any(axis=0)
        out |= parted | ((codes[0] >= 0) & _outside([o for o, _ in own], [t for _, t in own]))
    return out


def _outside(old: list[RandomTerm], new: list[NewRandom]) -> np.ndarray:
    """(n,) bool: rows with a part outside of the row space of their level's random effects."""
    Z, z, codes = np.hstack([t.model for t in old]), np.hstack([t.model for t in new]), new[0].codes
    if Z.shape[1] == 1 and (Z != 0).all():
        return np.zeros(len(z), dtype=bool)
    scale = np.sqrt(np.einsum("nq,nq->q", Z, Z))
    scale[scale == 0] = 1.0
    Z, z = Z / scale, z / scale
    count, rows, place = len(old[0].levels), old[0].codes, np.maximum(codes, 0)
    if count > len(z):
        # Only the levels that are asked for.
        levels, place = np.unique(place, return_inverse=True)
        position = np.full(count, -1, dtype=np.intp)
        position[levels] = np.arange(len(levels))
        inside = np.flatnonzero(position[rows] >= 0)
        count, rows, Z = len(levels), position[rows[inside]], Z[inside]
    products = np.empty((count, Z.shape[1], Z.shape[1]))
    for row, column in combinations_with_replacement(range(Z.shape[1]), 2):
        sums = np.bincount(rows, Z[:, row] * Z[:, column], count)
        products[:, row, column] = products[:, column, row] = sums
    values, vectors = np.linalg.eigh(products)
    unseen = values <= _DEPENDENT * values[:, -1:]
    if not unseen.any():
        return np.zeros(len(z), dtype=bool)
    parts = np.einsum("nq,nqr->nr", z, vectors[place]) * unseen[place]
    return (parts**2).sum(axis=1) > _OUTSIDE**2 * (z**2).sum(axis=1)
