"""Many searches on one design: each model is fitted to all responses at once."""

import numpy as np

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.many import fit_many
from mmfit.engine.many_fits import ManyFits
from mmfit.engine.records import Fit
from mmfit.errors import ComputationError
from mmfit.formula.matrices import ModelMatrices
from mmfit.selection.search.models import Fits, Models
from mmfit.selection.search.moves import State


class Batch:
    """Fits of the models of a scope to B responses; a model that any of them asks for is fitted
    to all, which costs little more than one.

    Parameters
    ----------
    models : Models;  responses : (B, n) array.
    """

    def __init__(self, models: Models, responses: np.ndarray):
        self.models, self.responses = models, responses
        self._fits: dict[tuple[State, str], ManyFits | None] = {}

    def many(self, state: State, criterion: str) -> ManyFits | None:
        """All fits of a model, or None where the batch cannot be evaluated as a whole."""
        key = (state, criterion)
        if key not in self._fits:
            self._fits[key] = fit_all(self.models.matrices(state), self.responses, criterion)
        return self._fits[key]


class BatchFits(Fits):
    """The fits of one response of a batch."""

    def __init__(self, batch: Batch, member: int):
        super().__init__(batch.models, batch.responses[member])
        self._batch, self._member = batch, member

    def _fitted(self, state: State, criterion: str) -> Fit:
        many = self._batch.many(state, criterion)
        if many is None:
            return super()._fitted(state, criterion)
        return many.member(self._member)


def fit_all(matrices: ModelMatrices, responses: np.ndarray, criterion: str) -> ManyFits | None:
    """Fit each response, or None where one of them stops the others."""
    try:
        return fit_many(matrices, responses, criterion=CRITERIA[criterion])
    except ComputationError:
        return None
