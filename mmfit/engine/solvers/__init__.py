"""One solver per structure of the grouping factors, chosen from the data."""

from mmfit.engine.solvers.base import Factorization, Solver
from mmfit.engine.solvers.crossed import CrossedSolver
from mmfit.engine.solvers.nested import NestedSolver, nesting_chain
from mmfit.engine.system import System

__all__ = ["CrossedSolver", "Factorization", "NestedSolver", "Solver", "choose_solver"]


def choose_solver(system: System) -> Solver:
    """Nested when the factors form a chain (one factor does), crossed otherwise."""
    chain = nesting_chain(system)
    return CrossedSolver(system) if chain is None else NestedSolver(system, chain)
