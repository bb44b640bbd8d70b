"""The criterion, -2 log (restricted) likelihood with beta and sigma profiled out, and derivatives.

With V = I + Z Psi Z', P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1, r^2 = y'Py and nu = n - p (REML) or n
(ML), the criterion is log|V| [+ log|X'V^-1 X| under REML] + nu (1 + log(2 pi r^2 / nu))
(Bates, Maechler, Bolker & Walker 2015, eqs 34 and 41, with log|V| = log|LL'|). A derivative with
respect to theta_i, the entry (r, c) of Lambda_g, acts through dPsi = e_r e_c' Lambda' + transpose.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from mmfit.engine.solvers import Factorization, Solver
from mmfit.engine.system import System
from mmfit.errors import ComputationError


@dataclass(frozen=True, slots=True)
class Problem:
    """A system, its solver and the criterion to be minimised."""

    system: System
    solver: Solver
    reml: bool

    @property
    def nu(self) -> int:
        """Degrees of freedom of the residual variance's estimate."""
        return self.system.nobs - (self.system.nfixed if self.reml else 0)

    def at(self, theta: np.ndarray) -> "Evaluation":
        """Evaluate at the whitened ``theta`` (k,)."""
        return Evaluation(self, np.asarray(theta, dtype=float))


class Evaluation:
    """The criterion at one theta; derivatives are computed when they are asked for.

    Attributes
    ----------
    objective : float, in the user's units.
    beta : (p,), whitened and relative to the least-squares fit;  r2 : float, y'Py.
    """

    def __init__(self, problem: Problem, theta: np.ndarray):
        self.problem, self.theta = problem, theta
        self.lambdas = problem.system.layout.lambdas(theta)
        self.factor: Factorization = problem.solver.factorize(self.lambdas)
        A = self.factor.reduced
        try:
            self.R_x = np.linalg.cholesky(A[:-1, :-1]).T
        except np.linalg.LinAlgError:
            raise ComputationError(
                "X'V^-1 X is not positive definite in double precision; a variance ratio is too "
                "extreme for these data"
            ) from None
        half = solve_triangular(self.R_x, A[:-1, -1], trans="T") if len(A) > 1 else A[:-1, -1]
        self.beta = solve_triangular(self.R_x, half) if len(A) > 1 else half
        self.r2 = float(A[-1, -1] - half @ half)
        nu = problem.nu
        value = self.factor.log_det + nu * (1 + np.log(2 * np.pi * self.r2 / nu))
        if problem.reml:
            value += 2 * np.log(np.diag(self.R_x)).sum()
        self.objective = float(value + problem.system.criterion_constant(problem.reml))

    @cached_property
    def cross(self) -> list[np.ndarray]:
        """Z'V^-1 [X y] per group."""
        return self.factor.cross()

    @cached_property
    def residual_cross(self) -> list[np.ndarray]:
        """Z'Py per group, (levels, q)."""
        v = np.append(-self.beta, 1.0)
        return [W @ v for W in self.cross]

    @cached_property
    def R_inverse(self) -> np.ndarray:
        """Inverse of the upper triangular factor of X'V^-1 X."""
        return np.linalg.inv(self.R_x)

    @cached_property
    def C(self) -> np.ndarray:
        """(X'V^-1 X)^-1."""
        return self.R_inverse @ self.R_inverse.T

    @cached_property
    def trace_blocks(self) -> list[np.ndarray]:
        """Per group the summed diagonal blocks of Z'PZ (REML) or Z'V^-1 Z (ML)."""
        if not self.problem.reml:
            return self.factor.trace_blocks()
        out = []
        for G, W in zip(self.factor.trace_blocks(), self.cross, strict=True):
            side = W[:, :, :-1] @ self.R_inverse
            out.append(G - np.einsum("lap,lbp->ab", side, side, optimize=True))
        return out

    @cached_property
    def slope_blocks(self) -> list[np.ndarray]:
        """Derivative of the criterion with respect to each (symmetric) Psi_g."""
        factor = self.problem.nu / self.r2
        return [
            G - factor * (w.T @ w)
            for G, w in zip(self.trace_blocks, self.residual_cross, strict=True)
        ]

    @cached_property
    def directions(self) -> list[tuple[int, np.ndarray]]:
        """(group, dPsi_g / d theta_i) for every theta."""
        layout, out = self.problem.system.layout, []
        for g, r, c in zip(layout.group, layout.row, layout.column, strict=True):
            E = np.zeros_like(self.lambdas[g])
            E[r] = self.lambdas[g][:, c]
            out.append((int(g), E + E.T))
        return out

    @cached_property
    def gradient(self) -> np.ndarray:
        """(k,) derivative of the criterion with respect to theta."""
        return np.array([np.vdot(self.slope_blocks[g], E) for g, E in self.directions])

    @cached_property
    def y_slopes(self) -> np.ndarray:
        """(k,) y'P V_i P y."""
        w = self.residual_cross
        return np.array([np.vdot(w[g] @ E, w[g]) for g, E in self.directions])

    @cached_property
    def x_slopes(self) -> np.ndarray:
        """(k, p, p) X'V^-1 V_i V^-1 X."""
        out = []
        for g, E in self.directions:
            W = self.cross[g][:, :, :-1]
            out.append(np.einsum("lap,ab,lbq->pq", W, E, W, optimize=True))
        return np.array(out).reshape(len(out), *self.C.shape)

    @cached_property
    def quadratic(self) -> np.ndarray:
        """(k, k) y'P V_i P V_j P y."""
        w, k = self.residual_cross, len(self.directions)
        right = [np.zeros((*block.shape, k)) for block in w]
        for i, (g, E) in enumerate(self.directions):
            right[g][:, :, i] = w[g] @ E
        through_x = np.column_stack(
            [
                np.einsum("lap,la->p", self.cross[g][:, :, :-1], right[g][:, :, i])
                for i, (g, _) in enumerate(self.directions)
            ]
        )
        image = self.factor.multiply(right)
        whole = sum(np.einsum("lai,laj->ij", a, b) for a, b in zip(right, image, strict=True))
        whole = whole - through_x.T @ self.C @ through_x
        return (whole + whole.T) / 2

    @cached_property
    def second_slopes(self) -> np.ndarray:
        """(k, k) the part of the Hessian that comes from V_ij: tr(slope d2Psi)."""
        layout = self.problem.system.layout
        same = (layout.group[:, None] == layout.group) & (layout.column[:, None] == layout.column)
        out = np.zeros(same.shape)
        for i, j in zip(*np.nonzero(same), strict=True):
            out[i, j] = 2 * self.slope_blocks[layout.group[i]][layout.row[i], layout.row[j]]
        return out

    @cached_property
    def newton_matrix(self) -> np.ndarray:
        """(k, k) average information, profiled, plus the exact part from second derivatives of V.

        Gilmour, Thompson & Cullis 1995, eq. 6 of the average information, with sigma profiled
        out. The second part vanishes at an interior optimum; without it a step towards a variance
        of zero would have the wrong length, since the criterion is even in theta there.
        """
        nu, r2 = self.problem.nu, self.r2
        slopes = self.y_slopes
        average = nu * self.quadratic / r2 - nu * np.outer(slopes, slopes) / r2**2
        return average + self.second_slopes

    @cached_property
    def profiled_hessian(self) -> np.ndarray:
        """(k, k) exact Hessian in theta with sigma profiled out."""
        H, k = self.hessian, len(self.theta)
        return H[:k, :k] - np.outer(H[:k, k], H[:k, k]) / H[k, k]

    @cached_property
    def information_traces(self) -> np.ndarray:
        """(k, k) tr(P V_i P V_j) under REML, tr(V^-1 V_i V^-1 V_j) under ML."""
        traces = self.factor.traces(self.directions)
        return self._projected(traces, self.directions) if self.problem.reml else traces

    def _projected(self, traces, directions):
        """From V^-1 to P: subtract what lies in the span of X."""
        p, k = len(self.C), len(directions)
        if p == 0:
            return traces
        right = [np.zeros((*W.shape[:2], k, p)) for W in self.cross]
        for i, (g, E) in enumerate(directions):
            right[g][:, :, i, :] = E @ self.cross[g][:, :, :-1]
        flat = [block.reshape(*block.shape[:2], k * p) for block in right]
        image = self.factor.multiply(flat)
        both = sum(
            np.einsum("lai,laj->ij", a, b, optimize=True) for a, b in zip(flat, image, strict=True)
        ).reshape(k, p, k, p)
        Xi = np.array(
            [
                np.einsum("lap,laq->pq", self.cross[g][:, :, :-1], right[g][:, :, i, :])
                for i, (g, _) in enumerate(directions)
            ]
        )
        single = np.einsum("ipjq,qp->ij", both, self.C)
        CX = self.C @ Xi
        return traces - 2 * single + np.einsum("ipq,jqp->ij", CX, CX)

    def psi_information(self, directions) -> np.ndarray:
        """(m, m) tr(P V_a P V_b) (V^-1 for P under ML) for any linear directions (g, E)."""
        traces = self.factor.traces(directions)
        return self._projected(traces, directions) if self.problem.reml else traces

    @cached_property
    def hessian(self) -> np.ndarray:
        """(k + 1, k + 1) exact Hessian in (theta, sigma), sigma free, at sigma^2 = r^2 / nu.

        Whitened theta; sigma in units of the scaled response.
        """
        nu, k = self.problem.nu, len(self.theta)
        sigma2 = self.r2 / nu
        H = np.empty((k + 1, k + 1))
        H[:k, :k] = 2 * self.quadratic / sigma2 - self.information_traces + self.second_slopes
        H[:k, k] = H[k, :k] = 2 * self.y_slopes / sigma2**1.5
        H[k, k] = 4 * nu / sigma2
        return H
