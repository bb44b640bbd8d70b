"""A fitted model: a fit, the matrices it was fitted to, and what follows from both."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mmfit.engine.confounding import Moves, unseen_moves
from mmfit.engine.criterion import REML
from mmfit.engine.derived.information import stand_ins
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import fitted_values
from mmfit.engine.preparation import Prepared, prepare
from mmfit.engine.records import Fit
from mmfit.engine.system.whitened_system import System, build_system
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.precision.degrees_of_freedom import FixedEffectPrecision, check_method


class ModelSystem:
    """What follows from a model's matrices alone, for its fits by either criterion.

    Each part is computed when it is first asked for, and kept.

    Attributes
    ----------
    matrices : ModelMatrices.
    """

    def __init__(self, matrices: ModelMatrices):
        self.matrices = matrices

    @cached_property
    def prepared(self) -> Prepared:
        """The whitened system without its rows, and the solver with the cross-products."""
        return prepare(self.matrices)

    @cached_property
    def with_rows(self) -> System:
        """The whitened system with its rows, as long as the data."""
        return build_system(self.matrices)

    @cached_property
    def design_problem(self) -> tuple[Prepared, EstimationProblem]:
        """The system and its REML criterion for two responses that have nothing to do with y."""
        prepared = prepare(self.matrices, stand_ins(self.matrices.nobs, 2))
        return prepared, prepared.problem(REML)

    @cached_property
    def unseen_moves(self) -> Moves:
        """The changes of the variance parameters that no data of this design tell."""
        return unseen_moves(self.design_problem[1])


class FittedModel:
    """A fit with the matrices it was fitted to.

    It owns what its questions share: each quantity is computed when it is first asked for, and
    kept. A copy or a pickle holds the fit and the matrices alone.

    Attributes
    ----------
    fit : Fit;  matrices : ModelMatrices.
    system : ModelSystem, shared with the fits of the same model by another criterion.
    """

    def __init__(self, fit: Fit, matrices: ModelMatrices, system: ModelSystem | None = None):
        self.fit, self.matrices = fit, matrices
        self.system = ModelSystem(matrices) if system is None else system
        self._precisions: dict[str, FixedEffectPrecision] = {}

    def __reduce__(self) -> tuple:
        return FittedModel, (self.fit, self.matrices)

    def with_fit(self, fit: Fit) -> FittedModel:
        """Another fit of the same model; what follows from the matrices alone is shared."""
        return FittedModel(fit, self.matrices, self.system)

    @property
    def prepared(self) -> Prepared:
        """The whitened system without its rows, and the solver with the cross-products."""
        return self.system.prepared

    @cached_property
    def fitted(self) -> np.ndarray:
        """(n,) conditional fitted values, offset included, in units of the response."""
        return fitted_values(self.matrices, self.fit)

    def precision(self, method: str = "satterthwaite") -> FixedEffectPrecision:
        """How precisely ``method`` takes the fixed effects to be known.

        Raises
        ------
        MmfitError
            For an unknown method; for ``kenward-roger`` with a fit by ML.
        ComputationError
            When Kenward and Roger's method would not fit in memory.
        """
        check_method(method)
        if method not in self._precisions:
            self._precisions[method] = self._precision(method)
        return self._precisions[method]

    def _precision(self, method: str) -> FixedEffectPrecision:
        if method != "kenward-roger":
            return FixedEffectPrecision(self.fit, method, None)
        # Here, because only this method needs more of the engine than the record of the fit.
        from mmfit.inference.precision.kenward_roger import kenward_roger, require_reml

        require_reml(self.fit.criterion)
        return FixedEffectPrecision(self.fit, method, kenward_roger(self.fit, self.prepared))
