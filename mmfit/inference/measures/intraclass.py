"""Intraclass correlations: how much of the variance lies between the levels of the factors.

Of the shares in :mod:`mmfit.inference.measures.variance_shares`, the adjusted ICC is
random / (random + residual): the correlation of two rows that share all their levels, once the
fixed effects are accounted for. The unadjusted one has the variance of the fixed part in its
denominator too (Nakagawa, Johnson & Schielzeth 2017). ``by_group`` divides the adjusted one among
the grouping factors: the correlation of two rows that share the level of that factor alone, as
``icc(by_group = TRUE)`` of the R package performance has it for models with intercepts only. Rows
that share a level of a nested factor share that of the outer one as well: their correlation is the
sum of both.

With random slopes there is no one correlation, since that of two rows depends on their covariates.
The values are then shares of the variance in the mean over the rows of the data (Johnson 2014), in
``by_group`` too, where performance takes the variance of the intercept alone and warns that this is
not accurate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.measures.variance_shares import shares_note, variance_shares

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ICC:
    """Intraclass correlations.

    Attributes
    ----------
    adjusted, unadjusted : float in [0, 1]; 0 without random effects.
    by_group : Series ``icc`` by grouping factor, in the order of the random terms; it adds up to
        ``adjusted``.
    note : str, what is particular to this fit; empty when there is nothing.
    """

    adjusted: float
    unadjusted: float
    by_group: pd.Series
    note: str


def icc(model: FittedModel) -> ICC:
    """Adjusted and unadjusted intraclass correlation (Nakagawa, Johnson & Schielzeth 2017)."""
    import pandas as pd

    shares = variance_shares(model)
    unexplained = shares.random + shares.residual
    names = [name for name, _ in shares.groups]
    values = [value / unexplained for _, value in shares.groups]
    return ICC(
        adjusted=shares.random / unexplained,
        unadjusted=shares.random / shares.total,
        by_group=pd.Series(values, index=pd.Index(names, dtype=object), name="icc", dtype=float),
        note=shares_note(model, shares),
    )
