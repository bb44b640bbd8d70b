"""The numerical core: criterion, solvers, optimiser; knows nothing of YAML, pandas or Snakemake."""

from mmfit.engine.derived.information import VarianceInformation, variance_information
from mmfit.engine.fit import fit_both, fit_model, fitted_values
from mmfit.engine.preparation import Prepared, prepare
from mmfit.engine.records import Fit, GroupModes, OptimizerRecord, VarianceTerm, VarianceUncertainty
from mmfit.engine.serialize import fit_from_json, fit_to_json
from mmfit.engine.simulate import simulate_responses

__all__ = [
    "Fit",
    "GroupModes",
    "OptimizerRecord",
    "Prepared",
    "VarianceInformation",
    "VarianceTerm",
    "VarianceUncertainty",
    "fit_both",
    "fit_from_json",
    "fit_model",
    "fit_to_json",
    "fitted_values",
    "prepare",
    "simulate_responses",
    "variance_information",
]
