"""Checks of the design and of the form of the fixed part."""

from dataclasses import replace

import numpy as np

from mmfit.engine import fit_model
from mmfit.errors import ComputationError, DesignError
from mmfit.formula.matrices import ModelMatrices
from mmfit.formula.rank import independent_columns
from mmfit.inference.diagnosis.residual_checks import ALPHA, Check, p_words, verdict
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.coefficients import tidy

# Fewer levels than this say little about a variance.
_FEW_LEVELS = 5
# Ratio of column scales beyond which estimates are hard to read.
_SCALES = 1e3
# Condition index beyond which Belsley, Kuh & Welsch (1980, section 3.2) call collinearity strong.
_CONDITION = 30.0
# A curve that adds less than this share to the variation of the fixed part matters to nobody.
_CURVATURE = 0.05


def design_checks(model: FittedModel) -> list[Check]:
    """Levels of the grouping factors, rank, scales and collinearity of the fixed columns."""
    fit, matrices = model.fit, model.matrices
    out = [_levels(name, count) for name, count in _level_counts(matrices).items()]
    if fit.dropped:
        out.append(
            Check(
                "rank of the fixed part",
                float(len(fit.fixef)),
                np.nan,
                "look",
                f"{len(fit.dropped)} of {len(fit.fixef) + len(fit.dropped)} columns of the fixed "
                f"part depend on the others and were left out: {', '.join(fit.dropped)}.",
            )
        )
    out += [one for one in (_scales(model), _collinearity(matrices)) if one is not None]
    return out


def curvature_check(model: FittedModel) -> Check | None:
    """The square of the fixed part added to the fixed part (Ramsey 1969; Tukey 1949 for factors).

    The t test is by a REML fit with that column, with Satterthwaite's degrees of freedom. None
    where the square lies in the span of the fixed part, or the model with it cannot be fitted.
    """
    fit, matrices = model.fit, model.matrices
    if not len(fit.fixef):
        return None
    line = matrices.X @ fit.fixef
    spread = float(line.std())
    if not spread > 1e-10 * max(1.0, float(np.abs(line).max())):
        return None
    square = ((line - line.mean()) / spread) ** 2
    X = np.column_stack([matrices.X, square])
    if len(independent_columns(X)) < X.shape[1]:
        return None
    wider = replace(matrices, X=X, fixed_names=(*matrices.fixed_names, "square"))
    try:
        fitted = FittedModel(fit_model(wider, start=fit.theta), wider)
        row = tidy(fitted).iloc[-1]
    except (DesignError, ComputationError):
        return None
    value, p_value = float(row["statistic"]), float(row["p_value"])
    added = square - matrices.X @ np.linalg.lstsq(matrices.X, square, rcond=None)[0]
    share = abs(float(row["estimate"])) * float(np.sqrt(np.mean(added**2))) / spread
    state = "shows" if p_value < ALPHA else "does not show"
    text = (
        f"The square of the fixed part {state} curvature or interaction that the fixed part misses "
        f"(t = {value:.2f} on {row['df']:.3g} df, {p_words(p_value)}); it adds a standard "
        f"deviation of {100 * share:.0f}% of that of the fixed part."
    )
    look = p_value < ALPHA and share > _CURVATURE
    return Check("curvature of the fixed part", value, p_value, verdict(look), text)


def _level_counts(matrices: ModelMatrices) -> dict[str, int]:
    return {term.grouping: len(term.levels) for term in matrices.random}


def _levels(name: str, count: int) -> Check:
    few = count < _FEW_LEVELS
    text = f"{name} has {count} levels"
    text += (
        f"; a variance is poorly estimated from fewer than {_FEW_LEVELS}, and a fixed effect may "
        "serve better."
        if few
        else "."
    )
    return Check(f"levels of {name}", float(count), np.nan, verdict(few), text)


def _scales(model: FittedModel) -> Check | None:
    """Root mean squares of the columns of the fixed and random parts."""
    matrices = model.matrices
    sizes: dict[str, float] = {}
    parts = [(matrices.fixed_names, matrices.X)]
    parts += [(term.effects, term.model) for term in matrices.random]
    for names, columns in parts:
        mean = np.sqrt(np.einsum("ij,ij->j", columns, columns) / matrices.nobs)
        for name, value in zip(names, mean, strict=True):
            if value > 0:
                sizes.setdefault(name, float(value))
    if len(sizes) < 2:
        return None
    small, large = min(sizes, key=sizes.get), max(sizes, key=sizes.get)
    ratio = sizes[large] / sizes[small]
    look = ratio > _SCALES
    text = (
        f"The columns of the model differ in scale by a factor of {ratio:.3g}, from {small} to "
        f"{large}."
    )
    if look:
        text += (
            " The fit does not suffer from that, since it is computed on orthonormal columns; "
            "coefficients in other units would be easier to read."
        )
    return Check("scales of the columns", ratio, np.nan, verdict(look), text)


def _collinearity(matrices: ModelMatrices) -> Check | None:
    """Condition index of the fixed columns scaled to unit length (Belsley, Kuh & Welsch 1980)."""
    X = matrices.X
    if X.shape[1] < 2:
        return None
    products = X.T @ X
    length = np.sqrt(np.diag(products))
    values = np.linalg.eigvalsh(products / np.outer(length, length))
    value = float(np.sqrt(values[-1] / max(values[0], np.finfo(float).tiny)))
    look = value > _CONDITION
    text = (
        f"The condition index of the fixed columns is {value:.3g}; "
        f"{'above' if look else 'not above'} {_CONDITION:g}, from where estimates of single "
        "coefficients are said to suffer from collinearity."
    )
    return Check("collinearity", value, np.nan, verdict(look), text)
