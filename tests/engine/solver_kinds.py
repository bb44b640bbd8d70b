"""Every solver and every kind of remainder, forced on designs that would be given another."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from mmfit.engine.solvers.crossed import coupling, pair_map
from mmfit.engine.solvers.crossed.chain import chain_solver
from mmfit.engine.solvers.crossed.products import neighbours
from mmfit.engine.solvers.crossed.remainder import by_member
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.remainder.pattern import build_pattern
from mmfit.engine.solvers.crossed.solver import CrossedSolver, elimination_order
from mmfit.engine.solvers.crossed.sparse import pattern_keys, sparse_solver
from mmfit.engine.solvers.levels.basis import group_basis
from mmfit.engine.solvers.linear import LinearSolver
from mmfit.engine.solvers.nested.chain import nesting_chain
from mmfit.engine.solvers.nested.solver import NestedSolver
from mmfit.engine.solvers.single import solver as single

# Constants of the choice between kinds that lead to the other one, whatever the design.
_ROWS = [(single, "_CELLS", 0)]
_MAP = [(coupling, "_SMALL", 0), (coupling, "_DENSE_COST", 1e9)]
_PIECES = [*_MAP, (pair_map, "_STORED", 0), (pair_map, "_PIECE", 60)]
_BY_MEMBER = [(by_member, "STACKED", 0)]


class _Exactly:
    """A solver of which every member gets the factorisation that keeps the digits."""

    def __init__(self, solver):
        self.factorize = solver.exact.plainly
        self.identity_moments = solver.exact.identity_moments
        self.second_order_cost = solver.exact.second_order_cost


def sparse(system, rows=None):
    """The sparse solver, which small designs never get."""
    first, *rest = elimination_order(system)
    others = [system.groups[g] for g in rest]
    columns, lead = RemainderColumns.of(others), group_basis(system.groups[first])
    found = neighbours(lead, others, columns)
    return sparse_solver(system, lead, found, build_pattern(pattern_keys(found), columns), rows)


def _chain(system):
    """With the largest group eliminated, then one that it is nested in; None without."""
    first, *rest = elimination_order(system)
    inner = system.groups[first]
    outer = [g for g in rest if inner.partition.is_inside(system.groups[g].partition)]
    if not outer or len(rest) == 1:
        return None
    return chain_solver(system, [first, outer[0], *(g for g in rest if g != outer[0])])


def _nested(system):
    chain = nesting_chain(system.groups)
    return None if chain is None else NestedSolver(system, chain)


def _exactly(build):
    def made(system):
        solver = build(system)
        return None if solver is None else _Exactly(solver)

    return made


# name: (the number of groups that it takes, how it is built, what is set meanwhile)
KINDS = {
    "linear": ((0, 0), LinearSolver, []),
    "single": ((1, 1), single.SingleSolver, []),
    "single, levels one by one": ((1, 1), single.SingleSolver, _ROWS),
    "single, exact": ((1, 1), _exactly(single.SingleSolver), []),
    "nested": ((2, 9), _nested, []),
    "nested, exact": ((2, 9), _exactly(_nested), []),
    "crossed, stacked": ((2, 9), CrossedSolver, []),
    "crossed, by member": ((2, 9), CrossedSolver, _BY_MEMBER),
    "crossed, map, stacked": ((2, 9), CrossedSolver, _MAP),
    "crossed, map, by member": ((2, 9), CrossedSolver, [*_MAP, *_BY_MEMBER]),
    "crossed, map in pieces": ((2, 9), CrossedSolver, [*_PIECES, *_BY_MEMBER]),
    "chain, stacked": ((3, 9), _chain, []),
    "chain, by member": ((3, 9), _chain, _BY_MEMBER),
    "sparse": ((2, 9), sparse, []),
}


CROSSED = tuple(name for name in KINDS if name.startswith(("crossed", "sparse")))


@contextmanager
def forced(name):
    """What makes a kind's solver of a system, or None of one that has not its structure.

    What forces the kind lasts as long as the context, in which the solver must be used.
    """
    (least, most), build, constants = KINDS[name]
    with ExitStack() as stack:
        for module, constant, value in constants:
            stack.enter_context(patch.object(module, constant, value))
        yield lambda system: build(system) if least <= len(system.groups) <= most else None
