"""Everything about a sparse Cholesky factorisation that depends on the pattern alone, done once."""

import dataclasses

import numpy as np
import scipy.sparse as sp

from mmfit.engine.solvers.sparse import cholmod, supernodes
from mmfit.engine.solvers.sparse.elimination import (
    children_lists,
    column_counts,
    compressed,
    elimination_tree,
    postorder,
)
from mmfit.engine.solvers.sparse.ordering import superlu_ordering
from mmfit.engine.solvers.sparse.plan import Front, Symbolic
from mmfit.engine.solvers.sparse.supernodes import SupernodeTree

ORDERINGS = ("superlu", "cholmod", "best", "natural")


def analyze(pattern: sp.csc_array, ordering: str = "superlu") -> Symbolic:
    """Plan the factorisation of all symmetric matrices with one sparsity pattern.

    Parameters
    ----------
    pattern : (T, T) sparse array, T >= 1, structurally symmetric, both triangles stored, by
        columns and without duplicates; its values are not read.
    ordering : "superlu" (minimum degree, always there), "cholmod" (what CHOLMOD finds best; needs
        scikit-sparse), "best" (the one of these two that makes less work, as far as they are
        there; the last bits of the results then depend on what is installed) or "natural".

    Raises
    ------
    ValueError : the pattern is not square or not symmetric; no such ordering.
    ComputationError : the ordering needs a package that is not installed.
    """
    coordinates = _coordinates(pattern)
    plans = [_eliminated(coordinates, order) for order in _orders(pattern, ordering)]
    order, parent, counts = min(plans, key=lambda plan: sum(count**2 for count in plan[2]))
    partition, rows, order, held = _nodes(coordinates, order, parent, counts)
    fronts = _fronts(partition, rows)
    number = _inverse(order)
    i, j = number[coordinates[0]], number[coordinates[1]]
    storage = sum((f.stop - f.start) * (f.stop - f.start + len(f.rows)) for f in fronts)
    return Symbolic(
        indptr=pattern.indptr,
        indices=pattern.indices,
        permutation=order,
        fronts=fronts,
        positions=_positions(fronts, np.maximum(i, j), np.minimum(i, j)),
        lower=np.flatnonzero(i >= j),
        storage=storage,
        nonzeros=sum(counts),
        flops=float(sum(_flops(front) for front in fronts)),
        working_doubles=storage + held,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Lower:
    """The strict lower triangle of a pattern after a permutation."""

    row: np.ndarray
    column: np.ndarray
    size: int

    @classmethod
    def of(cls, rows, columns, order) -> "_Lower":
        number = _inverse(order)
        i, j = number[rows], number[columns]
        return cls(i[i > j], j[i > j], len(order))

    def by_rows(self):
        return compressed(self.row, self.column, self.size)

    def by_columns(self):
        return compressed(self.column, self.row, self.size)


def _inverse(order) -> np.ndarray:
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    return number


def _coordinates(pattern: sp.csc_array) -> tuple[np.ndarray, np.ndarray]:
    T = pattern.shape[0]
    if pattern.shape != (T, T) or T == 0:
        raise ValueError(f"a square pattern is needed, not one of shape {pattern.shape}")
    rows = pattern.indices.astype(np.int64)
    columns = np.repeat(np.arange(T), np.diff(pattern.indptr))
    entries = np.unique(rows * T + columns)
    if len(entries) != len(rows):
        raise ValueError("the pattern has an entry twice")
    if not np.array_equal(entries, np.unique(columns * T + rows)):
        raise ValueError("the pattern is not symmetric")
    return rows, columns


def _orders(pattern: sp.csc_array, ordering: str) -> list[np.ndarray]:
    if ordering not in ORDERINGS:
        raise ValueError(f"no ordering {ordering!r}; there are {', '.join(ORDERINGS)}")
    orders = []
    if ordering == "natural":
        orders.append(np.arange(pattern.shape[0]))
    if ordering in ("superlu", "best"):
        orders.append(superlu_ordering(pattern))
    if ordering == "cholmod" or (ordering == "best" and cholmod.available()):
        orders.append(cholmod.cholmod_ordering(pattern))
    return orders


def _eliminated(coordinates, order) -> tuple[np.ndarray, list[int], list[int]]:
    """An equivalent order that is a postorder of its elimination tree, the tree, the counts."""
    parent = elimination_tree(*_Lower.of(*coordinates, order).by_rows())
    # A postorder of the tree does not change the fill, and puts each subtree's columns together.
    post = postorder(children_lists(parent))
    order, number = order[post], _inverse(post).tolist()
    parent = [-1 if parent[j] == -1 else number[parent[j]] for j in post]
    return order, parent, column_counts(*_Lower.of(*coordinates, order).by_columns(), parent)


def _nodes(coordinates, order, parent, counts):
    """The merged nodes, their rows below, the order with each node's columns together, and how
    many entries of updates are held at a time.
    """
    partition, depths = supernodes.fundamental(parent, counts)
    into = supernodes.merge_with_parents(partition, depths, strict=True)
    partition = supernodes.merged(partition, into)
    partition, rows, order = _laid_out(coordinates, order, partition)
    partition = supernodes.merged(partition, supernodes.merge_siblings(partition, rows))
    partition, rows, order = _laid_out(coordinates, order, partition)
    into = supernodes.merge_with_parents(partition, [len(r) for r in rows], strict=False)
    partition = supernodes.merged(partition, into)
    partition, rows, order = _laid_out(coordinates, order, partition)
    partition, held = supernodes.in_postorder(partition, [len(r) for r in rows])
    return *_laid_out(coordinates, order, partition), held


def _laid_out(coordinates, order, partition):
    """The same nodes after renumbering the columns so that those of each node are neighbours."""
    order = order[np.concatenate(partition.columns)]
    ends = np.cumsum([len(columns) for columns in partition.columns])
    consecutive = np.split(np.arange(len(order)), ends[:-1])
    partition = SupernodeTree(consecutive, partition.parent)
    below = _Lower.of(*coordinates, order).by_columns()
    return partition, supernodes.front_rows(*below, partition), order


def _fronts(partition: SupernodeTree, rows: list[np.ndarray]) -> tuple[Front, ...]:
    fronts, offset = [], 0
    children = children_lists(partition.parent)
    for node, columns in enumerate(partition.columns):
        above, found = partition.parent[node], rows[node]
        start, width = int(columns[0]), len(columns)
        place, pivots = found[:0], 0
        if above != -1:
            first, wide = int(partition.columns[above][0]), len(partition.columns[above])
            pivots = int(np.searchsorted(found, first + wide))
            further = wide + np.searchsorted(rows[above], found[pivots:])
            place = np.concatenate([found[:pivots] - first, further])
        family = tuple(children[node])
        fronts.append(Front(start, start + width, found, offset, above, place, pivots, family))
        offset += width * (width + len(found))
    return tuple(fronts)


def _positions(fronts: tuple[Front, ...], i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Places in the flat storage of entries (i, j) of the factor, i >= j."""
    size = fronts[-1].stop
    starts = np.array([front.start for front in fronts])
    widths = np.array([front.stop - front.start for front in fronts])
    offsets = np.array([front.offset for front in fronts])
    depths = np.array([len(front.rows) for front in fronts])
    node = np.searchsorted(starts, j, side="right") - 1
    width, column = widths[node], j - starts[node]
    # One search over the rows of all fronts at a time: (node, row) as a single sorted key.
    keys = np.concatenate([k * size + front.rows for k, front in enumerate(fronts)])
    begins = np.concatenate([[0], np.cumsum(depths)[:-1]])
    deep = np.searchsorted(keys, node * size + i) - begins[node]
    in_pivots = column * width + (i - starts[node])
    in_rows = width * width + column * depths[node] + deep
    return offsets[node] + np.where(i < starts[node] + width, in_pivots, in_rows)


def _flops(front: Front) -> float:
    width, depth = front.stop - front.start, len(front.rows)
    return width**3 / 3 + width * depth * (width + depth)
