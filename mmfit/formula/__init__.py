"""The formula language of lme4: text into terms, and terms over data into matrices."""

from mmfit.formula.build import build_matrices, build_matrices_with_design
from mmfit.formula.design import DesignInfo, full_dummy_matrix
from mmfit.formula.formula import Formula, parse
from mmfit.formula.matrices import FixedTerm, ModelMatrices, RandomTerm

__all__ = [
    "DesignInfo",
    "FixedTerm",
    "Formula",
    "ModelMatrices",
    "RandomTerm",
    "build_matrices",
    "build_matrices_with_design",
    "full_dummy_matrix",
    "parse",
]
