"""Tail probabilities of the t and F distributions; infinite degrees of freedom are the limits.

Where the degrees of freedom are missing (NaN), so are the results.

scipy.special's functions are called directly: importing scipy.stats costs more than a fit.
"""

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit


def t_p_value(statistic, df) -> np.ndarray:
    """Two-sided p-values of t statistics."""
    statistic, df = np.broadcast_arrays(np.asarray(statistic, float), np.asarray(df, float))
    tail = -np.abs(statistic)
    finite = ~np.isinf(df)
    return 2 * np.where(finite, stdtr(np.where(finite, df, 1.0), tail), ndtr(tail))


def t_quantile(probability: float, df) -> np.ndarray:
    """Quantile of Student's t."""
    df = np.asarray(df, float)
    finite = ~np.isinf(df)
    return np.where(finite, stdtrit(np.where(finite, df, 1.0), probability), ndtri(probability))


def f_p_value(statistic: float, num_df: float, den_df: float) -> float:
    """Upper tail of the F distribution."""
    if np.isinf(den_df):
        return float(chdtrc(num_df, num_df * statistic))
    return float(fdtrc(num_df, den_df, statistic))
