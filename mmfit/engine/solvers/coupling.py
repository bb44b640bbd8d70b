"""The coupling A = Z_1'Z_t of the eliminated factor with all others, in two representations.

Both answer the same two questions, which are adjoint to each other: the Schur term
sum_l A_l' w_l A_l for one symmetric q x q matrix w_l per level, and sum over (t, t') of
A_l[a, t] J[t, t'] A_l[b, t'] for a symmetric J. Sparse designs use a map that is constant over all
evaluations; designs in which almost every level meets almost every other use plain products.
"""

import numpy as np
import scipy.sparse as sp

# The constant map holds one number per pair of neighbours and per entry of w; above this many
# (some 700 MB) plain matrix products are used.
_MAP_LIMIT = 60_000_000


class PairMap:
    """Constant sparse map from the level weights to the entries of the Schur term."""

    def __init__(self, indptr: np.ndarray, columns: np.ndarray, values: np.ndarray, width: int):
        """``columns``, ``values`` (nnz, q): neighbours per level, sorted, level l in
        ``indptr[l]:indptr[l + 1]``; ``width``: number of tail columns."""
        self.width, self.levels, self.q = width, len(indptr) - 1, values.shape[1]
        first, second, level = _neighbour_pairs(indptr)
        rows = columns[first] * width + columns[second]
        pairs = [(a, b) for a in range(self.q) for b in range(a, self.q)]
        data = np.empty((len(rows), len(pairs)))
        for k, (a, b) in enumerate(pairs):
            data[:, k] = values[first, a] * values[second, b]
            if a != b:
                data[:, k] += values[first, b] * values[second, a]
        position = level[:, None] * len(pairs) + np.arange(len(pairs))
        shape = (width * width, self.levels * len(pairs))
        entries = (np.repeat(rows, len(pairs)), position.ravel())
        self.map = sp.csr_array((data.ravel(), entries), shape=shape)
        self.upper = (np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]))

    def schur(self, weights: np.ndarray) -> np.ndarray:
        """sum_l A_l' w_l A_l for symmetric weights (levels, q, q): a full symmetric matrix."""
        half = self.map @ weights[:, *self.upper].ravel()
        half = half.reshape(self.width, self.width)
        return half + np.triu(half, 1).T

    def adjoint(self, J: np.ndarray) -> np.ndarray:
        """(levels, q, q): A_l J A_l' for symmetric J."""
        weights = 2.0 * np.triu(J)
        np.einsum("ii->i", weights)[:] = np.diag(J)
        packed = (self.map.T @ weights.ravel()).reshape(self.levels, -1)
        a, b = self.upper
        # An off-diagonal entry of w stands for itself and its mirror image.
        packed = packed * np.where(a == b, 1.0, 0.5)
        out = np.empty((self.levels, self.q, self.q))
        out[:, a, b] = packed
        out[:, b, a] = packed
        return out


class DenseCoupling:
    """The same operations by dense products, for designs that are nearly complete."""

    def __init__(self, dense: np.ndarray):
        """``dense``: (levels, q, width)."""
        self.dense = dense

    def schur(self, weights: np.ndarray) -> np.ndarray:
        flat = self.dense.reshape(-1, self.dense.shape[2])
        return flat.T @ (weights @ self.dense).reshape(flat.shape)

    def adjoint(self, J: np.ndarray) -> np.ndarray:
        return (self.dense @ J) @ np.swapaxes(self.dense, 1, 2)


def build_coupling(matrix: sp.csr_array, levels: int, q: int):
    """Choose a representation for ``matrix`` (levels * q, width), rows level-major."""
    indptr, columns, values = _by_level(matrix, levels, q)
    sizes = np.diff(indptr).astype(float)
    if (sizes * (sizes + 1) / 2).sum() * (q * (q + 1) / 2) <= _MAP_LIMIT:
        return PairMap(indptr, columns, values, matrix.shape[1])
    return DenseCoupling(matrix.toarray().reshape(levels, q, -1))


def _by_level(matrix: sp.csr_array, levels: int, q: int):
    """Neighbours of each level, with the q values side by side."""
    coo = matrix.tocoo()
    level, effect = np.divmod(coo.row.astype(np.int64), q)
    keys, position = np.unique(level * matrix.shape[1] + coo.col, return_inverse=True)
    values = np.zeros((len(keys), q))
    values[position, effect] = coo.data
    level, columns = np.divmod(keys, matrix.shape[1])
    indptr = np.searchsorted(level, np.arange(levels + 1))
    return indptr, columns, values


def _neighbour_pairs(indptr: np.ndarray):
    """Positions (first <= second) of all pairs of neighbours of one level, and the level."""
    sizes = np.diff(indptr)
    level_of = np.repeat(np.arange(len(sizes)), sizes)
    # entry e pairs with itself and with all later entries of its level
    counts = indptr[1:][level_of] - np.arange(indptr[-1])
    first = np.repeat(np.arange(indptr[-1]), counts)
    begin = np.cumsum(counts) - counts
    second = first + (np.arange(len(first)) - begin[first])
    return first, second, level_of[first]
