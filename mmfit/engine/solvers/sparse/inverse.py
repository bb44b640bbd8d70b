"""The entries of K⁻¹ on the pattern of the factor, and their derivatives, without K⁻¹.

Takahashi, Fagan & Chen (1973) and Erisman & Tinney (1975) compute the inverse on the factor's
pattern from the last column to the first. By fronts (Campbell & Davis 1995, University of Florida
TR-95-021), with the pivots 1 and the rows 2 of a front F and G = F₂₁F₁₁⁻¹ = L₂₁L₁₁⁻¹,

    Z₂₂ : from the parent's front, of which 2 is a part
    Z₂₁ = −Z₂₂G,    Z₁₁ = F₁₁⁻¹ − G′Z₂₁.

Differentiating elimination and inversion along a symmetric dK of the same pattern (dots),

    Ġ = (Ḟ₂₁ − GḞ₁₁)F₁₁⁻¹,    update: Ḟ₂₂ − HG′ − GH′ with H = Ḟ₂₁ − ½GḞ₁₁
    Ż₂₁ = −Ż₂₂G − Z₂₂Ġ,    Ż₁₁ = −F₁₁⁻¹Ḟ₁₁F₁₁⁻¹ − Ġ′Z₂₁ − G′Ż₂₁,

the first line from the leaves to the roots, the second back: exactly −K⁻¹ dK K⁻¹ on the pattern.

Arrays are row-major and hold transposes, as in `numeric`: G′ and Z₂₁′ are (w, u).
"""

import dataclasses

import numpy as np
from scipy.linalg.blas import dgemm, dsymm, dsyr2k, dtrmm, dtrsm
from scipy.linalg.lapack import dpotri

from mmfit.engine.solvers.sparse.plan import Symbolic
from mmfit.engine.solvers.sparse.storage import PANEL, Updates, blocks, scattered


@dataclasses.dataclass(frozen=True, slots=True)
class FactorInverse:
    """Flat storages, laid out as the factor's.

    Attributes
    ----------
    eliminator : F₁₁⁻¹ (both triangles) and G′ of every front.
    inverse : Z₁₁ (both triangles) and Z₂₁′ of every front.
    """

    eliminator: np.ndarray
    inverse: np.ndarray


def invert(symbolic: Symbolic, factor: np.ndarray) -> FactorInverse:
    """Selected inversion of the matrix with this factor."""
    eliminator = factor.copy()
    inverse = np.empty_like(factor)
    for front in symbolic.fronts:
        pivot, G_t = blocks(eliminator, front)
        if len(front.rows):
            dtrsm(1.0, pivot.T, G_t.T, side=1, lower=1, trans_a=0, overwrite_b=1)
        dpotri(pivot.T, lower=1, overwrite_c=1)
        _fill_lower(pivot)
    walk = _FromRoots(symbolic)
    for number, front in reversed(list(enumerate(symbolic.fronts))):
        pivot, G_t = blocks(eliminator, front)
        Z11, Z21_t = blocks(inverse, front)
        Z22 = walk.rows_of(number)
        Z11[...] = pivot
        if len(front.rows):
            dgemm(-1.0, Z22.T, G_t.T, beta=0.0, c=Z21_t.T, overwrite_c=1)
            dgemm(-1.0, Z21_t.T, G_t.T, beta=1.0, c=Z11.T, trans_a=1, overwrite_c=1)
        walk.keep(number, Z11, Z21_t, Z22)
    return FactorInverse(eliminator, inverse)


def differentiate(symbolic: Symbolic, found: FactorInverse, dK: np.ndarray) -> np.ndarray:
    """−K⁻¹ dK K⁻¹ on the pattern of the factor, in flat storage.

    Parameters
    ----------
    dK : (nnz,) values of a symmetric matrix in the order of the pattern.
    """
    elimination = _differentiate_elimination(symbolic, found, dK)
    derivative = np.zeros_like(elimination)
    walk, d_walk = _FromRoots(symbolic), _FromRoots(symbolic)
    for number, front in reversed(list(enumerate(symbolic.fronts))):
        F11_inverse, G_t = blocks(found.eliminator, front)
        Z11, Z21_t = blocks(found.inverse, front)
        dF11, dG_t = blocks(elimination, front)
        dZ11, dZ21_t = blocks(derivative, front)
        Z22, dZ22 = walk.rows_of(number), d_walk.rows_of(number)
        _sandwich(F11_inverse, dF11, dZ11)
        if len(front.rows):
            dgemm(-1.0, dZ22.T, G_t.T, beta=0.0, c=dZ21_t.T, overwrite_c=1)
            dgemm(-1.0, Z22.T, dG_t.T, beta=1.0, c=dZ21_t.T, overwrite_c=1)
            dgemm(-1.0, Z21_t.T, dG_t.T, beta=1.0, c=dZ11.T, trans_a=1, overwrite_c=1)
            dgemm(-1.0, dZ21_t.T, G_t.T, beta=1.0, c=dZ11.T, trans_a=1, overwrite_c=1)
        walk.keep(number, Z11, Z21_t, Z22)
        d_walk.keep(number, dZ11, dZ21_t, dZ22)
    return derivative


def _differentiate_elimination(symbolic: Symbolic, found: FactorInverse, dK) -> np.ndarray:
    """Ḟ₁₁ (upper triangle) and Ġ′ of every front."""
    storage = scattered(symbolic, np.asarray(dK, dtype=np.float64))
    updates = Updates(symbolic, storage)
    for number, front in enumerate(symbolic.fronts):
        F11_inverse, G_t = blocks(found.eliminator, front)
        dF11, dF21_t = blocks(storage, front)
        if len(front.rows):
            product = dsymm(1.0, dF11.T, G_t.T, side=1, lower=1).T
            half = dF21_t - 0.5 * product
            update = updates.take(number)
            dsyr2k(-1.0, half.T, G_t.T, beta=1.0, c=update.T, lower=1, overwrite_c=1)
            np.matmul(F11_inverse, dF21_t - product, out=dF21_t)
            updates.pass_on(number, update)
    return storage


def _sandwich(inverse: np.ndarray, derivative: np.ndarray, out: np.ndarray) -> None:
    """−F⁻¹ḞF⁻¹ into zeros, from the upper triangle of Ḟ; three quarters of two plain products."""
    # Ḟ = T + T′ with half the diagonal in T; then it is −F⁻¹(TF⁻¹) and the transpose of that.
    triangle = derivative.copy()
    np.fill_diagonal(triangle, 0.5 * np.diagonal(triangle))
    product = dtrmm(1.0, triangle.T, inverse.T, side=0, lower=1, trans_a=1)
    dsyr2k(-1.0, inverse.T, product, beta=0.0, c=out.T, trans=1, lower=1, overwrite_c=1)
    _fill_lower(out)


def _fill_lower(square: np.ndarray) -> None:
    """Mirror an upper triangle; what is below the diagonal must be zero."""
    for a in range(0, len(square), PANEL):
        b = a + PANEL
        corner = square[a:b, a:b]
        diagonal = np.diagonal(corner).copy()
        corner += corner.T
        np.fill_diagonal(corner, diagonal)
        square[b:, a:b] = square[a:b, b:].T


class _FromRoots:
    """Square matrices on whole fronts, each kept until the last of its children has read it."""

    __slots__ = ("_fronts", "_kept", "_unread")

    def __init__(self, symbolic: Symbolic):
        self._fronts = symbolic.fronts
        self._kept = {}
        self._unread = [len(front.children) for front in symbolic.fronts]

    def rows_of(self, number: int) -> np.ndarray:
        """The (u, u) part of the parent's matrix that belongs to a front's rows."""
        front = self._fronts[number]
        if front.parent == -1:
            return np.empty((0, 0))
        part = self._kept[front.parent].take(front.place, axis=0).take(front.place, axis=1)
        self._unread[front.parent] -= 1
        if not self._unread[front.parent]:
            del self._kept[front.parent]
        return part

    def keep(self, number: int, M11, M21_t, M22) -> None:
        """Put a front's symmetric matrix together for its children, if it has any."""
        if not self._unread[number]:
            return
        width, depth = M21_t.shape
        if not depth:
            self._kept[number] = M11
            return
        whole = np.empty((width + depth, width + depth))
        whole[:width, :width] = M11
        whole[:width, width:] = M21_t
        whole[width:, :width] = M21_t.T
        whole[width:, width:] = M22
        self._kept[number] = whole
