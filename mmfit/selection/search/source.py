"""The rows that the models of a search are built on, and samples of their clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmfit.errors import ComparisonError
from mmfit.expression.columns import Columns
from mmfit.expression.values import FactorValues, sort_codes
from mmfit.formula import ModelMatrices, RandomTerm, build_matrices, parse
from mmfit.formula.complete_rows import take_rows
from mmfit.formula.partition import Partition


@dataclass(frozen=True, slots=True, eq=False)
class RowSource:
    """Rows, and what turns a formula into matrices on them.

    Attributes
    ----------
    frame : DataFrame or mapping of arrays, without missing values in the columns used.
    weights, offset : as for ``mmfit.formula.build``.
    contrasts : contrasts of the fixed part.
    categorical : tuple of str, columns whose numbers are labels.
    """

    frame: Mapping[str, Any]
    weights: str | np.ndarray | None = None
    offset: str | np.ndarray | None = None
    contrasts: Mapping[str, Any] = field(default_factory=dict)
    categorical: tuple[str, ...] = ()

    def build(self, formula: str) -> ModelMatrices:
        """The matrices of a formula on these rows."""
        return build_matrices(
            parse(formula),
            self.frame,
            weights=self.weights,
            offset=self.offset,
            contrasts=self.contrasts,
            categorical=self.categorical,
        )


@dataclass(frozen=True, slots=True)
class Clusters:
    """The levels that are drawn, and the columns that get new labels.

    Attributes
    ----------
    name : str, the grouping factor.
    rows : per level, (rows,) intp array.
    relabelled : tuple of str, columns that name the level, or something within it.
    """

    name: str
    rows: tuple[np.ndarray, ...]
    relabelled: tuple[str, ...]

    def picked(self, rng: np.random.Generator) -> np.ndarray:
        """(levels,) places of as many levels as there are, drawn with replacement."""
        return rng.integers(len(self.rows), size=len(self.rows))


def clusters(models: Sequence[ModelMatrices]) -> Clusters:
    """The coarsest grouping factor of some models: that with the fewest levels.

    Raises
    ------
    ComparisonError
        Without random terms; or where every column of the factor is a fixed effect, too, so that
        drawn levels could not be told apart without changing it.
    """
    terms = [term for matrices in models for term in matrices.random]
    if not terms:
        raise ComparisonError("the cluster bootstrap draws levels of a grouping factor: none here")
    coarse = min(terms, key=lambda term: len(term.levels))
    used, groups = _other_uses(models), _groups(coarse)
    known: dict[str, None] = {}
    for term in terms:
        if term is coarse or term.factors == coarse.factors or _groups(term).is_inside(groups):
            known |= dict.fromkeys(name for name in term.factors if name not in used)
    if not set(known) & set(coarse.factors):
        raise ComparisonError(
            f"the cluster bootstrap draws levels of {coarse.grouping}, but "
            f"{', '.join(coarse.factors)} are effects of the models as well and cannot be "
            "relabelled: use the parametric method"
        )
    return Clusters(coarse.grouping, groups.rows(), tuple(known))


def _groups(term: RandomTerm) -> Partition:
    return Partition(term.codes, len(term.levels))


def drawn(source: RowSource, known: Clusters, rng: np.random.Generator) -> RowSource:
    """As many levels as there are, drawn with replacement; each draw is a level of its own."""
    picked = known.picked(rng)
    rows = np.concatenate([known.rows[level] for level in picked])
    draw = np.repeat(np.arange(len(picked)), [len(known.rows[level]) for level in picked])
    columns = Columns(source.frame)
    new = {name: _relabelled(columns.factor(name), rows, draw) for name in known.relabelled}
    frame = take_rows(source.frame, rows)
    if hasattr(frame, "assign"):
        frame = frame.reset_index(drop=True).assign(**new)
    else:
        frame = {**frame, **new}
    arrays = {
        name: value[rows] if isinstance(value, np.ndarray) else value
        for name, value in (("weights", source.weights), ("offset", source.offset))
    }
    return replace(source, frame=frame, **arrays)


def _relabelled(factor: FactorValues, rows: np.ndarray, draw: np.ndarray):
    """A label for each combination of a draw and an old level."""
    import pandas as pd

    labels, codes = tuple(factor.levels), factor.codes
    if factor.kind == "categorical":
        order = np.array(sorted(range(len(labels)), key=labels.__getitem__), dtype=np.intp)
        labels, codes = tuple(labels[k] for k in order), sort_codes(codes, order)
    draws = Partition(draw, int(draw.max()) + 1)
    met = draws.meet(Partition(codes[rows], len(labels)))
    pairs = zip(met.first.tolist(), met.second.tolist(), strict=True)
    names = [f"{labels[level]}.{which + 1}" for which, level in pairs]
    return pd.Categorical.from_codes(met.place, categories=names)


def _other_uses(models: Sequence[ModelMatrices]) -> set[str]:
    """Columns that are used outside grouping factors."""
    from mmfit.formula.names import column_names

    used: set[str] = set()
    for matrices in models:
        formula = matrices.design.formula
        used |= set(formula.fixed_variables)
        for bar in formula.random:
            used |= set(column_names(*(v.expression.root for v in bar.terms.variables)))
    return used
