"""Many searches on one design: each model is fitted to all responses at once."""

import numpy as np

from mmfit.common.lazy_fields import Later
from mmfit.engine.criterion import CRITERIA
from mmfit.engine.many import ManyFits, fit_many
from mmfit.engine.records import Fit, OptimizerRecord, VarianceTerm
from mmfit.errors import ComputationError
from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.unidentified import unidentified
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
        return member_fit(self.models.matrices(state), many, self._member)


def fit_all(matrices: ModelMatrices, responses: np.ndarray, criterion: str) -> ManyFits | None:
    """Fit each response, or None where one of them stops the others."""
    try:
        return fit_many(matrices, responses, criterion=CRITERIA[criterion])
    except ComputationError:
        return None


def member_fit(matrices: ModelMatrices, many: ManyFits, member: int) -> Fit:
    """The record of one member: what comparisons and selections read of it.

    Conditional modes and the uncertainty of the variances are left out.
    """
    found = zip(matrices.random, many.covariances, strict=True)
    terms = tuple(
        VarianceTerm(term.group, term.grouping, term.effects, covariances[member])
        for term, covariances in found
    )
    flat = many.singular[member]
    singular = tuple(t.group for t, zero in zip(terms, flat, strict=True) if zero)
    converged = bool(many.converged[member])
    objective = float(many.objective[member])
    return Fit(
        formula=matrices.formula,
        criterion=many.criterion.name,
        objective=objective,
        nobs=matrices.nobs,
        npar=many.fixef.shape[1] + many.theta.shape[1] + 1,
        sigma=float(many.sigma[member]),
        theta=many.theta[member],
        fixed_names=matrices.fixed_names,
        fixef=many.fixef[member],
        vcov=many.vcov[member],
        dropped=matrices.dropped,
        terms=terms,
        groups=(),
        singular=bool(singular),
        singular_groups=singular,
        unidentified=Later(unidentified, matrices),
        uncertainty=None,
        optimizer=OptimizerRecord(
            solver="batch",
            method="newton",
            evaluations=int(many.evaluations[member]),
            start_objective=objective,
            objective=objective,
            gradient_norm=0.0,
            predicted_decrease=0.0,
            curvature=0.0,
            converged=converged,
            message="converged" if converged else many.messages[member],
        ),
    )
