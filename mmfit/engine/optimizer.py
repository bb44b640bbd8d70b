"""Minimise the criterion over the unconstrained, whitened theta, for all responses at once.

Average-information Newton steps with the eigenvalues of the matrix made positive and a
backtracking line search; BFGS where these stall. The criterion is even in the sign of each column
of Lambda, so there are no bounds (see :mod:`boundary`). Responses that have arrived leave the
active set; the others do not depend on them.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.boundary import leave_boundary, snap
from mmfit.engine.criterion import Evaluation, Problem, require_finite
from mmfit.engine.search import Search

MAX_EVALUATIONS = 400
# A further Newton step that promises less than this (in -2 log-likelihood) is not taken.
_DECREASE = 1e-10
# One that promises less than this would not change the eighth digit of an estimate.
_POLISH = 1e-15
# The average information is cheap and mostly right; a search that has not ended after so many steps
# is one in which it is far from the curvature, so that the exact Hessian pays.
_EXACT_AFTER = 6


@dataclass(frozen=True, slots=True)
class Optima:
    """Where the searches ended; first axis: the response (B).

    Attributes
    ----------
    evaluation : Evaluation at the optima (canonical signs).
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

    Raises
    ------
    ComputationError
        When the criterion cannot be evaluated at the start.
    """
    search = Search(problem, start)
    require_finite_start(search)
    first = search.objective.copy()
    active = np.arange(len(start)) if start.shape[1] else np.arange(0)
    for _ in range(5):
        if not len(active):
            break
        _descend(search, active)
        snap(search, active)
        active = leave_boundary(search, active)
    restless = np.zeros(len(start), dtype=bool)
    restless[active] = True
    _canonical(search)
    _polish(search)
    return _outcome(search, first, restless)


def require_finite_start(search: Search) -> None:
    if not np.isfinite(search.objective).all():
        evaluation = search.problem.at(search.theta)
        require_finite(evaluation, "the starting value")


def _outcome(search: Search, first: np.ndarray, restless: np.ndarray) -> Optima:
    everyone = np.arange(len(first))
    evaluation = search.evaluation
    if evaluation is None:
        evaluation = search.problem.at(search.theta, everyone)
    if search.theta.shape[1]:
        search.step(everyone)
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
        converged=~restless & (search.predicted < np.maximum(1e-7, noise)),
        restless=restless,
    )


def _descend(search: Search, active: np.ndarray) -> None:
    iteration = 0
    while len(active):
        step = search.step(active)
        going = (search.predicted[active] >= _DECREASE) & (search.count[active] < MAX_EVALUATIONS)
        active, step = active[going], step[going]
        if not len(active):
            return
        limit = 4 * np.maximum(1.0, np.abs(search.theta[active]).max(axis=1))
        length = np.abs(step).max(axis=1)
        step *= np.minimum(1.0, limit / length)[:, None]
        iteration += 1
        found = search.line_search(active, step, exact=iteration >= _EXACT_AFTER)
        stuck = active[~found & (search.predicted[active] >= 1e-8) & ~search.fallback[active]]
        helped = [member for member in stuck if _bfgs(search, member)]
        active = np.sort(np.concatenate([active[found], np.array(helped, dtype=np.intp)]))


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
    search.accept(found, np.ones(1, dtype=bool))
    return True


def _canonical(search: Search) -> None:
    """Move to the equivalent thetas with a non-negative diagonal of Lambda."""
    layout = search.problem.system.layout
    diagonal = np.flatnonzero(layout.row == layout.column)
    owner = np.zeros((max(layout.sizes, default=0), len(layout.sizes)), dtype=np.intp)
    owner[layout.column[diagonal], layout.group[diagonal]] = diagonal
    negative = search.theta[:, owner[layout.column, layout.group]] < 0
    who = np.flatnonzero(negative.any(axis=1))
    if len(who):
        trial = search.evaluate(np.where(negative, -search.theta, search.theta)[who], who)
        search.accept(trial, np.ones(len(who), dtype=bool))


def _polish(search: Search) -> None:
    """One more step, judged by the gradient: the criterion cannot tell such points apart.

    A stop within 1e-10 of the minimum leaves 1e-5 standard errors in an estimate, which is six
    digits of it, not the eight that can be had.
    """
    everyone = np.arange(len(search.theta))
    if not search.theta.shape[1]:
        return
    step = search.step(everyone)
    who = everyone[search.predicted > _POLISH]
    if not len(who):
        return
    trial = search.evaluate(search.theta[who] + step[who], who)
    with np.errstate(all="ignore"):
        norm = np.abs(trial.gradient).max(axis=1)
    good = norm < np.abs(search.gradient[who]).max(axis=1)
    if good.any():
        search.accept(trial, good)
