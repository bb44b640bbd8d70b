"""The state of a search for the minima of one or many responses, and its Newton step."""

import numpy as np

from mmfit.engine.criterion import Evaluation, Problem

# Fraction of the decrease along the gradient that a step must bring.
_SUFFICIENT = 1e-4


class Search:
    """Where each response stands.

    Attributes
    ----------
    theta : (B, k);  objective : (B,).
    gradient : (B, k), psi_slope : (B, k), matrix : (B, k, k): derivatives at ``theta``.
    predicted : (B,), decrease that a further step promises.
    count : (B,) int, evaluations so far;  fallback : (B,) bool, whether BFGS had to help.
    evaluation : Evaluation of all responses at ``theta``, or None where they were not
        evaluated together.
    """

    def __init__(self, problem: Problem, start: np.ndarray):
        B, k = start.shape
        self.problem = problem
        self.theta = start.copy()
        self.count = np.zeros(B, dtype=np.intp)
        self.fallback = np.zeros(B, dtype=bool)
        self.objective = np.full(B, np.nan)
        self.gradient, self.psi_slope = np.zeros((B, k)), np.zeros((B, k))
        self.matrix = np.zeros((B, k, k))
        self.predicted = np.full(B, np.inf)
        self.evaluation: Evaluation | None = None
        everyone = np.arange(B)
        first = self.evaluate(start, everyone)
        self.accept(first, np.ones(B, dtype=bool))

    def evaluate(self, theta: np.ndarray, members: np.ndarray) -> Evaluation:
        """The criterion at ``theta`` (A, k); NaN where it cannot be had."""
        self.count[members] += 1
        with np.errstate(all="ignore"):
            return self.problem.at(theta, members)

    def accept(self, trial: Evaluation, good: np.ndarray, exact: bool = False) -> None:
        """Move the members of ``trial`` that are ``good`` (A,) there, with derivatives."""
        members = trial.members[good]
        with np.errstate(all="ignore"):
            matrix = trial.profiled_hessian if exact else trial.newton_matrix
            self.gradient[members] = trial.gradient[good]
        self.matrix[members] = matrix[good]
        self.psi_slope[members] = trial.psi_slope[good]
        self.theta[members] = trial.theta[good]
        self.objective[members] = trial.objective[good]
        whole = len(members) == len(self.theta)
        self.evaluation = trial if whole else None

    def step(self, members: np.ndarray) -> np.ndarray:
        """(A, k) step along the positive definite part of the matrix; sets ``predicted``."""
        matrix, gradient = self.matrix[members], self.gradient[members]
        if matrix.shape[1] == 1:
            values, vectors = matrix[:, 0], np.ones_like(matrix)
        else:
            values, vectors = np.linalg.eigh(matrix)
        size = np.abs(values)
        size = np.maximum(size, 1e-10 * np.maximum(size.max(axis=1, keepdims=True), 1e-10))
        slope = np.einsum("ai,aij->aj", gradient, vectors)
        scaled = slope / size
        self.predicted[members] = 0.5 * (slope * scaled).sum(axis=1)
        return -np.einsum("aij,aj->ai", vectors, scaled)

    def line_search(self, members: np.ndarray, step: np.ndarray, exact: bool) -> np.ndarray:
        """Move along ``step`` with backtracking; (A,) bool, who found a lower point."""
        slope = (self.gradient[members] * step).sum(axis=1)
        found = np.zeros(len(members), dtype=bool)
        waiting = np.arange(len(members))
        fraction = 1.0
        for _ in range(12):
            who = members[waiting]
            trial = self.evaluate(self.theta[who] + fraction * step[waiting], who)
            enough = self.objective[who] + _SUFFICIENT * fraction * slope[waiting]
            good = trial.objective < enough
            if good.any():
                self.accept(trial, good, exact)
                found[waiting[good]] = True
                waiting = waiting[~good]
            if not len(waiting):
                break
            fraction *= 0.35
        return found
