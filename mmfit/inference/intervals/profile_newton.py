"""Newton's method along profile curves: steps in the nuisance coordinates, many points at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmfit.engine.profile.constrained_criterion import ConstrainedCriterion, Point

# Below this change of the criterion per natural unit a coordinate has no influence.
_IDLE = 1e-8
# Eigenvalues below this share of the largest, once scaled, are directions without information.
_FLAT = 1e-10


@dataclass(frozen=True, slots=True)
class NewtonMove:
    """What the derivatives say at one point of one curve, its coordinate u held.

    Attributes
    ----------
    value : float, the criterion.
    step : (K,), to the minimum over the free coordinates;  gain : float, its predicted decrease.
    tangent : (K,), d x / d u along the curve of minima.
    slope, curvature : float, of the minimum as a function of u.
    exit : (K,) or None, a direction (of natural length 1) in which the point is no minimum.
    """

    value: float
    step: np.ndarray
    gain: float
    tangent: np.ndarray
    slope: float
    curvature: float
    exit: np.ndarray | None

    @property
    def minimum(self) -> float:
        """The criterion that the step promises."""
        return self.value - self.gain


class Walker(Protocol):
    """A search that asks for the criterion at one point after another."""

    target: int
    done: bool

    def where(self) -> np.ndarray:
        """(K,), the next point."""

    def receive(self, move: NewtonMove | None) -> None:
        """What was found there; None where the criterion cannot be evaluated."""


def drive(criterion: ConstrainedCriterion, walkers: Sequence[Walker]) -> None:
    """Advance all walkers together until they are done."""
    active = [walker for walker in walkers if not walker.done]
    while active:
        x = np.array([walker.where() for walker in active])
        target = np.array([walker.target for walker in active], dtype=np.intp)
        for walker, move in zip(active, moves(criterion, x, target), strict=True):
            walker.receive(move)
        active = [walker for walker in active if not walker.done]


def natural_units(criterion: ConstrainedCriterion, x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(A, k + 1): sizes of the coordinates; a standard deviation's is sigma."""
    k = x.shape[1] - 2
    sigma = np.exp(x[:, k])
    out = np.repeat(sigma[:, None], k + 1, axis=1)
    out[:, k] = 1.0
    pair = criterion.charts.pair[criterion.targets.chart[target]]
    for i in np.flatnonzero(pair[:, 0] >= 0):
        out[i, pair[i]] = np.sqrt(sigma[i]), 1.0, np.sqrt(sigma[i])
    return out


def moves(
    criterion: ConstrainedCriterion, x: np.ndarray, target: np.ndarray
) -> list[NewtonMove | None]:
    """The criterion at points ``x`` (A, K) of the curves ``target`` (A,), and what follows."""
    point = criterion.at(x, target)
    finite = np.isfinite(point.value) & np.isfinite(point.gradient).all(axis=1)
    finite &= np.isfinite(point.hessian).all(axis=(1, 2))
    out: list[NewtonMove | None] = [None] * len(x)
    good = np.flatnonzero(finite)
    if len(good):
        units = natural_units(criterion, x[good], target[good])
        point = Point(point.value[good], point.gradient[good], point.hessian[good])
        which = criterion.targets.chart[target[good]]
        for chart in np.unique(which):
            those = np.flatnonzero(which == chart)
            point.hessian[those] = criterion.charts.charts[chart].turning(
                x[good][those], point.gradient[those], point.hessian[those]
            )
        for i, move in zip(
            good, _newton(point, criterion.targets.held[target[good]], units), strict=True
        ):
            out[i] = move
    return out


def _newton(point: Point, held: np.ndarray, units: np.ndarray) -> list[NewtonMove]:
    A, K = point.gradient.shape
    everyone = np.arange(A)
    free = np.ones((A, K - 1), dtype=bool)
    inner = held < K - 1
    free[everyone[inner], held[inner]] = False
    H = point.hessian[:, :-1, :-1]
    size = np.maximum(np.abs(np.diagonal(H, axis1=1, axis2=2)), _IDLE / units**2)
    scale = free / np.sqrt(size)
    scaled = H * scale[:, :, None] * scale[:, None, :]
    diagonal = np.arange(K - 1)
    scaled[:, diagonal, diagonal] += ~free
    values, vectors = np.linalg.eigh(scaled)
    largest = values[:, -1:]
    size = np.maximum(np.abs(values), _FLAT * largest)
    gradient = np.einsum("ai,aij->aj", point.gradient[:, :-1] * scale, vectors)
    step = np.zeros((A, K))
    step[:, :-1] = -scale * np.einsum("aij,aj->ai", vectors, gradient / size)
    gain = (gradient**2 / size).sum(axis=1) / 2
    cross = point.hessian[everyone, held]
    mixed = np.einsum("ai,aij->aj", cross[:, :-1] * scale, vectors)
    known = np.abs(values) > 1e-9 * largest
    tangent = np.zeros((A, K))
    pull = np.where(known, mixed / np.where(known, values, 1.0), 0.0)
    tangent[:, :-1] = -scale * np.einsum("aij,aj->ai", vectors, pull)
    curvature = point.hessian[everyone, held, held] + np.einsum("ai,ai->a", cross, tangent)
    slope = point.gradient[everyone, held] + np.einsum("ai,ai->a", cross, step)
    tangent[everyone, held] = 1.0
    exits = _exits(values, vectors * scale[:, :, None], units)
    return [
        NewtonMove(
            float(point.value[i]),
            step[i],
            float(gain[i]),
            tangent[i],
            float(slope[i]),
            float(curvature[i]),
            exits[i],
        )
        for i in range(A)
    ]


def _exits(values: np.ndarray, ways: np.ndarray, units: np.ndarray) -> list[np.ndarray | None]:
    """Directions of negative curvature that promise more than rounding."""
    out: list[np.ndarray | None] = [None] * len(values)
    for i in np.flatnonzero(values[:, 0] < 0):
        way = ways[i, :, 0]
        length = np.sqrt(np.sum((way / units[i]) ** 2))
        if -values[i, 0] > 1e-5 * length**2:
            out[i] = np.append(way / length, 0.0)
    return out
