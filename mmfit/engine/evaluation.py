"""The criterion, -2 log (restricted) likelihood with beta and sigma profiled out, and derivatives.

With V = I + Z Psi Z', P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, r^2 = y'Py and nu = n - p (REML) or n
(ML), the criterion is log|V| [+ log|X'V^-1 X| under REML] + nu (1 + log(2 pi r^2 / nu))
(Bates, Maechler, Bolker & Walker 2015, eqs 34 and 41, with log|V| = log|LL'|). Of the p columns of
X the last q are integrated over, all or none (:mod:`mmfit.engine.criterion`); the traces in the
derivatives have P_q, which is P for these columns alone: P by REML and V^-1 by ML.

Let L be the Cholesky factor of R'V^-1 R, R = [X y]. In the basis RL^-T, in which T_e is R'V^-1 V_e
V^-1 R, the blocks of T_e are all that P needs: y'P V_e P y = r^2 T_e[p, p], X'V^-1 V_e P y becomes
T_e[:p, p], and tr((X'V^-1 X)^-1 X'V^-1 V_e V^-1 X) is the trace of T_e[:p, :p].
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.engine.covariance.roots import lower_roots
from mmfit.engine.criterion import Criterion
from mmfit.engine.solvers import Factorization, Solver
from mmfit.engine.solvers.contract.composition import factorize_some
from mmfit.engine.system.whitened_system import System
from mmfit.errors import ComputationError


@dataclass(frozen=True)
class EstimationProblem:
    """A system, its solver and the criterion to be minimised."""

    system: System
    solver: Solver
    criterion: Criterion

    @cached_property
    def nu(self) -> int:
        """Degrees of freedom of the residual variance's estimate."""
        return self.criterion.nu(self.system.nobs, self.system.nfixed)

    @cached_property
    def constant(self) -> np.ndarray:
        """(B,) what the user's units add to the criterion."""
        return self.system.criterion_constant(self.criterion)

    @cached_property
    def first(self) -> int:
        """p - q: the columns of X from here on are those that are integrated over."""
        p = self.system.nfixed
        return p - self.criterion.integrated(p)

    @property
    def batch(self) -> int:
        """Number of responses."""
        return len(self.system.y)

    def at(self, theta: np.ndarray, members: np.ndarray | None = None) -> "Evaluation":
        """Evaluate at the whitened ``theta`` (A, k) of the responses ``members`` (A,), or all.

        A single response also takes a ``theta`` (k,). Where the criterion cannot be evaluated in
        double precision it is NaN.
        """
        theta = np.asarray(theta, dtype=float)
        if theta.ndim == 1:
            theta = theta[None]
        return Evaluation(self, theta, np.arange(self.batch) if members is None else members)


class Evaluation:
    """The criterion at one theta per response; derivatives are computed when they are asked for.

    All arrays have the response as their first axis (A).

    Attributes
    ----------
    objective : (A,), in the user's units.
    root : (A, m, m), lower Cholesky factor of R'V^-1 R;  r2 : (A,), y'Py.
    """

    def __init__(self, problem: EstimationProblem, theta: np.ndarray, members: np.ndarray):
        self.problem, self.theta, self.members = problem, theta, members
        layout = problem.system.layout
        self.factor = _factorize(problem, layout.lambdas(theta), members)
        self.root = lower_roots(self.factor.reduced)
        diagonal = np.diagonal(self.root, axis1=1, axis2=2)
        self.r2 = diagonal[:, -1] ** 2
        nu = problem.nu
        value = self.factor.log_det + nu * (1 + np.log(2 * np.pi * self.r2 / nu))
        value = value + problem.criterion.fixed_log_det(diagonal[:, :-1])
        self.objective = value + problem.constant[members]

    @cached_property
    def inverse_root(self) -> np.ndarray:
        """(A, m, m) L^-1; its last row is (-beta', 1) / r."""
        return np.linalg.inv(self.root)

    @cached_property
    def beta(self) -> np.ndarray:
        """(A, p), whitened and relative to the least-squares fit."""
        last = self.inverse_root[:, -1]
        return self.factor.taken - last[:, :-1] / last[:, -1:]

    @cached_property
    def R_inverse(self) -> np.ndarray:
        """(A, p, p) inverse of the upper triangular factor of X'V^-1 X."""
        return np.swapaxes(self.inverse_root[:, :-1, :-1], 1, 2)

    @cached_property
    def C(self) -> np.ndarray:
        """(A, p, p) (X'V^-1 X)^-1."""
        return self.R_inverse @ np.swapaxes(self.R_inverse, 1, 2)

    @cached_property
    def slopes(self) -> np.ndarray:
        """(A, k, m, m) R'V^-1 V_e V^-1 R."""
        return self.factor.slopes()

    @cached_property
    def T(self) -> np.ndarray:
        """(A, k, m, m) the same in the basis R L^-T."""
        inverse = self.inverse_root[:, None]
        return inverse @ self.slopes @ np.swapaxes(inverse, 2, 3)

    @cached_property
    def psi_slope(self) -> np.ndarray:
        """(A, k) derivative along the E_e: tr(P_q V_e) - (nu / r^2) y'P V_e P y."""
        slope = self.factor.trace_slopes() - self.problem.nu * self.T[:, :, -1, -1]
        return slope - np.trace(self._through_fixed(), axis1=2, axis2=3)

    def _through_fixed(self) -> np.ndarray:
        """(A, k, q, q) the part of T by which P_q differs from V^-1."""
        q = slice(self.problem.first, -1)
        return self.T[:, :, q, q]

    @cached_property
    def jacobian(self) -> np.ndarray:
        """(A, k, k) d Psi_e / d theta_i."""
        return self.problem.system.layout.psi_jacobian(self.theta)

    @cached_property
    def gradient(self) -> np.ndarray:
        """(A, k) derivative of the criterion with respect to theta."""
        return np.einsum("ae,aei->ai", self.psi_slope, self.jacobian)

    @cached_property
    def psi_average(self) -> np.ndarray:
        """(A, k, k) average information along the E_e, sigma profiled out.

        Gilmour, Thompson & Cullis 1995, eq. 6 of the average information.
        """
        column = self.T[:, :, :, -1]
        y = self.inverse_root[:, -1, :, None].copy()
        return self.problem.nu * (self.factor.pairs(y) - _gram(column))

    @cached_property
    def psi_profiled(self) -> np.ndarray:
        """(A, k, k) exact second derivatives along the E_e, sigma profiled out."""
        s = self.T[:, :, -1, -1]
        return self.psi_hessian - self.problem.nu * s[:, :, None] * s[:, None, :]

    def _to_theta(self, psi_matrix: np.ndarray) -> np.ndarray:
        J = self.jacobian
        inner = np.swapaxes(J, 1, 2) @ psi_matrix @ J
        return inner + self.problem.system.layout.curvature(self.psi_slope)

    @cached_property
    def psi_hessian(self) -> np.ndarray:
        """(A, k, k) second derivatives along the E_e, sigma fixed at r^2 / nu.

        2 y'P V_e P V_f P y / sigma^2 - tr(P_q V_e P_q V_f).
        """
        T, nu = self.T, self.problem.nu
        # Copies, because the digits of a matrix product depend on how its factors lie in memory.
        U = np.swapaxes(self.inverse_root, 1, 2).copy()
        U[:, :, -1] *= np.sqrt(nu)
        if self.problem.first:
            U = U[:, :, self.problem.first :].copy()
        through_x = 2 * nu * _gram(T[:, :, :-1, -1]) + _gram_of_blocks(self._through_fixed())
        return 2 * self.factor.pairs(U) - through_x - self.factor.traces()

    @cached_property
    def hessian(self) -> np.ndarray:
        """(A, k + 1, k + 1) exact Hessian in (theta, sigma), sigma free, at sigma^2 = r^2 / nu.

        Whitened theta; sigma in units of the scaled response.
        """
        nu, k = self.problem.nu, self.theta.shape[1]
        sigma = np.sqrt(self.r2 / nu)[:, None]
        H = np.empty((len(self.theta), k + 1, k + 1))
        H[:, :k, :k] = self._to_theta(self.psi_hessian)
        H[:, :k, k] = H[:, k, :k] = 2 * nu * self.y_slopes / sigma
        H[:, k, k] = 4 * nu / sigma[:, 0] ** 2
        return H

    @cached_property
    def y_slopes(self) -> np.ndarray:
        """(A, k) y'P V_i P y / r^2 with respect to theta."""
        return np.einsum("ae,aei->ai", self.T[:, :, -1, -1], self.jacobian)

    @cached_property
    def profiled_hessian(self) -> np.ndarray:
        """(A, k, k) exact Hessian in theta with sigma profiled out."""
        return self._to_theta(self.psi_profiled)

    @cached_property
    def psi_information(self) -> np.ndarray:
        """(A, k, k) tr(P_q V_e P_q V_f)."""
        traces, first = self.factor.traces(), self.problem.first
        if first == self.problem.system.nfixed:
            return traces
        U = np.swapaxes(self.inverse_root, 1, 2)[:, :, first:-1].copy()
        return traces - 2 * self.factor.pairs(U) + _gram_of_blocks(self._through_fixed())

    @cached_property
    def psi_traces(self) -> np.ndarray:
        """(A, k) tr(P_q V_e)."""
        return self.factor.trace_slopes() - np.trace(self._through_fixed(), axis1=2, axis2=3)

    @cached_property
    def x_slopes(self) -> np.ndarray:
        """(A, k, p, p) X'V^-1 V_i V^-1 X with respect to theta."""
        return np.einsum("aepq,aei->aipq", self.slopes[:, :, :-1, :-1], self.jacobian)

    def residual_cross(self) -> list[np.ndarray]:
        """Z'Py per group, (A, levels, q)."""
        v = self.inverse_root[:, -1] / self.inverse_root[:, -1, -1:]
        return [(W @ v[:, None, :, None])[..., 0] for W in self.factor.cross()]


def _gram(rows: np.ndarray) -> np.ndarray:
    """(A, k, k) products of the rows (A, k, c); not by matmul, whose digits depend on A."""
    return np.einsum("aec,afc->aef", rows, rows)


def _gram_of_blocks(blocks: np.ndarray) -> np.ndarray:
    """(A, k, k) the sums of products of the entries of the blocks (A, k, q, q)."""
    return _gram(blocks.reshape(*blocks.shape[:2], blocks.shape[2] ** 2))


def _factorize(problem: EstimationProblem, lambdas, members) -> Factorization:
    if len(members) > 1 or problem.batch == 1:
        return problem.solver.factorize(lambdas, members)
    return factorize_some(problem.solver.factorize, lambdas, members)


def require_finite(objective: np.ndarray, where: str) -> None:
    """Raise ComputationError when the criterion could not be evaluated."""
    if not np.isfinite(objective).all():
        raise ComputationError(
            f"the criterion cannot be evaluated at {where} in double precision; a variance ratio "
            "is too extreme for these data"
        )
