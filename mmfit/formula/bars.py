"""Random terms: the bars of a formula, taken out of it and expanded as lme4 does.

(Bates, Mächler, Bolker & Walker 2015, J. Stat. Softw. 67(1), section 2 and table 2.)
"""

from dataclasses import dataclass

from mmfit.errors import FormulaError
from mmfit.expression.deparse import deparse
from mmfit.expression.nodes import (
    Binary,
    Call,
    Expression,
    Name,
    Node,
    Parentheses,
    Unary,
    ValueList,
    children,
)
from mmfit.formula.names import column_names
from mmfit.formula.terms import Encoder, Terms, Variable, flatten


@dataclass(frozen=True, slots=True)
class Grouping:
    """A grouping factor: one variable, or the combinations of several.

    Attributes
    ----------
    name : str, lme4's name: ``clinic:region``, ``c:(b:a)``.
    factors : tuple of Variable, first factor slowest in the order of the levels.
    columns : tuple of str, the data columns that they use.
    """

    name: str
    factors: tuple[Variable, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One random term after expansion: unstructured over its terms, independent of other bars.

    Attributes
    ----------
    text : str, as it would be written: ``0 + Days | Subject``.
    terms : Terms of the left-hand side.
    grouping : Grouping.
    position : int, where the bar that it came from stands in the formula.
    """

    text: str
    terms: Terms
    grouping: Grouping
    position: int


Items = list[tuple[str, Node]]


def take_bars(items: Items, text: str) -> tuple[Items, list[Binary]]:
    """Divide a sum into its fixed items and its bars, in order.

    Raises
    ------
    FormulaError
        For a bar outside parentheses, under another operator than ``+``, or inside a bar.
    """
    fixed: Items = []
    bars: list[Binary] = []
    for sign, node in items:
        bar = _find_bar(node)
        if bar is None:
            fixed.append((sign, node))
            continue
        inner = node
        while isinstance(inner, Parentheses):
            inner = inner.inner
        if sign == "-":
            raise FormulaError(
                "a random term cannot be subtracted; leave it out", text, bar.position
            )
        if inner is node:
            raise FormulaError(_misplaced(node), text, bar.position)
        if _is_bar(inner):
            bars.append(inner)
            continue
        more_fixed, more_bars = take_bars(flatten(inner), text)
        fixed.extend(more_fixed)
        bars.extend(more_bars)
    return fixed, bars


def _is_bar(node: Node) -> bool:
    return isinstance(node, Binary) and node.operator in ("|", "||")


def _find_bar(node: Node) -> Binary | None:
    """The first bar among the terms; those within calls are logical operators."""
    pending = [node]
    while pending:
        current = pending.pop()
        if _is_bar(current):
            return current
        if not isinstance(current, Call | ValueList):
            pending.extend(reversed(children(current)))
    return None


def _misplaced(node: Node) -> str:
    if _is_bar(node):
        return "a random term stands in parentheses: write + (1 | group), not + 1 | group"
    return "a random term can only be added with +, not combined by another operator"


def expand_bar(bar: Binary, text: str) -> list[Bar]:
    """The bars that one bar stands for: ``||`` by term, then ``/`` by grouping factor.

    Raises
    ------
    FormulaError
        For a side that is empty or has no meaning.
    """
    nested = _find_bar(bar.left) or _find_bar(bar.right)
    if nested is not None:
        raise FormulaError("a bar stands within another bar", text, nested.position)
    terms = Encoder(text).terms(flatten(bar.left))
    if terms.offsets:
        raise FormulaError("offset() has no place in a random term", text, bar.position)
    if not terms.intercept and not terms.members:
        raise FormulaError("nothing varies: the left of the bar is empty", text, bar.position)
    if bar.operator == "|":
        sides = [(deparse(bar.left), terms)]
    else:
        sides = [(_left_text(part), part) for part in terms.split()]
    groupings = expand_grouping(bar.right, text)
    return [
        Bar(f"{left} | {grouping.name}", part, grouping, bar.position)
        for left, part in sides
        for grouping in groupings
    ]


def _left_text(part: Terms) -> str:
    return "1" if part.intercept else f"0 + {part.labels[0]}"


def expand_grouping(node: Node, text: str) -> list[Grouping]:
    """Grouping factors of a bar's right-hand side, innermost first.

    ``a/b`` gives ``b:a`` and ``a``; ``a/b/c`` gives ``c:(b:a)``, ``b:a`` and ``a``.
    """
    match node:
        case Parentheses(inner=inner):
            return expand_grouping(inner, text)
        case Binary(operator="/"):
            outer = expand_grouping(node.left, text)
            inner = expand_grouping(node.right, text)
            return [_combined(factor, outer[0]) for factor in inner] + outer
        case Binary(operator=":"):
            left, right = (expand_grouping(side, text) for side in (node.left, node.right))
            if len(left) + len(right) > 2:
                raise FormulaError("'/' within ':' has no meaning here", text, node.position)
            return [_combined(left[0], right[0])]
        case Name() | Call():
            variable = Variable(deparse(node), Expression(node, text))
            return [Grouping(variable.label, (variable,), column_names(node))]
        case Binary(operator="+" | "*"):
            message = (
                "grouping factors are not added: write (1 | a) + (1 | b), (1 | a:b) or (1 | a/b)"
            )
            raise FormulaError(message, text, node.position)
        case Unary() | _:
            message = "right of the bar stands a grouping factor: g, a:b or a/b"
            raise FormulaError(message, text, node.position)


def _combined(first: Grouping, second: Grouping) -> Grouping:
    tail = f"({second.name})" if len(second.factors) > 1 else second.name
    return Grouping(
        f"{first.name}:{tail}",
        first.factors + second.factors,
        tuple(dict.fromkeys(first.columns + second.columns)),
    )
