"""What a model's fits share: the whitened system and the solver with the cross-products."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmfit.engine.criterion import Criterion
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.optimize.second_starts import unmodelled
from mmfit.engine.solvers import Solver, choose_solver
from mmfit.engine.system.whitened_system import System, build_system
from mmfit.formula.matrices import ModelMatrices

# Numbers per block of responses: what a processor's outer cache holds.
_BLOCK_NUMBERS = 2_000_000
_BLOCK_LIMITS = (2, 1024)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model's whitened system and solver, shared by its fits under all criteria.

    The system is without what is n long; the solver holds the cross-products. ``unmodelled``:
    whether the mean of some random effect is not in the fixed part.
    """

    matrices: ModelMatrices
    system: System
    solver: Solver
    unmodelled: bool

    def problem(self, criterion: Criterion) -> EstimationProblem:
        """What is to be minimised by ``criterion``."""
        return EstimationProblem(self.system, self.solver, criterion)


def prepare(matrices: ModelMatrices, responses: np.ndarray | None = None) -> Prepared:
    """Form all cross-products; the only work that grows with the number of rows.

    ``responses`` (B, n) stand in for the model's own response.
    """
    system = build_system(matrices, responses)
    solver = choose_solver(system, lambda: build_system(matrices, responses))
    return Prepared(matrices, system.without_rows(), solver, unmodelled(system))


def prepared_blocks(
    matrices: ModelMatrices, responses: np.ndarray
) -> Iterator[tuple[Prepared, slice | np.ndarray]]:
    """Consecutive blocks of the responses (B, n), each with what it needs in the cache, and the
    places of its responses.

    Sums run in another order where an axis has length 1, so none is ever alone: a last one that
    would be is there twice, and what is joined of the blocks has B + 1 members.
    """
    size = block_size(matrices)
    for begin in range(0, len(responses), size):
        alone = begin == len(responses) - 1
        places = np.array([begin, begin]) if alone else slice(begin, begin + size)
        yield prepare(matrices, responses[places]), places


def block_size(matrices: ModelMatrices) -> int:
    """Responses per block: as many as fit the cache with what each of them needs."""
    m = matrices.X.shape[1] + 1
    per_response = matrices.nobs
    for term in matrices.random:
        q = term.model.shape[1]
        per_response += len(term.levels) * q * (q + 1) // 2 * m * (m + 1) // 2
    low, high = _BLOCK_LIMITS
    return int(np.clip(_BLOCK_NUMBERS // per_response, low, high))
