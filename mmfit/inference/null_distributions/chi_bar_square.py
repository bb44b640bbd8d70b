"""Weights of the chi-square mixture of a cone of covariance matrices, by simulation.

Where a null hypothesis puts whole covariance matrices (or several variances) at zero, the
likelihood-ratio statistic converges to the squared length of the projection of a normal vector onto
a product of cones of positive semidefinite matrices, in the metric of the efficient information M.
For any closed convex cone that is a mixture of chi-squares (Shapiro 1988, Int. Stat. Rev. 56:
49-62; McCoy & Tropp 2014, Discrete Comput. Geom. 51: 926-963, the master Steiner formula), whose
weights are the cone's conic intrinsic volumes. Where the cone is curved (order two and more) these
are not the probabilities of its faces. With X the projection of a normal W and J = dX/dW, whose
eigenvalues in the metric M lie between 0 and 1, carrying X and W - X to sX and t(W - X) changes the
volume by det(sJ + t(I - J)), and so

    sum_k weight_k s^k t^(D-k) = E det(sJ + t(I - J)):

the weights are the means of the coefficients of that polynomial. Counting the dimensions of faces
is the special case in which every eigenvalue is 0 or 1.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmfit.errors import ComputationError
from mmfit.inference.null_distributions.cone_projection import Cone, Projections, project

# Draws: as many as keep the work within a fraction of a second, more for smaller cones.
_MOST_DRAWS, _FEWEST_DRAWS, _WORK = 100_000, 4_000, 600_000
_SEED = 19_880_101
# Efficient information with less than this share in some direction does not tell what it is about.
_CONDITION = 1e-9


@dataclass(frozen=True, slots=True)
class ConeWeights:
    """Simulated weights of chi2(0), ..., chi2(D).

    Attributes
    ----------
    weights : (D + 1,) array, sum 1;  covariance : (D + 1, D + 1), of the Monte Carlo error.
    draws : int.
    """

    weights: np.ndarray
    covariance: np.ndarray
    draws: int


def cone_weights(orders: tuple[int, ...], information: np.ndarray) -> ConeWeights | None:
    """The mixture weights of a product of semidefinite cones.

    Parameters
    ----------
    orders : order of each cone of semidefinite matrices (1: a variance alone).
    information : (D, D) efficient information about the vech (column-major lower triangle) of
        each block in turn, D the sum of order (order + 1) / 2.

    Returns None where the information is singular: the parameters cannot be told apart.
    """
    cone = Cone(tuple(orders))
    metric = _balanced(cone, cone.to_svec(information))
    if metric is None:
        return None
    numbers = tuple(float(value) for value in metric.ravel())
    return _simulated(cone.orders, numbers, number_of_draws(cone.dimension))


def number_of_draws(dimension: int) -> int:
    """How many projections onto a cone of that dimension are simulated."""
    return int(np.clip(_WORK // dimension**2, _FEWEST_DRAWS, _MOST_DRAWS))


@lru_cache(maxsize=128)
def _simulated(orders: tuple[int, ...], numbers: tuple[float, ...], draws: int) -> ConeWeights:
    cone = Cone(orders)
    D = cone.dimension
    metric = np.array(numbers).reshape(D, D)
    root = np.linalg.cholesky(metric)
    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=orders))
    normal = rng.standard_normal((draws, D))
    # W = root^-T normal has covariance metric^-1; its image under the metric is root normal.
    found = project(cone, metric, np.linalg.solve(root.T, normal.T).T)
    if not found.solved.all():
        raise ComputationError(
            f"{np.sum(~found.solved)} of {draws} projections onto the cone of the covariances "
            "were not found; the information about its variances is too uneven"
        )
    shares = coefficients(metric, found)
    return _halved(shares.mean(axis=0), np.cov(shares.T, ddof=1) / draws, draws)


def _halved(weights: np.ndarray, covariance: np.ndarray, draws: int) -> ConeWeights:
    """The weights given that the even and the odd ones add up to a half each (Gauss-Bonnet)."""
    sign = (-1.0) ** np.arange(len(weights))
    along = covariance @ sign
    gain = along / (sign @ along)
    adjusted = np.maximum(weights - gain * (sign @ weights), 0.0)
    return ConeWeights(adjusted / adjusted.sum(), covariance - np.outer(gain, along), draws)


def coefficients(metric: np.ndarray, found: Projections) -> np.ndarray:
    """(draws, D + 1): coefficients of det(sJ + t(I - J)) for t = 1, by powers of s.

    With O the derivative of the plain (Frobenius) projection, J is similar to
    (M O + I - O)^-1 M O, so that the polynomial is det(s M O + I - O) / det(M O + I - O); it is
    interpolated at the roots of unity.
    """
    D = len(metric)
    out = np.zeros((len(found.inside), D + 1))
    out[found.inside, D] = 1.0
    out[found.apex, 0] = 1.0
    rest = np.flatnonzero(~found.inside & ~found.apex)
    O = found.derivative  # noqa: E741
    MO, other = metric @ O, np.eye(D) - O
    whole = np.linalg.det(MO + other)
    values = np.ones(((D + 1) // 2 + 1, len(rest)), dtype=complex)
    for k in range(1, len(values)):
        values[k] = np.linalg.det(np.exp(-2j * np.pi * k / (D + 1)) * MO + other) / whole
    out[rest] = np.fft.irfft(values, n=D + 1, axis=0).T
    np.clip(out, 0.0, 1.0, out=out)
    return out / out.sum(axis=1, keepdims=True)


def _balanced(cone: Cone, metric: np.ndarray) -> np.ndarray | None:
    """The metric with unit information about every variance; None where it is singular.

    Scaling effects (a congruence by a diagonal matrix) leaves each cone as it is, and the mixture.
    """
    diagonal = np.diag(metric)[cone.variances]
    if not (np.isfinite(metric).all() and (diagonal > 0).all()):
        return None
    scale = cone.products(diagonal**-0.25)
    scaled = metric * scale * scale[:, None]
    scaled = (scaled + scaled.T) / 2
    values = np.linalg.eigvalsh(scaled)
    return scaled if values[0] > _CONDITION * values[-1] else None
