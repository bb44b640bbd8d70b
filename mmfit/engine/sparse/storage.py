"""The flat storage in which the blocks of all fronts lie, and how values get into them.

Row-major arrays are used throughout and handed to LAPACK transposed, where they are column-major
without a copy. Of a symmetric matrix that is being eliminated only the upper triangles are kept;
what lies below them is zero.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mmfit.engine.sparse.symbolic import Front, Symbolic

PANEL = 64


def blocks(storage: np.ndarray, front: "Front") -> tuple[np.ndarray, np.ndarray]:
    """The (w, w) pivot block and the (w, u) rows below it of one front, as views."""
    width, depth = front.stop - front.start, len(front.rows)
    middle = front.offset + width * width
    pivot = storage[front.offset : middle].reshape(width, width)
    return pivot, storage[middle : middle + width * depth].reshape(width, depth)


def scattered(symbolic: "Symbolic", values: np.ndarray) -> np.ndarray:
    """Flat storage with the given values of the pattern in their places, zeros elsewhere."""
    storage = np.zeros(symbolic.storage)
    storage[symbolic.positions[symbolic.lower]] = values[symbolic.lower]
    return storage


def add_update(front: "Front", update: np.ndarray, pivot, below, rest) -> None:
    """Add a child's update to its parent's front, whose blocks follow.

    Of square blocks the upper triangles matter: `update` and all targets are zero below them.
    """
    k, wide = front.pivots, len(pivot)
    upper, lower = front.place[:k], front.place[k:] - wide
    if k:
        _add_upper(pivot, upper, update[:k, :k])
    if k < len(update):
        if k:
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
