"""The covariances of all random terms put together: from theta to the Lambda and Psi of each group.

A group holds the terms on one partition of the rows, their effects side by side; its Lambda is
block diagonal by term. The solvers differentiate with respect to the free entries of the groups'
Psi = Lambda Lambda', in which V is linear. There are as many as thetas, in the same order: that of
lme4, term by term.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmfit.engine.covariance.structure import CovarianceStructure


@dataclass(frozen=True, slots=True)
class TermBlock:
    """Where one random term lies in its group, and its covariance.

    Attributes
    ----------
    group : int, index of the group;  offset : int, first row of the term's block in its Lambda.
    structure : CovarianceStructure;  thetas : slice, its thetas (and free entries) among all.
    transform : (q, q) lower triangular T with Z = Z_white T, so Lambda = T^-1 Lambda_white;
        inverse : (q, q), T^-1.
    """

    group: int
    offset: int
    structure: CovarianceStructure
    thetas: slice
    transform: np.ndarray
    inverse: np.ndarray

    @property
    def size(self) -> int:
        """q."""
        return self.structure.size

    @property
    def place(self) -> slice:
        """The term's rows and columns in the group's Lambda."""
        return slice(self.offset, self.offset + self.structure.size)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which entry of which group's Psi each theta belongs to.

    Attributes
    ----------
    sizes : tuple of int, q per group.
    group, row, column, term : (k,) intp arrays, of the free entries.
    members : tuple over the groups of intp arrays, the thetas of each.
    blocks : tuple over the groups of tuples of (structure, place in Lambda, thetas).
    alike : tuple of (structure, (t, k_t) intp): the thetas of the t terms of one structure.
    """

    sizes: tuple[int, ...]
    group: np.ndarray
    row: np.ndarray
    column: np.ndarray
    term: np.ndarray
    members: tuple[np.ndarray, ...]
    blocks: tuple[tuple[tuple[CovarianceStructure, slice, slice], ...], ...]
    alike: tuple[tuple[CovarianceStructure, np.ndarray], ...]

    def __len__(self) -> int:
        return len(self.group)

    def lambdas(self, theta: np.ndarray) -> list[np.ndarray]:
        """The lower triangular Lambda (..., q, q) of each group, for theta (..., k)."""
        out = []
        for q, blocks in zip(self.sizes, self.blocks, strict=True):
            if len(blocks) == 1:
                structure, _, thetas = blocks[0]
                out.append(structure.root(theta[..., thetas]))
                continue
            whole = np.zeros((*theta.shape[:-1], q, q))
            for structure, place, thetas in blocks:
                whole[..., place, place] = structure.root(theta[..., thetas])
            out.append(whole)
        return out

    def theta(self, lambdas: list[np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`lambdas`."""
        out = np.empty((*lambdas[0].shape[:-2], len(self))) if lambdas else np.zeros(0)
        for whole, blocks in zip(lambdas, self.blocks, strict=True):
            for structure, place, thetas in blocks:
                out[..., thetas] = structure.theta(whole[..., place, place])
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
        return self._by_structure(theta, lambda structure, own: structure.psi_jacobian(own))

    def curvature(self, slope: np.ndarray) -> np.ndarray:
        """(..., k, k) sum over e of slope_e d2 Psi_e / d theta_i d theta_j."""
        return self._by_structure(slope, lambda structure, own: structure.curvature(own))

    def _by_structure(self, values: np.ndarray, blocks_of) -> np.ndarray:
        """(..., k, k), block diagonal by term: what the structures give for values (..., k)."""
        if len(self.alike) == 1 and len(self.alike[0][1]) == 1:
            return blocks_of(self.alike[0][0], values)
        out = np.zeros((*values.shape, len(self)))
        for structure, index in self.alike:
            out[..., index[:, :, None], index[:, None, :]] = blocks_of(
                structure, values[..., index]
            )
        return out

    def entries(self, g: int, E: np.ndarray) -> np.ndarray:
        """(k,) coordinates of a symmetric E on group ``g`` in the directions E_e."""
        out = np.zeros(len(self))
        index = self.members[g]
        out[index] = E[self.row[index], self.column[index]]
        return out


def build_layout(sizes: tuple[int, ...], terms: tuple[TermBlock, ...]) -> Layout:
    """The layout of terms that lie side by side in groups of the given sizes."""
    return _layout(sizes, tuple((block.group, block.offset, block.structure) for block in terms))


@lru_cache(maxsize=64)
def _layout(sizes: tuple[int, ...], terms) -> Layout:
    starts = np.cumsum([0, *(structure.count for _, _, structure in terms)]).tolist()
    blocks: list[list] = [[] for _ in sizes]
    alike: dict[CovarianceStructure, list[np.ndarray]] = {}
    group, row, column, term = [], [], [], []
    for t, (g, offset, structure) in enumerate(terms):
        place, thetas = slice(offset, offset + structure.size), slice(starts[t], starts[t + 1])
        blocks[g].append((structure, place, thetas))
        alike.setdefault(structure, []).append(np.arange(thetas.start, thetas.stop))
        group.append(np.full(structure.count, g))
        term.append(np.full(structure.count, t))
        row.append(offset + structure.row)
        column.append(offset + structure.column)
    none = [np.zeros(0, dtype=np.intp)]
    group, row, column, term = (np.concatenate(none + a) for a in (group, row, column, term))
    return Layout(
        sizes=sizes,
        group=group,
        row=row,
        column=column,
        term=term,
        members=tuple(np.flatnonzero(group == g) for g in range(len(sizes))),
        blocks=tuple(tuple(own) for own in blocks),
        alike=tuple((structure, np.array(index)) for structure, index in alike.items()),
    )
