"""Which columns of the factor are eliminated together, and in what order.

Consecutive columns with the same rows below them form a fundamental supernode (Ashcraft & Grimes
1989, ACM Transactions on Mathematical Software 15(4)). Those of a factor with little fill are
small, and each of them costs some twenty calls from Python. They are therefore merged, parents
with children and siblings with siblings, where a model of the run time says that the explicit
zeros which this brings in cost less than the calls and copies which it saves.

The columns of a merged node need not be neighbours in the order that was given: the nodes are
numbered anew.
"""

import dataclasses

import numpy as np

from mmfit.engine.solvers.sparse.elimination import children_lists, postorder

# Seconds for factorisation and selected inversion together, measured with OpenBLAS on one core.
# They decide only what is merged, so they are fixed: results do not depend on the machine.
CALLS = 4e-5
MULTIPLICATION = 2.5e-11
PIVOT_ENTRY = 1e-8
UPDATE_ENTRY = 6e-9


@dataclasses.dataclass(frozen=True, slots=True)
class SupernodeTree:
    """Nodes in elimination order, each after all of its descendants.

    Attributes
    ----------
    columns : for each node its columns, in the numbering of the matrix, in elimination order.
    parent : for each node its parent, -1 for a root.
    """

    columns: list[np.ndarray]
    parent: list[int]


def run_time(width: int, below: int) -> float:
    """Modelled seconds for a node with so many columns and so many rows below them."""
    products = width**3 + width * below * (4 * width + 3 * below)
    entries = PIVOT_ENTRY * width * width + UPDATE_ENTRY * below * below
    return CALLS + MULTIPLICATION * products + entries


def fundamental(parent: list[int], counts: list[int]) -> tuple[SupernodeTree, list[int]]:
    """The supernodes, and the number of rows below the columns of each.

    Parameters
    ----------
    parent, counts : the elimination tree and the column counts, in a postorder.
    """
    size = len(parent)
    starts = [
        j for j in range(size) if j == 0 or parent[j - 1] != j or counts[j] != counts[j - 1] - 1
    ]
    stops = [*starts[1:], size]
    spans = [np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)]
    node_of = np.repeat(np.arange(len(starts)), [len(span) for span in spans]).tolist()
    above = [parent[stop - 1] for stop in stops]
    below = [counts[stop - 1] - 1 for stop in stops]
    return SupernodeTree(spans, [-1 if j == -1 else node_of[j] for j in above]), below


def merge_with_parents(partition: SupernodeTree, below: list[int], *, strict: bool) -> list[int]:
    """For each node the node that it should join, itself or its parent.

    Parameters
    ----------
    below : number of rows below each node's columns.
    strict : merge only where the time per column falls below that of either, so that a node
        which could do better with its other relatives is left to them; otherwise wherever the
        two together take less time than apart.
    """
    widths = [len(columns) for columns in partition.columns]
    into = list(range(len(below)))
    for node, children in enumerate(children_lists(partition.parent)[:-1]):
        # Those that reach most of the parent's rows bring in the fewest zeros: they go first.
        for child in sorted(children, key=lambda child: (-below[child], child)):
            own = widths[node], run_time(widths[node], below[node])
            other = widths[child], run_time(widths[child], below[child])
            if _pays(run_time(own[0] + other[0], below[node]), own, other, strict):
                into[child] = node
                widths[node] += widths[child]
    return into


def _pays(together: float, own: tuple[int, float], other: tuple[int, float], strict: bool) -> bool:
    """Whether two nodes, each given by its width and its time, should be one."""
    (w, apart), (v, more) = own, other
    if strict:
        return together <= (w + v) * min(apart / w, more / v)
    return together <= apart + more


def merged(partition: SupernodeTree, into: list[int]) -> SupernodeTree:
    """The partition in which every node has joined node ``into[node]``, itself or a later one."""
    into = list(into)
    for node in reversed(range(len(into))):
        into[node] = into[into[node]]
    groups = [[] for _ in into]
    for node, target in enumerate(into):
        groups[target].append(partition.columns[node])
    kept = [node for node, target in enumerate(into) if target == node]
    number = {node: k for k, node in enumerate(kept)}
    above = [partition.parent[node] for node in kept]
    parent = [-1 if node == -1 else number[into[node]] for node in above]
    return SupernodeTree([np.concatenate(groups[node]) for node in kept], parent)


def merge_siblings(partition: SupernodeTree, rows: list[np.ndarray]) -> list[int]:
    """For each node the node that it should join: siblings whose rows below are much the same.

    Parameters
    ----------
    rows : for each node the sorted rows below its columns.
    """
    into = list(range(len(rows)))
    for children in children_lists(partition.parent):
        ordered = sorted(children, key=lambda node: (tuple(rows[node][:2].tolist()), node))
        group, width, union = [], 0, None
        for node in ordered:
            wide = len(partition.columns[node])
            joint = _union(width, union, wide, rows[node]) if group else None
            if joint is None:
                _join(group, into)
                group, width, union = [node], wide, rows[node]
            else:
                group.append(node)
                width, union = width + wide, joint
        _join(group, into)
    return into


def _join(group: list[int], into: list[int]) -> None:
    last = max(group, default=-1)
    for member in group:
        into[member] = last


def _union(width: int, union: np.ndarray, wide: int, own: np.ndarray) -> np.ndarray | None:
    """Rows of two siblings together, or None where that does not pay."""
    times = (width, run_time(width, len(union))), (wide, run_time(wide, len(own)))
    # The union has at least as many rows as either: mostly that decides without forming it.
    if not _pays(run_time(width + wide, max(len(union), len(own))), *times, strict=True):
        return None
    joint = np.union1d(union, own)
    return joint if _pays(run_time(width + wide, len(joint)), *times, strict=True) else None


def front_rows(
    pointers: np.ndarray, below: np.ndarray, partition: SupernodeTree
) -> list[np.ndarray]:
    """Sorted rows below the columns of each node, when its columns are numbered consecutively.

    Parameters
    ----------
    pointers, below : the strict lower triangle by columns, in the numbering of the partition.
    """
    rows, children = [], children_lists(partition.parent)
    stop = 0
    for node, columns in enumerate(partition.columns):
        start, stop = stop, stop + len(columns)
        parts = [below[pointers[start] : pointers[stop]], *(rows[c] for c in children[node])]
        found = np.unique(np.concatenate(parts))
        rows.append(found[np.searchsorted(found, stop) :])
    return rows


def in_postorder(partition: SupernodeTree, below: list[int]) -> tuple[SupernodeTree, int]:
    """The nodes in a postorder that holds few updates at a time, and how many entries that is.

    The child whose subtree needs most goes first, when its parent holds nothing yet (Liu 1986,
    ACM Transactions on Mathematical Software 12(3), where updates wait for their parents).

    Parameters
    ----------
    below : number of rows below each node's columns; parents have higher numbers than children.
    """
    children = children_lists(partition.parent)
    peak = [wide**2 for wide in below]
    for node, wide in enumerate(below):
        children[node].sort(key=lambda child: (-peak[child], child))
        held = 0
        for child in children[node]:
            peak[node] = max(peak[node], held + peak[child], wide**2 + below[child] ** 2)
            held = wide**2
    order = postorder(children)
    number = {node: k for k, node in enumerate(order)}
    above = [partition.parent[node] for node in order]
    parent = [-1 if node == -1 else number[node] for node in above]
    highest = max(peak[root] for root in children[-1])
    return SupernodeTree([partition.columns[node] for node in order], parent), highest
