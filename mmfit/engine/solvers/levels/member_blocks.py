"""Dense algebra on many small blocks with the member first: elimination of a grouping factor.

Blocks are (A, q, q, L). In :mod:`blocks` the matrix that is eliminated is positive definite but for
the rows that a level does not have; here it may be singular in any direction. For the few effects
that random terms have, a loop over rows and columns, vectorised over levels and members, beats one
LAPACK call per level.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.levels.blocks import kernel

_LOOP_LIMIT = 4


@dataclass(frozen=True, slots=True)
class EliminatedFactor:
    """What eliminating a factor with Z = Q T' (:mod:`basis`) at Psi leaves per level.

    With K = (I + T'Psi T)^-1, Z'V^-1 = T K Q' for V = I + Z Psi Z'.

    Attributes
    ----------
    shrink : (A, q, q, L), G = T K.
    weights : (A, q, q, L), I - K: what V^-1 takes off the products of Q'.
    log_det : (A,), sum over the levels of -log|K|.
    """

    shrink: np.ndarray
    weights: np.ndarray
    log_det: np.ndarray


def eliminate_factor(T: np.ndarray, lam: np.ndarray) -> EliminatedFactor:
    """Eliminate a factor with T (q, q, L) at Lambda (A, q, q)."""
    if len(T) == 1:
        square = lam[:, 0] ** 2 * T[0, 0] ** 2
        whole = 1.0 + square
        return EliminatedFactor(
            (T[0, 0] / whole)[:, None, None],
            (square / whole)[:, None, None],
            np.log(whole).sum(axis=1),
        )
    K, log_det = kernel(T[..., None], lam.transpose(1, 2, 0))
    K = np.ascontiguousarray(K.transpose(3, 0, 1, 2))
    shrink = np.einsum("ijl,ajkl->aikl", T, K)
    np.negative(K, out=K)
    np.einsum("aiil->ail", K)[:] += 1.0
    return EliminatedFactor(shrink, K, log_det.sum(axis=0))


@dataclass(frozen=True, slots=True)
class EliminatedBlocks:
    """What eliminating a factor with products B_l = Z_l'Z_l at Psi leaves per level.

    Attributes
    ----------
    shrink : (A, q, q, L), G = (I + B Psi)^-1, so that Z'V^-1 = G Z' for V = I + Z Psi Z'.
    precision : (A, q, q, L), W = Psi G, the conditional covariance (Psi^-1 + B)^-1.
    log_det : (A,), sum over the levels of log|I + B Psi|.
    """

    shrink: np.ndarray
    precision: np.ndarray
    log_det: np.ndarray


def eliminate_blocks(own: np.ndarray, lam: np.ndarray) -> EliminatedBlocks:
    """Eliminate a factor with products ``own`` (q, q, L), or (A, q, q, L), at Lambda (A, q, q).

    In the basis of Lambda's left singular vectors Psi is diagonal, diag(s^2). There I + B Psi =
    (diag(b) + B diag(a)) diag(max(s^2, 1)) with a = min(s^2, 1), b = min(s^-2, 1), and the first
    factor is as well conditioned as B, however large, small or singular Psi is.
    """
    if len(lam[0]) == 1:
        psi = lam[:, 0] ** 2
        whole = 1.0 + own[..., 0, 0, :] * psi
        shrink = (1.0 / whole)[:, None, None]
        return EliminatedBlocks(shrink, psi[:, :, None, None] * shrink, np.log(whole).sum(axis=1))
    U, s, _ = np.linalg.svd(lam)
    square = s * s
    large = np.maximum(square, 1.0)
    a, b = np.minimum(square, 1.0), 1.0 / large
    levels = own.shape[-1]
    inner = sandwich(U.swapaxes(1, 2), own) * a[:, None, :, None]
    np.einsum("aiil->ail", inner)[:] += b[:, :, None]
    inverse, log_det = invert(inner)
    shrink = sandwich(U, b[:, :, None, None] * inverse)
    W = sandwich(U, a[:, :, None, None] * inverse)
    W = (W + W.swapaxes(1, 2)) / 2
    return EliminatedBlocks(shrink, W, log_det + levels * np.log(large).sum(axis=1))


def sandwich(U: np.ndarray, M: np.ndarray) -> np.ndarray:
    """U M_l U' for U (A, q, q) and M (q, q, L) or (A, q, q, L)."""
    q, levels = M.shape[-2:]
    left = U @ M.reshape(*M.shape[:-3], q, q * levels)
    return U[:, None] @ left.reshape(-1, q, q, levels)


def invert(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(inverses, sum over levels of log|M_l|) of (A, q, q, L); ``M`` may be overwritten.

    Gauss-Jordan without pivoting: M is C D with C positive definite and D diagonal.
    """
    q = M.shape[1]
    if q > _LOOP_LIMIT:
        stack = np.moveaxis(M, 3, 1)
        inverse = np.ascontiguousarray(np.moveaxis(np.linalg.inv(stack), 1, 3))
        return inverse, np.linalg.slogdet(stack)[1].sum(axis=1)
    log_det = 0.0
    for k in range(q):
        pivot = M[:, k, k].copy()
        log_det = log_det + np.log(pivot).sum(axis=1)
        M[:, k, k] = 1.0
        M[:, k] /= pivot[:, None]
        for i in range(q):
            if i != k:
                factor = M[:, i, k].copy()
                M[:, i, k] = 0.0
                M[:, i] -= factor[:, None] * M[:, k]
    return M, log_det


def multiply(G: np.ndarray, x: np.ndarray) -> np.ndarray:
    """G_l x_l for G (A, q, q, L) and x (A, c, q, L)."""
    if G.shape[1] == 1:
        return G * x
    return np.einsum("aijl,acjl->acil", G, x)


def product(G: np.ndarray, X: np.ndarray) -> np.ndarray:
    """G_l X_l, for G (A, q, q, L) and X (A, q, q, L), or (q, q, L) for all members."""
    if G.shape[1] == 1:
        return G * X
    return np.einsum("aijl,jkl->aikl" if X.ndim == 3 else "aijl,ajkl->aikl", G, X)


def between(G: np.ndarray, X: np.ndarray) -> np.ndarray:
    """G_l X_l G_l', all (A, q, q, L)."""
    if G.shape[1] == 1:
        return G * X * G
    return np.einsum("aikl,ajkl->aijl", product(G, X), G)


def times(W: np.ndarray, A: np.ndarray) -> np.ndarray:
    """W_l A_l for blocks (A, q, q, L) and the rows of a matrix (A, q, L, T)."""
    if W.shape[1] == 1:
        return W[:, 0, :, :, None] * A
    return np.einsum("aijl,ajlt->ailt", W, A)


def row_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(A, q, q, L): products of the rows of one level, for (A, q, L, T)."""
    return np.einsum("ailt,ajlt->aijl", left, right)


def level_sums(F: np.ndarray, X: np.ndarray) -> np.ndarray:
    """(A, q, q, q, q): [j, k, m, i] = sum over levels of F_jk F_mi - F_jk X_mi - X_jk F_mi.

    With N = blockdiag(F) - C J C' and X the diagonal blocks of C J C', tr(E N D N) is the
    contraction of this with E_ij D_km, and tr(C'E C J C'D C J).
    """
    members, q, _, levels = F.shape
    F, X = F.reshape(members, q * q, levels), X.reshape(members, q * q, levels)
    Ft, Xt = F.swapaxes(1, 2), X.swapaxes(1, 2)
    return (F @ Ft - F @ Xt - X @ Ft).reshape(members, q, q, q, q)
