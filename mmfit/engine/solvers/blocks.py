"""Dense algebra on many small symmetric blocks at once, one per level and batch member.

Blocks are stored components first, (q, q, L, A): every operation runs along the last axes, which
are long, however small q is. One and two effects have closed forms; larger blocks go to LAPACK.
"""

from functools import lru_cache

import numpy as np

# A pivot below this share of its entry is rounding: the level's Z has not full rank.
_RANK = 1e-12
# Up to this many effects a sum over pairs of directions is one contraction with a constant.
_CONTRACTED = 3


class Directions:
    """The directions E_e of one group's Psi: entry pairs (row, column), column-major.

    Attributes
    ----------
    row, column : (k,) intp arrays;  dense : (k, q, q) array, the E_e.
    """

    def __init__(self, row: np.ndarray, column: np.ndarray, q: int):
        self.row, self.column = row, column
        self.dense = np.zeros((len(row), q, q))
        index = np.arange(len(row))
        self.dense[index, row, column] = self.dense[index, column, row] = 1.0
        # e_r e_c' + e_c e_r' counts a diagonal direction twice
        self.once = np.where(row == column, 0.5, 1.0)
        # Few calls matter for few effects, few operations for many.
        self._pairs = None
        if q <= _CONTRACTED:
            pairs = np.einsum("eda,fbc->efabcd", self.dense, self.dense)
            self._pairs = pairs.reshape(len(row), len(row), -1)

    def __len__(self) -> int:
        return len(self.row)

    def traces(self, M: np.ndarray) -> np.ndarray:
        """(k, ...): tr(M E_e) for M (q, q, ...)."""
        if len(M) == 1:
            return M[0]
        return np.einsum("eij,ij...->e...", self.dense, M)

    def congruences(self, M: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(k, pairs, ...): (M'E_e M)[a, b] for M (q, w, ...) and the pairs (first, second)."""
        r, c = self.row[:, None], self.column[:, None]
        both = M[r, first] * M[c, second]
        if len(self.row) == 1:
            return both
        both += M[c, first] * M[r, second]
        both *= _like(self.once, both)
        return both

    def pair_traces(self, Q: np.ndarray) -> np.ndarray:
        """(k, k, A): sum of tr(E_e F E_f K) where Q[a, b, c, d, A] sums F[a, b] K[c, d]."""
        if self._pairs is not None:
            return np.einsum("efi,ia->efa", self._pairs, Q.reshape(-1, Q.shape[-1]))
        r, c = self.row[:, None], self.column[:, None]
        u, v = self.row[None, :], self.column[None, :]
        whole = Q[c, u, v, r] + Q[r, u, v, c] + Q[c, v, u, r] + Q[r, v, u, c]
        return whole * _like(self.once[:, None] * self.once, whole)


def directions(layout, g: int) -> Directions:
    """The directions of group ``g`` of a layout."""
    index = layout.members[g]
    row, column = layout.row[index].tolist(), layout.column[index].tolist()
    return _directions(tuple(row), tuple(column), layout.sizes[g])


@lru_cache(maxsize=64)
def _directions(row: tuple[int, ...], column: tuple[int, ...], q: int) -> Directions:
    return Directions(np.array(row, dtype=np.intp), np.array(column, dtype=np.intp), q)


def _like(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))


def shrink(S: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(G, log|I + S Psi|), G = (I + S Psi)^-1, for S (q, q, L, 1 or A) and psi (q, q, A).

    Returns arrays (q, q, L, A) and (L, A). Solved rather than written as I - S W, which would
    cancel when the variance is large.
    """
    q = len(psi)
    if q == 1:
        M = 1.0 + S * psi[:, :, None]
        return 1.0 / M, np.log(M[0, 0])
    if q == 2:
        return _shrink_two(S, psi[:, :, None])
    M = np.matmul(np.moveaxis(S, (0, 1), (-2, -1)), np.moveaxis(psi, -1, 0))
    M += np.eye(q)
    sign, log_det = np.linalg.slogdet(M)
    log_det = np.where(sign > 0, log_det, np.nan)
    inverse = _by_member(np.linalg.inv, M)
    return np.moveaxis(inverse, (-2, -1), (0, 1)), log_det


def _shrink_two(S, psi):
    a = 1.0 + (S[0, 0] * psi[0, 0] + S[0, 1] * psi[1, 0])
    d = 1.0 + (S[1, 0] * psi[0, 1] + S[1, 1] * psi[1, 1])
    b = S[0, 0] * psi[0, 1] + S[0, 1] * psi[1, 1]
    c = S[1, 0] * psi[0, 0] + S[1, 1] * psi[1, 0]
    # |I + S Psi| = 1 + tr(S Psi) + |S||Psi|: no difference of large numbers
    det = (a + d - 1.0) + _det_two(S) * _det_two(psi)
    G = np.empty((2, 2, *det.shape))
    G[0, 0], G[0, 1], G[1, 0], G[1, 1] = d, -b, -c, a
    G /= det
    return G, np.log(det)


def kernel(T: np.ndarray, lam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((I + T'Psi T)^-1, log|I + T'Psi T|) for S = TT', T (q, q, L, 1), and Lambda (q, q, A).

    Both are symmetric positive definite, with nothing that cancels: T'Psi T is a sum of squares.
    Returns arrays (q, q, L, A) and (L, A); the second is log|I + S Psi|.
    """
    M = np.einsum("jia,jkl->ikla", lam, T[..., 0])
    q = len(M)
    if q == 1:
        K = 1.0 + M * M
        return 1.0 / K, np.log(K[0, 0])
    if q == 2:
        first, second = (M[:, j] for j in (0, 1))
        a, b = 1.0 + (first * first).sum(axis=0), (first * second).sum(axis=0)
        d = 1.0 + (second * second).sum(axis=0)
        # |Lambda'T| is known, so that |I + A| = 1 + tr A + |A| has no difference in it
        root = lam[0, 0] * lam[1, 1] * (T[0, 0] * T[1, 1])
        det = (a + d - 1.0) + root * root
        return np.array([[d, -b], [-b, a]]) / det, np.log(det)
    K = np.einsum("kila,kjla->laij", M, M) + np.eye(q)
    L = _by_member(np.linalg.cholesky, K)
    half = _by_member(np.linalg.inv, L)
    log_det = 2 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.einsum("laki,lakj->ijla", half, half), log_det


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


def roots(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, T^+) for S = TT', T lower triangular (q, q, L); columns without a pivot are zero.

    T^+ undoes T on its range, so that T^+' T^+ is a symmetric reflexive inverse of S.
    """
    q = len(S)
    if q == 1:
        T = np.sqrt(S)
        return T, np.where(T > 0, 1.0, 0.0) / np.where(T > 0, T, 1.0)
    T, inverse = np.zeros_like(S), np.zeros_like(S)
    rest = S.copy()
    for j in range(q):
        pivot = rest[j, j]
        good = pivot > _RANK * S[j, j]
        root = np.where(good, np.sqrt(np.where(good, pivot, 1.0)), 1.0)
        T[j:, j] = np.where(good, rest[j:, j] / root, 0.0)
        rest[j:, j:] -= T[j:, None, j] * T[None, j:, j]
        inverse[j, j] = good / root
        for i in range(j):
            inverse[j, i] = -(T[j, i:j] * inverse[i:j, i]).sum(axis=0) * inverse[j, j]
    return T, inverse


def _det_two(M):
    """Determinants of positive semidefinite 2 x 2 blocks; what is only rounding becomes 0."""
    product = M[0, 0] * M[1, 1]
    det = product - M[0, 1] * M[1, 0]
    return np.where(det > 4e-16 * product, det, 0.0)


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
