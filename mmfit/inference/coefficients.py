"""The table of fixed effects: t tests and Wald intervals."""

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.degrees_of_freedom import contrast_df
from mmfit.inference.distributions import t_p_value, t_quantile


def tidy(
    fit: Fit,
    df: str = "satterthwaite",
    level: float = 0.95,
    matrices: ModelMatrices | None = None,
) -> pd.DataFrame:
    """One row per fixed effect, in the model's order.

    Columns: term, estimate, std_error, df, statistic (t), p_value (two-sided), conf_low,
    conf_high (Wald, with the same t distribution). ``df`` is ``satterthwaite``, ``residual``
    (n - p) or ``normal``; ``level`` the coverage of the intervals.

    Raises
    ------
    MmfitError
        For an unknown ``df`` or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise MmfitError(f"level={level!r} is not a probability between 0 and 1")
    freedom = contrast_df(fit, np.eye(len(fit.fixef)), df)
    std_error = np.sqrt(np.diag(fit.vcov))
    statistic = fit.fixef / std_error
    half = t_quantile(0.5 + level / 2, freedom) * std_error
    return pd.DataFrame(
        {
            "term": list(fit.fixed_names),
            "estimate": fit.fixef,
            "std_error": std_error,
            "df": freedom,
            "statistic": statistic,
            "p_value": t_p_value(statistic, freedom),
            "conf_low": fit.fixef - half,
            "conf_high": fit.fixef + half,
        }
    )
