"""Confidence intervals for the parameters of a fitted model."""

import pandas as pd

from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.coefficients import tidy


def confint(
    fit: Fit,
    matrices: ModelMatrices,
    *,
    method: str = "profile",
    level: float = 0.95,
    replicates: int = 999,
    seed: int = 1,
) -> pd.DataFrame:
    """Intervals: parameter, conf_low, conf_high.

    ``wald`` uses the t distribution with Satterthwaite's degrees of freedom.

    Raises
    ------
    MmfitError
        For another method or a level outside (0, 1).
    """
    if method != "wald":
        raise MmfitError(f"method={method!r} is not known; choose 'wald'")
    table = tidy(fit, level=level, matrices=matrices).rename(columns={"term": "parameter"})
    return table[["parameter", "conf_low", "conf_high"]]
