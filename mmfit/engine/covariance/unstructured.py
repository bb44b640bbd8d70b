"""An unstructured covariance: every entry of the lower triangular Lambda is a theta.

With one effect it is a variance alone. Independent effects (``||``) are terms of their own, each of
this structure.
"""

from functools import lru_cache

import numpy as np


class Unstructured:
    """See :class:`mmfit.engine.covariance.structure.CovarianceStructure`; thetas column-major.

    Psi has as many free entries as there are thetas, in the same order.
    """

    def __init__(self, size: int):
        places = [(row, column) for column in range(size) for row in range(column, size)]
        row, column = np.array(places, dtype=np.intp).reshape(-1, 2).T
        self.size, self.count = size, len(places)
        self.row, self.column = row.copy(), column.copy()
        # position[r, c] in theta; entries that are no theta point at 0 and get weight 0
        position = np.zeros((size, size), dtype=np.intp)
        position[row, column] = np.arange(self.count)
        e, i = (slice(None), None), (None, slice(None))
        lower = column[e] >= column[i]
        self._first = np.where(lower, position[column[e], column[i]], 0)
        self._first_weight = (lower & (row[e] == row[i])).astype(float)
        lower = row[e] >= column[i]
        self._second = np.where(lower, position[row[e], column[i]], 0)
        self._second_weight = (lower & (column[e] == row[i])).astype(float)
        high, low = np.maximum(row[e], row[i]), np.minimum(row[e], row[i])
        self._beside = column[e] == column[i]
        self._bend = np.where(self._beside, position[high, low], 0)
        self._bend_weight = np.where(high == low, 2.0, 1.0) * self._beside
        # the derivative along E_rc counts both entries of an off-diagonal pair
        self._halves = np.where(row == column, 1.0, 0.5)

    def root(self, theta: np.ndarray) -> np.ndarray:
        if self.size == 1:
            return theta[..., None].copy()
        out = np.zeros((*theta.shape[:-1], self.size, self.size))
        out[..., self.row, self.column] = theta
        return out

    def theta(self, root: np.ndarray) -> np.ndarray:
        return root[..., self.row, self.column]

    def psi_jacobian(self, theta: np.ndarray) -> np.ndarray:
        if self.size == 1:
            return 2.0 * theta[..., None]
        first = self._first_weight * theta[..., self._first]
        return first + self._second_weight * theta[..., self._second]

    def curvature(self, slope: np.ndarray) -> np.ndarray:
        if self.size == 1:
            return 2.0 * slope[..., None]
        return self._bend_weight * slope[..., self._bend]

    def matrix(self, entries: np.ndarray) -> np.ndarray:
        out = np.empty((*entries.shape[:-1], self.size, self.size))
        out[..., self.row, self.column] = out[..., self.column, self.row] = entries
        return out

    def slope_matrix(self, slope: np.ndarray) -> np.ndarray:
        return self.matrix(slope * self._halves)

    def change_of_basis(self, inverse: np.ndarray) -> np.ndarray:
        return inverse[self.row[:, None], self.row] * self._beside


@lru_cache(maxsize=64)
def unstructured(size: int) -> Unstructured:
    """The structure of a term with ``size`` effects; one object for all such terms."""
    return Unstructured(size)
