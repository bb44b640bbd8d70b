"""The plan of all factorisations of one pattern: the assembly tree and the places of entries."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class Front:
    """One node of the assembly tree: columns start..stop-1 of the factor and the rows below.

    Attributes
    ----------
    start, stop : its columns, in elimination order; w = stop - start of them.
    rows : (u,) the rows below that its columns reach, ascending.
    offset : where its w·w pivot block begins in the flat storage; its w·u block follows.
    parent : its parent's number, -1 for a root.
    place : (u,) places of its rows in the parent's front (the parent's columns, then its rows).
    pivots : how many of them are columns of the parent.
    children : the numbers of its children.
    """

    start: int
    stop: int
    rows: np.ndarray
    offset: int
    parent: int
    place: np.ndarray
    pivots: int
    children: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Symbolic:
    """The plan of all factorisations of matrices with one pattern; made by `analyze`.

    Attributes
    ----------
    indptr, indices : the (T, T) pattern that was given, by columns.
    permutation : (T,) the column that is eliminated as the k-th.
    fronts : the assembly tree, each front after all of its descendants.
    positions : (nnz,) place in the flat storage of each entry of the pattern.
    lower : the entries of the pattern that are read, one of each symmetric pair.
    storage : length of the flat storage, in doubles; explicit zeros included.
    nonzeros : entries of the factor, without explicit zeros.
    flops : additions and multiplications of one factorisation, with the explicit zeros. Selected
        inversion takes about twice as many, its derivative four to six times as many.
    working_doubles : doubles in use at most, at one time, in a factorisation.
    """

    indptr: np.ndarray
    indices: np.ndarray
    permutation: np.ndarray
    fronts: tuple[Front, ...]
    positions: np.ndarray
    lower: np.ndarray
    storage: int
    nonzeros: int
    flops: float
    working_doubles: int

    @property
    def size(self) -> int:
        """T, the order of the matrix."""
        return len(self.permutation)
