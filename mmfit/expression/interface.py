"""Evaluation of whole expressions, with results as plain numpy or pandas arrays."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfit.errors import FormulaError
from mmfit.expression.columns import SourceColumns
from mmfit.expression.compare import is_truth
from mmfit.expression.evaluator import evaluate_value
from mmfit.expression.nodes import Expression, Name, walk
from mmfit.expression.parser import parse
from mmfit.expression.values import FactorValues, LabelledNumbers, Logical, Value


def variables(expression: Expression | str) -> tuple[str, ...]:
    """Names of the columns that an expression uses, in order of appearance, each once.

    >>> variables("log(y / x) + y")
    ('y', 'x')
    """
    root = _parsed(expression).root
    return tuple(dict.fromkeys(node.name for node in walk(root) if isinstance(node, Name)))


def evaluate(expression: Expression | str, frame: Mapping[str, Any]) -> Any:
    """Evaluate an expression for every row of a frame.

    Parameters
    ----------
    expression : Expression or str.
    frame : DataFrame, or mapping of names to one-dimensional arrays of one length.

    Returns
    -------
    (n,) float64 array for numbers (missing: NaN); (n,) bool array for truth values (a pandas
    ``boolean`` array where some are unknown because a value was missing); (n,) object array for
    texts; a pandas Categorical for a categorical column.

    Raises
    ------
    FormulaError
        Malformed text, unknown column or function, operands of the wrong kind.
    """
    return evaluate_with_texts(expression, frame)[0]


def evaluate_with_texts(
    expression: Expression | str, frame: Mapping[str, Any], categorical: tuple[str, ...] = ()
) -> tuple[Any, np.ndarray | None]:
    """``evaluate``, and the texts of numbers that are labels as well, (n,) objects, or None.

    ``categorical`` are the columns whose numbers are labels: ``==`` compares them as texts.
    """
    columns = SourceColumns(frame, categorical)
    value = evaluate_value(_parsed(expression), columns)
    texts = _labels(value.factor) if isinstance(value, LabelledNumbers) else None
    return _result(value, columns.length), texts


def condition(
    expression: Expression | str, frame: Mapping[str, Any], categorical: tuple[str, ...] = ()
) -> np.ndarray:
    """The rows for which an expression is true, as an (n,) bool array.

    Where a missing value makes the answer unknown, the row does not count as true: both ``x > 3``
    and ``!(x > 3)`` leave out the rows without ``x``.

    Raises
    ------
    FormulaError
        As ``evaluate``, and where the expression gives numbers or texts.
    """
    parsed = _parsed(expression)
    columns = SourceColumns(frame, categorical)
    value = evaluate_value(parsed, columns)
    if isinstance(value, Logical):
        return value.true
    if not is_truth(value):
        kind = "texts" if isinstance(value, FactorValues | str) else "numbers"
        message = f"a condition such as Days >= 2 is needed, but this gives {kind}"
        raise FormulaError(message, parsed.text, 0)
    return np.array(np.broadcast_to(value, columns.length))


def _parsed(expression: Expression | str) -> Expression:
    return expression if isinstance(expression, Expression) else parse(expression)


def _result(value: Value, length: int) -> Any:
    if isinstance(value, Logical):
        from pandas.arrays import BooleanArray

        return BooleanArray(value.true.copy(), value.unknown.copy())
    if isinstance(value, FactorValues):
        return _labels(value)
    if isinstance(value, LabelledNumbers):
        return value.numbers.copy()
    if isinstance(value, str):
        return np.full(length, value, dtype=object)
    if isinstance(value, np.ndarray):
        # A column that was read as it stands still shares memory with the frame.
        return value.copy()
    return np.full(length, value)


def _labels(factor: FactorValues) -> Any:
    if factor.kind == "categorical":
        import pandas as pd

        return pd.Categorical.from_codes(factor.codes, list(factor.levels), ordered=factor.ordered)
    return np.array([*factor.levels, None], dtype=object)[factor.codes]
