"""The remainder where it is small: stacks over the members.

Everything is computed in the bases of the Lambdas' left singular vectors, where Gamma is diagonal,
diag(s); see :mod:`mmfit.engine.solvers.contract.remainder` for the notation.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns

# Whitened effects have unit mean square: s^2 measures what I + s S s adds to the identity.
LARGE = 0.03


class StackedRemainder:
    """I + Gamma'S Gamma factorised for all members at once.

    Attributes
    ----------
    log_det : (A,), NaN where the matrix is not positive definite in double precision.
    """

    def __init__(self, S, lambdas: list[np.ndarray], columns: RemainderColumns, whole: bool):
        """``S`` (A, T, T), the upper triangles unless ``whole``.

        ``lambdas``: (A, q, q) of the remainder's groups.
        """
        self._kept_whole, self.columns = whole, columns
        self.S = S = self._whole(S)
        self.rotation, self.s = _diagonalise(lambdas, columns)
        self._S = S if self.rotation is None else self._turn(S)
        K = self.s[:, :, None] * self._S * self.s[:, None, :]
        _diagonal(K)[:] += 1.0
        self._inverse_factor, self.log_det = _factorize(K)

    def _whole(self, M: np.ndarray) -> np.ndarray:
        return M if self._kept_whole else np.triu(M) + np.triu(M, 1).swapaxes(-1, -2)

    def _turn(self, M: np.ndarray) -> np.ndarray:
        """U'M U for M (A, ..., T, T)."""
        U = self.rotation.reshape(len(M), *(1,) * (M.ndim - 3), *M.shape[-2:])
        return U.swapaxes(-1, -2) @ M @ U

    def _turn_back(self, M: np.ndarray) -> np.ndarray:
        if self.rotation is None:
            return M
        return self.rotation @ M @ self.rotation.swapaxes(1, 2)

    def gram(self, rows: np.ndarray) -> np.ndarray:
        if self.rotation is not None:
            rows = rows @ self.rotation
        half = (rows * self.s[:, None, :]) @ self._inverse_factor.swapaxes(1, 2)
        return half @ half.swapaxes(1, 2)

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return rows @ self.J, rows @ self.Q

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        return rows @ self.S

    @cached_property
    def _P(self) -> np.ndarray:
        return self._inverse_factor.swapaxes(1, 2) @ self._inverse_factor

    @cached_property
    def J(self) -> np.ndarray:
        """(A, T, T)."""
        return self._turn_back(self.s[:, :, None] * self._P * self.s[:, None, :])

    def covariance(self) -> np.ndarray:
        """J, (A, T, T)."""
        return self.J

    @cached_property
    def _large(self) -> np.ndarray | None:
        """(A, T) which columns are large; None when all are."""
        large = self.s > LARGE
        return None if large.all() else large

    @cached_property
    def _safe(self) -> np.ndarray:
        """s, one in place of what is not large."""
        return self.s if self._large is None else np.where(self._large, self.s, 1.0)

    @cached_property
    def _half(self) -> np.ndarray:
        """P s S: what the columns that are not large need."""
        return self._P @ (self.s[:, :, None] * self._S)

    @cached_property
    def Q(self) -> np.ndarray:
        """I - J S, (A, T, T)."""
        safe = self._safe[:, None, :]
        Q = self.s[:, :, None] * self._P / safe
        if self._large is not None:
            other = -self.s[:, :, None] * self._half
            _diagonal(other)[:] += 1.0
            Q = np.where(self._large[:, None, :], Q, other)
        return self._turn_back(Q)

    @cached_property
    def N(self) -> np.ndarray:
        """S - S J S, (A, T, T)."""
        safe = self._safe
        N = -self._P
        _diagonal(N)[:] += 1.0
        N /= safe[:, :, None] * safe[:, None, :]
        if self._large is not None:
            left, right = self._large[:, :, None], self._large[:, None, :]
            mixed = self._half / safe[:, :, None]
            plain = self._S - np.swapaxes(self._S * self.s[:, :, None], 1, 2) @ self._half
            N = np.where(left & right, N, np.where(left, mixed, plain))
            N = np.where(right & ~left, mixed.swapaxes(1, 2), N)
        return self._turn_back(N)

    def _blocks(self, M: np.ndarray, g: int, h: int) -> np.ndarray:
        """The part of (..., T, T) that belongs to groups g and h, (..., q, L, q, L)."""
        sizes, levels = self.columns.sizes, self.columns.levels
        part = M[..., self.columns.places[g], self.columns.places[h]]
        return part.reshape(*M.shape[:-2], sizes[g], levels[g], sizes[h], levels[h])

    def trace_blocks(self) -> list[np.ndarray]:
        groups = range(len(self.columns.sizes))
        return [np.einsum("ailjl->aij", self._blocks(self.N, g, g)) for g in groups]

    def posterior(self) -> list[np.ndarray]:
        groups = range(len(self.columns.sizes))
        return [np.einsum("ailjl->alij", self._blocks(self.J, g, g)) for g in groups]

    def products(self, g: int, h: int) -> np.ndarray:
        block = self._blocks(self.N, g, h)
        _, q, levels, p, others = block.shape
        flat = np.moveaxis(block, 3, 2).reshape(len(block), q * p, levels * others)
        gram = flat @ flat.swapaxes(1, 2)
        return gram.reshape(-1, q, p, q, p).transpose(0, 1, 3, 2, 4)

    def through(self, inner: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]:
        M = self._whole(np.stack(inner, axis=1))
        seen = self.Q.swapaxes(1, 2)[:, None] @ M @ self.Q[:, None]
        groups = range(len(self.columns.sizes))
        sums = [np.einsum("aeiljl->eaij", self._blocks(seen, g, g)) for g in groups]
        moved = M @ self.J[:, None]
        flat = moved.reshape(*moved.shape[:2], -1)
        turned = moved.swapaxes(2, 3).reshape(flat.shape)
        return [list(e) for e in zip(*sums, strict=True)], flat @ turned.swapaxes(1, 2)


def _diagonalise(lambdas, columns: RemainderColumns) -> tuple[np.ndarray | None, np.ndarray]:
    """(U (A, T, T) or None when it is I, s (A, T)) with Gamma = U diag(s) V'."""
    members = len(lambdas[0])
    s = np.empty((members, columns.width))
    rotation = None
    for g, lam in enumerate(lambdas):
        if columns.sizes[g] == 1:
            s[:, columns.places[g]] = np.abs(lam[:, 0])
            continue
        if rotation is None:
            rotation = np.zeros((members, columns.width, columns.width))
            _diagonal(rotation)[:] = 1.0
        U, values, _ = np.linalg.svd(lam)
        pieces = columns.effects[g]
        for i, left in enumerate(pieces):
            s[:, left] = values[:, i, None]
            for j, right in enumerate(pieces):
                np.einsum("all->al", rotation[:, left, right])[:] = U[:, i, j, None]
    return rotation, s


def _diagonal(M: np.ndarray) -> np.ndarray:
    """The diagonals (A, T) of a contiguous (A, T, T), as a view."""
    return M.reshape(len(M), -1)[:, :: M.shape[1] + 1]


def _factorize(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(inverses of the lower Cholesky factors, log-determinants) of a stack.

    Where there is no factor, the identity stands for it, and the log-determinant is NaN.
    """
    if len(K) == 1:
        return _factorize_one(K[0])
    failed = np.zeros(len(K), dtype=bool)
    try:
        L = np.linalg.cholesky(K)
    except np.linalg.LinAlgError:
        L = np.empty_like(K)
        for a, member in enumerate(K):
            # The same routine as for the stack, so that a failure changes no other member's digits.
            try:
                L[a] = np.linalg.cholesky(member)
            except np.linalg.LinAlgError:
                L[a], failed[a] = np.eye(len(member)), True
    log_det = 2 * np.log(np.einsum("att->at", L)).sum(axis=1)
    log_det[failed] = np.nan
    return np.linalg.inv(L), log_det


def _factorize_one(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # LAPACK called directly takes a fraction of the time that numpy's stacks take for one
    upper, info = lapack.dpotrf(K.T, lower=0)
    if info:
        return np.eye(len(K))[None], np.array([np.nan])
    inverse = lapack.dtrtri(upper, lower=0)[0]
    return inverse.T[None], np.array([2 * np.log(upper.diagonal()).sum()])
