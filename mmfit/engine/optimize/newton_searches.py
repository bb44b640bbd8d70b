"""The state of searches for minima, of one or many responses, and their Newton step."""

import numpy as np

from mmfit.engine.covariance.roots import NEAR_ZERO, nearly_singular
from mmfit.engine.evaluation import EstimationProblem, Evaluation
from mmfit.engine.optimize.step_coordinates import Frame

# Fraction of the decrease along the gradient that a step must bring.
_SUFFICIENT = 1e-4
# After a step that promised less than this, the average information is corrected by what the
# slope did on the way.
_NEAR = 1.0
# Where no step within the scale of theta can bring more than this to first order, none is sought:
# so it is at the start of balanced designs.
_SETTLED = 1e-11


class Search:
    """Where each search stands; first axis: the search (B), one per response as a rule.

    Attributes
    ----------
    of : (B,) intp, the response of each search.
    theta : (B, k);  objective : (B,).
    cheap : bool, whether exact second derivatives cost no more than others.
    gradient : (B, k), with respect to theta.
    psi_slope : (B, k), psi_matrix : (B, k, k): first and second derivatives along the E_e.
    predicted : (B,), decrease that a further step promises;  known : (B,) bool, whether it is that
        at the present ``theta``;  settled : (B,) bool, no second derivatives were needed there.
    count : (B,) int, evaluations so far;  fallback : (B,) bool, whether BFGS had to help.
    evaluation : Evaluation of all responses at ``theta``, or None where they were not
        evaluated together.
    """

    def __init__(self, problem: EstimationProblem, start: np.ndarray, of: np.ndarray | None = None):
        B, k = start.shape
        self.problem, self.cheap = problem, problem.solver.second_order_is_cheap
        self.of = np.arange(B) if of is None else of
        self.single = problem.batch == 1 and B == 1
        self.theta = start.copy()
        self.count = np.zeros(B, dtype=np.intp)
        self.fallback = np.zeros(B, dtype=bool)
        self.objective = np.full(B, np.nan)
        self.gradient, self.psi_slope = np.zeros((B, k)), np.zeros((B, k))
        self.psi_matrix = np.zeros((B, k, k))
        self.predicted = np.full(B, np.inf)
        self.known, self.settled = np.zeros(B, dtype=bool), np.zeros(B, dtype=bool)
        self.evaluation: Evaluation | None = None
        everyone = np.arange(B)
        first = self.evaluate(self.theta, everyone)
        self.accept(everyone, first, np.ones(B, dtype=bool), exact=False)

    def lost(self) -> np.ndarray:
        """(B,) bool: whose criterion or derivative cannot be had where they stand."""
        return ~(np.isfinite(self.objective) & np.isfinite(self.gradient).all(axis=1))

    def evaluate(self, theta: np.ndarray, members: np.ndarray) -> Evaluation:
        """The criterion at ``theta`` (A, k); NaN where it cannot be had."""
        self.count[members] += 1
        with np.errstate(all="ignore"):
            return self.problem.at(theta, self.of[members])

    def accept(
        self,
        members: np.ndarray,
        trial: Evaluation,
        good: np.ndarray,
        exact: bool | None = None,
    ) -> None:
        """Move those of ``members`` (A,) that are ``good`` (A,) to ``trial``, with derivatives.

        ``exact`` second derivatives or the average information; by default what the solver has
        cheaply.
        """
        if exact is None:
            exact = self.cheap
        everyone, members, promised = members, members[good], self.predicted[0]
        with np.errstate(all="ignore"):
            gradient, slope = trial.gradient, trial.psi_slope
            scale = 1 + np.abs(trial.theta).max(axis=1, initial=0.0)
            promise = np.abs(gradient).sum(axis=1) * scale
        settled = promise < _SETTLED
        self.predicted[members] = promise[good]
        self.known[members] = self.settled[members] = settled[good]
        moving = good & ~settled
        if moving.any():
            matrix = self._second_order(trial, moving, exact)
            if not exact and self.single and promised < _NEAR:
                matrix = self._with_secant(matrix, trial)
            self.psi_matrix[everyone[moving]] = matrix
        if len(members) == len(self.theta):
            # The arrays are the trial's own, which nobody else changes.
            self.theta, self.objective, self.evaluation = trial.theta, trial.objective, trial
            self.gradient, self.psi_slope = gradient, slope
            return
        self.evaluation = None
        self.theta, self.objective = self.theta.copy(), self.objective.copy()
        self.gradient, self.psi_slope = self.gradient.copy(), self.psi_slope.copy()
        self.theta[members], self.objective[members] = trial.theta[good], trial.objective[good]
        self.gradient[members], self.psi_slope[members] = gradient[good], slope[good]

    def _second_order(self, trial: Evaluation, moving: np.ndarray, exact: bool) -> np.ndarray:
        """Second derivatives along the E_e of the members that are ``moving``."""
        with np.errstate(all="ignore"):
            if 2 * moving.sum() < len(moving):
                # Few are left: what they need is computed for them alone.
                few = self.problem.at(trial.theta[moving], trial.members[moving])
                return few.psi_profiled if exact else few.psi_average
            return (trial.psi_profiled if exact else trial.psi_average)[moving]

    def _with_secant(self, matrix: np.ndarray, trial: Evaluation) -> np.ndarray:
        """The average information, corrected along the last step by what the slope did there.

        Its error is nearly constant close to the minimum, where the search would otherwise
        converge linearly (symmetric rank-one update: Nocedal & Wright 2006, eq. 6.24).
        """
        layout = self.problem.system.layout
        s = (layout.psi(trial.theta) - layout.psi(self.theta))[0]
        rest = (trial.psi_slope - self.psi_slope)[0] - matrix[0] @ s
        share = float(rest @ s)
        if abs(share) <= 1e-8 * np.sqrt((rest @ rest) * (s @ s)):
            return matrix
        return matrix + np.outer(rest, rest) / share

    def newton(self, members: np.ndarray) -> tuple[Frame, np.ndarray, np.ndarray]:
        """(frame, step (A, k) in it, slope (A,) along the step); sets ``predicted``.

        The matrix is the average information or the exact second derivatives, made positive
        definite, with the exact part from the curvature of Psi. That part vanishes at an interior
        optimum; without it a step towards a variance of zero would have the wrong length, since
        the criterion is even in theta there.
        """
        system = self.problem.system
        slope = self.psi_slope[members]
        frame = Frame(system.layout, system.terms, self.theta[members])
        J = frame.jacobian
        gradient = np.einsum("ae,aei->ai", slope, J)
        matrix = J.transpose(0, 2, 1) @ self.psi_matrix[members] @ J + frame.curvature(slope)
        unknown = ~np.isfinite(matrix).all(axis=(1, 2))
        if unknown.any():
            # down the gradient, by a length of one
            size = np.sqrt((gradient[unknown] ** 2).sum(axis=1))
            matrix[unknown] = size[:, None, None] * np.eye(matrix.shape[1])
        step = solve_positive(matrix, gradient, by_elimination=not self.single)
        along = -(gradient * step).sum(axis=1)
        self.predicted[members] = -0.5 * along
        self.known[members] = True
        return frame, -step, along

    def near_boundary(self, members: np.ndarray) -> np.ndarray:
        """Which of the members have a term whose covariance is all but singular."""
        system = self.problem.system
        lambdas = system.layout.lambdas(self.theta[members])
        near = np.zeros(len(members), dtype=bool)
        for term in system.terms:
            block = lambdas[term.group][:, term.place, term.place]
            near |= nearly_singular(block, NEAR_ZERO)
        return members[near]

    def predict(self) -> None:
        """Bring ``predicted`` up to date for all responses."""
        members = np.flatnonzero(~self.known)
        if len(members) and self.theta.shape[1]:
            self.newton(members)

    def line_search(self, members, frame: Frame, step, slope, exact: bool) -> np.ndarray:
        """Move along ``step`` with backtracking; (A,) bool, who found a lower point."""
        found = np.zeros(len(members), dtype=bool)
        waiting = np.arange(len(members))
        fraction = 1.0
        for _ in range(12):
            who = members[waiting]
            trial = self.evaluate(frame.move(fraction * step)[waiting], who)
            enough = self.objective[who] + _SUFFICIENT * fraction * slope[waiting]
            good = trial.objective < enough
            if good.any():
                # the search would end where there is no direction to go on in
                with np.errstate(all="ignore"):
                    good &= np.isfinite(trial.gradient).all(axis=1)
                self.accept(who, trial, good, exact)
                found[waiting[good]] = True
                waiting = waiting[~good]
            if not len(waiting):
                break
            fraction *= 0.35
        return found


def solve_positive(matrix: np.ndarray, right: np.ndarray, by_elimination: bool) -> np.ndarray:
    """(A, k): |M|^-1 right, where |M| has the absolute eigenvalues of M, none below a floor.

    ``by_elimination`` spares the members of a batch their eigenvalues where M is definite.
    """
    x, rest = np.empty_like(right), np.arange(len(matrix))
    if by_elimination:
        x, definite = _solve_definite(matrix, right)
        rest = np.flatnonzero(~definite)
    if len(rest):
        values, vectors = np.linalg.eigh(matrix[rest])
        size = np.abs(values)
        size = np.maximum(size, 1e-10 * np.maximum(size.max(axis=1, keepdims=True), 1e-10))
        scaled = np.einsum("ai,aij->aj", right[rest], vectors) / size
        x[rest] = np.einsum("aij,aj->ai", vectors, scaled)
    return x


def _solve_definite(matrix: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M^-1 right by elimination, vectorised over the stack, and whether M is safely definite."""
    k = matrix.shape[1]
    M, x = matrix.copy(), right.copy()
    largest = np.abs(np.diagonal(matrix, axis1=1, axis2=2)).max(axis=1)
    definite = np.ones(len(M), dtype=bool)
    for j in range(k):
        pivot = M[:, j, j]
        good = pivot > 1e-8 * largest
        definite &= good
        if not definite.any():
            return x, definite
        # those that are not are left alone: without a pivot their numbers would grow and overflow
        factor = np.where(good[:, None], M[:, j + 1 :, j] / np.where(good, pivot, 1.0)[:, None], 0)
        M[:, j + 1 :] -= factor[:, :, None] * M[:, j : j + 1]
        x[:, j + 1 :] -= factor * x[:, j : j + 1]
    x[~definite] = 0.0
    for j in reversed(range(k)):
        above = (M[:, j, j + 1 :] * x[:, j + 1 :]).sum(axis=1)
        x[:, j] = (x[:, j] - above) / np.where(definite, M[:, j, j], 1.0)
    return x, definite
