"""Orthonormal bases of a few long columns, held as rows."""

import numpy as np

# Cholesky QR squares the condition number: below this pivot Householder reflections take over.
_PIVOT = 1e-5
# Loss of orthogonality after the first pass that a second pass is worth.
_LOSS = 1e-14


def orthonormal_rows(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Q, R) with A' = Q'R: Q (c, n) with orthonormal rows, R (c, c) upper, positive diagonal.

    Cholesky QR, repeated once where needed (Yamamoto, Nakatsukasa, Yanagisawa & Fukaya 2015): two
    matrix products, where Householder QR of many rows is bound by memory. Rows are scaled first;
    columns that are all but dependent go to Householder QR. A row of zeros gives a zero pivot.
    """
    norms = np.sqrt(np.einsum("cn,cn->c", A, A))
    unit = np.where(norms > 0, norms, 1.0)
    try:
        L = np.linalg.cholesky((A @ A.T) / np.outer(unit, unit))
    except np.linalg.LinAlgError:
        return _householder(A, unit)
    if np.diag(L).min() < _PIVOT:
        return _householder(A, unit)
    Q = np.linalg.inv(L) / unit @ A
    again = Q @ Q.T
    if np.abs(again - np.eye(len(A))).max() > _LOSS * len(A):
        correction = np.linalg.cholesky(again)
        Q = np.linalg.inv(correction) @ Q
        L = L @ correction
    return Q, L.T * unit


def _householder(A: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    Q, R = np.linalg.qr((A / unit[:, None]).T)
    sign = np.where(np.diag(R) < 0, -1.0, 1.0)
    return np.ascontiguousarray((Q * sign).T), R * sign[:, None] * unit
