"""The innermost grouping factor: its levels never see each other, so they are summed up in advance.

Whatever theta is, a level enters log|V| and R'V^-1 R through S = Z'Z (q x q) and the products r of
its Z with the other columns only: as log|I + S Psi| and r'W r, W = Psi (I + S Psi)^-1. The second
is linear in the products r_a r_b, so these are summed, once, over all levels with equal S (a class)
that lie in one level of the next coarser factor (a cell). A balanced design costs one class,
whatever the number of its levels.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmfit.engine.solvers.blocks import Directions, segment_sum
from mmfit.engine.solvers.chain import stable_order

# Numbers formed at once when products of columns are summed up.
_AT_ONCE = 1_000_000
# Blocks that differ by less, relative to the largest entry, belong to one class.
_SAME = 2.0**-42


@dataclass(frozen=True, slots=True)
class Leaf:
    """Pooled products of one factor's levels.

    Attributes
    ----------
    S : (q, q, C, 1) array, Z'Z by class;  counts : (C, 1) array, levels in each class.
    level_class : (levels,) intp, class of each level.
    cell_class : (K,) intp, class of each cell, or None where cells are classes.
    starts : (parents,) intp, first cell of each parent, or None for a single parent.
    cells : (P, W, K, 1 or B) array: sums over a cell's levels of r_a r_b' + r_b r_a' (r_a r_a')
        for the P pairs a <= b of effects, at the W pairs i <= j of columns.
    """

    S: np.ndarray
    counts: np.ndarray
    level_class: np.ndarray
    cell_class: np.ndarray | None
    starts: np.ndarray | None
    cells: np.ndarray

    def gather(self, weights: np.ndarray, members) -> np.ndarray:
        """(..., W, parents, A): sum over the levels of <weight of the class, r r'>.

        ``weights`` (..., P, C, A) holds the packed symmetric weight matrices.
        """
        cells = self.cells if members is None else np.take(self.cells, members, axis=-1)
        if self.cell_class is not None:
            weights = weights[..., self.cell_class, :]
        if self.starts is None:
            return np.einsum("...pca,pwca->...wa", weights, cells)[..., None, :]
        return segment_sum(np.einsum("...pca,pwca->...wca", weights, cells), self.starts)

    def congruences(self, G: np.ndarray, directions: Directions, members) -> np.ndarray:
        """(k, W, A): the sums over the levels of r'G'E_e G r for G (q, q, C, A)."""
        weights = directions.congruences(G, *packed_pairs(len(G)))
        return self.gather(weights, members)[..., 0, :]

    def totals(self, directions: Directions) -> np.ndarray:
        """(k, W, B): the sums over the levels of r'E_e r, which are those of a pair of effects."""
        q = len(self.S)
        position = np.zeros((q, q), dtype=np.intp)
        position[packed_pairs(q)] = np.arange(q * (q + 1) // 2)
        return self.cells.sum(axis=2)[position[directions.column, directions.row]]

    def inner_products(self, weights: np.ndarray, members=None) -> np.ndarray:
        """(q, q, C, A): by class the sums of r M r' for packed symmetric M, ``weights`` (W, A).

        An entry of ``weights`` off the diagonal stands for both of M's. Classes must be cells.
        """
        cells = self.cells if members is None else np.take(self.cells, members, axis=-1)
        packed = np.einsum("pwca,wa->pca", cells, weights)
        q = len(self.S)
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


def classify(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(class of each level, one level of each class) for blocks S (q, q, L)."""
    first, second = packed_pairs(len(S))
    packed = S[first, second]
    unit = np.abs(packed).max() * _SAME
    whole = np.rint(packed / (unit if unit > 0 else 1.0)).astype(np.int64)
    if (whole == whole[:, :1]).all():
        return np.zeros(S.shape[2], dtype=np.intp), np.zeros(1, dtype=np.intp)
    if len(whole) == 1:
        key = whole[0]
    else:
        # A hash in wrap-around arithmetic; that it did not mix classes is checked below.
        multipliers = np.array([(2 * i + 3) ** 15 * 0x9E3779B97F4A7C15 for i in range(len(whole))])
        key = (whole * (multipliers % 2**63).astype(np.int64)[:, None]).sum(axis=0)
    _, example, label = np.unique(key, return_index=True, return_inverse=True)
    if len(whole) > 1 and np.abs(whole - whole[:, example][:, label]).max() > 0:
        return np.arange(S.shape[2]), np.arange(S.shape[2])
    return label.reshape(-1), example


def build_leaf(
    own: np.ndarray,
    design: np.ndarray,
    responses: np.ndarray,
    parent: np.ndarray | None,
    parents: int = 1,
) -> Leaf:
    """Pool the levels of a factor.

    Parameters
    ----------
    own : (q, q, L), Z'Z by level.
    design : (q, d, L), Z'[coarser Z's, X] by level;  responses : (q, L, B), Z'y.
    parent : (L,) level of the next coarser factor, or None at the top;  parents : their number.
    """
    label, example = classify(own)
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
    return Leaf(own[:, :, example, None], counts, label, cell_class, starts, cells)


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
