"""Residuals of a candidate's REML fit, row by row; drawn in the report, in no file."""

from dataclasses import dataclass

import numpy as np

from mmfit.selection.records import Candidate


@dataclass(frozen=True, slots=True)
class Residuals:
    """(n,) arrays: ``fitted`` values (random effects included), residuals divided by sigma
    (``scaled``), and these times the root of the prior weight (``weighted``).
    """

    fitted: np.ndarray
    scaled: np.ndarray
    weighted: np.ndarray


def residuals(candidate: Candidate) -> Residuals:
    """The residuals of the reported fit.

    ``scaled`` are lme4's, without the weights, if there are any; ``weighted`` have variance 1 in
    the model: these, and not lme4's, are what a plot can judge the residual variance by.
    """
    model = candidate.reported_model
    scaled = (model.matrices.y - model.fitted) / model.fit.sigma
    weights = model.matrices.weights
    weighted = scaled if weights is None else np.sqrt(weights) * scaled
    return Residuals(model.fitted, scaled, weighted)
