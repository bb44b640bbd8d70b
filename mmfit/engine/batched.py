"""Small dense linear algebra on stacks of matrices, one per level of a grouping factor.

For the sizes that random terms have (1 to 4 effects) a loop over the few columns, vectorised over
the many levels, beats one LAPACK call per level; larger blocks go to LAPACK.
"""

import numpy as np

_LOOP_LIMIT = 4


def cholesky(K: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors of a stack (L, q, q) of symmetric positive definite matrices."""
    q = K.shape[-1]
    if q > _LOOP_LIMIT:
        return np.linalg.cholesky(K)
    C = np.zeros_like(K)
    for j in range(q):
        pivot = K[:, j, j] - np.einsum("li,li->l", C[:, j, :j], C[:, j, :j])
        C[:, j, j] = np.sqrt(pivot)
        for i in range(j + 1, q):
            dot = np.einsum("li,li->l", C[:, i, :j], C[:, j, :j])
            C[:, i, j] = (K[:, i, j] - dot) / C[:, j, j]
    return C


def solve_lower(C: np.ndarray, B: np.ndarray) -> np.ndarray:
    """C^-1 B for stacks of lower triangular (L, q, q) and right-hand sides (L, q, m)."""
    q = C.shape[-1]
    if q > _LOOP_LIMIT:
        return np.linalg.solve(C, B)
    Y = np.empty_like(B)
    for i in range(q):
        row = B[:, i, :]
        for j in range(i):
            row = row - C[:, i, j, None] * Y[:, j, :]
        Y[:, i, :] = row / C[:, i, i, None]
    return Y


def log_det_from_cholesky(C: np.ndarray) -> float:
    """Sum over the stack of log|CC'|."""
    return 2.0 * float(np.log(np.einsum("lii->li", C)).sum())


def inverse_one_plus(S: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """(I + S psi)^-1 for a stack S (L, q, q) and one symmetric psi (q, q).

    Solved rather than written as I - S W, which would cancel when the variance is large.
    """
    q = psi.shape[0]
    if q == 1:
        return 1.0 / (1.0 + S * psi)
    return np.linalg.inv(np.eye(q) + S @ psi)


def segment_sum(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums over consecutive segments of the first axis; every segment is non-empty."""
    return np.add.reduceat(values, starts, axis=0)


def group_sum(codes: np.ndarray, levels: int, values: np.ndarray) -> np.ndarray:
    """Sum of ``values`` (n,) by level, a (levels,) array."""
    return np.bincount(codes, weights=values, minlength=levels)


def group_products(codes: np.ndarray, levels: int, left: np.ndarray, right: np.ndarray):
    """Per level, left' right: a (levels, q, m) array from (n, q) and (n, m)."""
    out = np.empty((levels, left.shape[1], right.shape[1]))
    for a in range(left.shape[1]):
        for b in range(right.shape[1]):
            out[:, a, b] = group_sum(codes, levels, left[:, a] * right[:, b])
    return out
