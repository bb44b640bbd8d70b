"""The flat storage in which the blocks of all fronts lie, and how values get into them.

Row-major arrays are used throughout and handed to LAPACK transposed, where they are column-major
without a copy. Of a symmetric matrix that is being eliminated only the upper triangles are kept;
what lies below them is zero.
"""

import numpy as np

from mmfit.engine.solvers.sparse.plan import Front, Symbolic

PANEL = 64


def blocks(storage: np.ndarray, front: Front) -> tuple[np.ndarray, np.ndarray]:
    """The (w, w) pivot block and the (w, u) rows below it of one front, as views."""
    width, depth = front.stop - front.start, len(front.rows)
    middle = front.offset + width * width
    pivot = storage[front.offset : middle].reshape(width, width)
    return pivot, storage[middle : middle + width * depth].reshape(width, depth)


def scattered(symbolic: Symbolic, values: np.ndarray) -> np.ndarray:
    """Flat storage with the given values of the pattern in their places, zeros elsewhere."""
    storage = np.zeros(symbolic.storage)
    storage[symbolic.positions[symbolic.lower]] = values[symbolic.lower]
    return storage


class Updates:
    """What fronts add to their parents, on the way from the leaves to the roots.

    An update goes to the parent as soon as it is known: what must be held are the parents that
    have begun to gather, not the updates of all their children.
    """

    __slots__ = ("_fronts", "_gathered", "_storage")

    def __init__(self, symbolic: Symbolic, storage: np.ndarray):
        self._fronts = symbolic.fronts
        self._storage = storage
        self._gathered = {}

    def take(self, number: int) -> np.ndarray:
        """What the children of a front have added to the (u, u) rest of it; upper triangle."""
        depth = len(self._fronts[number].rows)
        gathered = self._gathered.pop(number, None)
        return np.zeros((depth, depth)) if gathered is None else gathered

    def pass_on(self, number: int, update: np.ndarray) -> None:
        """Add an update, zero below its diagonal, to the front's parent."""
        front = self._fronts[number]
        rest = self._gathered[front.parent] = self.take(front.parent)
        pivot, below = blocks(self._storage, self._fronts[front.parent])
        k, width = front.pivots, len(pivot)
        upper, lower = front.place[:k], front.place[k:] - width
        _add_upper(pivot, upper, update[:k, :k])
        if k < len(update):
            _add(below, upper, lower, update[:k, k:])
            _add_upper(rest, lower, update[k:, k:])


def _add_upper(target: np.ndarray, places: np.ndarray, source: np.ndarray) -> None:
    # Panels skip most of the lower triangle and keep the index arrays in the cache.
    for a in range(0, len(places), PANEL):
        _add(target, places[a : a + PANEL], places[a:], source[a : a + PANEL, a:])


def _add(target: np.ndarray, rows: np.ndarray, columns: np.ndarray, source: np.ndarray) -> None:
    # One flat index array is two to three times faster than a pair that is broadcast.
    flat = target.reshape(-1)
    flat[(rows[:, None] * target.shape[1] + columns).reshape(-1)] += source.reshape(-1)
