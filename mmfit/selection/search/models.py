"""The models of a scope on given rows: matrices, fits and how they relate, each made once."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.fit import fit_model
from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.null_distributions.bootstrap import NullFits
from mmfit.selection.pair_tests.fitted_pair import NullSource
from mmfit.selection.relations.relations import Relations
from mmfit.selection.relations.validity import PairAssessment
from mmfit.selection.search.elements import SearchScope, make_scope
from mmfit.selection.search.moves import State, formula_of

Build = Callable[[str], ModelMatrices]
"""From a formula to its matrices on the rows at hand."""


class Models:
    """What the models of a scope are on given rows, whatever the response.

    Parameters
    ----------
    build : makes the matrices of a formula.
    maximal, minimal : formulas (``minimal`` None: an intercept alone).

    Raises
    ------
    FormulaError, DataError, DesignError : a maximal model that these rows cannot support.
    ComparisonError : a minimal model that is no part of it.
    """

    def __init__(self, build: Build, maximal: str, minimal: str | None = None):
        self._build = build
        self.scope: SearchScope = make_scope(build(maximal), minimal)
        self._matrices: dict[State, ModelMatrices | MmfitError] = {}
        self._relations: Relations[State] = Relations(self.matrices, self.formula)

    def formula(self, state: State) -> str:
        """The model as a formula."""
        return formula_of(self.scope, state)

    def matrices(self, state: State) -> ModelMatrices:
        """The matrices of a model; raises what ``build`` raises, each time."""
        if state not in self._matrices:
            try:
                self._matrices[state] = self._build(self.formula(state))
            except MmfitError as error:
                self._matrices[state] = error
        found = self._matrices[state]
        if isinstance(found, MmfitError):
            raise found
        return found

    def pair(self, null: State, alternative: State) -> PairAssessment:
        """How two models relate, the first one meant as the null."""
        return self._relations.pair(null, alternative)


class Fits:
    """Fits of the models of a scope to one response, each made once.

    Parameters
    ----------
    models : Models.
    response : (n,) array in place of the models' own response, or None.
    """

    def __init__(self, models: Models, response: np.ndarray | None = None):
        self.models, self._response = models, response
        self._fits: dict[tuple[State, str], Fit] = {}
        self._drawn_fits: dict[State, NullFits] = {}

    def matrices(self, state: State) -> ModelMatrices:
        """The matrices with the response that is fitted."""
        matrices = self.models.matrices(state)
        return matrices if self._response is None else replace(matrices, y=self._response)

    def fit(self, state: State, criterion: str) -> Fit:
        """The fit by ``REML`` or ``ML``; raises as ``fit_model`` does."""
        key = (state, criterion)
        if key not in self._fits:
            self._fits[key] = self._fitted(state, criterion)
        return self._fits[key]

    def null_source(self, state: State) -> NullSource:
        """What tests of which the model is the null share."""
        drawn = self._drawn_fits.setdefault(state, {})
        return NullSource(lambda: self.fit(state, "REML"), drawn)

    def _fitted(self, state: State, criterion: str) -> Fit:
        return fit_model(self.matrices(state), criterion=CRITERIA[criterion])
