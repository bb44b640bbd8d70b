"""Dense algebra on many small symmetric blocks at once, one per level and batch member.

Blocks are stored components first, (q, q, L, A): every operation runs along the last axes, which
are long, however small q is. One and two effects have closed forms; larger blocks go to LAPACK.
"""

from dataclasses import dataclass

import numpy as np

# Entries of I + M'M beyond which its Cholesky factor would lose digits that M still has.
_LARGE = 1e5


@dataclass(frozen=True, slots=True)
class EliminatedFront:
    """Blocks S at M, one per level and member.

    Attributes
    ----------
    G : (I + S MM')^-1;  GS : G S;  W : MM'G; (q, q, L, A).
    log_det : (L, A), log|I + S MM'|.
    """

    G: np.ndarray
    GS: np.ndarray
    W: np.ndarray
    log_det: np.ndarray


def eliminate_front(S: np.ndarray, absent: np.ndarray | None, M: np.ndarray) -> EliminatedFront:
    """Of S (q, q, L, A), positive definite but for rows that are ``absent`` (q, L, 1; None: q = 1).

    ``M`` (q, q', L, A) is zero in the rows that are absent.
    """
    q = len(S)
    if q == 1:
        psi = M * M
        whole = 1.0 + S * psi
        G = 1.0 / whole
        return EliminatedFront(G, G * S, psi * G, np.log(whole[0, 0]))
    C = lower(S + np.einsum("ila,ij->ijla", absent, np.eye(q)))
    N = np.einsum("ikla,ijla->kjla", M, C)
    K, log_det = whole_kernel(N)
    half = multiply(C, K)
    inner = whole_kernel(N.swapaxes(0, 1))[0]
    return EliminatedFront(
        G=multiply(half, invert_lower(C)),
        GS=multiply(half, C.swapaxes(0, 1)),
        W=multiply(multiply(M, inner), M.swapaxes(0, 1)),
        log_det=log_det,
    )


def lower(S: np.ndarray) -> np.ndarray:
    """Lower Cholesky factors of positive definite blocks (q, q, ...); NaN where they are not."""
    q = len(S)
    L = np.zeros_like(S)
    for j in range(q):
        for i in range(j, q):
            value = S[i, j] - np.einsum("k...,k...->...", L[i, :j], L[j, :j])
            L[i, j] = np.sqrt(value) if i == j else value / L[j, j]
    return L


def invert_lower(L: np.ndarray) -> np.ndarray:
    """Inverses of lower triangular blocks (q, q, ...)."""
    q = len(L)
    out = np.zeros_like(L)
    for j in range(q):
        out[j, j] = 1.0 / L[j, j]
        for i in range(j + 1, q):
            sums = np.einsum("k...,k...->...", L[i, j:i], out[j:i, j])
            out[i, j] = -sums / L[i, i]
    return out


def kernel(T: np.ndarray, lam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((I + T'Psi T)^-1, log|I + T'Psi T|) for T (q, q, L, 1) and Lambda (q, q, A), triangular.

    Returns arrays (q, q, L, A) and (L, A).
    """
    return whole_kernel(np.einsum("jia,jkl->ikla", lam, T[..., 0]))


def conditional(T: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """(q, q, L, A): the conditional covariance Lambda (I + Lambda'TT'Lambda)^-1 Lambda'."""
    M = np.einsum("jia,jkl->ikla", lam, T[..., 0])
    root = np.ascontiguousarray(lam)[:, :, None]
    inner = whole_kernel(M.swapaxes(0, 1))[0]
    return multiply(multiply(root, inner), root.swapaxes(0, 1))


def whole_kernel(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((I + M'M)^-1, log|I + M'M|) of M (q, q, L, A), with nothing that cancels but in M'M.

    Where I + M'M is so large that its digits run out, M's singular values take its place.
    """
    q = len(M)
    if q == 1:
        K = 1.0 + M * M
        return 1.0 / K, np.log(K[0, 0])
    if q == 2:
        return _kernel_two(M)
    K = np.einsum("kila,kjla->laij", M, M) + np.eye(q)
    size = np.einsum("laii->la", K)
    large = (size > _LARGE) & (size < np.inf)
    L = _by_member(np.linalg.cholesky, K)
    half = _by_member(np.linalg.inv, L)
    log_det = 2 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)
    inverse = np.einsum("laki,lakj->ijla", half, half)
    if large.any():
        _, s, V = np.linalg.svd(np.ascontiguousarray(np.moveaxis(M, (0, 1), (2, 3))[large]))
        square = s * s
        log_det[large] = np.log1p(square).sum(axis=1)
        inverse[:, :, large] = np.einsum("nki,nk,nkj->ijn", V, 1 / (1 + square), V)
    return inverse, log_det


def _kernel_two(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = (M[:, j] for j in (0, 1))
    a, b = 1.0 + (first * first).sum(axis=0), (first * second).sum(axis=0)
    d = 1.0 + (second * second).sum(axis=0)
    # |I + A| = 1 + tr A + |A|, with |A| = |M|^2, has no difference of large numbers in it but |M|
    root = first[0] * second[1] - first[1] * second[0]
    det = (a + d - 1.0) + root * root
    return np.array([[d, -b], [-b, a]]) / det, np.log(det)


def _by_member(function, M: np.ndarray) -> np.ndarray:
    """``function`` of the matrices of (L, A, q, q); NaN for the members for which it fails.

    That is where theta is far outside what doubles can hold, and the search backs off from NaN; the
    other members are not to know.
    """
    try:
        return function(M)
    except np.linalg.LinAlgError:
        out = np.full_like(M, np.nan)
        for a in range(M.shape[1]):
            try:
                out[:, a] = function(M[:, a])
            except np.linalg.LinAlgError:
                continue
        return out


def multiply(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Blockwise product of (a, b, L, A) and (b, c, L, A)."""
    if len(B) == 1:
        return A * B
    return np.einsum("ab...,bc...->ac...", A, B)


def congruence(blocks: np.ndarray, U: np.ndarray) -> np.ndarray:
    """U'M U for every M of (A, ..., m, m) and the member's U (A, m, r)."""
    extra = blocks.ndim - 3
    # A copy, because the digits of a matrix product depend on how its factors lie in memory.
    U = np.ascontiguousarray(U).reshape(len(U), *(1,) * extra, *U.shape[1:])
    return np.ascontiguousarray(np.swapaxes(U, -1, -2)) @ blocks @ U


def segment_sum(values: np.ndarray, starts: np.ndarray | None) -> np.ndarray:
    """Sums over consecutive, non-empty segments of the last axis but one (None: one segment)."""
    if starts is None:
        return values.sum(axis=-2, keepdims=True)
    if len(starts) == values.shape[-2]:
        return values
    if values.shape[-1] == 1:
        return np.add.reduceat(values[..., 0], starts, axis=-1)[..., None]
    return np.add.reduceat(values, starts, axis=-2)


def stable_order(keys: np.ndarray, count: int) -> np.ndarray:
    """Stable order of integers below ``count``; small ones are sorted by their digits."""
    if (keys[1:] >= keys[:-1]).all():
        return np.arange(len(keys))
    small = keys.astype(np.uint16) if count <= 1 << 16 else keys
    return np.argsort(small, kind="stable")
