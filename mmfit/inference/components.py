"""Tables of a fit's random part: variances and covariances, conditional modes."""

import math

import numpy as np
import pandas as pd

from mmfit.engine.records import VarianceTerm
from mmfit.inference.distributions import t_quantile
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.prediction.untold import told_modes


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


def random_effects(model: FittedModel, level: float = 0.95) -> pd.DataFrame:
    """Conditional modes with their conditional standard deviations and normal intervals.

    Columns group, level, term, estimate, std_error, conf_low, conf_high; level by level, the
    terms of a level together. ``std_error`` is the square root of lme4's ``condVar``. Modes and
    variances that follow by covariances that no data tell are NaN.
    """
    z = float(t_quantile(0.5 + level / 2, np.inf))
    parts = []
    for group in told_modes(model):
        count, q = group.modes.shape
        std_error = np.sqrt(np.diagonal(group.covariance, axis1=1, axis2=2)).ravel()
        estimate = group.modes.ravel()
        columns = {
            "group": group.grouping,
            "level": np.repeat(np.array(group.levels, dtype=object), q),
            "term": list(group.effects) * count,
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": estimate - z * std_error,
            "conf_high": estimate + z * std_error,
        }
        parts.append(pd.DataFrame(columns))
    if not parts:
        names = ["group", "level", "term", "estimate", "std_error", "conf_low", "conf_high"]
        return pd.DataFrame(columns=names)
    return pd.concat(parts, ignore_index=True)
