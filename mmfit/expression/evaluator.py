"""Trees evaluated over columns."""

import difflib
from collections.abc import Callable, Mapping

import numpy as np

from mmfit.errors import FormulaError
from mmfit.expression import compare
from mmfit.expression.columns import Columns
from mmfit.expression.deparse import deparse
from mmfit.expression.functions import FUNCTIONS, bind
from mmfit.expression.labels import LabelError, Literal
from mmfit.expression.nodes import (
    Binary,
    Boolean,
    Call,
    Expression,
    Name,
    Node,
    Number,
    Parentheses,
    Text,
    Unary,
    ValueList,
)
from mmfit.expression.values import (
    FactorValues,
    LabelledNumbers,
    Logical,
    Matrix,
    Value,
    as_numbers,
)

_ARITHMETIC: Mapping[str, Callable] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "%%": np.mod,
}
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})

Special = Callable[["Evaluator", Call], Value]


class Evaluator:
    """Evaluates the parts of one expression over the columns of one frame.

    Parameters
    ----------
    columns : Columns.
    text : str, the text of the expression, for messages.
    special : functions beyond the elementwise ones, given the evaluator and the call.
    """

    def __init__(self, columns: Columns, text: str, special: Mapping[str, Special] | None = None):
        self.columns = columns
        self.text = text
        self.special = special or {}

    def value(self, node: Node) -> Value:
        """The value of a tree: an array over the rows, or one number, truth value or text."""
        match node:
            case Name():
                return self.column(node)
            case Number(value=value) | Text(value=value) | Boolean(value=value):
                return value
            case Parentheses(inner=inner):
                return self.value(inner)
            case Binary():
                return self.binary(node)
            case Unary():
                return self.unary(node)
            case Call():
                return self.call(node)
            case ValueList():
                self.fail("a list stands only to the right of 'in' or %in%", node)

    def column(self, node: Name) -> Value:
        if node.name not in self.columns:
            self.fail(unknown_column(node.name, self.columns.names()), node)
        return self.columns.value(node.name)

    def single(self, node: Node) -> Value:
        """The value of a tree that is one column or one constant."""
        value = self.value(node)
        if isinstance(value, Matrix):
            self.fail(f"{deparse(node)} is several columns; it can only be a term by itself", node)
        return value

    def numbers(self, node: Node) -> np.ndarray | float:
        """The value of a tree as float64; truth values count as 0 and 1."""
        value = self.single(node)
        if isinstance(value, FactorValues | str):
            kind = "a text" if isinstance(value, str) else "categorical"
            self.fail(f"a number is needed here, but {deparse(node)} is {kind}", node)
        return as_numbers(value)

    def truth(self, node: Node) -> np.ndarray | bool | Logical:
        """The value of a tree as truth values; numbers other than zero are true."""
        value = self.single(node)
        if isinstance(value, FactorValues | str):
            self.fail(f"a truth value is needed here, but {deparse(node)} is a text", node)
        return compare.truth(value)

    def unary(self, node: Unary) -> Value:
        if node.operator == "!":
            return compare.negate(self.truth(node.operand))
        value = self.numbers(node.operand)
        if node.operator == "+":
            return value
        return Literal(f"-{value.spelling}") if isinstance(value, Literal) else -value

    def binary(self, node: Binary) -> Value:
        operator = node.operator
        if operator in _ARITHMETIC:
            left, right = self.numbers(node.left), self.numbers(node.right)
            with np.errstate(all="ignore"):
                return _plain(_ARITHMETIC[operator](left, right))
        if operator in _COMPARISONS:
            return self.comparison(node)
        if operator == "%in%":
            return self.membership(node)
        left, right = self.truth(node.left), self.truth(node.right)
        return (
            compare.conjunction(left, right)
            if operator == "&"
            else compare.disjunction(left, right)
        )

    def comparison(self, node: Binary) -> Value:
        left, right = self.single(node.left), self.single(node.right)
        try:
            return compare.compare(node.operator, left, right)
        except (compare.NoOrderError, compare.AmbiguousLabelError, LabelError) as error:
            self.fail(str(error), node)

    def membership(self, node: Binary) -> Value:
        left = self.single(node.left)
        choices = node.right
        while isinstance(choices, Parentheses):
            choices = choices.inner
        items = choices.items if isinstance(choices, ValueList) else (choices,)
        values = [self.single(item) for item in items]
        for item, value in zip(items, values, strict=True):
            if not isinstance(value, float | bool | str):
                self.fail("a list holds numbers, texts or truth values, not columns", item)
        try:
            return compare.member(left, values)
        except (compare.AmbiguousLabelError, LabelError) as error:
            self.fail(str(error), node)

    def call(self, node: Call) -> Value:
        special = self.special.get(node.function)
        if special is not None:
            return special(self, node)
        if node.function == "I":
            return self.value(node.arguments[0].value)
        if node.function in ("is_missing", "is.na"):
            return compare.missing(self.single(node.arguments[0].value))
        if node.function == "ifelse":
            return self.choice(node)
        function = FUNCTIONS[node.function]
        if function.options:
            given = bind(node, function.options)
            parts = [given[name] for name in function.options if name in given]
        else:
            parts = [argument.value for argument in node.arguments]
        with np.errstate(all="ignore"):
            return _plain(function.apply(*map(self.numbers, parts)))

    def choice(self, node: Call) -> Value:
        names = FUNCTIONS["ifelse"].options
        given = bind(node, names)
        test, yes, no = (given[name] for name in names)
        left, right = self.single(yes), self.single(no)
        labels = [isinstance(side, FactorValues | str) for side in (left, right)]
        if any(labels) and not all(
            isinstance(v, FactorValues | str | LabelledNumbers) for v in (left, right)
        ):
            self.fail("ifelse would mix numbers and texts in one column", node)
        return compare.choose(self.truth(test), left, right, self.columns.length)

    def fail(self, message: str, node: Node) -> None:
        raise FormulaError(message, self.text, node.position)


def _plain(value: np.ndarray | float) -> np.ndarray | float:
    return value if isinstance(value, np.ndarray) else float(value)


def unknown_column(name: str, names: list[str]) -> str:
    """The message about a column that does not exist, with the nearest name that does."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not near:
        lower = [known for known in names if known.lower() == name.lower()]
        near = lower[:1]
    if near:
        return f"there is no column {name!r}; did you mean {near[0]!r}?"
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"there is no column {name!r}; the columns are {shown or 'none'}"


def evaluate_value(expression: Expression, columns: Columns) -> Value:
    """The value of an expression of the plain language (no stateful functions)."""
    return Evaluator(columns, expression.text).value(expression.root)
