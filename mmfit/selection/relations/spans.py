"""Column spans of matrices, compared by rank and never by name."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr, solve_triangular

EPS = np.finfo(float).eps

# A column is inside a span if less than this share of its length sticks out. Columns that a formula
# computes in two ways (x and 3 + I(x - 3)) agree to about EPS times the condition of the basis
# (below 1e-9 for unit columns with the constant taken out); a column that really differs by less
# than 1e-7 of itself cannot be told from it by the fit either. It is R's tolerance for lm, too.
SPAN_TOLERANCE = 1e-7

# Pivots of unit columns below this are rounding: a dependent column leaves about 1e-15, raw
# polynomials of degree five still leave 1e-8.
RANK_TOLERANCE = 1e-10

# The constant is taken out of a span before anything else is asked, so that "x + 1e6" is judged by
# its variation and not by its mean. Whether it lies in the span is therefore asked more strictly:
# the lone column x + 1e9 is constant to 1e-9 but does not span the constant.
CONSTANT_TOLERANCE = 1e-11

# Rounding that a column carries, as a share of its length (means of n values, sums, differences).
COLUMN_NOISE = 64 * EPS


@dataclass(frozen=True, slots=True)
class ColumnSpan:
    """The space that the columns of a matrix span.

    Attributes
    ----------
    constant : bool, whether the constant column lies in it.
    basis : (n, r) orthonormal array; with ``constant`` it is orthogonal to the constant, which
        then comes on top.
    """

    constant: bool
    basis: np.ndarray

    @property
    def rank(self) -> int:
        return self.basis.shape[1] + int(self.constant)

    def orthonormal(self) -> np.ndarray:
        """(n, rank) orthonormal basis with the constant, if it is inside, in front."""
        n = self.basis.shape[0]
        if not self.constant:
            return self.basis
        return np.column_stack([np.full(n, 1 / np.sqrt(n)), self.basis])


def column_span(X: np.ndarray) -> ColumnSpan:
    """The span of the columns of X, (n, p), which need not be independent."""
    n = X.shape[0]
    basis = _orthonormal_columns(X, np.zeros(X.shape[1]))
    ones = np.full(n, 1 / np.sqrt(n))
    if basis.shape[1] == 0 or np.linalg.norm(_outside(ones, basis)) > CONSTANT_TOLERANCE:
        return ColumnSpan(constant=False, basis=basis)
    means = X.mean(axis=0)
    return ColumnSpan(constant=True, basis=_orthonormal_columns(X, means))


def columns_inside(X: np.ndarray, span: ColumnSpan) -> np.ndarray:
    """For each column of X, (n, p), whether it lies in ``span``: (p,) bool."""
    centred = X - X.mean(axis=0) if span.constant else X
    outside = np.linalg.norm(_outside(centred, span.basis), axis=0)
    noise = COLUMN_NOISE * np.linalg.norm(X, axis=0)
    return outside <= np.maximum(SPAN_TOLERANCE * np.linalg.norm(centred, axis=0), noise)


def log_volume(X: np.ndarray) -> float:
    """log sqrt(det X'X) of an X of full column rank.

    Two bases of one space, X1 = X0 T, have log|det T| = log_volume(X1) - log_volume(X0).
    """
    scale = np.linalg.norm(X, axis=0)
    R = qr(X / scale, mode="r")[0]
    return float(np.sum(np.log(np.abs(np.diag(R)))) + np.sum(np.log(scale)))


def basis_change(M: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R and B with M = basis R and basis = M B, for an orthonormal ``basis`` of M's columns.

    M is (n, q), basis (n, r), R (r, q) and B (q, r); where q > r, B has zero rows for the columns
    that are not needed.
    """
    R = basis.T @ M
    r, q = R.shape
    scale = np.linalg.norm(M, axis=0)
    scale[scale == 0] = 1.0
    Q, upper, order = qr(R / scale, mode="economic", pivoting=True)
    B = np.zeros((q, r))
    B[order[:r]] = solve_triangular(upper[:, :r], Q.T)
    return R, B / scale[:, None]


def _orthonormal_columns(X: np.ndarray, means: np.ndarray) -> np.ndarray:
    centred = X - means
    length = np.linalg.norm(centred, axis=0)
    kept = length > COLUMN_NOISE * np.linalg.norm(X, axis=0)
    if not kept.any():
        return np.empty((X.shape[0], 0))
    Q, R, _ = qr(centred[:, kept] / length[kept], mode="economic", pivoting=True)
    return Q[:, np.abs(np.diag(R)) > RANK_TOLERANCE]


def _outside(columns: np.ndarray, basis: np.ndarray) -> np.ndarray:
    rest = columns - basis @ (basis.T @ columns)
    return rest - basis @ (basis.T @ rest)  # twice is enough (Kahan, Parlett)
