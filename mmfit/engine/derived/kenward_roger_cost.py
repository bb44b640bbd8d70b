"""What Kenward and Roger's adjustment costs, known before it is computed.

Beyond one evaluation of the criterion it takes the second-order products X'V^-1 V_e V^-1 V_f V^-1 X
and the traces tr(V^-1 V_e V^-1 V_f), which Satterthwaite's method takes as well. None of it grows
with the number of rows once the cross-products are formed; it grows with the structure.
"""

from dataclasses import dataclass

from mmfit.engine.fit import Prepared
from mmfit.engine.solvers import NestedSolver, SingleSolver
from mmfit.engine.solvers.crossed.choice import machine_memory
from mmfit.errors import ComputationError

# Seconds, measured: per operation in large matrix products, in sums over many small blocks, and
# of calls in any case.
_DENSE, _SMALL, _CALLS = 4e-11, 8e-10, 5e-3
# Copies of the largest arrays in use at one time.
_COPIES = 4


@dataclass(frozen=True, slots=True)
class AdjustedCost:
    """An estimate, good to a factor of about four.

    Attributes
    ----------
    products : int, number of (p, p) products X'V^-1 G_r V^-1 G_s V^-1 X, with V among the G's.
    operations : float, additions and multiplications.
    seconds : float, on one core.
    memory : float, bytes in use at one time.
    """

    products: int
    operations: float
    seconds: float
    memory: float

    def __str__(self) -> str:
        return (
            f"{self.products} second-order products, {self.operations:.1e} operations, about "
            f"{self.seconds:.1g} s and {self.memory / 2**20:.3g} MiB"
        )


def adjusted_cost(prepared: Prepared) -> AdjustedCost:
    """What the adjustment takes for one response, beyond the cross-products."""
    solver, layout = prepared.solver, prepared.system.layout
    k, m = len(layout), prepared.system.nfixed + 1
    if not k:
        dense, small, numbers = 0.0, 0.0, 0.0
    elif isinstance(solver, SingleSolver):
        dense, small, numbers = _single(solver, k, m)
    elif isinstance(solver, NestedSolver):
        dense, small, numbers = _nested(solver)
    else:
        dense, small, numbers = _crossed(solver, k, m)
    numbers += _COPIES * (k + 1) ** 2 * m**2
    small += 2 * (k + 1) ** 2 * m**3
    seconds = _DENSE * dense + _SMALL * small + _CALLS
    return AdjustedCost((k + 1) * (k + 2) // 2, dense + small, seconds, 8 * numbers)


def require_affordable(cost: AdjustedCost) -> None:
    """Raise ComputationError where the adjustment would not fit in this machine's memory."""
    limit = machine_memory()
    if cost.memory > limit:
        raise ComputationError(
            f"Kenward-Roger's method would take {cost.memory / 2**30:.3g} GiB of memory for this "
            f"model ({cost}), and a fit may take {limit / 2**30:.3g} GiB on this machine; "
            "df='residual' and df='normal' need none of it"
        )


def _single(solver: SingleSolver, k: int, m: int) -> tuple[float, float, float]:
    """Per pair of entries, products of a class's weights with its pooled products of columns."""
    q, classes = solver.pooled.S.shape[0], solver.pooled.S.shape[2]
    inner = k * (k + 1) / 2 * q * (q + 1) / 2 * m * (m + 1) / 2 * classes
    weights = k**2 * q**3 * classes
    return 0.0, inner + weights, _COPIES * (k * q**2 + m * q) * classes


def _nested(solver: NestedSolver) -> tuple[float, float, float]:
    """The second derivatives of every front beyond the pooled levels', link by link."""
    f, small, numbers = len(solver.links[0].directions), 0.0, 0.0
    for link in solver.links[1:]:
        o, w = len(link.directions), link.width + link.q
        levels = link.T.shape[2]
        entries = (f + o) ** 2 * w**2 * levels
        small += 4 * link.q * entries
        numbers = max(numbers, _COPIES * entries)
        f += o
    return 0.0, small, numbers


def _crossed(solver, k: int, m: int) -> tuple[float, float, float]:
    """Factorise the remainder, and pass it once per entry of the eliminated factor."""
    q, _, levels = solver.T.shape
    lead, rows = solver.entries.groups[0].directions.shape[0], k * m
    width, columns = solver.columns.width, q * levels + solver.columns.width
    passes = 3 + 2 * lead
    numbers = _COPIES * rows * columns
    dense = 2.0 * rows**2 * columns
    if solver.name == "sparse":
        plan = solver.pattern.plan
        return dense, passes * 6 * plan.flops, numbers + 2 * _COPIES * plan.storage
    if solver.name == "crossed":
        return dense + passes * width**3, 0.0, numbers + 2 * _COPIES * width**2
    rest, storage = solver.storage.rest.width, solver.storage.size
    dense += passes * (rest**3 + 2 * solver.storage.own * rest**2)
    return dense, 0.0, numbers + 2 * _COPIES * storage
