"""Trees written as R's ``deparse`` writes them; R names coefficients this way."""

import math
import re

from mmfit.expression.labels import number_label
from mmfit.expression.nodes import (
    Argument,
    Binary,
    Boolean,
    Call,
    Name,
    Node,
    Number,
    Parentheses,
    Text,
    Unary,
    ValueList,
)

_PLAIN = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*")
_RESERVED = frozenset(
    {"and", "or", "not", "in", "pi", "TRUE", "True", "true", "FALSE", "False", "false"}
    | {"if", "else", "repeat", "while", "function", "for", "next", "break"}
    | {"NULL", "NA", "NaN", "Inf"}
)
# R sets no spaces around these.
_TIGHT = frozenset({"/", "^", ":", "%%"})


def deparse(node: Node) -> str:
    """The text of a tree in R's spelling.

    >>> from mmfit.expression.parser import parse
    >>> deparse(parse("I( Days**2 )").root)
    'I(Days^2)'
    """
    match node:
        case Number(value=value):
            return "pi" if value == math.pi else number_label(value)
        case Text(value=value):
            return _quote(value)
        case Boolean(value=value, spelling=spelling):
            return spelling or ("TRUE" if value else "FALSE")
        case Name(name=name):
            return name if _is_plain(name) else f"`{name}`"
        case Parentheses(inner=inner):
            return f"({deparse(inner)})"
        case Unary(operator=operator, operand=operand):
            return operator + deparse(operand)
        case Binary(operator=operator, left=left, right=right):
            space = "" if operator in _TIGHT else " "
            return f"{deparse(left)}{space}{operator}{space}{deparse(right)}"
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(_argument, arguments))})"
        case ValueList(items=items):
            return f"c({', '.join(map(deparse, items))})"


def _argument(argument: Argument) -> str:
    value = deparse(argument.value)
    return value if argument.name is None else f"{argument.name} = {value}"


def _is_plain(name: str) -> bool:
    return _PLAIN.fullmatch(name) is not None and name not in _RESERVED


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'
