"""Variables of a formula as numbers or as coded factors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmfit.errors import DataError, DesignError
from mmfit.expression.columns import Columns
from mmfit.expression.labels import Labels
from mmfit.expression.nodes import Name
from mmfit.expression.values import FactorValues, Logical, Matrix, Value
from mmfit.formula.contrasts import Contrast, ContrastChoice, make_contrast, read_choice
from mmfit.formula.factors import SPECIAL, factor_of
from mmfit.formula.names import column_names
from mmfit.formula.terms import Variable
from mmfit.formula.transforms import FormulaEvaluator, States

# 4 GiB of float64: beyond it a factor was almost surely meant as a grouping factor.
MAX_CELLS = 1 << 29


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """How a variable becomes columns.

    Attributes
    ----------
    variable : Variable.
    levels : tuple of str for a factor, or None for numbers.
    contrast : Contrast of a factor, or None.
    suffixes : tuple of str, names of the columns of a numeric variable behind its own (``("",)``
        for a single column).
    """

    variable: Variable
    levels: tuple[str, ...] | None
    contrast: Contrast | None
    suffixes: tuple[str, ...]

    def width(self, contrasted: bool) -> int:
        """Number of columns."""
        if self.levels is None:
            return len(self.suffixes)
        return len(self.contrast.names) if contrasted else len(self.levels)


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A variable with its data.

    Attributes
    ----------
    coding : Coding.
    data : (n,) intp codes of a factor; (n,) or (n, k) float64 array of numbers.
    """

    coding: Coding
    data: np.ndarray


class VariableReader:
    """Evaluates the variables of one formula over one frame, each once.

    Parameters
    ----------
    columns : Columns;  text : str, the formula;  states : States of the stateful functions.
    """

    def __init__(self, columns: Columns, text: str, states: States):
        self.columns = columns
        self.states = states
        self.evaluator = FormulaEvaluator(columns, text, states, SPECIAL)
        self._values: dict[str, Value] = {}

    def value(self, variable: Variable) -> Value:
        """The value of a variable, checked: nothing missing, every number finite."""
        value = self._values.get(variable.label)
        if value is None:
            value = self.evaluator.value(variable.expression.root)
            value = self._checked(variable, value)
            self._values[variable.label] = value
        return value

    def factor(self, variable: Variable) -> FactorValues:
        """A variable as a factor, whatever it holds."""
        node = variable.expression.root
        factor = factor_of(self.evaluator, node)
        if len(factor.codes) and factor.codes.min() < 0:
            raise DataError(_missing_message(variable, factor.codes < 0))
        return factor

    def numbers(self, variable: Variable, role: str) -> np.ndarray:
        """A variable as one column of finite numbers (response, weights, offset)."""
        value = self.value(variable)
        if not isinstance(value, np.ndarray) or value.dtype.kind == "b":
            raise DataError(
                f"the {role} {variable.label} must be numeric, but it is {_kind(value)}"
            )
        return value

    def _checked(self, variable: Variable, value: Value) -> Value:
        if isinstance(value, float | bool | str):
            if isinstance(value, str):
                self.evaluator.fail("a text is no term", variable.expression.root)
            value = np.full(self.columns.length, float(value))
        if isinstance(value, FactorValues):
            if len(value.codes) and value.codes.min() < 0:
                raise DataError(_missing_message(variable, value.codes < 0))
        elif isinstance(value, Logical):
            raise DataError(_missing_message(variable, value.unknown))
        else:
            numbers = value.columns if isinstance(value, Matrix) else value
            if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
                self._refuse(variable, numbers)
        return value

    def _refuse(self, variable: Variable, numbers: np.ndarray) -> None:
        """Say where a variable is not finite, and what it was made from there."""
        bad = ~np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
        row = int(np.flatnonzero(bad)[0])
        node = variable.expression.root
        if isinstance(node, Name) and np.isnan(numbers[row]).any():
            raise DataError(_missing_message(variable, bad))
        sources = []
        for name in column_names(node):
            column = self.columns.value(name)
            if isinstance(column, np.ndarray):
                if np.isnan(float(column[row])):
                    raise DataError(_missing_message(Variable(name, variable.expression), bad))
                sources.append(f"{name} = {float(column[row]):g}")
        shown = float(np.ravel(numbers[row])[0])
        where = f"in row {row + 1}" + ("" if isinstance(node, Name) else f" ({', '.join(sources)})")
        more = f"; {int(bad.sum())} rows in all" if bad.sum() > 1 else ""
        message = f"{variable.label} must be finite, but is {shown:g} {where}{more}"
        self.evaluator.fail(message, node)


def _missing_message(variable: Variable, where: np.ndarray) -> str:
    rows = np.flatnonzero(where)
    more = f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
    return f"{variable.label} is missing in row {rows[0] + 1}{more}; leave such rows out first"


def _kind(value: Value) -> str:
    if isinstance(value, Matrix):
        return "several columns"
    if isinstance(value, FactorValues):
        return "text" if value.kind == "text" else "categorical"
    return "a truth value"


def code_variable(
    variable: Variable, value: Value, contrasts: Mapping[str, object] | None = None
) -> Coded:
    """Decide how a variable becomes columns, from its value in the rows of the fit.

    The contrast is the one that ``contrasts`` names for the variable, or else the one that ``C()``
    gave it, or else polynomial for an ordered factor and treatment for the others (R's defaults).

    Raises
    ------
    DesignError
        For a factor with a single level, or with so many that its columns would not fit in memory.
    DataError
        For contrasts that do not fit.
    """
    chosen = _chosen(variable, contrasts) if contrasts else None
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        value = FactorValues(value.astype(np.intp), ("FALSE", "TRUE"))
    if not isinstance(value, FactorValues):
        if chosen is not None:
            raise DataError(f"contrasts are given for {variable.label}, which is numeric")
        if isinstance(value, Matrix):
            return Coded(Coding(variable, None, None, value.suffixes), value.columns)
        return Coded(Coding(variable, None, None, ("",)), value)
    if len(value.levels) < 2:
        only = f" ({value.levels[0]!r})" if value.levels else ""
        raise DesignError(f"the factor {variable.label} has a single level{only}; two are needed")
    if len(value.levels) * len(value.codes) > MAX_CELLS:
        raise DesignError(too_large(variable.label, len(value.levels) - 1, len(value.codes)))
    choice = value.contrast or ContrastChoice("poly" if value.ordered else "treatment")
    if chosen is not None:
        choice = read_choice(chosen, variable.label, value.levels)
    contrast = make_contrast(choice, value.levels, variable.label)
    return Coded(Coding(variable, tuple(value.levels), contrast, ("",)), value.codes)


def _chosen(variable: Variable, contrasts: Mapping[str, object]) -> object:
    """The contrast given for a variable by its label, or for a column by its name."""
    label, root = variable.label, variable.expression.root
    name = root.name if isinstance(root, Name) else label
    if name != label and name in contrasts and label in contrasts:
        raise DataError(f"contrasts: {name!r} and {label!r} are one column; give one contrast")
    return contrasts.get(label, contrasts.get(name))


def too_large(label: str, columns: int, rows: int) -> str:
    """The message about a term that takes too much memory."""
    return (
        f"the term {label} would take {columns} columns over {rows} rows; "
        f"was a grouping factor meant, (1 | {label})?"
    )


def align(coding: Coding, value: Value) -> Coded:
    """A variable's value on new rows under a coding that was decided before.

    Raises
    ------
    DataError
        For a level that the rows of the fit did not have, or numbers where labels were.
    """
    label = coding.variable.label
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        value = FactorValues(value.astype(np.intp), ("FALSE", "TRUE")).without_unused()
    if (coding.levels is None) == isinstance(value, FactorValues):
        raise DataError(f"{label} is a factor in one of fit and new data, and numeric in the other")
    if coding.levels is None:
        return Coded(coding, value.columns if isinstance(value, Matrix) else value)
    codes = match_levels(value, coding.levels)
    if len(codes) and codes.min() < 0:
        strange = next(level for level in value.levels if level not in coding.levels)
        raise DataError(
            f"{label} has the level {strange!r}, which the rows of the fit did not have"
        )
    return Coded(coding, codes)


def match_levels(factor: FactorValues, levels: tuple[str, ...] | Labels) -> np.ndarray:
    """Codes of a factor among other levels; -1 for a label that is not among them."""
    place = {level: k for k, level in enumerate(levels)}
    codes = np.array([place.get(label, -1) for label in factor.levels] + [-1], dtype=np.intp)
    return codes[factor.codes]
