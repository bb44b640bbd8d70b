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

from mmfit.engine.covariance.layout import Layout, TermBlock
from mmfit.engine.covariance.roots import triangular


@dataclass(frozen=True, slots=True)
class _TermFrame:
    """One term with several effects.

    Attributes
    ----------
    thetas : slice, its thetas;  row, column : (k_t,) intp, where they are in its Lambda.
    vectors : (q, q, A), V;  root : (q, A), diagonal of D;  X : (k_t, q, q, A).
    """

    thetas: slice
    row: np.ndarray
    column: np.ndarray
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
        for block in terms:
            if block.size == 1:
                simple.append(block.thetas.start)
                continue
            frame = _term_frame(lambdas[block.group][:, block.place, block.place], block)
            self.frames.append(frame)
            V = frame.vectors
            moved = np.einsum("ija,kjla->kila", V, frame.X * frame.root)
            change = np.einsum("kila,jla->kija", moved, V)
            row, column = frame.row, frame.column
            entries = change[:, row, column] + change[:, column, row]
            self.jacobian[:, block.thetas, block.thetas] = entries.transpose(2, 1, 0)
        self.simple = np.array(simple, dtype=np.intp)
        self.jacobian[:, self.simple, self.simple] = 2 * theta[:, self.simple]

    def curvature(self, slope: np.ndarray) -> np.ndarray:
        """(A, k, k) sum over e of slope_e d2 Psi_e / d t_i d t_j."""
        out = np.zeros_like(self.jacobian)
        out[:, self.simple, self.simple] = 2 * slope[:, self.simple]
        for frame in self.frames:
            row, column, V = frame.row, frame.column, frame.vectors
            G = np.empty_like(V)
            halves = np.where(row == column, 1.0, 0.5)[:, None]
            G[row, column] = G[column, row] = slope[:, frame.thetas].T * halves
            inner = np.einsum("jia,jka->ika", V, np.einsum("jka,kla->jla", G, V))
            GX = np.einsum("ija,kjla->kila", inner, frame.X)
            block = 2 * np.einsum("kija,lija->kla", GX, frame.X)
            out[:, frame.thetas, frame.thetas] = block.transpose(2, 0, 1)
        return out

    def move(self, step: np.ndarray) -> np.ndarray:
        """(A, k): the theta, with a non-negative diagonal, that a step t leads to."""
        theta = np.empty_like(step)
        theta[:, self.simple] = np.abs(self.theta[:, self.simple] + step[:, self.simple])
        for frame in self.frames:
            inner = np.einsum("ak,kija->ija", step[:, frame.thetas], frame.X)
            index = np.arange(len(inner))
            inner[index, index] += frame.root
            root = np.einsum("ija,jka->ika", frame.vectors, inner)
            lam = triangular(root.transpose(2, 0, 1))
            theta[:, frame.thetas] = lam[:, frame.row, frame.column]
        return theta


def _term_frame(lam: np.ndarray, block: TermBlock) -> _TermFrame:
    q = block.size
    values, vectors = np.linalg.eigh(np.einsum("aij,akj->aik", lam, lam))
    root = np.sqrt(np.maximum(values.T, 0.0))
    i, j = block.structure.row, block.structure.column
    length = np.sqrt(np.maximum(root[i] ** 2 + root[j] ** 2, np.finfo(float).tiny))
    X = np.zeros((len(i), q, q, len(lam)))
    place = np.arange(len(i))
    X[place, i, j] = root[j] / length
    X[place, j, i] = root[i] / length
    X[place[i == j], i[i == j], i[i == j]] = 1.0
    V = np.ascontiguousarray(vectors.transpose(1, 2, 0))
    return _TermFrame(block.thetas, i, j, V, np.ascontiguousarray(root), X)
