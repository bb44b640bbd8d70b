"""Many responses on one design: each has its own theta, all are advanced together.

Responses go through the optimiser in blocks whose size follows from the design alone, and no
response's arithmetic depends on the others, so that results do not depend on their order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from mmfit.engine.criterion import REML, Criterion
from mmfit.engine.estimates import estimates, variance_uncertainty
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import Prepared, prepare
from mmfit.engine.optimize.minque_start import starting_theta
from mmfit.engine.optimize.optimizer import Optima, optimize
from mmfit.engine.system.degenerate import NO_RESIDUAL, doubtful, without_residual
from mmfit.formula.matrices import ModelMatrices

# Numbers per block of responses: what a processor's outer cache holds.
_BLOCK_NUMBERS = 2_000_000
_BLOCK_LIMITS = (2, 1024)


@dataclass(frozen=True, slots=True)
class ManyFits:
    """Fits of B responses; first axis: the response, units of each.

    Attributes
    ----------
    criterion : Criterion, REML or ML.
    white_theta : (B, k), the optima in the whitened system.
    theta : (B, k), lme4's order and scale.
    objective : (B,), -2 log (restricted) likelihood;  sigma : (B,).
    fixef : (B, p);  vcov : (B, p, p);  covariances : per term (B, q, q).
    singular : (B, terms) bool;  converged : (B,) bool;  evaluations : (B,) int.
    messages : (B,) object, the outcome in words where a search has not converged, else ``""``.
    """

    criterion: Criterion
    white_theta: np.ndarray
    theta: np.ndarray
    objective: np.ndarray
    sigma: np.ndarray
    fixef: np.ndarray
    vcov: np.ndarray
    covariances: tuple[np.ndarray, ...]
    singular: np.ndarray
    converged: np.ndarray
    evaluations: np.ndarray
    messages: np.ndarray

    def of(self, members: np.ndarray) -> "ManyFits":
        """The fits of some of the responses, (A,) intp or (B,) bool."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)[1:]}
        covariances = tuple(block[members] for block in arrays.pop("covariances"))
        chosen = {name: array[members] for name, array in arrays.items()}
        return ManyFits(criterion=self.criterion, covariances=covariances, **chosen)


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
    for prepared, problem in _blocks(matrices, responses, criterion):
        optima = optimize(problem, starting_theta(problem), prepared.unmodelled, further)
        at = optima.evaluation
        found = estimates(at)
        asked.append(doubtful(matrices, optima, found.singular.any(axis=1)))
        parts.append(
            ManyFits(
                criterion=criterion,
                white_theta=at.theta,
                theta=found.theta,
                objective=at.objective,
                sigma=found.sigma,
                fixef=found.fixef,
                vcov=found.vcov,
                covariances=found.covariances,
                singular=found.singular,
                converged=optima.converged,
                evaluations=optima.evaluations,
                messages=_messages(optima),
            )
        )
    fits = _joined(parts, len(responses))
    return _without_residual(matrices, responses, fits, np.concatenate(asked)[: len(responses)])


def _messages(optima: Optima) -> np.ndarray:
    messages = np.full(len(optima.converged), "", dtype=object)
    for i in np.flatnonzero(~optima.converged):
        messages[i] = optima.message(i)
    return messages


def _without_residual(
    matrices: ModelMatrices, responses: np.ndarray, fits: ManyFits, asked: np.ndarray
) -> ManyFits:
    """The fits, without the numbers of those whose likelihood has no maximum."""
    members = np.flatnonzero(asked)
    if len(members):
        members = members[without_residual(matrices, responses[members], fits.criterion)]
    if not len(members):
        return fits
    numbers = (fits.white_theta, fits.theta, fits.objective, fits.sigma, fits.fixef, fits.vcov)
    for array in (*numbers, *fits.covariances):
        array[members] = np.nan
    fits.singular[members] = fits.converged[members] = False
    fits.messages[members] = NO_RESIDUAL
    return fits


def many_uncertainty(
    matrices: ModelMatrices, responses: np.ndarray, fits: ManyFits
) -> tuple[np.ndarray, np.ndarray]:
    """What Satterthwaite's method needs of each response: (B, k + 1, k + 1), (B, k + 1, p, p).

    See :func:`mmfit.engine.estimates.variance_uncertainty`. The cross-products are formed anew,
    so that a set of fits need not hold them.
    """
    begin, parts = 0, []
    for problem in blocks(matrices, responses, fits.criterion):
        theta = fits.white_theta[begin : begin + problem.batch]
        begin += problem.batch
        # a last response that stands alone has its double beside it
        at = problem.at(np.resize(theta, (problem.batch, theta.shape[1])))
        parts.append(variance_uncertainty(at))
    return tuple(np.concatenate(part)[: len(responses)] for part in zip(*parts, strict=True))


def blocks(
    matrices: ModelMatrices, responses: np.ndarray, criterion: Criterion
) -> Iterator[EstimationProblem]:
    """Problems of consecutive responses (B, n), each with what it needs in the cache.

    A last one that stands alone has its double beside it.
    """
    return (problem for _, problem in _blocks(matrices, responses, criterion))


def _blocks(matrices, responses, criterion) -> Iterator[tuple[Prepared, EstimationProblem]]:
    size = block_size(matrices)
    for begin in range(0, len(responses), size):
        block = responses[begin : begin + size]
        if len(block) == 1:
            # Sums run in another order where an axis has length 1: none is ever alone.
            block = np.concatenate([block, block])
        prepared = prepare(matrices, block)
        yield prepared, EstimationProblem(prepared.system, prepared.solver, criterion)


def block_size(matrices: ModelMatrices) -> int:
    """Responses per block: as many as fit the cache with what each of them needs."""
    m = matrices.X.shape[1] + 1
    per_response = matrices.nobs
    for term in matrices.random:
        q = term.model.shape[1]
        per_response += len(term.levels) * q * (q + 1) // 2 * m * (m + 1) // 2
    low, high = _BLOCK_LIMITS
    return int(np.clip(_BLOCK_NUMBERS // per_response, low, high))


def _joined(parts: list[ManyFits], count: int) -> ManyFits:
    names = ("white_theta", "theta", "objective", "sigma", "fixef", "vcov", "singular", "converged")
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])[:count]
        for name in (*names, "evaluations", "messages")
    }
    covariances = zip(*(part.covariances for part in parts), strict=True)
    return ManyFits(
        criterion=parts[0].criterion,
        covariances=tuple(np.concatenate(blocks)[:count] for blocks in covariances),
        **arrays,
    )
