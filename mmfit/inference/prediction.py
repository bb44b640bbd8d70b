"""Predictions from a fitted model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mmfit.engine import fitted_values
from mmfit.engine.records import Fit
from mmfit.formula.matrices import ModelMatrices


def predict(
    fit: Fit,
    matrices: ModelMatrices,
    new_data: Mapping[str, Any] | None = None,
    *,
    random_effects: bool = True,
    std_error: bool = False,
    interval: str | None = None,
    level: float = 0.95,
) -> np.ndarray:
    """Predictions for new rows, or for the rows of the fit.

    With ``random_effects`` the conditional modes are added; a level that the fit did not see
    has a mode of zero. The offset of the formula is added where it can be computed.

    Raises
    ------
    FormulaError, DataError
        Columns that are missing or cannot be used.
    """
    if new_data is None:
        if random_effects:
            return fitted_values(matrices, fit)
        fixed = matrices.X @ fit.fixef
        return fixed if matrices.offset is None else fixed + matrices.offset
    new = matrices.design.rebuild(new_data, random=random_effects)
    out = new.X @ fit.fixef
    if new.offset is not None:
        out = out + new.offset
    if not random_effects:
        return out
    random = tuple(
        replace(
            old,
            model=term.model * (term.codes >= 0)[:, None],
            codes=np.maximum(term.codes, 0),
            constant=(),
        )
        for old, term in zip(matrices.random, new.random, strict=True)
    )
    return fitted_values(replace(matrices, X=new.X, random=random, offset=new.offset), fit)
