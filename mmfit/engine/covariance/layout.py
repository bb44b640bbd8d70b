"""Where each theta lies in the Lambdas of the groups, and how the Psi's depend on theta.

The solvers differentiate with respect to the entries of Psi_g = Lambda_g Lambda_g', in which V is
linear; there are as many free entries (r >= c, within a term's block) as thetas, in the same order.
Entry e stands for the direction E_e = e_r e_c' + e_c e_r' (e_r e_r' on the diagonal).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True, slots=True)
class TermBlock:
    """Where one random term lies in its group.

    Attributes
    ----------
    group : int, index of the group.
    offset : int, first row of the term's block in the group's Lambda;  size : int, q.
    transform : (q, q) lower triangular T with Z = Z_white T, so Lambda = T^-1 Lambda_white;
        inverse : (q, q), T^-1.
    """

    group: int
    offset: int
    size: int
    transform: np.ndarray
    inverse: np.ndarray

    @property
    def place(self) -> slice:
        """The term's rows and columns in the group's Lambda."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which entry of which group's Lambda each theta is (lme4's order: terms, column-major).

    Attributes
    ----------
    sizes : tuple of int, q per group.
    group, row, column, term : (k,) intp arrays.
    members : tuple over the groups of intp arrays, the thetas of each.
    first, second : (index, weight) pairs of (k, k) arrays with
        d Psi_e / d theta_i = weight1 theta[index1] + weight2 theta[index2] at [e, i].
    beside : (k, k) bool, whether two thetas lie in one column of one term.
    bend : (index, weight) pair of (k, k) arrays: d2 f / d theta_i d theta_j through the curvature
        of Psi is weight slope[index] at [i, j], slope being df / dPsi_e.
    """

    sizes: tuple[int, ...]
    group: np.ndarray
    row: np.ndarray
    column: np.ndarray
    term: np.ndarray
    members: tuple[np.ndarray, ...]
    first: tuple[np.ndarray, np.ndarray]
    second: tuple[np.ndarray, np.ndarray]
    bend: tuple[np.ndarray, np.ndarray]
    beside: np.ndarray

    def __len__(self) -> int:
        return len(self.group)

    def lambdas(self, theta: np.ndarray) -> list[np.ndarray]:
        """The lower triangular Lambda (..., q, q) of each group, for theta (..., k)."""
        blocks = []
        for q, index in zip(self.sizes, self.members, strict=True):
            block = np.zeros((*theta.shape[:-1], q, q))
            block[..., self.row[index], self.column[index]] = theta[..., index]
            blocks.append(block)
        return blocks

    def theta(self, lambdas: list[np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`lambdas`."""
        out = np.empty((*lambdas[0].shape[:-2], len(self))) if lambdas else np.zeros(0)
        for block, index in zip(lambdas, self.members, strict=True):
            out[..., index] = block[..., self.row[index], self.column[index]]
        return out

    def psi(self, theta: np.ndarray) -> np.ndarray:
        """(..., k) the free entries of the Psi's."""
        out = np.empty_like(theta)
        for lam, index in zip(self.lambdas(theta), self.members, strict=True):
            psi = lam @ np.swapaxes(lam, -1, -2)
            out[..., index] = psi[..., self.row[index], self.column[index]]
        return out

    def psi_jacobian(self, theta: np.ndarray) -> np.ndarray:
        """(..., k, k) d Psi_e / d theta_i, rows e."""
        (index, weight), (index2, weight2) = self.first, self.second
        return weight * theta[..., index] + weight2 * theta[..., index2]

    def curvature(self, slope: np.ndarray) -> np.ndarray:
        """(..., k, k) sum over e of slope_e d2 Psi_e / d theta_i d theta_j."""
        index, weight = self.bend
        return weight * slope[..., index]

    def directions(self) -> list[tuple[int, np.ndarray]]:
        """(group, E_e) for every entry e."""
        out = []
        for g, r, c in zip(self.group, self.row, self.column, strict=True):
            E = np.zeros((self.sizes[g],) * 2)
            E[r, c] = E[c, r] = 1.0
            out.append((int(g), E))
        return out

    def entries(self, g: int, E: np.ndarray) -> np.ndarray:
        """(k,) coordinates of a symmetric E on group ``g`` in the directions E_e."""
        out = np.zeros(len(self))
        index = self.members[g]
        out[index] = E[self.row[index], self.column[index]]
        return out


def build_layout(sizes: tuple[int, ...], terms: tuple[TermBlock, ...]) -> Layout:
    """The layout of terms that lie side by side in groups of the given sizes."""
    return _layout(sizes, tuple((block.group, block.offset, block.size) for block in terms))


@lru_cache(maxsize=64)
def _layout(sizes: tuple[int, ...], terms: tuple[tuple[int, int, int], ...]) -> Layout:
    table = np.array(
        [
            (group, offset + row, offset + column, t)
            for t, (group, offset, size) in enumerate(terms)
            for column in range(size)
            for row in range(column, size)
        ],
        dtype=np.intp,
    ).reshape(-1, 4)
    group, row, column, term = (table[:, i].copy() for i in range(4))
    # position[g, r, c] in theta; entries that are no theta point at 0 and get weight 0
    width = max(sizes, default=0)
    position = np.zeros((len(sizes), width, width), dtype=np.intp)
    position[group, row, column] = np.arange(len(table))
    same = term[:, None] == term
    e, i = (slice(None), None), (None, slice(None))
    lower = same & (column[e] >= column[i])
    first = (
        np.where(lower, position[group[i], column[e], column[i]], 0),
        (lower & (row[e] == row[i])).astype(float),
    )
    lower = same & (row[e] >= column[i])
    second = (
        np.where(lower, position[group[i], row[e], column[i]], 0),
        (lower & (column[e] == row[i])).astype(float),
    )
    high, low = np.maximum(row[e], row[i]), np.minimum(row[e], row[i])
    joint = same & (column[e] == column[i])
    bend = (
        np.where(joint, position[group[i], high, low], 0),
        np.where(high == low, 2.0, 1.0) * joint,
    )
    members = tuple(np.flatnonzero(group == g) for g in range(len(sizes)))
    return Layout(sizes, group, row, column, term, members, first, second, bend, joint)
