"""Variances and covariances of the random effects."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from mmfit.inference.fitted_model import FittedModel


def varcorr(model: FittedModel) -> pd.DataFrame:
    """Variances and covariances as lme4's ``as.data.frame(VarCorr(fit))``.

    Columns group, term_1, term_2, vcov, sdcor. Per term the variances come first (``sdcor`` is the
    standard deviation), then the covariances (``sdcor`` is the correlation, missing where a
    variance is zero); ``Residual`` stands last as a group without terms.
    """
    fit = model.fit
    terms = [(term.group, term.effects, term.covariance[None]) for term in fit.terms]
    columns = varcorr_columns(terms, np.array([fit.sigma]))
    frame = pd.DataFrame({name: block[0] for name, block in columns.items()})
    return frame.astype({"term_1": object, "term_2": object})


def varcorr_columns(
    terms: Iterable[tuple[str, Sequence[str], np.ndarray]], sigma: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of :func:`varcorr` of B fits of one model, each (B, rows).

    ``terms``: group, effects and covariances (B, q, q) of each;  ``sigma`` (B,).
    """
    labels, vcov, sdcor = [], [], []
    for group, effects, block in terms:
        q, sd = len(effects), np.sqrt(np.diagonal(block, axis1=1, axis2=2))
        labels.extend((group, effect, None) for effect in effects)
        vcov.extend(block[:, i, i] for i in range(q))
        sdcor.extend(sd[:, i] for i in range(q))
        for i in range(q):
            for j in range(i + 1, q):
                labels.append((group, effects[i], effects[j]))
                scale = sd[:, i] * sd[:, j]
                vcov.append(block[:, i, j])
                correlation = block[:, i, j] / np.where(scale > 0, scale, 1.0)
                sdcor.append(np.where(scale > 0, correlation, np.nan))
    labels.append(("Residual", None, None))
    vcov.append(sigma**2)
    sdcor.append(sigma)
    names = np.array(labels, dtype=object)
    columns = {
        name: np.tile(names[:, i], (len(sigma), 1))
        for i, name in enumerate(("group", "term_1", "term_2"))
    }
    return columns | {"vcov": np.array(vcov).T, "sdcor": np.array(sdcor).T}
