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
    """(k,) whitened theta, away from the boundary."""
    system = problem.system
    layout = system.layout
    blank = problem.at(np.zeros(len(layout)))
    directions = [_basis(layout.sizes[g], g, r, c) for g, r, c in _entries(layout)]
    psi, sigma2 = _minque(blank, directions)
    lambdas = [np.zeros((q, q)) for q in layout.sizes]
    for t, block in enumerate(system.terms):
        estimate = np.zeros((block.size, block.size))
        for i in np.flatnonzero(layout.term == t):
            r, c = layout.row[i] - block.offset, layout.column[i] - block.offset
            estimate[r, c] = estimate[c, r] = psi[i]
        s = block.place
        lambdas[block.group][s, s] = _positive_root(estimate / sigma2)
    return layout.theta(lambdas)


def _entries(layout):
    return zip(layout.group, layout.row, layout.column, strict=True)


def _basis(q, g, r, c):
    E = np.zeros((q, q))
    E[r, c] = E[c, r] = 1.0
    return int(g), E


def _minque(blank, directions) -> tuple[np.ndarray, float]:
    """Solve the MINQUE(0) equations for (Psi entries, sigma^2)."""
    k, system = len(directions), blank.problem.system
    w, blocks = blank.residual_cross, blank.trace_blocks
    equations, right = np.empty((k + 1, k + 1)), np.empty(k + 1)
    equations[:k, :k] = blank.psi_information(directions)
    for i, (g, E) in enumerate(directions):
        equations[i, k] = equations[k, i] = np.vdot(blocks[g], E)
        right[i] = np.vdot(w[g] @ E, w[g])
    equations[k, k], right[k] = system.nobs - system.nfixed, blank.r2
    solution = np.linalg.lstsq(equations, right, rcond=1e-10)[0]
    # A residual estimate that is not positive says nothing about the ratio: take half the total.
    total = blank.r2 / (system.nobs - system.nfixed)
    sigma2 = solution[k] if solution[k] > 1e-6 * total else 0.5 * total
    return solution[:k], float(sigma2)


def _positive_root(psi: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(psi)
    values = np.maximum(values, _FLOOR**2)
    return np.linalg.cholesky((vectors * values) @ vectors.T)
