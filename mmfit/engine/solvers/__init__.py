"""One solver per structure of the grouping factors, chosen from the data."""

from mmfit.engine.solvers.base import Factorization, Solver
from mmfit.engine.solvers.chain import nesting_chain
from mmfit.engine.solvers.nested import NestedSolver
from mmfit.engine.solvers.single import SingleSolver
from mmfit.engine.system import System

__all__ = ["Factorization", "NestedSolver", "SingleSolver", "Solver", "choose_solver"]


def choose_solver(system: System) -> Solver:
    """Single for one factor, nested when the factors form a chain, crossed otherwise."""
    if len(system.groups) == 1:
        return SingleSolver(system)
    chain = nesting_chain(system.groups)
    if chain is not None:
        return NestedSolver(system, chain)
    # Imports scipy.sparse, which a model without crossed factors can do without.
    from mmfit.engine.solvers.crossed import CrossedSolver

    return CrossedSolver(system)
