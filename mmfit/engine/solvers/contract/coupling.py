"""What is asked of the coupling of an eliminated factor with all the others.

With Z_1 = Q_1 T' by level of the eliminated factor 1 and Z_t the T columns of the others, the
coupling is A = Q_1'Z_t; A_l (q, T) are its rows of level l. Weights are (A, q, q, L), vectors on
the eliminated factor (A, c, q, L), on the remainder (A, c, T), all with the member first and the
level last.

A symmetric matrix of the remainder (S, J, the M_e of :mod:`remainder`) has one form per coupling,
(A, *shape), which the remainder beside it shares: whole (T, T) matrices (``whole``), or upper
triangles, as (T, T) arrays with zeros or anything below or as vectors in the order of a
:class:`TriangleStorage`.
"""

from typing import Protocol

import numpy as np


class TriangleStorage(Protocol):
    """Where the entries of the upper triangle of a (T, T) matrix stand in a vector.

    Attributes
    ----------
    size : int, length of the vector.
    """

    @property
    def size(self) -> int: ...

    def places(self, flat: np.ndarray) -> np.ndarray:
        """The places of entries given by flat index into (T, T)."""


class Coupling(Protocol):
    """A, in one representation.

    Attributes
    ----------
    q, levels, width : int, L of the eliminated factor and T.
    whole : bool, whether symmetric matrices have both triangles;  shape : tuple, of one of them.
    dense : (q, L, T) array A, or None where it is not held as one.
    """

    q: int
    levels: int
    width: int
    whole: bool
    shape: tuple[int, ...]
    dense: np.ndarray | None

    def hold(self, index: np.ndarray, values: np.ndarray) -> object:
        """A symmetric matrix from the entries of its upper triangle, by flat index into (T, T).

        For :meth:`reduced` of the same coupling.
        """

    def reduced(self, products: object, weights: np.ndarray) -> np.ndarray:
        """(A, *shape): S = Z_t'Z_t - sum over l of A_l' w_l A_l, for ``products`` held."""

    def schur(self, weights: np.ndarray) -> np.ndarray:
        """(A, *shape): the sum over l of A_l' w_l A_l, for symmetric w_l."""

    def adjoint(self, J: np.ndarray) -> np.ndarray:
        """(A, q, q, L): A_l J A_l' for symmetric J (A, *shape)."""

    def transposed(self, x: np.ndarray) -> np.ndarray:
        """(A, c, T): A'x for x (A, c, q, L)."""

    def apply(self, u: np.ndarray) -> np.ndarray:
        """(A, c, q, L): A u for u (A, c, T)."""
