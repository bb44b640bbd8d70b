"""The starting value: MINQUE(0), the unbiased quadratic estimate that takes V = I.

Rao (1971). At V = I the expected information of (Psi, sigma^2) is linear algebra on the
cross-products, and one scoring step from there is already the REML estimate in balanced designs.
"""

import numpy as np

from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.criterion import REML
from mmfit.engine.evaluation import EstimationProblem

# Relative standard deviation at which an effect starts whose estimate is smaller or negative:
# theta = 0 is a stationary point, so it must not be the start.
_FLOOR = 0.03
# Entries of Psi whose information is below this share of the largest occur in no row, as the
# covariance of two effects that no level has both of.
_ABSENT = 1e-14
# Below this largest entry of its inverse a matrix of unit diagonal is far from singular.
_WELL_CONDITIONED = 1e6


def starting_theta(problem: EstimationProblem) -> np.ndarray:
    """(B, k) whitened theta of each response, away from the boundary."""
    system = problem.system
    layout = system.layout
    if not len(layout):
        return np.zeros((problem.batch, 0))
    psi, sigma2 = _minque(EstimationProblem(system, problem.solver, REML))
    psi = psi / sigma2[:, None]
    lambdas = [np.zeros((len(psi), q, q)) for q in layout.sizes]
    for block in system.terms:
        estimate = block.structure.matrix(psi[:, block.thetas])
        lambdas[block.group][:, block.place, block.place] = _positive_root(estimate)
    return layout.theta(lambdas)


def _minque(problem: EstimationProblem) -> tuple[np.ndarray, np.ndarray]:
    """Solve the MINQUE(0) equations for (Psi entries (B, k), sigma^2 (B,)).

    With P = I - XX'/n they are tr(P V_e P V_f), tr(P V_e) and n - p on the left, and y'V_e y and
    y'y = n on the right, since the whitened y is orthogonal to X.
    """
    system, k = problem.system, len(problem.system.layout)
    n, p = system.nobs, system.nfixed
    moments = problem.solver.identity_moments()
    x = moments.x_slopes.reshape(k, -1) / n
    equations = np.empty((k + 1, k + 1))
    equations[:k, :k] = moments.traces - (2 / n) * moments.x_pairs + x @ x.T
    through_x = np.trace(moments.x_slopes, axis1=1, axis2=2) / n
    equations[:k, k] = equations[k, :k] = moments.trace_slopes - through_x
    equations[k, k] = n - p
    right = np.empty((problem.batch, k + 1))
    right[:, :k], right[:, k] = moments.y_slopes, n
    solution = np.einsum("be,ef->bf", right, _pseudo_inverse(equations))
    # A residual estimate that is not positive says nothing about the ratio: take half the total.
    total = n / (n - p)
    sigma2 = np.where(solution[:, k] > 1e-6 * total, solution[:, k], 0.5 * total)
    return solution[:, :k], sigma2


def _pseudo_inverse(M: np.ndarray) -> np.ndarray:
    """Of a positive semidefinite matrix, rank judged after scaling to a unit diagonal."""
    diagonal = np.diag(M)
    scale = np.sqrt(np.where(diagonal > _ABSENT * diagonal.max(), diagonal, np.inf))
    scaled = M / scale / scale[:, None]
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:
        inverse = np.full_like(M, np.inf)
    if not np.abs(inverse).max() < _WELL_CONDITIONED:
        values, vectors = np.linalg.eigh(scaled)
        kept = values > 1e-10 * values[-1]
        root = vectors[:, kept] / np.sqrt(values[kept])
        inverse = root @ root.T
    return inverse / scale / scale[:, None]


def _positive_root(psi: np.ndarray) -> np.ndarray:
    """Cholesky factors of a stack of symmetric matrices, eigenvalues raised to the floor."""
    if psi.shape[-1] == 1:
        return np.sqrt(np.maximum(psi, _FLOOR**2))
    floor = _FLOOR**2
    out = semidefinite_cholesky(psi)
    below = ~_positive_diagonal(semidefinite_cholesky(psi - floor * np.eye(psi.shape[-1])))
    if below.any():
        values, vectors = np.linalg.eigh(psi[below])
        raised = (vectors * np.maximum(values, floor)[:, None]) @ np.swapaxes(vectors, 1, 2)
        out[below] = np.linalg.cholesky(raised)
    return out


def _positive_diagonal(root: np.ndarray) -> np.ndarray:
    return (np.diagonal(root, axis1=1, axis2=2) > 0).all(axis=1)
