"""The syntax tree shared by expressions and formulas.

Positions are offsets into the text that was parsed; they serve messages only and take no part in
equality, so that two spellings of one expression compare equal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Boolean:
    """A truth value; ``spelling`` is ``T`` or ``F`` where R's short names were used."""

    value: bool
    position: int = field(default=0, compare=False)
    spelling: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A column."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parentheses:
    """Parentheses; kept, because R keeps them in the names of coefficients."""

    inner: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """``-``, ``+``, ``!`` or (in formulas) a leading ``~``."""

    operator: str
    operand: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """An infix operator, spelt as in R: ``^`` for ``**``, ``%%`` for ``%``, ``%in%`` for ``in``."""

    operator: str
    left: "Node"
    right: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call; ``name`` is None for a positional one."""

    name: str | None
    value: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Argument, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ValueList:
    """A list of values: ``[1, 2]`` or ``c(1, 2)``."""

    items: tuple["Node", ...]
    position: int = field(default=0, compare=False)


Node = Number | Text | Boolean | Name | Parentheses | Unary | Binary | Call | ValueList


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and the text that it stands in (for a part of a formula, all of it)."""

    root: Node
    text: str = field(default="", compare=False)


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node, in the order in which they were written."""
    match node:
        case Parentheses(inner=inner):
            return (inner,)
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Call(arguments=arguments):
            return tuple(argument.value for argument in arguments)
        case ValueList(items=items):
            return items
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Every node, parents first, in the order of the text; without recursion."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(children(current)))
