"""Terms of a formula: what R's ``terms()`` computes, by R's algorithm.

A term is a set of variables, held as a bit mask over the variables in order of appearance
(R Core, ``src/library/stats/src/model.c``; Chambers & Hastie 1992, Statistical Models in S, ch. 2).
"""

from dataclasses import dataclass

from mmfit.errors import FormulaError
from mmfit.expression.deparse import deparse
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

MAX_TERMS = 5000


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a formula in R's sense: a column or a call, under R's name for it."""

    label: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one side of a formula, ordered by degree.

    Attributes
    ----------
    intercept : bool.
    variables : tuple of Variable, in order of appearance.
    members : per term, the indices of its variables, ascending.
    labels : per term, its name (``a:b``).
    contrasted : per term and variable, True where a factor is coded by contrasts because the term
        without it is in the model (R's code 1), False where by dummy variables (code 2).
    offsets : tuple of Variable, what stood in ``offset()``.
    """

    intercept: bool
    variables: tuple[Variable, ...]
    members: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    contrasted: tuple[tuple[bool, ...], ...]
    offsets: tuple[Variable, ...] = ()

    def split(self) -> tuple["Terms", ...]:
        """The parts that ``||`` makes independent: the intercept, then each term by itself."""
        parts = [make_terms(True, (), [])] if self.intercept else []
        for members in self.members:
            variables = tuple(self.variables[k] for k in members)
            parts.append(make_terms(False, variables, [(1 << len(variables)) - 1]))
        return tuple(parts)


def make_terms(
    intercept: bool, variables: tuple[Variable, ...], masks: list[int], offsets=()
) -> Terms:
    """Order masks by degree (stably), name them and decide how factors are coded in each."""
    ordered = sorted(masks, key=int.bit_count)
    members = tuple(tuple(k for k in range(len(variables)) if mask >> k & 1) for mask in ordered)
    labels = tuple(":".join(variables[k].label for k in term) for term in members)
    contrasted = tuple(
        tuple(_has_margin(mask & ~(1 << k), ordered[:place]) for k in members[place])
        for place, mask in enumerate(ordered)
    )
    return Terms(intercept, variables, members, labels, contrasted, tuple(offsets))


def _has_margin(margin: int, preceding: list[int]) -> bool:
    """Whether a margin is empty or contained in a term that precedes (R's ``TermCode``)."""
    return margin == 0 or any(margin & ~mask == 0 for mask in preceding)


class Encoder:
    """Expands the operators of a formula into masks; one for each side of it.

    Parameters
    ----------
    text : str, the whole formula, for messages.
    """

    def __init__(self, text: str):
        self.text = text
        self.intercept = True
        self.adding = True
        self.bits: dict[str, int] = {}
        self.variables: list[Variable] = []
        self.offsets: list[Variable] = []

    def terms(self, items: list[tuple[str, Node]]) -> Terms:
        """The terms of a sum of signed items."""
        masks = self.sum(items)
        return make_terms(self.intercept, tuple(self.variables), masks, self.offsets)

    def sum(self, items: list[tuple[str, Node]]) -> list[int]:
        masks: dict[int, None] = {}
        for sign, node in items:
            if sign == "+":
                masks.update(dict.fromkeys(self.encode(node)))
                continue
            self.adding = not self.adding
            removed = self.encode(node)
            self.adding = not self.adding
            for mask in removed:
                masks.pop(mask, None)
        return list(masks)

    def encode(self, node: Node) -> list[int]:
        """The masks of one item; 0 and 1 switch the intercept and give none."""
        match node:
            case Number():
                return self.constant(node)
            case Parentheses(inner=inner):
                return self.sum(flatten(inner))
            case Unary(operator="+" | "-") | Binary(operator="+" | "-"):
                return self.sum(flatten(node))
            case Binary(operator=":" | "*" | "/" | "^" | "%in%"):
                return self.product(node)
            case Call(function="offset"):
                argument = node.arguments[0].value
                self.offsets.append(Variable(deparse(node), Expression(argument, self.text)))
                return []
            case _:
                return [self.variable(node)]

    def constant(self, node: Number) -> list[int]:
        if node.value not in (0.0, 1.0):
            self.fail(
                "a number among the terms can only be 0 or 1; arithmetic goes in I(...)", node
            )
        self.intercept = (node.value == 1.0) == self.adding
        return []

    def product(self, node: Binary) -> list[int]:
        if node.operator == "^":
            return self.power(node)
        left, right = self.encode(node.left), self.encode(node.right)
        match node.operator:
            case ":":
                masks = _crossed(left, right)
            case "*":
                masks = left + right + _crossed(left, right)
            case "/":
                masks = left + [mask | _union(left) for mask in right]
            case _:
                masks = [mask | _union(right) for mask in left]
        masks = _unique(masks)
        if len(masks) > MAX_TERMS:
            self.fail(f"this expands into more than {MAX_TERMS} terms", node)
        return masks

    def power(self, node: Binary) -> list[int]:
        exponent = node.right
        while isinstance(exponent, Parentheses):
            exponent = exponent.inner
        if not isinstance(exponent, Number) or exponent.value < 1 or exponent.value % 1:
            message = "among the terms ^ needs a whole number from 1; a power of x is I(x^2)"
            self.fail(message, node.right)
        base = self.encode(node.left)
        masks = base
        for _ in range(min(int(exponent.value), len(base)) - 1):
            masks = _unique(_crossed(masks, base))
            if len(masks) > MAX_TERMS:
                self.fail(f"this expands into more than {MAX_TERMS} terms", node)
        return masks

    def variable(self, node: Node) -> int:
        if isinstance(node, Text | Boolean | ValueList):
            self.fail("a column or a function of columns is expected here", node)
        if isinstance(node, Name) and node.name == ".":
            self.fail("'.' (all other columns) is not supported; name the columns", node)
        if isinstance(node, Binary) and node.operator in ("|", "||", "~"):
            self.fail("a bar belongs in parentheses, as (1 | group), added with +", node)
        label = deparse(node)
        if label not in self.bits:
            self.bits[label] = 1 << len(self.bits)
            self.variables.append(Variable(label, Expression(node, self.text)))
        return self.bits[label]

    def fail(self, message: str, node: Node) -> None:
        raise FormulaError(message, self.text, node.position)


def flatten(node: Node) -> list[tuple[str, Node]]:
    """A sum as signed items, in order; iterative, because sums may be long."""
    items = []
    while True:
        if isinstance(node, Binary) and node.operator in ("+", "-"):
            items.append((node.operator, node.right))
            node = node.left
        elif isinstance(node, Unary) and node.operator in ("+", "-"):
            items.append((node.operator, node.operand))
            break
        else:
            items.append(("+", node))
            break
    return items[::-1]


def _unique(masks: list[int]) -> list[int]:
    return list(dict.fromkeys(masks))


def _crossed(left: list[int], right: list[int]) -> list[int]:
    return [a | b for a in left for b in right]


def _union(masks: list[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union
