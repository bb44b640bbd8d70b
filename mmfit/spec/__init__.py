"""Analysis files: YAML to a validated, frozen ``Analysis``; the only place that checks them."""

from mmfit.spec.analysis import (
    CONTRASTS,
    SUPPORTED_DF,
    Analysis,
    FileData,
    ModelSpec,
    SimulatedData,
)
from mmfit.spec.comparisons import NULL_DISTRIBUTIONS, BootstrapSpec
from mmfit.spec.data_files import check_data_files
from mmfit.spec.inference import InferenceSpec, PredictionSpec
from mmfit.spec.loading import Config, check_config, load_analyses, load_analysis, load_config
from mmfit.spec.schema import json_schema, json_schema_text
from mmfit.spec.search import SELECTED, Scope, SelectionSpec, StabilitySpec
from mmfit.spec.simulation import Factor, RandomEffects, Simulation

__all__ = [
    "CONTRASTS",
    "NULL_DISTRIBUTIONS",
    "SELECTED",
    "SUPPORTED_DF",
    "Analysis",
    "BootstrapSpec",
    "Config",
    "Factor",
    "FileData",
    "InferenceSpec",
    "ModelSpec",
    "PredictionSpec",
    "RandomEffects",
    "Scope",
    "SelectionSpec",
    "SimulatedData",
    "Simulation",
    "StabilitySpec",
    "check_config",
    "check_data_files",
    "json_schema",
    "json_schema_text",
    "load_analyses",
    "load_analysis",
    "load_config",
]
