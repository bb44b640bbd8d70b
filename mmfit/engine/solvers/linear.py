"""No random effects: V = I, and whitened columns are orthogonal to each other and to y."""

import numpy as np

from mmfit.engine.solvers.contract.solver import IdentityMoments, SecondOrderCost
from mmfit.engine.system.whitened_system import System


class LinearSolver:
    """The linear model, which a mixed model without its last random term becomes.

    Attributes
    ----------
    nobs : int, n;  columns : int, m = p + 1;  batch : int.
    """

    name = "linear"
    second_order_is_cheap = True

    def __init__(self, system: System):
        self.nobs, self.columns = system.nobs, system.nfixed + 1
        self.batch = len(system.y)

    def factorize(self, lambdas: list[np.ndarray], members: np.ndarray) -> "LinearFactorization":
        """The same for every member; there is no theta that could differ."""
        return LinearFactorization(self, len(members))

    def identity_moments(self) -> IdentityMoments:
        p = self.columns - 1
        none = np.zeros((0, 0))
        return IdentityMoments(
            none, np.zeros(0), none, np.zeros((0, p, p)), np.zeros((self.batch, 0))
        )

    def second_order_cost(self) -> SecondOrderCost:
        return SecondOrderCost(0.0, 0.0, 0.0)


class LinearFactorization:
    """R'V^-1 R = R'R = n I in the whitened system; nothing to differentiate."""

    def __init__(self, solver: LinearSolver, members: int):
        m = solver.columns
        self.log_det = np.zeros(members)
        self.reduced = np.tile(solver.nobs * np.eye(m), (members, 1, 1))
        self.taken = np.zeros((members, m - 1))

    def trace_slopes(self) -> np.ndarray:
        return np.zeros((len(self.log_det), 0))

    def slopes(self) -> np.ndarray:
        return np.zeros((len(self.log_det), 0, *self.reduced.shape[1:]))

    def pairs(self, U: np.ndarray) -> np.ndarray:
        return np.zeros((len(self.log_det), 0, 0))

    def pair_blocks(self, U: np.ndarray) -> np.ndarray:
        return np.zeros((len(self.log_det), 0, 0, U.shape[2], U.shape[2]))

    def traces(self) -> np.ndarray:
        return np.zeros((len(self.log_det), 0, 0))

    def cross(self) -> list[np.ndarray]:
        return []

    def posterior_blocks(self) -> list[np.ndarray]:
        return []
