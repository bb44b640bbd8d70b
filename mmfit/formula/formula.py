"""The text of a model formula, parsed."""

from dataclasses import dataclass
from functools import lru_cache

from mmfit.errors import FormulaError
from mmfit.expression.deparse import deparse
from mmfit.expression.functions import check_calls
from mmfit.expression.nodes import Binary, Expression, Node, Unary, walk
from mmfit.expression.parser import Parser, one_line
from mmfit.formula.bars import Bar, expand_bar, take_bars
from mmfit.formula.names import column_names
from mmfit.formula.terms import Encoder, Terms, flatten
from mmfit.formula.transforms import FORMULA_FUNCTIONS


@dataclass(frozen=True, slots=True)
class Formula:
    """A mixed-model formula.

    Attributes
    ----------
    text : str, as written (line breaks as spaces).
    response : str, the left-hand side in R's spelling; ``""`` for a one-sided formula.
    response_expression : Expression or None.
    fixed : Terms of the fixed part.
    random : tuple of Bar, ``/`` and ``||`` expanded, in the order of the text.
    variables : tuple of str, every data column used, in order of appearance.
    fixed_variables : tuple of str, data columns of the fixed part (offsets included).
    grouping_factors : tuple of str, data columns of the grouping factors, in order of appearance.
    """

    text: str
    response: str
    response_expression: Expression | None
    fixed: Terms
    random: tuple[Bar, ...]
    variables: tuple[str, ...]
    fixed_variables: tuple[str, ...]
    grouping_factors: tuple[str, ...]


@lru_cache(maxsize=512)
def parse(text: str, *, response: bool = True) -> Formula:
    """Parse a formula in lme4's language.

    Parameters
    ----------
    text : str, such as ``log(Reaction) ~ Days * sex + (Days | Subject)``.
    response : bool; False reads a one-sided formula, ``~ x + (1 | g)``.

    Raises
    ------
    FormulaError
        With a caret below the place, where there is one.

    >>> parse("y ~ x + (1 | region/clinic)").random[0].grouping.name
    'clinic:region'
    """
    line = one_line(text)
    root = Parser(line, formula=True).parse()
    check_calls(Expression(root, line), FORMULA_FUNCTIONS)
    left, right = _sides(root, line, response)
    items, bars = take_bars(flatten(right), line)
    fixed = Encoder(line).terms(items)
    random = tuple(part for bar in bars for part in expand_bar(bar, line))
    label = "" if left is None else deparse(left)
    _check_response(label, fixed, line)
    nodes = [right] if left is None else [left, right]
    return Formula(
        text=line.strip(),
        response=label,
        response_expression=None if left is None else Expression(left, line),
        fixed=fixed,
        random=random,
        variables=column_names(*nodes),
        fixed_variables=_fixed_columns(fixed),
        grouping_factors=column_names(*(bar.right for bar in bars)),
    )


def _sides(root: Node, text: str, response: bool) -> tuple[Node | None, Node]:
    tildes = [node for node in walk(root) if getattr(node, "operator", "") == "~"]
    if not tildes:
        raise FormulaError("a formula needs '~': response ~ terms", text, len(text.rstrip()))
    if len(tildes) > 1:
        raise FormulaError("a formula has one '~'", text, max(t.position for t in tildes))
    if isinstance(root, Binary) and root.operator == "~":
        if response:
            return _checked_left(root.left, text), root.right
        message = "this formula takes no response: ~ terms"
        raise FormulaError(message, text, root.left.position)
    if isinstance(root, Unary) and root.operator == "~":
        if not response:
            return None, root.operand
        raise FormulaError("the response is missing before '~'", text, root.position)
    raise FormulaError("'~' stands between the response and the terms", text, tildes[0].position)


def _checked_left(left: Node, text: str) -> Node:
    for node in walk(left):
        if getattr(node, "operator", "") in ("|", "||", ":"):
            raise FormulaError("the response is one number per row", text, node.position)
    if not column_names(left):
        raise FormulaError("the response uses no column", text, left.position)
    return left


def _check_response(response: str, fixed: Terms, text: str) -> None:
    for variable in fixed.variables:
        if variable.label == response:
            message = f"the response {response} stands among the terms, too"
            raise FormulaError(message, text, variable.expression.root.position)


def _fixed_columns(fixed: Terms) -> tuple[str, ...]:
    variables = (*fixed.variables, *fixed.offsets)
    return column_names(*(variable.expression.root for variable in variables))
