"""The rows that are to be predicted: their matrices, offsets and weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfit.common.alignment import aligned
from mmfit.common.arguments import check_columns
from mmfit.errors import DataError, MmfitError
from mmfit.formula.checked_columns import checked_column, checked_weights
from mmfit.formula.design import NewMatrices, NewRandom
from mmfit.formula.matrices import ModelMatrices

# Weights whose inverse, squared, is a number.
_SIZES = (1e-100, 1e100)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows to predict: their matrices and ``weights`` (n,)."""

    matrices: NewMatrices
    weights: np.ndarray


def rows_of_fit(matrices: ModelMatrices) -> Rows:
    """The rows that the model was fitted to."""
    terms = tuple(NewRandom(t.group, t.effects, t.model, t.codes) for t in matrices.random)
    every = np.ones(matrices.nobs, dtype=bool)
    new = NewMatrices(matrices.X, every, terms, matrices.offset)
    return Rows(new, np.ones(matrices.nobs) if matrices.weights is None else matrices.weights)


def new_rows(
    matrices: ModelMatrices,
    data: Mapping[str, Any],
    *,
    modes: bool,
    response: bool,
    offset: Any = None,
    weights: Any = None,
) -> Rows:
    """New rows, with random terms where ``modes`` or a new ``response`` need them.

    ``offset`` and ``weights`` stand for what was given as numbers to the fit.

    Raises
    ------
    FormulaError, DataError
        Columns that are missing or cannot be used; numbers that are needed and not given, are not
        wanted, or do not fit.
    """
    design = matrices.design
    if design is None:
        raise MmfitError("new rows need matrices that were built from a formula")
    check_columns(data, "the new data")
    new = design.rebuild(data, random=modes or response, grouped=modes)
    n = len(new.X)
    if design.array_offset and offset is None:
        raise DataError(
            "the fit had an offset that was given as numbers, which the new rows do not have; give "
            "offset=, one number per new row (0 for none)"
        )
    if offset is not None:
        if not design.array_offset:
            known = "its offset is computed from the new data" if design.offsets else "it has none"
            raise DataError(f"offset= is for fits whose offset was given as numbers; {known}")
        own = checked_column(aligned(offset, data, "offset"), "given", n, "offset")
        new = replace(new, offset=own if new.offset is None else new.offset + own)
    return Rows(new, _weights(matrices, data, n, response, weights))


def _weights(matrices: ModelMatrices, data, n: int, response: bool, given: Any) -> np.ndarray:
    """(n,) prior weights; they play a part in the interval of a new response alone."""
    design = matrices.design
    if given is not None:
        if not response:
            raise DataError("weights= is for interval='prediction'; nothing else depends on them")
        return _usable(checked_weights(aligned(given, data, "weights"), "given", n))
    if response and matrices.weights is not None and design.weights is None:
        raise DataError(
            "the fit had weights that were given as numbers, which the new rows do not have; give "
            "weights=, one number per new row (1 for a residual variance of sigma^2)"
        )
    found = design.prior_weights(data) if response else None
    return np.ones(n) if found is None else _usable(found)


def _usable(weights: np.ndarray) -> np.ndarray:
    if len(weights) and not (weights.min() > _SIZES[0] and weights.max() < _SIZES[1]):
        raise DataError("weights of new rows are beyond what can be computed with; scale them")
    return weights
