"""Minimise the criterion over the unconstrained, whitened theta, for all responses at once.

Average-information Newton steps with the eigenvalues of the matrix made positive and a
backtracking line search; BFGS where these stall. The criterion is even in the sign of each column
of Lambda, so there are no bounds (see :mod:`boundary`), and a step may be taken in any root of the
covariances (see :mod:`frame`). Responses that have arrived leave the
active set; the others do not depend on them.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.boundary import leave_boundary, snap
from mmfit.engine.criterion import Evaluation, Problem, require_finite
from mmfit.engine.roots import triangular
from mmfit.engine.search import Search

MAX_EVALUATIONS = 400
# A further Newton step that promises less than this (in -2 log-likelihood) is not taken.
_DECREASE = 1e-9
# One that promises less than this would move no estimate by 5e-8 of its standard error; where an
# evaluation is expensive, 1.5e-6 will do.
_POLISH, _POLISH_EXPENSIVE = 1e-15, 1e-12
_POLISH_STEPS = 3
# The average information is mostly right, and cheap where second derivatives are not; a search that
# has not ended after so many steps is one in which it is far from the curvature.
_EXACT_AFTER = 6
# Where the exact Hessian costs no more, it takes over once the first step is done.
_EXACT_SOON = 2


@dataclass(frozen=True, slots=True)
class Optima:
    """Where the searches ended; first axis: the response (B).

    Attributes
    ----------
    evaluation : Evaluation at the optima (non-negative diagonals of Lambda).
    fallback : (B,) bool, whether BFGS was needed;  evaluations : (B,) int.
    start_objective, predicted_decrease, gradient_norm : (B,).
    converged : (B,) bool;  restless : (B,) bool, the search kept returning to a boundary that is
        not a minimum.
    """

    evaluation: Evaluation
    fallback: np.ndarray
    evaluations: np.ndarray
    start_objective: np.ndarray
    predicted_decrease: np.ndarray
    gradient_norm: np.ndarray
    converged: np.ndarray
    restless: np.ndarray

    def message(self, i: int) -> str:
        """The outcome of one response in words."""
        predicted = self.predicted_decrease[i]
        if self.converged[i]:
            return f"converged: a further step promises a decrease of {predicted:.1e}"
        if self.restless[i]:
            return "not converged: the search keeps returning to a boundary that is not a minimum"
        return f"not converged: a further step still promises a decrease of {predicted:.1e}"


def optimize(problem: Problem, start: np.ndarray) -> Optima:
    """Find the minimum of every response from ``start`` (B, k).

    Among several responses one whose criterion cannot be evaluated at its start has not converged,
    and its objective is NaN.

    Raises
    ------
    ComputationError
        When the criterion of a single response cannot be evaluated at the start.
    """
    search = Search(problem, start)
    if len(start) == 1:
        require_finite(search.objective, "the starting value")
    first = search.objective.copy()
    active = np.flatnonzero(np.isfinite(first)) if start.shape[1] else np.arange(0)
    for _ in range(5):
        if not len(active):
            break
        _descend(search, active)
        active = search.near_boundary(active)
        if len(active):
            snap(search, active)
            active = leave_boundary(search, active)
    restless = np.zeros(len(start), dtype=bool)
    restless[active] = True
    _polish(search)
    return _outcome(search, first, restless)


def _outcome(search: Search, first: np.ndarray, restless: np.ndarray) -> Optima:
    everyone = np.arange(len(first))
    evaluation = search.evaluation
    if evaluation is None:
        evaluation = search.problem.at(search.theta, everyone)
    if search.theta.shape[1]:
        search.predict()
        norm = np.abs(search.gradient).max(axis=1)
    else:
        search.predicted[:] = 0.0
        norm = np.zeros(len(first))
    noise = 1e-12 * (np.abs(search.objective) + search.problem.system.nobs)
    return Optima(
        evaluation=evaluation,
        fallback=search.fallback,
        evaluations=search.count,
        start_objective=first,
        predicted_decrease=search.predicted,
        gradient_norm=norm,
        converged=np.isfinite(first) & ~restless & (search.predicted < np.maximum(1e-7, noise)),
        restless=restless,
    )


def _descend(search: Search, active: np.ndarray) -> None:
    iteration, active = 0, active[~search.settled[active]]
    late = _EXACT_SOON if search.cheap else _EXACT_AFTER
    while len(active):
        frame, step, slope = search.newton(active)
        going = (search.predicted[active] >= _DECREASE) & (search.count[active] < MAX_EVALUATIONS)
        if not going.any():
            return
        if not going.all():
            active = active[going]
            frame, step, slope = search.newton(active)
        limit = 4 * np.maximum(1.0, np.abs(search.theta[active]).max(axis=1))
        length = np.abs(step).max(axis=1)
        shorter = np.minimum(1.0, limit / length)
        iteration += 1
        found = search.line_search(
            active, frame, step * shorter[:, None], slope * shorter, iteration >= late
        )
        stuck = active[~found & (search.predicted[active] >= 1e-8) & ~search.fallback[active]]
        helped = [member for member in stuck if _bfgs(search, member)]
        active = np.sort(np.concatenate([active[found], np.array(helped, dtype=np.intp)]))
        active = active[~search.settled[active]]


def _bfgs(search: Search, member: int) -> bool:
    """A quasi-Newton search of one response from where it stands; whether it found better."""
    # Here, because it takes 0.15 s and is hardly ever needed.
    from scipy.optimize import minimize

    search.fallback[member] = True
    who, here = np.array([member]), search.objective[member]

    def value_and_gradient(theta):
        evaluation = search.evaluate(theta[None], who)
        with np.errstate(all="ignore"):
            value, gradient = evaluation.objective[0] - here, evaluation.gradient[0]
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return 1e300, np.zeros(len(theta))
        return value, gradient

    result = minimize(
        value_and_gradient,
        search.theta[member],
        jac=True,
        method="BFGS",
        options={"gtol": 1e-7, "maxiter": MAX_EVALUATIONS // 2},
    )
    found = search.evaluate(result.x[None], who)
    if not found.objective[0] < here:
        return False
    lambdas = [triangular(lam) for lam in search.problem.system.layout.lambdas(found.theta)]
    there = search.evaluate(search.problem.system.layout.theta(lambdas), who)
    search.accept(there, np.ones(1, dtype=bool))
    return True


def _polish(search: Search) -> None:
    """Further steps, judged by the gradient: the criterion cannot tell such points apart.

    A stop within 1e-9 of the minimum leaves 4e-5 standard errors in an estimate, which is five or
    six digits of it, not the eight that can be had.
    """
    if not search.theta.shape[1]:
        return
    enough = _POLISH if search.cheap else _POLISH_EXPENSIVE
    active = np.arange(len(search.theta))
    for _ in range(_POLISH_STEPS if search.cheap else 1):
        search.predict()
        active = active[~search.settled[active] & (search.predicted[active] > enough)]
        if not len(active):
            return
        frame, step, _ = search.newton(active)
        trial = search.evaluate(frame.move(step), active)
        with np.errstate(all="ignore"):
            norm = np.abs(trial.gradient).max(axis=1)
        good = norm < np.abs(search.gradient[active]).max(axis=1)
        if not good.any():
            return
        search.accept(trial, good)
        active = active[good]
