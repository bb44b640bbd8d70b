"""Marginal means, their differences, and slopes of covariates by the levels of factors.

All are linear functions of the fixed effects on a reference grid (:mod:`reference_grid`), with the
degrees of freedom of single contrasts; adjustments for comparing many: :mod:`adjustments`. What the
fit cannot estimate (empty cells of an interaction) is missing in the tables, and named in their
``attrs["notes"]``.
"""

from collections.abc import Mapping, Sequence, Set
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_level
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.distributions import t_p_value, t_quantile
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.marginal.adjustments import (
    adjusted_p_values,
    check_adjustment,
    critical_values,
)
from mmfit.inference.marginal.mean_tables import (
    FunctionEstimates,
    estimates,
    labels,
    limits,
    moments,
    tested,
    with_notes,
)
from mmfit.inference.marginal.predictors import (
    COVARIATE,
    find_predictor,
    find_predictors,
    predictors,
)
from mmfit.inference.marginal.reference_grid import Averages, ReferenceGrid, build_grid

Factor = str | Sequence[str]
At = Mapping[str, Any] | None


def means(
    model: FittedModel,
    factor: Factor,
    *,
    at: At = None,
    df: str = "satterthwaite",
    level: float = 0.95,
) -> pd.DataFrame:
    """Marginal means by the levels of factors.

    Columns: one per factor (its levels, the first factor varying fastest; numbers where the column
    is numeric), estimate, std_error, df, conf_low, conf_high. Equal weights over the levels of the
    other factors; covariates at their means over the rows of the fit (before any transformation),
    those with two values at both; an offset at its mean; no random effects. On the scale of the
    formula's left-hand side.

    Parameters
    ----------
    factor : column of the fixed part that holds labels, or that the formula makes a factor of, or
        a covariate that has two values or stands in ``at``; ``"a:b"`` or a list for combinations.
    at : values, one or several, by column: of a covariate in place of its mean; of a factor, the
        levels that are averaged over and shown.
    df : ``satterthwaite``, ``kenward-roger`` (with its adjusted standard errors), ``residual`` or
        ``normal``;  level : coverage of the intervals.

    Raises
    ------
    MmfitError
        For unknown columns, levels or choices, and for a covariate in place of a factor.
    """
    matrices = model.matrices
    check_level(level)
    known = model.precision(df)
    grid = build_grid(matrices, at)
    names, by = _factors(grid, factor)
    averages = grid.average(grid.functions(), [*names, *by])
    found = estimates(known, matrices, averages.functions, _offset(matrices))
    half = t_quantile(0.5 + level / 2, found.df) * found.std_error
    table = pd.DataFrame(averages.columns() | moments(found) | limits(found, half))
    return with_notes(table, grid, averages, known)


def contrasts(
    model: FittedModel,
    factor: Factor,
    *,
    adjust: str = "tukey",
    at: At = None,
    df: str = "satterthwaite",
    level: float = 0.95,
) -> pd.DataFrame:
    """All pairwise differences between marginal means.

    Columns: contrast (``A - B``), estimate, std_error, df, statistic (t), p_value, conf_low,
    conf_high. The means are those of :func:`means`, in its order; of a combination ``"a:b"`` all
    cells are compared (``a1 b1 - a2 b1``). ``"a | b"`` compares the levels of a within each level
    of b, whose columns then stand first. The levels of a nested factor are those of its
    combinations with the factors around it. A level that is a number has its column's name before
    it (``Days0 - Days1``).

    Parameters
    ----------
    adjust : ``tukey`` (studentized range, for the family of the means compared with each other;
        intervals likewise), ``holm`` (intervals by Bonferroni) or ``none``.
    factor, at, df, level : as in :func:`means`.

    Raises
    ------
    MmfitError
        As :func:`means`, and for an unknown ``adjust`` or a factor with a single level.
    """
    matrices = model.matrices
    check_level(level)
    check_adjustment(adjust)
    known = model.precision(df)
    grid = build_grid(matrices, at)
    names, by = _factors(grid, factor)
    averages = grid.average(grid.functions(), [*names, *by])
    families = _families(averages, len(names))
    pairs = [pair for rows in families for pair in combinations(rows, 2)]
    if not pairs:
        raise MmfitError(f"{':'.join(names)} has a single level here; there is nothing to compare")
    first, second = (np.array(side, dtype=np.intp) for side in zip(*pairs, strict=True))
    found = estimates(known, matrices, averages.functions[first] - averages.functions[second])
    columns = _pair_names(averages, pairs, len(names), by)
    p_value, critical = _adjusted(found, families, adjust, level)
    table = tested(columns, found, p_value, critical * found.std_error)
    return with_notes(table, grid, averages, known)


def _pair_names(
    averages: Averages, pairs: list[tuple[int, int]], compared: int, by: list[str]
) -> dict[str, list]:
    """The levels of ``by`` that each pair of means lies in, and the pair in words."""
    texts = labels(averages, compared)
    levels = {name: column for name, column in averages.columns().items() if name in by}
    columns = {name: [column[first] for first, _ in pairs] for name, column in levels.items()}
    columns["contrast"] = [f"{texts[a]} - {texts[b]}" for a, b in pairs]
    return columns


def _adjusted(
    found: FunctionEstimates, families: list[list[int]], adjust: str, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """p-values and critical values (m,) of all pairs within each family, family after family."""
    p_value, critical = np.empty((2, len(found.estimate)))
    begin = 0
    for rows in families:
        own = slice(begin, begin + len(rows) * (len(rows) - 1) // 2)
        begin = own.stop
        p_value[own] = adjusted_p_values(found.statistic[own], found.df[own], len(rows), adjust)
        critical[own] = critical_values(found.df[own], len(rows), adjust, level)
    return p_value, critical


def slopes(
    model: FittedModel,
    covariate: str,
    by: Factor = (),
    *,
    at: At = None,
    df: str = "satterthwaite",
    level: float = 0.95,
) -> pd.DataFrame:
    """Slopes of a covariate, by the levels of factors.

    The derivative of the fixed part with respect to the column, at the cells of the reference
    grid: where the slope changes with the column it is the one at its mean, or at its value in
    ``at``; averaged over the factors that are not in ``by`` (emmeans' ``emtrends``, without its
    one-sided difference).

    Columns: one per factor of ``by``, estimate, std_error, df, statistic (t), p_value (two-sided,
    of a slope of zero), conf_low, conf_high.

    Raises
    ------
    MmfitError
        As :func:`means`, and for a column that is no covariate.
    """
    matrices = model.matrices
    check_level(level)
    known = model.precision(df)
    grid = build_grid(matrices, at)
    name = _covariate(grid, covariate)
    names, within = _factors(grid, by)
    averages = grid.average(grid.slopes(name), [*names, *within])
    found = estimates(known, matrices, averages.functions)
    half = t_quantile(0.5 + level / 2, found.df) * found.std_error
    table = tested(averages.columns(), found, t_p_value(found.statistic, found.df), half)
    return with_notes(table, grid, averages, known)


def _covariate(grid: ReferenceGrid, asked: str) -> str:
    """The name of the covariate asked for, which must have a slope."""
    name = find_predictor(grid.predictors, grid.matrices.design, asked).name
    predictor = grid.predictors[grid.names.index(name)]
    if predictor.kind != COVARIATE:
        raise MmfitError(
            f"{name} is a factor in this model and has no slope; use means or contrasts"
        )
    if not predictor.span > 0:
        raise MmfitError(f"{name} has one value in all rows of the fit; its slope is unknown")
    return name


def mean_factors(matrices: ModelMatrices) -> tuple[str, ...]:
    """Columns of the fixed part that are factors, in order of appearance: what has means."""
    return tuple(p.name for p in predictors(matrices.design) if p.kind != COVARIATE)


def _factors(grid: ReferenceGrid, factor: Factor) -> tuple[list[str], list[str]]:
    """Columns that means go by, and those behind a bar; outer factors of nested ones included."""
    if not isinstance(factor, str) and (not np.iterable(factor) or isinstance(factor, Set)):
        raise MmfitError(f"{factor!r} is not the name of a factor, or a list of names")
    sides = [factor, ()] if not isinstance(factor, str) else _sides(grid, factor)
    names, by = ([n for part in side for n in _columns(grid, part)] for side in sides)
    if len({*names, *by}) < len(names) + len(by):
        raise MmfitError(f"{factor!r} names a factor twice")
    return _closed(grid, names, by)


def _sides(grid: ReferenceGrid, text: str) -> list[list[str]]:
    """The parts of ``a:b | c``; the name of a variable is one part, whatever it contains.

    Raises
    ------
    MmfitError
        For more than one bar, or a text that is a name and a combination of others.
    """
    variables = grid.matrices.design.formula.fixed.variables
    sides = text.split("|")
    parts = [[p.strip() for p in side.split(":") if p.strip()] for side in (*sides, "")[:2]]
    if text in {variable.label for variable in variables}.union(grid.names):
        named = [part for side in parts for part in side]
        if len(named) > 1 and len(sides) <= 2 and set(named) <= set(grid.names):
            raise MmfitError(
                f"{text!r} is a column of the fixed part, and the combination of "
                f"{' and '.join(named)}; give a list of columns, [{text!r}] or {named!r}"
            )
        return [[text], []]
    if len(sides) > 2:
        raise MmfitError(f"{text!r} has more than one '|'")
    return parts


def _columns(grid: ReferenceGrid, name: str) -> list[str]:
    found = find_predictors(grid.predictors, grid.matrices.design, name)
    for predictor in found:
        if not predictor.is_factor and predictor.name not in grid.given:
            raise MmfitError(
                f"{predictor.name} is a covariate; give the values at which to take means, "
                f"at={{{predictor.name!r}: [...]}}, or take its slope"
            )
    return [predictor.name for predictor in found]


def _closed(grid: ReferenceGrid, names: list[str], by: list[str]) -> tuple[list[str], list[str]]:
    """The same with the factors that any of them is nested in; nested ones first, as in emmeans."""

    def around(chosen: list[str]) -> list[str]:
        return [parent for name in chosen for parent in grid.nests.get(name, ())]

    nested = [name for name in names if name in grid.nests]
    outer = [name for name in around(names) if name not in by]
    names = list(dict.fromkeys([*nested, *outer, *names]))
    more = [name for name in around(by) if name not in names]
    return names, list(dict.fromkeys([*by, *more]))


def _offset(matrices: ModelMatrices) -> float:
    return 0.0 if matrices.offset is None else float(matrices.offset.mean())


def _families(averages: Averages, compared: int) -> list[list[int]]:
    """Rows of the means that are compared with each other: those that agree in the rest."""
    families: dict[tuple, list[int]] = {}
    for row, codes in enumerate(averages.codes[:, compared:].tolist()):
        families.setdefault(tuple(codes), []).append(row)
    return list(families.values())
