"""The multifrontal Cholesky factorisation (Duff & Reid 1983; Liu 1992, SIAM Review 34(1)).

Each front gathers the entries of K in its columns and the updates of its children, eliminates its
columns with dense kernels (dpotrf, dtrsm) and leaves an update for its parent (dsyrk). All blocks
of the factor lie in one flat array, so that the entries of K reach their places in one step.

Row-major arrays are used throughout and handed to LAPACK transposed, where they are column-major
without a copy: `pivot` (w, w) holds L₁₁′ in its upper triangle and `below` (w, u) holds L₂₁′.
"""

import numpy as np
from scipy.linalg.blas import dsyrk, dtrsm
from scipy.linalg.lapack import dpotrf

from mmfit.engine.solvers.sparse.inverse import FactorInverse, differentiate, invert
from mmfit.engine.solvers.sparse.plan import Symbolic
from mmfit.engine.solvers.sparse.storage import Updates, blocks, scattered
from mmfit.errors import ComputationError


def factorize(symbolic: Symbolic, data: np.ndarray) -> "SparseCholesky":
    """Cholesky factor of the matrix with these values.

    Parameters
    ----------
    symbolic : what `analyze` made of the pattern.
    data : (nnz,) values of K in the order of the pattern; of each symmetric pair one is read.

    Raises
    ------
    ComputationError : K is not positive definite.
    """
    storage = scattered(symbolic, np.asarray(data, dtype=np.float64))
    updates = Updates(symbolic, storage)
    for number, front in enumerate(symbolic.fronts):
        pivot, below = blocks(storage, front)
        _, info = dpotrf(pivot.T, lower=1, clean=0, overwrite_a=1)
        if info:
            raise ComputationError("the matrix to be factorised is not positive definite")
        if len(front.rows):
            dtrsm(1.0, pivot.T, below.T, side=1, lower=1, trans_a=1, overwrite_b=1)
            update = updates.take(number)
            dsyrk(-1.0, below.T, beta=1.0, c=update.T, lower=1, overwrite_c=1)
            updates.pass_on(number, update)
    return SparseCholesky(symbolic, storage)


def _by_columns(B: np.ndarray) -> np.ndarray:
    return B[:, None] if B.ndim == 1 else B


class SparseCholesky:
    """PKP′ = LL′ for one matrix K, P being the order of elimination.

    Attributes
    ----------
    symbolic : the plan that it was made by.
    log_det : log|K|.
    """

    __slots__ = ("_inverse", "_storage", "log_det", "symbolic")

    def __init__(self, symbolic: Symbolic, storage: np.ndarray):
        self.symbolic = symbolic
        self._storage = storage
        self._inverse = None
        diagonals = [np.diagonal(blocks(storage, front)[0]) for front in symbolic.fronts]
        self.log_det = float(2.0 * np.log(np.concatenate(diagonals)).sum())
        if not np.isfinite(self.log_det):
            raise ComputationError("the matrix to be factorised is not finite")

    def half_solve(self, B: np.ndarray) -> np.ndarray:
        """L⁻¹PB for right-hand sides (T,) or (T, m), so that its cross-product is B′K⁻¹B."""
        B = np.asarray(B, dtype=np.float64)
        X = np.ascontiguousarray(_by_columns(B)[self.symbolic.permutation])
        if not X.size:
            return X.reshape(B.shape)
        for front in self.symbolic.fronts:
            pivot, below = blocks(self._storage, front)
            own = X[front.start : front.stop]
            dtrsm(1.0, pivot.T, own.T, side=1, lower=1, trans_a=1, overwrite_b=1)
            if len(front.rows):
                X[front.rows] -= below.T @ own
        return X.reshape(B.shape)

    def solve(self, B: np.ndarray) -> np.ndarray:
        """K⁻¹B for right-hand sides (T,) or (T, m)."""
        half = self.half_solve(B)
        X = _by_columns(half)
        if not X.size:
            return half
        for front in reversed(self.symbolic.fronts):
            pivot, below = blocks(self._storage, front)
            own = X[front.start : front.stop]
            if len(front.rows):
                own -= below @ X[front.rows]
            dtrsm(1.0, pivot.T, own.T, side=1, lower=1, trans_a=0, overwrite_b=1)
        solution = np.empty_like(X)
        solution[self.symbolic.permutation] = X
        return solution.reshape(half.shape)

    def selected_inverse(self) -> np.ndarray:
        """K⁻¹ on the pattern of K: (nnz,) values in the order of the pattern."""
        return self._inverted().inverse[self.symbolic.positions]

    def selected_inverse_derivative(self, dK: np.ndarray) -> np.ndarray:
        """−K⁻¹ dK K⁻¹ on the pattern of K, exactly: (nnz,) values in the order of the pattern.

        With A and B on that pattern, −∂² log|K + sA + tB| / ∂s∂t = tr(K⁻¹AK⁻¹B) at s = t = 0 is
        minus the sum of ``selected_inverse_derivative(A) * B``.

        Parameters
        ----------
        dK : (nnz,) values of a symmetric matrix in the order of the pattern.
        """
        derivative = differentiate(self.symbolic, self._inverted(), dK)
        return derivative[self.symbolic.positions]

    def _inverted(self) -> FactorInverse:
        if self._inverse is None:
            self._inverse = invert(self.symbolic, self._storage)
        return self._inverse
