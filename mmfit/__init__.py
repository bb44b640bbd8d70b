"""mmfit: model selection for linear mixed models.

>>> import mmfit
>>> fit = mmfit.lmer("Reaction ~ Days + (Days | Subject)", data)  # doctest: +SKIP
>>> fit.tidy()  # doctest: +SKIP
"""

from importlib.metadata import version

from mmfit.errors import (
    ComparisonError,
    ComputationError,
    DataError,
    DesignError,
    FormulaError,
    MmfitError,
    SpecError,
)
from mmfit.model import LinearMixedModel, compare, lmer

__version__ = version("mmfit")

__all__ = [
    "ComparisonError",
    "ComputationError",
    "DataError",
    "DesignError",
    "FormulaError",
    "LinearMixedModel",
    "MmfitError",
    "SpecError",
    "compare",
    "lmer",
]
