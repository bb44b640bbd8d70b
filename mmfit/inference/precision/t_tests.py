"""The columns of a table of t tests with their intervals."""

import numpy as np

from mmfit.inference.distributions import t_p_value, t_quantile


def t_columns(
    estimate: np.ndarray,
    std_error: np.ndarray,
    df: np.ndarray,
    level: float | None = None,
    against: np.ndarray | float = 0.0,
) -> dict[str, np.ndarray]:
    """estimate, std_error, df, statistic, p_value (two-sided), conf_low, conf_high.

    Of (..., m) values, of one fit or of many. The test is of ``against``; the intervals have
    coverage ``level``, None for no intervals.
    """
    statistic = (estimate - against) / std_error
    columns = {
        "estimate": estimate,
        "std_error": std_error,
        "df": df,
        "statistic": statistic,
        "p_value": t_p_value(statistic, df),
    }
    if level is None:
        return columns
    half = t_quantile(0.5 + level / 2, df) * std_error
    return columns | {"conf_low": estimate - half, "conf_high": estimate + half}
