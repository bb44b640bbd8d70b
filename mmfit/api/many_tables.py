"""The tables of many fits on the same rows, as (responses, rows of one fit's table) arrays."""

from __future__ import annotations

import numpy as np

from mmfit.engine.derived.information import design_confounding
from mmfit.engine.many import many_uncertainty
from mmfit.engine.many_fits import ManyFits
from mmfit.formula.row_subset import RowSubset
from mmfit.inference.precision.degrees_of_freedom import (
    check_method,
    satterthwaite_df,
    unidentified_note,
)


def varcorr_rows(subset: RowSubset, fits: ManyFits) -> dict[str, np.ndarray]:
    """Columns group, term_1, term_2, vcov, sdcor, each (B, rows)."""
    # Here, because a table is not always asked for, and pandas takes long to import.
    from mmfit.inference.random_part.varcorr import varcorr_columns

    terms = zip(subset.whole.random, _covariances(subset, fits), strict=True)
    return varcorr_columns(((term.group, term.effects, block) for term, block in terms), fits.sigma)


def tidy_rows(subset: RowSubset, fits: ManyFits, df: str) -> dict:
    """The columns of a table of fixed effects, each (B, p)."""
    from mmfit.inference.precision.t_tests import t_columns

    std_error, freedom = _precision(fits, df)
    lost = _unidentified(subset)
    if lost.any():
        std_error, freedom = (np.where(lost, np.nan, part) for part in (std_error, freedom))
    columns = t_columns(fits.fixef, std_error, freedom)
    names = np.array(subset.whole.fixed_names, dtype=object)
    spread = {name: _spread(block, subset.fixed) for name, block in columns.items()}
    return {"term": np.tile(names, (len(std_error), 1))} | spread


def _unidentified(subset: RowSubset) -> np.ndarray:
    """(p,) bool: the coefficients of the subset's matrices whose variance no data tell."""
    found = design_confounding(subset.matrices)
    p = len(subset.matrices.fixed_names)
    return np.zeros(p, dtype=bool) if found is None else found.concerns(np.eye(p))


def _precision(fits: ManyFits, df: str) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom of the coefficients of the subset's matrices."""
    check_method(df)
    count, p = fits.fixef.shape
    variance = np.diagonal(fits.vcov, axis1=1, axis2=2)
    if df == "kenward-roger":
        from mmfit.engine.derived.kenward_roger import many_adjusted
        from mmfit.inference.precision.kenward_roger import contrast_df, require_reml

        require_reml(fits.criterion.name)
        adjusted = many_adjusted(fits)
        variance = np.diagonal(adjusted.vcov, axis1=1, axis2=2)
        return np.sqrt(variance), contrast_df(adjusted, np.eye(p))
    if df == "satterthwaite":
        covariance, jacobian = many_uncertainty(fits)
        slopes = np.diagonal(jacobian, axis1=2, axis2=3)
        freedom = satterthwaite_df(variance, np.swapaxes(slopes, 1, 2), covariance[:, None])
        return np.sqrt(variance), freedom
    rest = float(fits.matrices.nobs - p) if df == "residual" else np.inf
    return np.sqrt(variance), np.full((count, p), rest)


def _covariances(subset: RowSubset, fits: ManyFits) -> list[np.ndarray]:
    """Per random term of the whole design (B, q, q), missing where the rows do not tell."""
    out = []
    for place, effects in zip(subset.terms, subset.effects, strict=True):
        if place >= 0:
            block = _spread(fits.covariances[place], effects)
            out.append(_spread(np.swapaxes(block, 1, 2), effects))
        else:
            out.append(np.full((len(fits.sigma), len(effects), len(effects)), np.nan))
    return out


def _spread(block: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The entries of the last axis at ``places``, NaN for -1."""
    if (places >= 0).all():
        return block[..., places]
    out, known = np.full((*block.shape[:-1], len(places)), np.nan), places >= 0
    out[..., known] = block[..., places[known]]
    return out


def missing_note(subset: RowSubset) -> str:
    """What the rows do not determine, in words, or ``""``."""
    lost = [name for name, k in zip(subset.whole.fixed_names, subset.fixed, strict=True) if k < 0]
    parts = [f"the coefficients {', '.join(lost)}"] if lost else []
    for term, places in zip(subset.whole.random, subset.effects, strict=True):
        effects = [name for name, k in zip(term.effects, places, strict=True) if k < 0]
        if effects:
            parts.append(f"the variances of {', '.join(effects)} by {term.grouping}")
    text = f"its {subset.matrices.nobs} rows do not determine {' and '.join(parts)}"
    unidentified = [
        name
        for name, lost in zip(subset.matrices.fixed_names, _unidentified(subset), strict=True)
        if lost
    ]
    return " ".join(filter(None, (text if parts else "", unidentified_note(unidentified))))
