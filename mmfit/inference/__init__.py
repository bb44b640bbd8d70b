"""Degrees of freedom, tests, intervals, measures, predictions and diagnosis of fitted models."""

from importlib import import_module
from types import MappingProxyType
from typing import Any

# Each name with its module, loaded when first asked for: a stage that only fits should not pay for
# what it does not use.
_MODULES = MappingProxyType(
    {
        "METHODS": "degrees_of_freedom",
        "Precision": "degrees_of_freedom",
        "df_note": "degrees_of_freedom",
        "precision": "degrees_of_freedom",
        "kenward_roger_cost": "kenward_roger",
        "FTest": "f_tests",
        "anova": "f_tests",
        "contest": "contests",
        "f_test": "f_tests",
        "drop1": "term_tests",
        "tidy": "coefficients",
        "random_effects": "components",
        "varcorr": "components",
        "confint": "intervals",
        "Profile": "profile",
        "profile_likelihood": "profile",
        "RSquared": "variance_shares",
        "r_squared": "variance_shares",
        "ICC": "intraclass",
        "icc": "intraclass",
        "ConditionalAIC": "conditional",
        "conditional_aic": "conditional",
        "mean_factors": "marginal_means",
        "means": "marginal_means",
        "contrasts": "marginal_means",
        "slopes": "marginal_means",
        "predict": "prediction",
        "Diagnosis": "diagnosis",
        "diagnose": "diagnosis",
        "Influence": "influences",
        "influence": "influences",
    }
)

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"mmfit.inference.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
