"""F tests of linear hypotheses about the fixed effects, and the analysis of variance table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.degrees_of_freedom import contrast_df, joint_df
from mmfit.inference.distributions import f_p_value
from mmfit.inference.hypotheses import term_hypotheses


@dataclass(frozen=True, slots=True)
class FTest:
    """One F test: ``statistic`` on ``num_df`` and ``den_df`` degrees of freedom."""

    statistic: float
    num_df: int
    den_df: float
    p_value: float


def f_test(fit: Fit, L: np.ndarray, gram: np.ndarray, df: str = "satterthwaite") -> FTest:
    """Test L beta = 0 for L (q, p) of full row rank.

    The denominator's degrees of freedom are combined over the independent contrasts of
    L V L' (Fai & Cornelius 1996). Those depend on the scale of L's rows, so the rows are first
    made orthonormal in the metric of least squares, ``gram`` = X'X (p, p): the answer then
    depends on the hypothesis alone, not on how it or the model was coded.

    Raises
    ------
    MmfitError
        When the rows of L are not linearly independent.
    """
    metric = L @ np.linalg.solve(gram, L.T)
    values = np.linalg.eigvalsh(metric)
    if not values[0] > 1e-12 * values[-1]:
        raise MmfitError("the rows of the hypothesis matrix are linearly dependent")
    rows = np.linalg.solve(np.linalg.cholesky(metric), L)
    spread, vectors = np.linalg.eigh(rows @ fit.vcov @ rows.T)
    contrasts = vectors.T @ rows
    statistic = float(((contrasts @ fit.fixef) ** 2 / spread).mean())
    den_df = joint_df(contrast_df(fit, contrasts, df))
    return FTest(statistic, len(L), den_df, f_p_value(statistic, len(L), den_df))


def anova(
    fit: Fit,
    matrices: ModelMatrices,
    type: int = 3,
    df: str = "satterthwaite",
    basis: str = "canonical",
) -> pd.DataFrame:
    """Analysis of variance table of the fixed terms, in the formula's order.

    Columns term, sum_sq, mean_sq, num_df, den_df, statistic (F), p_value. ``type`` is 1, 2 or 3
    (see :mod:`mmfit.inference.hypotheses`); as in lmerTest, mean_sq = F sigma^2. A term without
    an estimable contrast is left out.
    """
    gram = matrices.X.T @ matrices.X
    rows = []
    for name, L in term_hypotheses(matrices, type).items():
        if len(L) == 0:
            continue
        test = f_test(fit, L, gram, df)
        mean_sq = test.statistic * fit.sigma**2
        rows.append(
            (
                name,
                mean_sq * test.num_df,
                mean_sq,
                test.num_df,
                test.den_df,
                test.statistic,
                test.p_value,
            )
        )
    columns = ["term", "sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value"]
    return pd.DataFrame(rows, columns=columns)
