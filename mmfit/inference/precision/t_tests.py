"""The columns of a table of t tests with their intervals."""

import numpy as np

from mmfit.inference.distributions import t_p_value, t_quantile


def t_columns(
    estimate: np.ndarray,
    std_error: np.ndarray,
    df: np.ndarray,
    level: float,
    against: np.ndarray | float = 0.0,
) -> dict[str, np.ndarray]:
    """estimate, std_error, df, statistic, p_value (two-sided), conf_low, conf_high of (m,) values.

    The test is of ``against``; the intervals have coverage ``level``.
    """
    statistic = (estimate - against) / std_error
    half = t_quantile(0.5 + level / 2, df) * std_error
    return {
        "estimate": estimate,
        "std_error": std_error,
        "df": df,
        "statistic": statistic,
        "p_value": t_p_value(statistic, df),
        "conf_low": estimate - half,
        "conf_high": estimate + half,
    }
