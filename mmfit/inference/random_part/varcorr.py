"""Variances and covariances of the random effects."""

import math

import numpy as np
import pandas as pd

from mmfit.engine.records import VarianceTerm
from mmfit.inference.fitted_model import FittedModel


def varcorr(model: FittedModel) -> pd.DataFrame:
    """Variances and covariances as lme4's ``as.data.frame(VarCorr(fit))``.

    Columns group, term_1, term_2, vcov, sdcor. Per term the variances come first (``sdcor`` is the
    standard deviation), then the covariances (``sdcor`` is the correlation, missing where a
    variance is zero); ``Residual`` stands last as a group without terms.
    """
    fit = model.fit
    rows = [row for term in fit.terms for row in _term_rows(term)]
    rows.append(("Residual", None, None, fit.sigma**2, fit.sigma))
    frame = pd.DataFrame(rows, columns=["group", "term_1", "term_2", "vcov", "sdcor"])
    return frame.astype({"term_1": object, "term_2": object})


def _term_rows(term: VarianceTerm) -> list[tuple]:
    sd = np.sqrt(np.diag(term.covariance))
    rows = [
        (term.group, effect, None, float(term.covariance[i, i]), float(sd[i]))
        for i, effect in enumerate(term.effects)
    ]
    for i, first in enumerate(term.effects):
        for j in range(i + 1, len(term.effects)):
            scale = sd[i] * sd[j]
            covariance = float(term.covariance[i, j])
            correlation = float(covariance / scale) if scale > 0 else math.nan
            rows.append((term.group, first, term.effects[j], covariance, correlation))
    return rows
