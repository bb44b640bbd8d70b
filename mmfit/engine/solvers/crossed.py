"""Crossed grouping factors: the largest is eliminated, the rest is a dense symmetric system.

The eliminated factor's part of Z'Z is block diagonal, so its elimination costs one small block
per level; what it leaves on the other factors (the Schur complement) comes from a sparse map that
is built once. The rest, of order T = number of the other factors' columns, is a dense Cholesky
factorisation. (Block Cholesky of Bates, Maechler, Bolker & Walker 2015, section 5.4.)
"""

from functools import cached_property
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, lapack

from mmfit.engine.batched import (
    cholesky,
    group_products,
    inverse_one_plus,
    log_det_from_cholesky,
)
from mmfit.engine.solvers.coupling import build_coupling
from mmfit.engine.solvers.crossed_traces import crossed_traces
from mmfit.engine.system import Group, System
from mmfit.errors import ComputationError


class CrossedSolver:
    """Cross-products of any set of grouping factors, the first eliminated.

    Attributes
    ----------
    lead : int, index of the eliminated group;  tail : list of int, the others.
    own : (levels, q, q), its part of Z'Z;  own_right : (levels, q, p + 1), its Z'R.
    coupling : sparse (levels * q, T), Z_lead'Z_tail, and ``schur``, the same as an operator.
    tail_products : (T, T) and tail_right : (T, p + 1);  total : (p + 1, p + 1), R'R.
    slices : per tail group its columns.
    """

    name = "crossed"

    def __init__(self, system: System):
        groups = system.groups
        self.groups = groups
        self.lead = max(range(len(groups)), key=lambda g: groups[g].levels * groups[g].size)
        self.tail = [g for g in range(len(groups)) if g != self.lead]
        R = np.column_stack([system.X, system.y])
        self.total = R.T @ R
        lead = groups[self.lead]
        self.own = group_products(lead.codes, lead.levels, lead.model, lead.model)
        self.own_right = group_products(lead.codes, lead.levels, lead.model, R)
        Z_lead = _indicator(lead)
        Z_tail = sp.hstack([_indicator(groups[g]) for g in self.tail], format="csr")
        self.coupling = (Z_lead.T @ Z_tail).tocsr()
        self.schur = build_coupling(self.coupling, lead.levels, lead.size)
        self.tail_products = (Z_tail.T @ Z_tail).toarray()
        self.tail_right = Z_tail.T @ R
        bounds = np.cumsum([0, *(groups[g].levels * groups[g].size for g in self.tail)])
        self.slices = [slice(a, b) for a, b in pairwise(bounds)]

    def diagonal_blocks(self, M: np.ndarray, g: int) -> np.ndarray:
        """Diagonal blocks (levels, q, q) of tail group g in a (T, T) matrix."""
        s, group = self.slices[self.tail.index(g)], self.groups[g]
        view = M[s, s].reshape(group.levels, group.size, group.levels, group.size)
        index = np.arange(group.levels)
        return view[index, :, index, :]

    def factorize(self, lambdas: list[np.ndarray]) -> "CrossedFactorization":
        return CrossedFactorization(self, lambdas)


def _indicator(group: Group) -> sp.csr_array:
    """Z of one group as a sparse (n, levels * q) matrix, columns level-major."""
    n, q = group.model.shape
    columns = group.codes[:, None] * q + np.arange(q)
    return sp.csr_array(
        (group.model.ravel(), columns.ravel(), np.arange(n + 1) * q), shape=(n, group.levels * q)
    )


class CrossedFactorization:
    """V factorised at one theta; see :class:`base.Factorization`."""

    def __init__(self, solver: CrossedSolver, lambdas: list[np.ndarray]):
        self.solver, self.lambdas = solver, lambdas
        self.psis = [lam @ lam.T for lam in lambdas]
        lam = lambdas[solver.lead]
        q = len(lam)
        C = cholesky(np.eye(q) + lam.T @ solver.own @ lam)
        self.lead_psi = self.psis[solver.lead]
        self.shrink = inverse_one_plus(solver.own, self.lead_psi)
        W = self.lead_psi @ self.shrink
        self.precision = (W + np.swapaxes(W, 1, 2)) / 2
        self.S = solver.tail_products - solver.schur.schur(self.precision)
        weighted = self._flat(self.precision @ solver.own_right)
        self.S_right = solver.tail_right - solver.coupling.T @ weighted
        reduced = solver.total - self._flat(solver.own_right).T @ weighted
        K = self.left(self.right(self.S))
        np.einsum("ii->i", K)[:] += 1.0
        self.factor, info = lapack.dpotrf(K, lower=1, clean=0, overwrite_a=1)
        if info != 0:
            raise ComputationError(
                "the system of the crossed grouping factors is not positive definite in double "
                "precision; a variance ratio is too extreme for these data"
            )
        self.log_det = log_det_from_cholesky(C) + 2 * np.log(np.diag(self.factor)).sum()
        self.effects = self.solve(self.S_right)
        self.reduced = reduced - self.S_right.T @ self.effects

    @staticmethod
    def _flat(blocks: np.ndarray) -> np.ndarray:
        return blocks.reshape(-1, blocks.shape[-1])

    def _lead(self, flat: np.ndarray) -> np.ndarray:
        levels, q = self.solver.own.shape[:2]
        return flat.reshape(levels, q, -1)

    def right(self, M: np.ndarray, transpose: bool = False) -> np.ndarray:
        """M Gamma (or M Gamma') for the tail's block diagonal Gamma."""
        out = np.empty_like(M)
        for g, s in zip(self.solver.tail, self.solver.slices, strict=True):
            lam = self.lambdas[g].T if transpose else self.lambdas[g]
            if len(lam) == 1:
                out[:, s] = M[:, s] * lam[0, 0]
            else:
                block = M[:, s].reshape(len(M), -1, len(lam)) @ lam
                out[:, s] = block.reshape(len(M), -1)
        return out

    def left(self, M: np.ndarray, transpose: bool = True) -> np.ndarray:
        """Gamma' M (or Gamma M)."""
        return self.right(M.T, transpose=not transpose).T

    def solve(self, rhs: np.ndarray) -> np.ndarray:
        """J rhs with J = Gamma (I + Gamma'S Gamma)^-1 Gamma'."""
        inner = cho_solve((self.factor, True), self.left(rhs), check_finite=False)
        return self.left(inner, transpose=False)

    @cached_property
    def inverse(self) -> np.ndarray:
        """(I + Gamma'S Gamma)^-1, full symmetric."""
        inverse, _ = lapack.dpotri(self.factor, lower=1)
        return np.tril(inverse) + np.tril(inverse, -1).T

    @cached_property
    def J(self) -> np.ndarray:
        """Gamma (I + Gamma'S Gamma)^-1 Gamma': covariance of the tail effects given y."""
        return self.left(self.right(self.inverse, transpose=True), transpose=False)

    @cached_property
    def lead_adjoint(self) -> np.ndarray:
        """A_l J A_l' per level of the eliminated factor."""
        return self.solver.schur.adjoint(self.J)

    def cross(self) -> list[np.ndarray]:
        return self._expand(self.solver.own_right, self.S_right, self.effects)

    def _expand(self, lead_right, tail_right, effects) -> list[np.ndarray]:
        """Z'V^-1 r for all groups from Z_1'r, the reduced Z_t'r and the tail's effects."""
        solver = self.solver
        out: list[np.ndarray] = [np.empty(0)] * len(solver.groups)
        tail = tail_right - self.S @ effects
        for g, s in zip(solver.tail, solver.slices, strict=True):
            group = solver.groups[g]
            out[g] = tail[s].reshape(group.levels, group.size, -1)
        out[solver.lead] = self.shrink @ (lead_right - self._lead(solver.coupling @ effects))
        return out

    def multiply(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        solver = self.solver
        lead = blocks[solver.lead]
        tail = np.concatenate([self._flat(blocks[g]) for g in solver.tail])
        lead_right = solver.own @ lead + self._lead(solver.coupling @ tail)
        tail_right = solver.coupling.T @ self._flat(lead) + solver.tail_products @ tail
        tail_right = tail_right - solver.coupling.T @ self._flat(self.precision @ lead_right)
        return self._expand(lead_right, tail_right, self.solve(tail_right))

    def posterior_blocks(self) -> list[np.ndarray]:
        out: list[np.ndarray] = [np.empty(0)] * len(self.solver.groups)
        for g in self.solver.tail:
            out[g] = self.solver.diagonal_blocks(self.J, g)
        W = self.precision
        out[self.solver.lead] = W + W @ self.lead_adjoint @ W
        return out

    def trace_blocks(self) -> list[np.ndarray]:
        solver = self.solver
        out: list[np.ndarray] = [np.empty(0)] * len(solver.groups)
        G = self.shrink
        own = G @ solver.own - G @ self.lead_adjoint @ np.swapaxes(G, 1, 2)
        out[solver.lead] = own.sum(axis=0)
        for k, g in enumerate(solver.tail):
            lam, q = self.lambdas[g], solver.groups[g].size
            if _well_conditioned(lam):
                # N = Gamma^-T (I - K^-1) Gamma^-1 loses nothing when the variance is large
                back = np.linalg.inv(lam)
                total = (np.eye(q) - solver.diagonal_blocks(self.inverse, g)).sum(axis=0)
                out[g] = back.T @ total @ back
            else:
                columns = self.S[:, solver.slices[k]]
                raw = solver.diagonal_blocks(self.S, g).sum(axis=0)
                out[g] = raw - _block_gram(columns, self.J @ columns, q)
        return out

    def traces(self, directions: list[tuple[int, np.ndarray]]) -> np.ndarray:
        return crossed_traces(self, directions)


def _well_conditioned(lam: np.ndarray) -> bool:
    # Whitened effects have unit mean square, so theta^2 measures what K adds to the identity.
    return np.linalg.svd(lam, compute_uv=False)[-1] > 0.03


def _block_gram(left: np.ndarray, right: np.ndarray, q: int) -> np.ndarray:
    """Sum over levels of the diagonal (q, q) blocks of left'right."""
    left = left.reshape(len(left), -1, q)
    right = right.reshape(len(right), -1, q)
    return np.einsum("tla,tlb->ab", left, right, optimize=True)
