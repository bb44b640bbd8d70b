"""Orthonormal bases of a few long columns, held as rows."""

import numpy as np

# Entries below which BLAS does not pay.
_SMALL = 5_000
# Cholesky QR squares the condition number: below this pivot Householder reflections take over.
_PIVOT = 1e-5
# Loss of orthogonality after the first pass that a second pass is worth.
_LOSS = 1e-14


def orthonormal_rows(A: np.ndarray, length: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(length Q, R), A' = Q'R: Q (c, n) with orthonormal rows, R (c, c) upper, positive diagonal.

    Cholesky QR, repeated once where needed (Yamamoto, Nakatsukasa, Yanagisawa & Fukaya 2015): two
    matrix products, where Householder QR of many rows is bound by memory. Rows are scaled first;
    columns that are all but dependent go to Householder QR. A row of zeros gives a zero pivot.
    """
    if len(A) == 1:
        norm = np.sqrt(A[0] @ A[0])
        return A * (length / norm if norm > 0 else 0.0), np.array([[norm]])
    products = _products(A)
    norms = np.sqrt(np.diag(products))
    unit = np.where(norms > 0, norms, 1.0)
    try:
        L = np.linalg.cholesky(products / unit / unit[:, None])
    except np.linalg.LinAlgError:
        return _householder(A, unit, length)
    if np.diag(L).min() < _PIVOT:
        return _householder(A, unit, length)
    Q = np.linalg.inv(L) * (length / unit) @ A
    again = _products(Q) / length**2
    if np.abs(again - np.eye(len(A))).max() > _LOSS * len(A):
        correction = np.linalg.cholesky(again)
        Q = np.linalg.inv(correction) @ Q
        L = L @ correction
    return Q, L.T * unit


def _products(A: np.ndarray) -> np.ndarray:
    """AA'; BLAS would spend more on its buffers than on the sums of a small matrix."""
    return np.einsum("in,jn->ij", A, A) if A.size <= _SMALL else A @ A.T


def _householder(A: np.ndarray, unit: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    Q, R = np.linalg.qr((A / unit[:, None]).T)
    sign = np.where(np.diag(R) < 0, -1.0, 1.0)
    return np.ascontiguousarray((Q * (length * sign)).T), R * sign[:, None] * unit
