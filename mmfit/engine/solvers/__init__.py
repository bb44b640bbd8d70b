"""One solver per structure of the grouping factors, chosen from the data."""

from collections.abc import Callable

from mmfit.engine.solvers.contract.solver import Factorization, Solver
from mmfit.engine.solvers.linear import LinearSolver
from mmfit.engine.solvers.nested.chain import nesting_chain
from mmfit.engine.solvers.nested.solver import NestedSolver
from mmfit.engine.solvers.single.solver import SingleSolver
from mmfit.engine.system.whitened_system import System

__all__ = ["Factorization", "Solver", "choose_solver"]


def choose_solver(system: System, rows: Callable[[], System] | None = None) -> Solver:
    """By the structure that the grouping factors have in the data.

    Linear without one, single for one factor, nested when the factors form a chain; otherwise see
    :func:`mmfit.engine.solvers.crossed.choice.crossed_solver`.

    ``rows`` gives the system once more, for a solver that finds later that it needs the rows;
    without it, such a solver keeps ``system``.

    Raises
    ------
    ComputationError
        When crossed factors fit neither a dense nor a sparse factorisation in memory.
    """
    if not system.groups:
        return LinearSolver(system)
    if len(system.groups) == 1:
        return SingleSolver(system, rows)
    chain = nesting_chain(system.groups)
    if chain is not None:
        return NestedSolver(system, chain, rows)
    # Here, because a model without crossed factors can do without its imports.
    from mmfit.engine.solvers.crossed.choice import crossed_solver

    return crossed_solver(system, rows)
