"""Triangular roots of small covariance matrices, stacked, and whether they are near singular."""

import numpy as np

# Below this relative standard deviation (of sigma) an effect is tried at exactly zero.
NEAR_ZERO = 5e-3
# What remains of a row below this share of its length is rounding.
_ROUNDING = 1e-13


def nearly_singular(root: np.ndarray, threshold: float) -> np.ndarray:
    """(A,) bool: whether the smallest singular value of Lambda (A, q, q) is below ``threshold``."""
    q = root.shape[-1]
    diagonal = np.abs(np.diagonal(root, axis1=1, axis2=2))
    if q == 1:
        return diagonal[:, 0] < threshold
    # A bound spares the decomposition: sigma_min >= |Lambda| ((q - 1) / |Lambda|_F^2)^((q - 1) / 2)
    # (Yu & Gu 1997).
    total = np.einsum("aij,aij->a", root, root)
    total = np.maximum(total, threshold**2)  # no larger a bound, and no overflow
    bound = diagonal.prod(axis=1) * ((q - 1) / total) ** ((q - 1) / 2)
    out = bound < threshold
    if out.any():
        out[out] = np.linalg.svd(root[out], compute_uv=False)[:, -1] < threshold
    return out


def semidefinite_cholesky(psi: np.ndarray) -> np.ndarray:
    """Lower triangular roots of positive semidefinite matrices (..., q, q).

    Where a matrix is singular, the column is zero.
    """
    q = psi.shape[-1]
    out, rest = np.zeros_like(psi), psi.copy()
    largest = np.diagonal(psi, axis1=-2, axis2=-1).max(axis=-1)
    scale = np.maximum(largest, np.finfo(float).tiny)
    for j in range(q):
        pivot = rest[..., j, j]
        positive = pivot > 1e-14 * scale
        root = np.sqrt(np.where(positive, pivot, 1.0))
        column = np.where(positive[..., None], rest[..., j:, j] / root[..., None], 0.0)
        out[..., j:, j] = column
        rest[..., j:, j:] -= column[..., :, None] * column[..., None, :]
    return out


def triangular(root: np.ndarray) -> np.ndarray:
    """(A, q, q) lower triangular L with LL' = root root' and a non-negative diagonal.

    By Gram-Schmidt on the rows, which keeps the small rows' digits, as a Cholesky factor of the
    product would not; what is only rounding beside its row becomes zero.
    """
    q = root.shape[-1]
    rest, out = root.copy(), np.zeros_like(root)
    noise = _ROUNDING * np.sqrt(np.einsum("aij,aij->ai", root, root))
    for j in range(q):
        norm = np.sqrt(np.einsum("ai,ai->a", rest[:, j], rest[:, j]))
        norm = np.where(norm > noise[:, j], norm, 0.0)
        out[:, j, j] = norm
        unit = rest[:, j] / np.where(norm > 0, norm, 1.0)[:, None]
        for i in range(j + 1, q):
            out[:, i, j] = np.einsum("ai,ai->a", rest[:, i], unit)
            rest[:, i] -= out[:, i, j, None] * unit
    return out


def lower_roots(A: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors of a stack (A, m, m); NaN where a matrix is not positive definite."""
    try:
        return np.linalg.cholesky(A)
    except np.linalg.LinAlgError:
        out = np.full_like(A, np.nan)
        for i, matrix in enumerate(A):
            try:
                out[i] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                continue
        return out
