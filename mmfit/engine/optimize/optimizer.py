"""Minimise the criterion over the unconstrained, whitened theta, for all responses at once.

Average-information Newton steps with the eigenvalues of the matrix made positive and a
backtracking line search; BFGS where these stall. The criterion is even in the sign of each column
of Lambda, so there are no bounds (see :mod:`boundary`), and a step may be taken in any root of the
covariances (see :mod:`frame`). Responses that have arrived leave the
active set; the others do not depend on them.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.covariance.roots import triangular
from mmfit.engine.evaluation import EstimationProblem, Evaluation, require_finite
from mmfit.engine.optimize.boundary import leave_boundary, snap
from mmfit.engine.optimize.newton_searches import Search
from mmfit.engine.optimize.second_starts import (
    MOST_STARTS,
    batch_rows,
    isotropic,
    second_starts,
    suspects,
)
from mmfit.engine.records import OUTCOMES

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

# A start that cannot be evaluated gives way to these relative standard deviations; at zero, where
# V = I, the criterion always can be, and the derivative by Psi shows the way.
_REPLACEMENTS = (1.0, 0.1, 0.01, 0.0)
# An end counts as lower by more than it may still fall, and more than rounding.
_LOWER = 1e-7
# A search from a second start has ended where a further step promises less than this, or, where it
# promises less than _NEAR_END, once it is known to end too high. (Some never do: there may be no
# minimum, where the residual variance can go to zero.)
_ARRIVED, _NEAR_END = 1e-5, 0.1
_MOST_OF_OTHERS = 40
# A lower minimum may show the way to one that is lower still.
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Looked:
    """The searches from second starts; first axis: the response (B).

    Attributes
    ----------
    starts : (B,) int, how many there were;  moved : (B,) bool, whether one ended lower.
    """

    starts: np.ndarray
    moved: np.ndarray

    @classmethod
    def nowhere(cls, count: int) -> "Looked":
        return cls(np.zeros(count, dtype=np.intp), np.zeros(count, dtype=bool))


@dataclass(frozen=True, slots=True)
class Optima:
    """Where the searches ended; first axis: the response (B).

    Attributes
    ----------
    evaluation : Evaluation at the optima (non-negative diagonals of Lambda).
    fallback : (B,) bool, whether BFGS was needed;  evaluations : (B,) int;  first_search : (B,)
        int, those until the end of the first search.
    start_objective, predicted_decrease, gradient_norm : (B,).
    converged : (B,) bool;  restless : (B,) bool, the search kept returning to a boundary that is
        not a minimum.
    looked : Looked.
    """

    evaluation: Evaluation
    fallback: np.ndarray
    evaluations: np.ndarray
    first_search: np.ndarray
    start_objective: np.ndarray
    predicted_decrease: np.ndarray
    gradient_norm: np.ndarray
    converged: np.ndarray
    restless: np.ndarray
    looked: Looked

    def message(self, i: int) -> str:
        """The outcome of one response in words."""
        predicted, converged = self.predicted_decrease[i], bool(self.converged[i])
        if converged:
            detail = f"a further step promises a decrease of {predicted:.1e}{self._others(i)}"
        elif self.restless[i]:
            detail = "the search keeps returning to a boundary that is not a minimum"
        else:
            detail = f"a further step still promises a decrease of {predicted:.1e}"
        return OUTCOMES[converged] + detail

    def _others(self, i: int) -> str:
        count, system = int(self.looked.starts[i]), self.evaluation.problem.system
        doubt = ""
        if sum(g.levels * g.size for g in system.groups) >= system.nobs - system.nfixed:
            # Where they leave no residual the criterion may fall without end, or nearly so.
            doubt = "; the random effects are as many as the rows, and a lower minimum may exist"
        elif count and self.evaluation.theta.shape[1] > 1:
            doubt = ", which does not prove that there is no lower minimum"
        if self.looked.moved[i]:
            return f"; the first search ended higher, this is the lowest end of {count} more{doubt}"
        return f"; none of {count} more starts ended lower{doubt}" if count else doubt


def optimize(
    problem: EstimationProblem, start: np.ndarray, unmodelled: bool, further: bool = True
) -> Optima:
    """Find the minimum of every response from ``start`` (B, k), and from others where that is not
    beyond doubt the lowest.

    ``unmodelled``: whether the mean of some random effect is not in the fixed part;  ``further``:
    whether other starts are tried at all. One at which the criterion cannot be evaluated is
    replaced.

    Raises
    ------
    ComputationError
        When the criterion of a single response cannot be evaluated anywhere. (Among several
        responses such a one has not converged, and its objective is NaN.)
    """
    search = Search(problem, start)
    lost = search.lost()
    if lost.any():
        _replace_starts(search, lost)
    if len(start) == 1:
        require_finite(search.objective, "any starting value")
    first = search.objective.copy()
    if not start.shape[1]:
        nobody = np.zeros(len(start), dtype=bool)
        return _outcome(search, first, nobody, Looked.nowhere(len(start)), search.count)
    easy, everyone = search.settled.copy(), np.flatnonzero(~search.lost())
    restless = _advance(search, everyone)
    count = search.count.copy()
    hard = everyone[~easy[everyone]]
    doubted = suspects(search, hard, unmodelled) if further and len(hard) else hard[:0]
    looked = _look_further(search, doubted, restless)
    _polish(search)
    return _outcome(search, first, restless, looked, count)


def _replace_starts(search: Search, lost: np.ndarray) -> None:
    """Start the searches that are ``lost`` (B,) bool from the largest variances that can be had."""
    for size in _REPLACEMENTS:
        who = np.flatnonzero(lost)
        if not len(who):
            break
        system = search.problem.system
        theta = isotropic(system, np.full((len(who), len(system.terms)), size))
        trial = search.evaluate(theta, who)
        with np.errstate(all="ignore"):
            good = np.isfinite(trial.objective) & np.isfinite(trial.gradient).all(axis=1)
        search.accept(who, trial, good, exact=False)
        lost[who[good]] = False
    # Nowhere to go from; there is nothing to predict either.
    search.known[lost], search.predicted[lost] = True, np.nan


def _advance(search: Search, active: np.ndarray, rival: np.ndarray | None = None) -> np.ndarray:
    """Search on for the ``active``; (B,) bool, who keeps returning to a boundary."""
    for _ in range(5):
        if not len(active):
            break
        _descend(search, active, rival)
        if rival is not None:
            active = active[~_hopeless(search, active, rival)]
        active = search.near_boundary(active)
        if len(active):
            snap(search, active)
            active = leave_boundary(search, active)
    restless = np.zeros(len(search.theta), dtype=bool)
    restless[active] = True
    return restless


def _look_further(search: Search, members: np.ndarray, restless: np.ndarray) -> Looked:
    """Search from other starts for the ``members``, and move to the lowest end where it is lower.

    ``restless`` is brought up to date.
    """
    B = len(search.theta)
    if not len(members):
        return Looked.nowhere(B)
    starts, moved = np.zeros(B, dtype=np.intp), np.zeros(B, dtype=bool)
    together = max(1, batch_rows(search.problem) // MOST_STARTS)
    for _ in range(_LOOKS):
        parts = [members[i : i + together] for i in range(0, len(members), together)]
        found = [_search_again(search, part, starts) for part in parts]
        better = np.concatenate([who for who, _ in found])
        if not len(better):
            break
        trial = search.evaluate(np.concatenate([theta for _, theta in found]), better)
        search.accept(better, trial, np.ones(len(better), dtype=bool))
        restless[better] = _advance(search, better)[better]
        moved[better] = True
        members = better
    return Looked(starts, moved)


def _search_again(search: Search, members: np.ndarray, starts: np.ndarray):
    """(those of the ``members`` for which a second start ends lower, theta there); counts the
    ``starts`` (B,)."""
    others = second_starts(search.problem, members, search.theta[members])
    search.count[members] += others.evaluations
    if not len(others.of):
        return members[:0], search.theta[:0]
    np.add.at(starts, others.of, 1)
    ends = Search(search.problem, others.theta, others.of)
    _advance(ends, np.flatnonzero(~ends.lost()), search.objective[others.of])
    np.add.at(search.count, others.of, ends.count)
    return _lower(search, ends)


def _lower(search: Search, ends: Search) -> tuple[np.ndarray, np.ndarray]:
    """(responses for which one of the ``ends`` is lower, theta of the lowest)."""
    ends.predict()
    arrived = np.isfinite(ends.objective) & (ends.predicted < 2 * _ARRIVED)
    value = np.where(arrived, ends.objective - ends.predicted, np.inf)
    order = np.lexsort((np.arange(len(value)), value, ends.of))
    best = order[np.unique(ends.of[order], return_index=True)[1]]
    who = ends.of[best]
    lower = value[best] < search.objective[who] - _LOWER
    return who[lower], ends.theta[best[lower]]


def _outcome(
    search: Search, first: np.ndarray, restless: np.ndarray, looked: Looked, count: np.ndarray
) -> Optima:
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
        first_search=count,
        start_objective=first,
        predicted_decrease=search.predicted,
        gradient_norm=norm,
        converged=np.isfinite(first) & ~restless & (search.predicted < np.maximum(1e-7, noise)),
        restless=restless,
        looked=looked,
    )


def _descend(search: Search, active: np.ndarray, rival: np.ndarray | None = None) -> None:
    """Newton steps of the ``active``, with a quasi-Newton search's help where they get stuck.

    Where there is a ``rival`` (B,), a value that is to be beaten, only to find out whether it is.
    """
    iteration, active = 0, active[~search.settled[active]]
    enough, most = (_DECREASE, MAX_EVALUATIONS) if rival is None else (_ARRIVED, _MOST_OF_OTHERS)
    late = _EXACT_SOON if search.cheap else _EXACT_AFTER
    while len(active):
        frame, step, slope = search.newton(active)
        going = (search.predicted[active] >= enough) & (search.count[active] < most)
        if rival is not None:
            going &= ~_hopeless(search, active, rival)
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
        helped = [member for member in stuck if rival is None and _bfgs(search, member)]
        active = np.sort(np.concatenate([active[found], np.array(helped, dtype=np.intp)]))
        active = active[~search.settled[active]]


def _hopeless(search: Search, active: np.ndarray, rival: np.ndarray) -> np.ndarray:
    """(A,) bool: close enough to a minimum to know that it is no lower than the ``rival``."""
    predicted = search.predicted[active]
    return (predicted < _NEAR_END) & (search.objective[active] - 3 * predicted > rival[active])


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
    search.accept(who, there, np.ones(1, dtype=bool))
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
        search.accept(active, trial, good)
        active = active[good]
