"""Sets of variance parameters that no data of a design tell from each other."""

from collections.abc import Iterator

import numpy as np

from mmfit.engine.confounding import Moves, variance_products
from mmfit.engine.covariance.layout import Layout
from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.preparation import Prepared

# A first step, as a share of the variances.
_STEP = 0.1
DIFFERENT = 1e-6
"""A relative difference between what two sets predict that is more than rounding."""


def moved_thetas(prepared: Prepared, moves: Moves) -> Iterator[tuple[np.ndarray, float]]:
    """Per unseen move: a theta (k,) some way along it, and the factor by which sigma^2 grows."""
    layout = prepared.system.layout
    psi = layout.psi(moves.theta)
    sizes = variance_products(layout, psi)
    for direction in moves.directions:
        move, grown = direction[:-1], direction[-1]
        step = _STEP / max(np.abs(move / sizes).max(), abs(grown))
        while True:
            theta = _theta(layout, psi + step / (1 + step * grown) * move)
            if theta is not None:
                break
            step /= 2
        yield theta, 1 + step * grown


def _theta(layout: Layout, psi: np.ndarray) -> np.ndarray | None:
    """The theta of the free entries of the Psi's; None where these are not positive definite."""
    roots = []
    for block in layout.lambdas(psi):
        whole = block + np.tril(block, -1).T
        if np.linalg.eigvalsh(whole)[0] <= 0:
            return None
        roots.append(semidefinite_cholesky(whole))
    return layout.theta(roots)
