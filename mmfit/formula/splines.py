"""B-spline and natural-spline bases, as R's ``splines::bs`` and ``splines::ns`` make them."""

from dataclasses import dataclass
from math import factorial

import numpy as np


@dataclass(frozen=True, slots=True)
class SplineBasis:
    """What is needed to evaluate a basis at other points.

    Attributes
    ----------
    inner : tuple of float, interior knots;  boundary : (low, high).
    degree : int, 3 for a natural spline.
    intercept : bool, whether the first column stays.
    natural : bool.
    """

    inner: tuple[float, ...]
    boundary: tuple[float, float]
    degree: int
    intercept: bool
    natural: bool


def interior_knots(x: np.ndarray, count: int, boundary: tuple[float, float]) -> tuple[float, ...]:
    """Knots at equally spaced quantiles of the points within the boundary."""
    if count <= 0:
        return ()
    inside = x[(x >= boundary[0]) & (x <= boundary[1])]
    return tuple(np.quantile(inside, np.linspace(0, 1, count + 2)[1:-1]).tolist())


def evaluate_basis(basis: SplineBasis, x: np.ndarray) -> np.ndarray:
    """The basis at the points x, (n, k).

    Beyond the boundary a B-spline goes on as the polynomial that it is there, expanded about a
    pivot a quarter of an interval inside, and a natural spline as a straight line, as in R.
    """
    columns = _natural(basis, x) if basis.natural else _bspline(basis, x)
    if basis.natural:
        columns = columns @ _natural_constraint(basis)
    elif not basis.intercept:
        columns = columns[:, 1:]
    return np.ascontiguousarray(columns)


def _knots(basis: SplineBasis) -> np.ndarray:
    low, high = basis.boundary
    order = basis.degree + 1
    return np.concatenate([np.full(order, low), np.sort(basis.inner), np.full(order, high)])


def _design(knots: np.ndarray, x: np.ndarray, degree: int, derivative: int = 0) -> np.ndarray:
    """Every B-spline (or a derivative of it) at points within the boundary."""
    from scipy.interpolate import BSpline

    count = len(knots) - degree - 1
    spline = BSpline(knots, np.eye(count), degree)
    return (spline.derivative(derivative) if derivative else spline)(x)


def _bspline(basis: SplineBasis, x: np.ndarray) -> np.ndarray:
    knots, degree = _knots(basis), basis.degree
    low, high = basis.boundary
    columns = _design(knots, np.clip(x, low, high), degree)
    order = degree + 1
    pivots = (
        (x < low, low + (knots[order] - low) / 4),
        (x > high, high - (high - knots[-order - 1]) / 4),
    )
    for outside, pivot in pivots:
        if outside.any():
            step = x[outside] - pivot
            columns[outside] = sum(
                np.outer(step**k / factorial(k), _design(knots, np.array([pivot]), degree, k)[0])
                for k in range(order)
            )
    return columns


def _natural(basis: SplineBasis, x: np.ndarray) -> np.ndarray:
    knots = _knots(basis)
    columns = _design(knots, np.clip(x, *basis.boundary), 3)
    for outside, end in ((x < basis.boundary[0], 0), (x > basis.boundary[1], 1)):
        if outside.any():
            edge = np.array([basis.boundary[end]])
            slope = _design(knots, edge, 3, 1)[0]
            columns[outside] = _design(knots, edge, 3)[0] + np.outer(x[outside] - edge, slope)
    return columns if basis.intercept else columns[:, 1:]


def _natural_constraint(basis: SplineBasis) -> np.ndarray:
    """Orthonormal directions in which the second derivative vanishes at both ends."""
    constraint = _design(_knots(basis), np.array(basis.boundary), 3, 2)
    if not basis.intercept:
        constraint = constraint[:, 1:]
    rotation, _ = np.linalg.qr(constraint.T, mode="complete")
    return rotation[:, 2:]
