"""Projection of many vectors onto a product of cones of semidefinite matrices, in any metric.

Coordinates are svec: the column-major lower triangle of each block, off-diagonal entries times
sqrt(2), so that the plain inner product is that of the matrices. The projection X of W minimises
(X - W)'M(X - W) over the cone. With Z = X - Y, Y = M(X - W) in the (self-dual) cone and XY = 0, X
is the plain projection of Z, and Z solves

    F(Z) = M X(Z) + Z - X(Z) - M W = 0,

a strongly monotone equation for which a semismooth Newton method converges in a few steps (Qi & Sun
1993, Math. Program. 58: 353-367; Robinson 1992, Math. Oper. Res. 17: 691-714, for the equation).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_TOLERANCE = 1e-10
_NEWTON_STEPS = 40
_HALVINGS = 12
# Accelerated projected gradient steps for the few draws that Newton's method does not settle.
_GRADIENT_STEPS = 5_000
_ROOT2 = np.sqrt(2.0)


@dataclass(frozen=True)
class Cone:
    """A product of cones of positive semidefinite matrices of the given orders."""

    orders: tuple[int, ...]

    @cached_property
    def blocks(self) -> tuple[slice, ...]:
        """Where each block lies in a vector."""
        ends = np.cumsum([d * (d + 1) // 2 for d in self.orders])
        starts = [0, *ends[:-1]]
        return tuple(slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True))

    @property
    def dimension(self) -> int:
        """D."""
        return self.blocks[-1].stop

    @cached_property
    def places(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """(row, column) of the entries of each block, column by column."""
        out = []
        for d in self.orders:
            column, row = np.triu_indices(d)
            out.append((row, column))
        return tuple(out)

    @cached_property
    def variances(self) -> np.ndarray:
        """Places of the diagonal entries, block by block."""
        return np.flatnonzero(np.concatenate([row == column for row, column in self.places]))

    def to_svec(self, information: np.ndarray) -> np.ndarray:
        """Information about svec entries from that about vech entries."""
        scale = np.concatenate([np.where(r == c, 1.0, 1 / _ROOT2) for r, c in self.places])
        return information * scale * scale[:, None]

    def products(self, scale: np.ndarray) -> np.ndarray:
        """(D,) scale_i scale_j of the effects of every entry; ``scale`` by variance."""
        out, start = [], 0
        for d, (row, column) in zip(self.orders, self.places, strict=True):
            own = scale[start : start + d]
            out.append(own[row] * own[column])
            start += d
        return np.concatenate(out)


@dataclass(frozen=True, slots=True)
class Projections:
    """Projections of N draws.

    Attributes
    ----------
    X : (N, D) svec coordinates;  solved : (N,) bool.
    inside : (N,) bool, W lies in the cone's interior;  apex : (N,) bool, X = 0 with the gradient
        in the interior of the cone.
    derivative : (draws that are neither, D, D), of the plain projection at Z.
    """

    X: np.ndarray
    solved: np.ndarray
    inside: np.ndarray
    apex: np.ndarray
    derivative: np.ndarray


def project(cone: Cone, metric: np.ndarray, W: np.ndarray) -> Projections:
    """Project the rows of W (N, D) onto the cone in the metric (D, D)."""
    pull = W @ metric
    inside = _smallest(cone, W) > 0
    apex = ~inside & (_smallest(cone, -pull) > 0)
    X = np.where(inside[:, None], W, 0.0)
    rest = np.flatnonzero(~inside & ~apex)
    Z, solved_rest = _solve(cone, metric, W[rest], pull[rest])
    X[rest], derivative = plain_projection(cone, Z)
    solved = np.ones(len(W), dtype=bool)
    solved[rest] = solved_rest
    return Projections(X, solved, inside, apex, derivative)


def _solve(cone: Cone, metric, W, pull) -> tuple[np.ndarray, np.ndarray]:
    """Z (N, D) with F(Z) = 0, and for which rows it was found."""
    Z = W.copy()
    goal = _TOLERANCE * (1 + np.abs(pull).max(axis=1, initial=0.0))
    X, O = plain_projection(cone, Z)  # noqa: E741
    F = X @ metric + Z - X - pull
    size = np.abs(F).max(axis=1, initial=0.0)
    active = np.flatnonzero(size > goal)
    O = O[active]  # noqa: E741
    for _ in range(_NEWTON_STEPS):
        if not len(active):
            break
        matrix = metric @ O + np.eye(len(metric)) - O
        step = np.linalg.solve(matrix, -F[active][..., None])[..., 0]
        moved, slopes = _line_search(cone, metric, pull, Z, F, active, step)
        going = moved & (np.abs(F[active]).max(axis=1) > goal[active])
        active, O = active[going], slopes[going]  # noqa: E741
    size = np.abs(F).max(axis=1, initial=0.0)
    late = np.flatnonzero(size > goal)
    if len(late):
        Z[late] = _by_gradient(cone, metric, W[late])
        X = plain_projection(cone, Z[late])[0]
        F[late] = X @ metric + Z[late] - X - pull[late]
    return Z, np.abs(F).max(axis=1, initial=0.0) <= 1e4 * goal


def _line_search(cone, metric, pull, Z, F, active, step) -> tuple[np.ndarray, np.ndarray]:
    """Move the rows ``active`` along steps halved until |F| falls; who moved, derivatives there."""
    before = np.einsum("nd,nd->n", F[active], F[active])
    moved = np.zeros(len(active), dtype=bool)
    slopes = np.empty((len(active), *metric.shape))
    waiting, length = np.arange(len(active)), 1.0
    for _ in range(_HALVINGS):
        who = active[waiting]
        trial = Z[who] + length * step[waiting]
        X, O = plain_projection(cone, trial)  # noqa: E741
        value = X @ metric + trial - X - pull[who]
        good = np.einsum("nd,nd->n", value, value) < (1 - 1e-4 * length) * before[waiting]
        taken = waiting[good]
        Z[active[taken]], F[active[taken]], slopes[taken] = trial[good], value[good], O[good]
        moved[taken] = True
        waiting, length = waiting[~good], length / 2
        if not len(waiting):
            break
    return moved, slopes


def _by_gradient(cone: Cone, metric, W) -> np.ndarray:
    """Z by the accelerated projected gradient method (Nesterov 2004, scheme 2.2.19)."""
    values = np.linalg.eigvalsh(metric)
    rate = 1 / values[-1]
    ratio = np.sqrt(values[0] / values[-1])
    momentum = (1 - ratio) / (1 + ratio)
    X = plain_projection(cone, W)[0]
    ahead = X
    for _ in range(_GRADIENT_STEPS):
        following = plain_projection(cone, ahead - rate * (ahead - W) @ metric)[0]
        change = np.abs(following - X).max()
        ahead, X = following + momentum * (following - X), following
        if change < 1e-13:
            break
    return X - (X - W) @ metric


def plain_projection(cone: Cone, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Projection (N, D) in the plain metric and its derivative (N, D, D)."""
    X, derivative = np.empty_like(Z), np.zeros((*Z.shape, Z.shape[1]))
    for d, block, place in zip(cone.orders, cone.blocks, cone.places, strict=True):
        part = Z[:, block]
        if d == 1:
            X[:, block] = np.maximum(part, 0.0)
            derivative[:, block, block] = (part > 0)[:, :, None]
        else:
            X[:, block], derivative[:, block, block] = _block(d, part, place)
    return X, derivative


def _block(d: int, part: np.ndarray, place) -> tuple[np.ndarray, np.ndarray]:
    """One block: in the eigenvectors' basis the derivative multiplies entry (a, b) by omega_ab."""
    values, Q = eigen(d, part, place)
    row, column = place
    a, b = row, column
    both = Q[:, row][:, :, a] * Q[:, column][:, :, b] + Q[:, row][:, :, b] * Q[:, column][:, :, a]
    # columns: svec of q_a q_a', and of (q_a q_b' + q_b q_a') / sqrt(2)
    R = both * np.where(row == column, 1.0, _ROOT2)[:, None] * np.where(a == b, 0.5, 1 / _ROOT2)
    positive = np.maximum(values, 0.0)
    X = np.einsum("nij,nj->ni", R[:, :, a == b], positive)
    total = np.abs(values[:, a]) + np.abs(values[:, b])
    omega = (positive[:, a] + positive[:, b]) / np.where(total > 0, total, 1.0)
    return X, (R * omega[:, None, :]) @ np.swapaxes(R, 1, 2)


def eigen(d: int, part: np.ndarray, place) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (N, d) and vectors (N, d, d) of the matrices with svec ``part``."""
    row, column = place
    if d == 2:
        a, b, c = part[:, 0], part[:, 1] / _ROOT2, part[:, 2]
        mean, half = (a + c) / 2, (a - c) / 2
        radius = np.hypot(half, b)
        angle = 0.5 * np.arctan2(b, half)
        cos, sin = np.cos(angle), np.sin(angle)
        Q = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
        return np.stack([mean + radius, mean - radius], axis=1), Q
    A = np.empty((len(part), d, d))
    A[:, row, column] = A[:, column, row] = part * np.where(row == column, 1.0, 1 / _ROOT2)
    return np.linalg.eigh(A)


def _smallest(cone: Cone, V: np.ndarray) -> np.ndarray:
    """(N,) the smallest eigenvalue over all blocks."""
    out = np.full(len(V), np.inf)
    for d, block, place in zip(cone.orders, cone.blocks, cone.places, strict=True):
        part = V[:, block]
        values = part if d == 1 else eigen(d, part, place)[0]
        out = np.minimum(out, values.min(axis=1))
    return out
