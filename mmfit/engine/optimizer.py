"""Minimise the criterion over the unconstrained, whitened theta.

Average-information Newton steps with the eigenvalues of the matrix made positive and a
backtracking line search; BFGS where these stall. The criterion is even in the sign of each column
of Lambda, so there are no bounds; what a bound would guard is checked afterwards instead: where a
covariance is singular, the derivative with respect to Psi must not be negative in its null space.
"""

from dataclasses import dataclass
from itertools import count

import numpy as np

from mmfit.engine.criterion import Evaluation, Problem
from mmfit.errors import ComputationError

MAX_EVALUATIONS = 400
# A further Newton step that promises less than this (in -2 log-likelihood) is not taken.
_DECREASE = 1e-10
# The average information is cheap and mostly right; a search that has not ended after so many steps
# is one in which it is far from the curvature, so that the exact Hessian pays.
_EXACT_AFTER = 6
# Below this relative standard deviation (of sigma) an effect is tried at exactly zero.
_SNAP = 1e-4
# A derivative with respect to a variance at zero below -_NEGATIVE leaves the boundary.
_NEGATIVE = 1e-5


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the search ended.

    Attributes
    ----------
    evaluation : Evaluation at the optimum (canonical signs).
    method : ``newton`` or ``bfgs``;  evaluations : int;  start_objective : float.
    predicted_decrease : float;  converged : bool;  message : str.
    """

    evaluation: Evaluation
    method: str
    evaluations: int
    start_objective: float
    predicted_decrease: float
    converged: bool
    message: str


class _Search:
    """Counts evaluations; a theta at which the factorisation fails counts as infinitely bad."""

    def __init__(self, problem: Problem):
        self.problem, self.count, self.method = problem, 0, "newton"

    def at(self, theta) -> Evaluation | None:
        self.count += 1
        try:
            with np.errstate(all="ignore"):
                evaluation = self.problem.at(theta)
        except (ComputationError, np.linalg.LinAlgError):
            return None
        return evaluation if np.isfinite(evaluation.objective) else None


def optimize(problem: Problem, start: np.ndarray) -> Optimum:
    """Find the minimum from ``start``.

    Raises
    ------
    ComputationError
        When the criterion cannot be evaluated at the start.
    """
    search = _Search(problem)
    current = search.at(start)
    if current is None:
        raise ComputationError("the criterion cannot be evaluated at the starting value")
    first = current.objective
    for _ in range(5):
        current, predicted = _descend(search, current)
        current = _snap(search, current)
        escape = _leave_boundary(search, current)
        if escape is None:
            break
        current = escape
    current = _polish(search, _canonical(search, current))
    predicted = _newton_step(current)[1]
    noise = 1e-12 * (abs(current.objective) + problem.system.nobs)
    converged = escape is None and predicted < max(1e-7, noise)
    return Optimum(
        evaluation=current,
        method=search.method,
        evaluations=search.count,
        start_objective=first,
        predicted_decrease=predicted,
        converged=converged,
        message=_message(converged, predicted, escape),
    )


def _message(converged, predicted, escape) -> str:
    if converged:
        return f"converged: a further step promises a decrease of {predicted:.1e}"
    if escape is not None:
        return "not converged: the search keeps returning to a boundary that is not a minimum"
    return f"not converged: a further step still promises a decrease of {predicted:.1e}"


def _newton_step(evaluation: Evaluation, exact: bool = False) -> tuple[np.ndarray, float]:
    """Step along the positive definite part of the Newton matrix, and the decrease it promises."""
    if not len(evaluation.theta):
        return np.zeros(0), 0.0
    matrix = evaluation.profiled_hessian if exact else evaluation.newton_matrix
    values, vectors = np.linalg.eigh(matrix)
    size = np.abs(values)
    size = np.maximum(size, 1e-10 * max(size.max(), 1e-10))
    slope = vectors.T @ evaluation.gradient
    step = -vectors @ (slope / size)
    return step, float(0.5 * slope @ (slope / size))


def _descend(search: _Search, current: Evaluation) -> tuple[Evaluation, float]:
    predicted = np.inf
    for iteration in count():
        if search.count >= MAX_EVALUATIONS:
            break
        step, predicted = _newton_step(current, exact=iteration >= _EXACT_AFTER)
        if predicted < _DECREASE:
            return current, predicted
        limit = 4 * max(1.0, np.abs(current.theta).max())
        length = np.abs(step).max()
        if length > limit:
            step = step * (limit / length)
        better = _line_search(search, current, step)
        if better is None:
            if predicted < 1e-8 or search.method == "bfgs":
                return current, predicted
            better = _bfgs(search, current)
            if better is None:
                return current, predicted
        current = better
    return current, predicted


def _line_search(search, current, step) -> Evaluation | None:
    slope = float(current.gradient @ step)
    fraction = 1.0
    for _ in range(12):
        trial = search.at(current.theta + fraction * step)
        if trial is not None and trial.objective < current.objective + 1e-4 * fraction * slope:
            return trial
        fraction *= 0.35
    return None


def _bfgs(search, current) -> Evaluation | None:
    """A quasi-Newton search from here; None when it finds nothing better."""
    # Here, because it takes 0.15 s and is hardly ever needed.
    from scipy.optimize import minimize

    search.method = "bfgs"

    def value_and_gradient(theta):
        evaluation = search.at(theta)
        if evaluation is None:
            return 1e300, np.zeros(len(theta))
        return evaluation.objective - current.objective, evaluation.gradient

    result = minimize(
        value_and_gradient,
        current.theta,
        jac=True,
        method="BFGS",
        options={"gtol": 1e-7, "maxiter": MAX_EVALUATIONS // 2},
    )
    found = search.at(result.x)
    if found is None or not found.objective < current.objective:
        return None
    return found


def _snap(search, current: Evaluation) -> Evaluation:
    """Put effects whose variance is all but zero at exactly zero where that costs nothing."""
    problem = search.problem
    lambdas = [lam.copy() for lam in current.lambdas]
    changed = False
    for term in problem.system.terms:
        g, s = term.group, term.place
        block = lambdas[g][s, s]
        values, vectors = np.linalg.eigh(block @ block.T)
        small = values < _SNAP**2
        if small.any():
            root = semidefinite_cholesky((vectors * np.where(small, 0.0, values)) @ vectors.T)
            changed |= not np.array_equal(root, block)
            lambdas[g][s, s] = root
    if not changed:
        return current
    trial = search.at(problem.system.layout.theta(lambdas))
    if trial is None or trial.objective > current.objective + 1e-9:
        return current
    return trial


def _leave_boundary(search, current: Evaluation) -> Evaluation | None:
    """A better point next to a boundary at which the criterion still falls, else None."""
    problem = search.problem
    lambdas = [lam.copy() for lam in current.lambdas]
    for term in problem.system.terms:
        g, s = term.group, term.place
        block = current.lambdas[g][s, s]
        values, vectors = np.linalg.eigh(block @ block.T)
        null = vectors[:, values < _SNAP**2]
        if not null.shape[1]:
            continue
        slopes, inner = np.linalg.eigh(null.T @ current.slope_blocks[g][s, s] @ null)
        if slopes[0] > -_NEGATIVE * problem.system.nobs:
            continue
        direction = null @ inner[:, 0]
        for variance in (0.1, 0.01, 1e-3, 1e-4):
            psi = block @ block.T + variance * np.outer(direction, direction)
            lambdas[g][s, s] = semidefinite_cholesky(psi)
            trial = search.at(problem.system.layout.theta(lambdas))
            if trial is not None and trial.objective < current.objective - 1e-9:
                return trial
        lambdas[g][s, s] = block
    return None


def _polish(search, current: Evaluation) -> Evaluation:
    """One more step, judged by the gradient: the criterion cannot tell such points apart.

    A stop within 1e-10 of the minimum leaves 1e-5 standard errors in an estimate, which is six
    digits of it, not the eight that can be had.
    """
    if not len(current.theta):
        return current
    trial = search.at(current.theta + _newton_step(current)[0])
    if trial is None or np.abs(trial.gradient).max() >= np.abs(current.gradient).max():
        return current
    return trial


def _canonical(search, current: Evaluation) -> Evaluation:
    """The equivalent theta with a non-negative diagonal of Lambda."""
    lambdas = [lam * np.where(np.diag(lam) < 0, -1.0, 1.0) for lam in current.lambdas]
    theta = search.problem.system.layout.theta(lambdas)
    if np.array_equal(theta, current.theta):
        return current
    trial = search.at(theta)
    return current if trial is None else trial


def semidefinite_cholesky(psi: np.ndarray) -> np.ndarray:
    """Lower triangular root of a positive semidefinite matrix, zero columns where singular."""
    q = len(psi)
    out, scale = np.zeros((q, q)), max(np.diag(psi).max(), np.finfo(float).tiny)
    rest = psi.copy()
    for j in range(q):
        if rest[j, j] <= 1e-14 * scale:
            continue
        out[j:, j] = rest[j:, j] / np.sqrt(rest[j, j])
        rest -= np.outer(out[:, j], out[:, j])
    return out
