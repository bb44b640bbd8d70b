"""What Kenward and Roger's adjustment costs, known before it is computed.

Beyond one evaluation of the criterion it takes the second-order products X'V^-1 V_e V^-1 V_f V^-1 X
and the traces tr(V^-1 V_e V^-1 V_f), which Satterthwaite's method takes as well. None of it grows
with the number of rows once the cross-products are formed; it grows with the structure.
"""

from dataclasses import dataclass

from mmfit.engine.preparation import Prepared
from mmfit.engine.solvers.contract.solver import COPIES
from mmfit.engine.solvers.crossed.choice import machine_memory
from mmfit.errors import ComputationError

# Seconds, measured: per operation in large matrix products, in sums over many small blocks, and
# of calls in any case.
_DENSE, _SMALL, _CALLS = 4e-11, 8e-10, 5e-3


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
    cost = solver.second_order_cost()
    numbers = cost.numbers + COPIES * (k + 1) ** 2 * m**2
    small = cost.small + 2 * (k + 1) ** 2 * m**3
    seconds = _DENSE * cost.dense + _SMALL * small + _CALLS
    return AdjustedCost((k + 1) * (k + 2) // 2, cost.dense + small, seconds, 8 * numbers)


def require_affordable(cost: AdjustedCost) -> None:
    """Raise ComputationError where the adjustment would not fit in this machine's memory."""
    limit = machine_memory()
    if cost.memory > limit:
        raise ComputationError(
            f"Kenward-Roger's method would take {cost.memory / 2**30:.3g} GiB of memory for this "
            f"model ({cost}), and a fit may take {limit / 2**30:.3g} GiB on this machine; "
            "df='residual' and df='normal' need none of it"
        )
