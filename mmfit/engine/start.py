"""The starting value: MINQUE(0), the unbiased quadratic estimate that takes V = I.

Rao (1971). At V = I the expected information of (Psi, sigma^2) is linear algebra on the
cross-products, and one scoring step from there is already the REML estimate in balanced designs.
"""

import numpy as np

from mmfit.engine.criterion import Problem

# Relative standard deviation at which an effect starts whose estimate is smaller or negative:
# theta = 0 is a stationary point, so it must not be the start.
_FLOOR = 0.1


def starting_theta(problem: Problem) -> np.ndarray:
    """(B, k) whitened theta of each response, away from the boundary."""
    system = problem.system
    layout = system.layout
    psi, sigma2 = _minque(Problem(system, problem.solver, reml=True))
    psi = psi / sigma2[:, None]
    lambdas = [np.zeros((len(psi), q, q)) for q in layout.sizes]
    for t, block in enumerate(system.terms):
        index = np.flatnonzero(layout.term == t)
        row, column = layout.row[index] - block.offset, layout.column[index] - block.offset
        estimate = np.empty((len(psi), block.size, block.size))
        estimate[:, row, column] = estimate[:, column, row] = psi[:, index]
        lambdas[block.group][:, block.place, block.place] = _positive_root(estimate)
    return layout.theta(lambdas)


def _minque(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Solve the MINQUE(0) equations for (Psi entries (B, k), sigma^2 (B,))."""
    system, k = problem.system, len(problem.system.layout)
    # What depends on the design alone is the same for all responses.
    design = problem.at(np.zeros((1, k)), np.arange(1))
    equations = np.empty((k + 1, k + 1))
    equations[:k, :k] = design.psi_information[0]
    equations[:k, k] = equations[k, :k] = design.psi_traces[0]
    equations[k, k] = system.nobs - system.nfixed
    blank = design if problem.batch == 1 else problem.at(np.zeros((problem.batch, k)))
    right = np.empty((problem.batch, k + 1))
    right[:, :k] = blank.r2[:, None] * blank.T[:, :, -1, -1]
    right[:, k] = blank.r2
    solution = np.linalg.lstsq(equations, right.T, rcond=1e-10)[0].T
    # A residual estimate that is not positive says nothing about the ratio: take half the total.
    total = blank.r2 / (system.nobs - system.nfixed)
    sigma2 = np.where(solution[:, k] > 1e-6 * total, solution[:, k], 0.5 * total)
    return solution[:, :k], sigma2


def _positive_root(psi: np.ndarray) -> np.ndarray:
    """Cholesky factors of a stack of symmetric matrices, eigenvalues raised to the floor."""
    if psi.shape[-1] == 1:
        return np.sqrt(np.maximum(psi, _FLOOR**2))
    values, vectors = np.linalg.eigh(psi)
    values = np.maximum(values, _FLOOR**2)
    return np.linalg.cholesky((vectors * values[:, None]) @ np.swapaxes(vectors, 1, 2))
