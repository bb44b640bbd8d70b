"""mmfit: model selection for linear mixed models.

>>> import mmfit
>>> fit = mmfit.lmer("Reaction ~ Days + (Days | Subject)", data)  # doctest: +SKIP
>>> fit.tidy()  # doctest: +SKIP
"""

from types import MappingProxyType
from typing import TYPE_CHECKING

from mmfit.errors import (
    ComparisonError,
    ComputationError,
    DataError,
    DesignError,
    FormulaError,
    MmfitError,
    SpecError,
)

if TYPE_CHECKING:
    from mmfit.api.many import ManyModels, lmer_many
    from mmfit.api.model import LinearMixedModel, compare, lmer
    from mmfit.api.search import SearchResult, search

__all__ = [
    "ComparisonError",
    "ComputationError",
    "DataError",
    "DesignError",
    "FormulaError",
    "LinearMixedModel",
    "ManyModels",
    "MmfitError",
    "SearchResult",
    "SpecError",
    "compare",
    "lmer",
    "lmer_many",
    "search",
]


_MODULES = MappingProxyType(
    {
        "ManyModels": "mmfit.api.many",
        "lmer_many": "mmfit.api.many",
        "SearchResult": "mmfit.api.search",
        "search": "mmfit.api.search",
    }
)


def __getattr__(name: str):
    # Loaded when first asked for: numpy, scipy and pandas take half a second, which commands and
    # workflow rules that do not compute should not pay for.
    if name == "__version__":
        from importlib.metadata import version

        return version("mmfit")
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_MODULES.get(name, "mmfit.api.model")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
