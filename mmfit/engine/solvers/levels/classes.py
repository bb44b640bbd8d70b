"""The innermost grouping factor: its levels never see each other, so they are summed up in advance.

Whatever theta is, a level enters log|V| and R'V^-1 R through T (q x q) and the products c = Q'R of
its basis (:mod:`basis`) only: as log|I + T'Psi T| and c'(I + T'Psi T)^-1 c. The second is
linear in the products c_a c_b, so these are summed, once, over all levels with equal T (a class)
that lie in one level of the next coarser factor (a cell). A balanced design costs one class,
whatever the number of its levels.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmfit.engine.covariance.directions import Directions
from mmfit.engine.solvers.levels.blocks import multiply, segment_sum, stable_order

# Numbers formed at once when products of columns are summed up.
_AT_ONCE = 1_000_000
# Blocks whose rows differ by less, relative to the largest entry of the row, belong to one class.
_SAME = 2.0**-42


@dataclass(frozen=True, slots=True)
class LevelClasses:
    """Products of one factor's levels, pooled by class; see :class:`PooledLevels`.

    Attributes
    ----------
    T : (q, q, C, 1) array, Z = Q T' by class;  counts : (C, 1) array, levels in each class.
    level_class : (levels,) intp, class of each level.
    cell_class : (K,) intp, class of each cell, or None where cells are classes.
    starts : (parents,) intp, first cell of each parent, or None for a single parent.
    cells : (P, W, K, 1 or B) array: sums over a cell's levels of c_a c_b' + c_b c_a' (c_a c_a')
        for the P pairs a <= b of effects, at the W pairs i <= j of columns.
    """

    T: np.ndarray
    counts: np.ndarray
    level_class: np.ndarray
    cell_class: np.ndarray | None
    starts: np.ndarray | None
    cells: np.ndarray

    @property
    def S(self) -> np.ndarray:
        """(q, q, C, 1): Z'Z by class."""
        return multiply(self.T, self.T.swapaxes(0, 1))

    def gather(self, weights: np.ndarray, members) -> np.ndarray:
        """(..., W, parents, A): sum over the levels of <weight of the class, c c'>.

        ``weights`` (..., P, C, A) holds the packed symmetric weight matrices.
        """
        cells = self.cells if members is None else np.take(self.cells, members, axis=-1)
        if self.cell_class is not None:
            weights = weights[..., self.cell_class, :]
        if self.starts is None:
            return np.einsum("...pca,pwca->...wa", weights, cells)[..., None, :]
        return segment_sum(np.einsum("...pca,pwca->...wca", weights, cells), self.starts)

    def congruences(self, G: np.ndarray, directions: Directions, members) -> np.ndarray:
        """(k, W, A): the sums over the levels of c'G'E_e G c for G (q, q, C, A)."""
        weights = directions.congruences(G, *packed_pairs(len(G)))
        return self.gather(weights, members)[..., 0, :]

    def inner_products(self, weights: np.ndarray, members=None) -> np.ndarray:
        """(q, q, C, A): by class the sums of c M c' for packed symmetric M, ``weights`` (W, A).

        An entry of ``weights`` off the diagonal stands for both of M's. Classes must be cells.
        """
        cells = self.cells if members is None else np.take(self.cells, members, axis=-1)
        packed = np.einsum("pwca,wa->pca", cells, weights)
        q = len(self.T)
        a, b = packed_pairs(q)
        packed[a != b] *= 0.5
        out = np.empty((q, q, *packed.shape[1:]))
        out[a, b] = out[b, a] = packed
        return out


@lru_cache(maxsize=64)
def packed_pairs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (first <= second) of the entries of a packed symmetric matrix."""
    first, second = np.triu_indices(size)
    first.flags.writeable = second.flags.writeable = False
    return first, second


def unpack(packed: np.ndarray, size: int) -> np.ndarray:
    """(..., W, L, A) packed to (..., size, size, L, A)."""
    first, second = packed_pairs(size)
    out = np.empty((*packed.shape[:-3], size, size, *packed.shape[-2:]))
    out[..., first, second, :, :] = packed
    out[..., second, first, :, :] = packed
    return out


def packed(blocks: np.ndarray) -> np.ndarray:
    """(P, C, A): the entries a <= b of symmetric blocks (q, q, C, A)."""
    return blocks[packed_pairs(len(blocks))]


def square(values: np.ndarray, size: int) -> np.ndarray:
    """(..., W, A) packed symmetric matrices to (A, ..., size, size)."""
    first, second = packed_pairs(size)
    axes = values.ndim - 1
    moved = values.transpose(axes, *range(axes))
    out = np.empty((*moved.shape[:-1], size, size))
    out[..., first, second] = moved
    out[..., second, first] = moved
    return out


def classify(T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(class of each level, one level of each class) for lower triangular T (q, q, L)."""
    first, second = packed_pairs(len(T))
    packed = T[second, first]
    unit = np.abs(T).max(axis=(1, 2), keepdims=True)[second, 0] * _SAME
    whole = np.rint(packed / np.where(unit > 0, unit, 1.0)).astype(np.int64)
    if (whole == whole[:, :1]).all():
        return np.zeros(T.shape[2], dtype=np.intp), np.zeros(1, dtype=np.intp)
    if len(whole) == 1:
        key = whole[0]
    else:
        # A hash in wrap-around arithmetic; that it did not mix classes is checked below.
        multipliers = np.array([(2 * i + 3) ** 15 * 0x9E3779B97F4A7C15 for i in range(len(whole))])
        key = (whole * (multipliers % 2**63).astype(np.int64)[:, None]).sum(axis=0)
    _, example, label = np.unique(key, return_index=True, return_inverse=True)
    if len(whole) > 1 and np.abs(whole - whole[:, example][:, label]).max() > 0:
        return np.arange(T.shape[2]), np.arange(T.shape[2])
    return label.reshape(-1), example


def pool_levels(
    T: np.ndarray,
    design: np.ndarray,
    responses: np.ndarray,
    parent: np.ndarray | None,
    parents: int = 1,
) -> LevelClasses:
    """Pool the levels of a factor.

    Parameters
    ----------
    T : (q, q, L), Z = Q T' by level.
    design : (q, d, L), Q'[coarser Z's, X] by level;  responses : (q, L, B), Q'y.
    parent : (L,) level of the next coarser factor, or None at the top;  parents : their number.
    """
    label, example = classify(T)
    classes = len(example)
    counts = np.bincount(label, minlength=classes).astype(float)[:, None]
    cell = label if parent is None else parent * classes + label
    order = stable_order(label, classes)
    if parent is not None:
        order = order[stable_order(parent[order], parents)]
    begin = np.flatnonzero(np.diff(cell[order], prepend=-1))
    cells = _cell_products(design[..., order], responses[:, order], begin)
    keys = cell[order][begin]
    if parent is None:
        cell_class, starts = None, None
    else:
        above, cell_class = np.divmod(keys, classes)
        starts = np.searchsorted(above, np.arange(parents))
    return LevelClasses(T[:, :, example, None], counts, label, cell_class, starts, cells)


def _cell_products(design: np.ndarray, responses: np.ndarray, begin: np.ndarray) -> np.ndarray:
    q, d, levels = design.shape
    B = responses.shape[2]
    a, b = packed_pairs(q)
    first, second = packed_pairs(d + 1)
    rows = np.empty((q, d + 1, levels, B))
    rows[:, :d], rows[:, d] = design[..., None], responses
    out = np.empty((len(a), len(first), len(begin), B))
    step = max(1, _AT_ONCE // max(rows.size, 1))
    for p, (s, t) in enumerate(zip(a, b, strict=True)):
        for w in range(0, len(first), step):
            i, j = first[w : w + step], second[w : w + step]
            product = rows[s][i] * rows[t][j]
            if s != t:
                product += rows[t][i] * rows[s][j]
            whole = len(begin) == levels
            out[p, w : w + step] = product if whole else segment_sum(product, begin)
    return out
