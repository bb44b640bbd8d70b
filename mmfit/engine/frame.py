"""Coordinates in which the search takes its steps.

Psi = Lambda Lambda' does not change when Lambda is turned, so a step may be taken along any matrix
root. In the triangular one, theta, a nearly singular covariance makes curved valleys: the first
row cannot turn, so the second, however long, must turn instead. Here a step from Psi = V D^2 V' is

    Lambda(t) = V (D + sum of t_ij X_ij)
    X_ij = (d_j e_i e_j' + d_i e_j e_i') / sqrt(d_i^2 + d_j^2)

(e_i e_i' for i = j): the shortest change of Lambda for each change of Psi (the horizontal space of
the Bures-Wasserstein geometry; Malago, Montrucchio & Pistone 2018), in which the short row turns.
With one effect it is theta itself.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.layout import Layout, TermBlock
from mmfit.engine.roots import triangular


@dataclass(frozen=True, slots=True)
class _TermFrame:
    """One term with several effects.

    Attributes
    ----------
    index : (k_t,) intp, its thetas;  block : TermBlock.
    vectors : (A, q, q), V;  root : (A, q), diagonal of D;  X : (A, k_t, q, q).
    """

    index: np.ndarray
    block: TermBlock
    vectors: np.ndarray
    root: np.ndarray
    X: np.ndarray


class Frame:
    """The coordinates t (A, k) around a theta of each of A responses.

    Attributes
    ----------
    jacobian : (A, k, k), d Psi_e / d t_i at t = 0.
    """

    def __init__(self, layout: Layout, terms: tuple[TermBlock, ...], theta: np.ndarray):
        self.layout, self.theta = layout, theta
        self.jacobian = np.zeros((*theta.shape, theta.shape[1]))
        self.frames: list[_TermFrame] = []
        simple = []
        lambdas = layout.lambdas(theta) if max(layout.sizes, default=0) > 1 else []
        for t, block in enumerate(terms):
            index = np.flatnonzero(layout.term == t)
            if block.size == 1:
                simple.append(index[0])
                continue
            lam = lambdas[block.group][:, block.place, block.place]
            frame = _term_frame(lam, index, block, layout)
            self.frames.append(frame)
            moved = np.einsum("aij,akjl->akil", frame.vectors, frame.X * frame.root[:, None, None])
            change = np.einsum("akil,ajl->akij", moved, frame.vectors)
            row, column = self._places(frame)
            entries = change[:, :, row, column] + change[:, :, column, row]
            self.jacobian[:, index[:, None], index] = entries.transpose(0, 2, 1)
        self.simple = np.array(simple, dtype=np.intp)
        self.jacobian[:, self.simple, self.simple] = 2 * theta[:, self.simple]

    def _places(self, frame: _TermFrame) -> tuple[np.ndarray, np.ndarray]:
        offset = frame.block.offset
        return self.layout.row[frame.index] - offset, self.layout.column[frame.index] - offset

    def curvature(self, slope: np.ndarray) -> np.ndarray:
        """(A, k, k) sum over e of slope_e d2 Psi_e / d t_i d t_j."""
        out = np.zeros_like(self.jacobian)
        out[:, self.simple, self.simple] = 2 * slope[:, self.simple]
        for frame in self.frames:
            row, column = self._places(frame)
            G = np.empty_like(frame.vectors)
            G[:, row, column] = G[:, column, row] = slope[:, frame.index] * np.where(
                row == column, 1.0, 0.5
            )
            inner = np.einsum("aji,ajk,akl->ail", frame.vectors, G, frame.vectors)
            GX = np.einsum("aij,akjl->akil", inner, frame.X)
            block = 2 * np.einsum("akij,alij->akl", GX, frame.X)
            out[:, frame.index[:, None], frame.index] = block
        return out

    def move(self, step: np.ndarray) -> np.ndarray:
        """(A, k): the theta, with a non-negative diagonal, that a step t leads to."""
        theta = np.empty_like(step)
        theta[:, self.simple] = np.abs(self.theta[:, self.simple] + step[:, self.simple])
        for frame in self.frames:
            inner = np.einsum("ak,akij->aij", step[:, frame.index], frame.X)
            index = np.arange(inner.shape[1])
            inner[:, index, index] += frame.root
            row, column = self._places(frame)
            lam = triangular(np.einsum("aij,ajk->aik", frame.vectors, inner))
            theta[:, frame.index] = lam[:, row, column]
        return theta


def _term_frame(lam: np.ndarray, index, block: TermBlock, layout: Layout) -> _TermFrame:
    q = block.size
    values, vectors = np.linalg.eigh(np.einsum("aij,akj->aik", lam, lam))
    root = np.sqrt(np.maximum(values, 0.0))
    i, j = layout.row[index] - block.offset, layout.column[index] - block.offset
    length = np.sqrt(np.maximum(root[:, i] ** 2 + root[:, j] ** 2, np.finfo(float).tiny))
    X = np.zeros((len(lam), len(index), q, q))
    place = np.arange(len(index))
    X[:, place, i, j] = root[:, j] / length
    X[:, place, j, i] = root[:, i] / length
    X[:, place[i == j], i[i == j], i[i == j]] = 1.0
    return _TermFrame(index, block, vectors, root, X)
