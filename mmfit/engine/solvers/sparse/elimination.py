"""The elimination tree of a sparse symmetric matrix and the column counts of its factor.

Liu (1990), SIAM Journal on Matrix Analysis and Applications 11(1), for the tree; Gilbert, Ng &
Peyton (1994), ibid. 15(4), for the counts; both as told by Davis (2006), Direct Methods for
Sparse Linear Systems, chapter 4. Both run over the entries of the matrix in nearly linear time,
without forming the factor.

A matrix is given by the strict lower triangle of its pattern, compressed by rows or by columns.
Lists rather than arrays go through the loops: Python reads their elements several times faster.
"""

import numpy as np


def compressed(major: np.ndarray, minor: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pointers (size + 1,) and minor indices of entries (major, minor), sorted by both."""
    order = np.lexsort((minor, major))
    pointers = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(major, minlength=size), out=pointers[1:])
    return pointers, minor[order]


def elimination_tree(pointers: np.ndarray, columns: np.ndarray) -> list[int]:
    """Parent of every column, -1 for a root, from the strict lower triangle by rows."""
    size = len(pointers) - 1
    starts, columns = pointers.tolist(), columns.tolist()
    parent, ancestor = [-1] * size, [-1] * size
    for i in range(size):
        for j in columns[starts[i] : starts[i + 1]]:
            while j not in (-1, i):
                above = ancestor[j]
                ancestor[j] = i
                if above == -1:
                    parent[j] = i
                j = above
    return parent


def children_lists(parent: list[int]) -> list[list[int]]:
    """Children of every node in ascending order; the roots stand at the end, as those of -1."""
    children = [[] for _ in range(len(parent) + 1)]
    for node, above in enumerate(parent):
        children[above].append(node)
    return children


def postorder(children: list[list[int]]) -> list[int]:
    """Nodes so that each follows its whole subtree, children in the order of their lists."""
    order, stack = [], list(children[-1])
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(children[node])
    # From the end this is: every first child's subtree, ..., the last child's, the node.
    order.reverse()
    return order


def column_counts(pointers: np.ndarray, rows: np.ndarray, parent: list[int]) -> list[int]:
    """Entries in each column of the factor, diagonal included.

    Parameters
    ----------
    pointers, rows : the strict lower triangle by columns, in a postorder of the tree.
    parent : the elimination tree, in the same numbering.
    """
    size = len(parent)
    first = _first_descendants(parent)
    starts, rows = pointers.tolist(), rows.tolist()
    counts = [int(first[j] == j) for j in range(size)]
    latest, previous, ancestor = [-1] * size, [-1] * size, list(range(size))
    for j in range(size):
        if parent[j] != -1:
            counts[parent[j]] -= 1
        for i in rows[starts[j] : starts[j + 1]]:
            if first[j] <= latest[i]:
                continue
            # Column j is a leaf of the i-th row's subtree of the elimination tree.
            latest[i] = first[j]
            counts[j] += 1
            if previous[i] != -1:
                counts[_root(previous[i], ancestor)] -= 1
            previous[i] = j
        if parent[j] != -1:
            ancestor[j] = parent[j]
    for j in range(size):
        if parent[j] != -1:
            counts[parent[j]] += counts[j]
    return counts


def _first_descendants(parent: list[int]) -> list[int]:
    first = list(range(len(parent)))
    for j, above in enumerate(parent):
        if above != -1 and first[j] < first[above]:
            first[above] = first[j]
    return first


def _root(node: int, ancestor: list[int]) -> int:
    root = node
    while ancestor[root] != root:
        root = ancestor[root]
    while node != root:
        ancestor[node], node = root, ancestor[node]
    return root
