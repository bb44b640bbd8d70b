"""The data columns behind the fixed part: factors with their levels, covariates with their means.

A column of labels or truth values is a factor. A column of numbers is one where the formula makes
a factor of it (``factor(Days)``); otherwise it is a covariate, which a reference grid holds at its
mean over the rows of the fit. As in emmeans (Lenth), a covariate with two values at most, such as a
0/1 indicator, keeps both of them in the grid.
"""

from dataclasses import dataclass
from functools import partial
from numbers import Real

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_name
from mmfit.errors import AbsentError, MmfitError
from mmfit.expression.columns import Columns
from mmfit.expression.nodes import Call, Name, Node, Parentheses
from mmfit.expression.values import FactorValues
from mmfit.formula.design import DesignInfo
from mmfit.formula.names import column_names

FACTOR, COERCED, COVARIATE = "factor", "coerced", "covariate"
_FACTOR_FUNCTIONS = frozenset({"C", "as.factor", "factor", "interaction", "ordered", "relevel"})


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A data column of the fixed part.

    Attributes
    ----------
    name : str.
    kind : ``factor`` (labels or truth values), ``coerced`` (numbers that the formula makes a factor
        of) or ``covariate``.
    labels : tuple, the levels in order: str, or float where the column is numeric; of a covariate
        its mean, or its two values.
    values : (levels,) array or Categorical, what the column holds at each level.
    span : float, range of a numeric column; 0 for labels.
    """

    name: str
    kind: str
    labels: tuple
    values: np.ndarray | pd.Categorical
    span: float

    @property
    def is_factor(self) -> bool:
        """Whether its levels are what means are taken by, without being asked for by ``at``."""
        return self.kind != COVARIATE or len(self.labels) > 1


def predictors(design: DesignInfo) -> tuple[Predictor, ...]:
    """The columns that the fixed part is made of, in order of appearance."""
    columns = Columns(design.sources, design.categorical)
    roots = [coded.coding.variable.expression.root for coded in design.fixed]
    coerced = {name for root in roots if _makes_factor(root) for name in column_names(root)}
    plain = {
        coded.coding.variable.expression.root.name: coded.coding.levels
        for coded in design.fixed
        if isinstance(coded.coding.variable.expression.root, Name)
    }
    return tuple(
        _predictor(name, columns, plain.get(name), name in coerced) for name in columns.names()
    )


def _predictor(name: str, columns: Columns, levels: tuple | None, coerced: bool) -> Predictor:
    value = columns.value(name)
    if isinstance(value, FactorValues):
        labels = tuple(levels if levels is not None else value.levels)
        texts = pd.Categorical.from_codes(np.arange(len(labels)), labels, value.ordered)
        return Predictor(name, FACTOR, labels, texts, 0.0)
    if not isinstance(value, np.ndarray):
        raise MmfitError(f"the column {name!r} is neither numbers nor labels in every row")
    if value.dtype.kind == "b":
        truth = np.unique(value)
        labels = tuple("TRUE" if true else "FALSE" for true in truth.tolist())
        return Predictor(name, FACTOR, labels, truth, 0.0)
    span = float(value.max() - value.min())
    kept = np.unique(value) if coerced else _two_values(value)
    if kept is None:
        kept = np.array([value.mean()])
    return Predictor(name, COERCED if coerced else COVARIATE, tuple(kept.tolist()), kept, span)


def _two_values(value: np.ndarray) -> np.ndarray | None:
    """The distinct values where there are at most two, or None; without sorting the rows."""
    low, high = value.min(), value.max()
    if not ((value == low) | (value == high)).all():
        return None
    return np.array([low] if low == high else [low, high])


def _makes_factor(root: Node) -> bool:
    while isinstance(root, Parentheses):
        root = root.inner
    return isinstance(root, Call) and root.function in _FACTOR_FUNCTIONS


def find_predictors(
    known: tuple[Predictor, ...], design: DesignInfo, name: str
) -> tuple[Predictor, ...]:
    """The predictor of this name, or those that the variable of this name is made of.

    Raises
    ------
    AbsentError
        For a name that the fixed part does not have.
    """
    check_name(name, "a column of the fixed part")
    by_name = {predictor.name: predictor for predictor in known}
    if name in by_name:
        return (by_name[name],)
    variables = [coded.coding.variable for coded in design.fixed]
    found = [v for v in variables if v.label == name] or [
        v for v in variables if v.label.replace(" ", "") == name.replace(" ", "")
    ]
    if len(found) > 1:
        both = " and ".join(variable.label for variable in found)
        raise MmfitError(f"{name!r} may be {both}; write the spaces as they are there")
    if found:
        inner = column_names(found[0].expression.root)
        return tuple(by_name[column] for column in inner if column in by_name)
    names = ", ".join(by_name) or "none"
    raise AbsentError(f"{name!r} is not a column of the fixed part; its columns are: {names}")


def find_predictor(known: tuple[Predictor, ...], design: DesignInfo, name: str) -> Predictor:
    """The predictor of this name, or that of the variable of this name.

    Raises
    ------
    MmfitError
        For a name that the fixed part does not have, that may be two of its variables, or that of a
        variable made of several columns.
    """
    found = find_predictors(known, design, name)
    if len(found) != 1:
        names = ", ".join(predictor.name for predictor in found)
        raise MmfitError(f"{name} is made of several columns; name one of them: {names}")
    return found[0]


def restrict(predictor: Predictor, wanted) -> Predictor:
    """The predictor at the values that ``at`` names: one value or several.

    Raises
    ------
    MmfitError
        For a level that the rows of the fit did not have, or a covariate's value that is no number.
    """
    single = isinstance(wanted, str | bytes) or not np.iterable(wanted)
    items = [wanted] if single else list(wanted)
    if not items:
        raise MmfitError(f"at: {predictor.name} needs at least one value")
    if predictor.kind == COVARIATE:
        values = np.array([_number(predictor.name, item) for item in items])
        labels = tuple(values.tolist())
        picked = Predictor(predictor.name, COVARIATE, labels, values, predictor.span)
    else:
        places = [_place(predictor, item) for item in items]
        labels = tuple(predictor.labels[k] for k in places)
        picked = Predictor(
            predictor.name, predictor.kind, labels, predictor.values[places], predictor.span
        )
    if len(set(labels)) < len(labels):
        raise MmfitError(f"at: {predictor.name} has a value that is named twice")
    return picked


def _number(name: str, item) -> float:
    if not isinstance(item, Real | np.bool_) or not np.isfinite(item):
        raise MmfitError(f"at: {name} is numeric and needs finite numbers, not {item!r}")
    return float(item)


def _place(predictor: Predictor, item) -> int:
    """The position of a level, given as it is or by its text."""
    text = partial(_text, numeric=predictor.kind == COERCED)
    wanted = text(item)
    for k, label in enumerate(predictor.labels):
        if text(label) == wanted:
            return k
    shown = ", ".join(label_text(label) for label in predictor.labels[:12])
    raise MmfitError(f"at: {predictor.name} has no level {item!r}; its levels are: {shown}")


def _text(item, numeric: bool) -> str:
    if isinstance(item, bool | np.bool_):
        return "TRUE" if item else "FALSE"
    if numeric and not isinstance(item, str):
        return label_text(float(item))
    return label_text(item)


def label_text(label) -> str:
    """A level as text; numbers as R's ``paste`` writes them, with up to 15 digits."""
    return f"{label:.15g}" if isinstance(label, float) else str(label)
