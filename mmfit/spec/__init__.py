"""Analysis files: YAML to a validated, frozen ``Analysis``; the only place that checks them."""

from mmfit.spec.analysis import (
    CONTRASTS,
    SUPPORTED_DF,
    Analysis,
    FileData,
    ModelSpec,
    SelectionSpec,
    SimulatedData,
)
from mmfit.spec.data_files import check_data_files
from mmfit.spec.loading import Config, check_config, load_analyses, load_analysis, load_config
from mmfit.spec.schema import json_schema, json_schema_text
from mmfit.spec.simulation import Factor, RandomEffects, Simulation

__all__ = [
    "CONTRASTS",
    "SUPPORTED_DF",
    "Analysis",
    "Config",
    "Factor",
    "FileData",
    "ModelSpec",
    "RandomEffects",
    "SelectionSpec",
    "SimulatedData",
    "Simulation",
    "check_config",
    "check_data_files",
    "json_schema",
    "json_schema_text",
    "load_analyses",
    "load_analysis",
    "load_config",
]
