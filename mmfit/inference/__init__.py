"""Degrees of freedom, tests, intervals, measures, predictions and diagnosis of fitted models."""

from importlib import import_module
from types import MappingProxyType
from typing import Any

# Each name with its module, loaded when first asked for: a stage that only fits should not pay for
# what it does not use.
_MODULES = MappingProxyType(
    {
        "FittedModel": "fitted_model",
        "METHODS": "precision.degrees_of_freedom",
        "FixedEffectPrecision": "precision.degrees_of_freedom",
        "kenward_roger_cost": "precision.kenward_roger",
        "FTest": "fixed_effects.f_tests",
        "anova": "fixed_effects.f_tests",
        "contest": "fixed_effects.contests",
        "f_test": "fixed_effects.f_tests",
        "drop1": "fixed_effects.term_tests",
        "tidy": "fixed_effects.coefficients",
        "random_effects": "random_part.conditional_modes",
        "varcorr": "random_part.varcorr",
        "confint": "intervals.confint",
        "Profile": "intervals.profile",
        "profile_likelihood": "intervals.profile",
        "RSquared": "measures.variance_shares",
        "r_squared": "measures.variance_shares",
        "ICC": "measures.intraclass",
        "icc": "measures.intraclass",
        "ConditionalAIC": "measures.conditional",
        "conditional_aic": "measures.conditional",
        "mean_factors": "marginal.marginal_means",
        "means": "marginal.marginal_means",
        "contrasts": "marginal.marginal_means",
        "slopes": "marginal.marginal_means",
        "predict": "prediction.prediction",
        "Diagnosis": "diagnosis.diagnosis",
        "diagnose": "diagnosis.diagnosis",
        "Influence": "diagnosis.influences",
        "influence": "diagnosis.influences",
    }
)

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"mmfit.inference.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
