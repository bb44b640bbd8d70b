"""Degrees of freedom, tests and intervals for fitted models."""

from mmfit.inference.coefficients import tidy
from mmfit.inference.components import random_effects, varcorr
from mmfit.inference.degrees_of_freedom import METHODS
from mmfit.inference.f_tests import FTest, anova, f_test

__all__ = ["METHODS", "FTest", "anova", "f_test", "random_effects", "tidy", "varcorr"]
