"""Tokens into a tree: a Pratt parser with R's precedences (R's help page ``Syntax``)."""

import math
from functools import lru_cache

from mmfit.errors import FormulaError
from mmfit.expression.functions import FUNCTIONS, check_calls
from mmfit.expression.labels import Literal
from mmfit.expression.nodes import (
    Argument,
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
from mmfit.expression.scanner import Token, scan

_COMPARE = 50
_BINDING = {
    "|": 20,
    "or": 20,
    "&": 30,
    "and": 30,
    "==": _COMPARE,
    "!=": _COMPARE,
    "<": _COMPARE,
    "<=": _COMPARE,
    ">": _COMPARE,
    ">=": _COMPARE,
    "in": _COMPARE,
    "not": _COMPARE,
    "+": 60,
    "-": 60,
    "*": 70,
    "/": 70,
    "%%": 80,
    "%in%": 80,
    "^": 110,
}
_FORMULA_BINDING = {**_BINDING, "~": 10, "||": 20, ":": 90}
_NOT = 40
_SIGN = 100
_SPELLING = {"or": "|", "and": "&", "in": "%in%"}
_WORDS = frozenset({"and", "or", "not", "in"})
_BOOLEANS = {
    "TRUE": True,
    "True": True,
    "true": True,
    "FALSE": False,
    "False": False,
    "false": False,
}
_ADVICE = {
    "=": "'=' does not compare; write ==",
    "||": "write | for 'or' here",
    "&&": "write & for 'and'",
    ":": "':' belongs to the terms of a formula; in an expression write * for a product, or "
    "interaction(a, b) for the combinations of two factors",
    "~": "'~' belongs to a formula; an expression has none",
}
MAX_DEPTH = 60
MAX_CHAIN = 200


class Parser:
    """A parser over the tokens of one text.

    Parameters
    ----------
    text : str.
    formula : bool, whether ``~``, ``:`` and ``||`` are operators outside calls.
    """

    def __init__(self, text: str, formula: bool = False):
        self.text = text
        self.tokens = scan(text)
        self.index = 0
        self.depth = 0
        self.binding = _FORMULA_BINDING if formula else _BINDING

    def parse(self) -> Node:
        """The tree of the whole text."""
        if self.peek().kind == "end":
            self.fail("nothing is written here", self.peek())
        node = self.expression(0)
        rest = self.peek()
        if rest.kind != "end":
            self.fail_unexpected(rest)
        return node

    def peek(self) -> Token:
        return self.tokens[self.index]

    def advance(self) -> Token:
        token = self.tokens[self.index]
        self.index += 1
        return token

    def operator(self) -> str:
        """The infix operator that comes next, or ``""``."""
        token = self.peek()
        if token.kind == "name":
            return token.value if token.value in _WORDS else ""
        return token.kind

    def expression(self, binding: int) -> Node:
        """An expression whose operators bind more tightly than ``binding``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} levels of nesting", self.peek())
        left = self.prefix()
        links = 0
        while (power := self.binding.get(self.operator(), 0)) > binding:
            left = self.infix(left, power)
            links += 1
            if links > MAX_CHAIN and self.binding is _BINDING:
                self.fail(f"more than {MAX_CHAIN} operators in a row", self.peek())
        self.depth -= 1
        return left

    def infix(self, left: Node, power: int) -> Node:
        token = self.advance()
        operator = token.value if token.kind == "name" else token.kind
        if operator == "not":
            return self.not_in(left, token)
        # Only the power binds to the right; its exponent may carry a sign: x^-1.
        right = self.expression(_SIGN - 1 if operator == "^" else power)
        if power == _COMPARE and self.binding.get(self.operator(), 0) == _COMPARE:
            self.fail("comparisons cannot be chained; join two of them with &", self.peek())
        return Binary(_SPELLING.get(operator, operator), left, right, token.position)

    def not_in(self, left: Node, token: Token) -> Node:
        if self.operator() != "in":
            self.fail("'not' between two values must be 'not in'", token)
        inside = self.infix(left, _COMPARE)
        return Parentheses(Unary("!", inside, token.position), token.position)

    def prefix(self) -> Node:
        token = self.advance()
        match token.kind:
            case "number":
                return Number(Literal(token.value), token.position)
            case "text":
                return Text(token.value, token.position)
            case "quoted":
                return Name(token.value, token.position)
            case "name":
                return self.named(token)
            case "(":
                return self.group(token)
            case "[":
                return ValueList(self.items("]", token), token.position)
            case "-" | "+":
                return Unary(token.kind, self.expression(_SIGN), token.position)
            case "!":
                return Unary("!", self.expression(_NOT), token.position)
            case "~" if "~" in self.binding:
                return Unary("~", self.expression(self.binding["~"]), token.position)
            case _:
                return self.fail_missing(token)

    def named(self, token: Token) -> Node:
        if self.peek().kind == "(" and token.value not in _WORDS:
            return self.call(token)
        if token.value == "pi":
            return Number(math.pi, token.position)
        if token.value in _BOOLEANS:
            return Boolean(_BOOLEANS[token.value], token.position)
        if token.value == "not":
            return Unary("!", self.expression(_NOT), token.position)
        if token.value in _WORDS:
            self.fail(f"a value is missing before {token.value!r}", token)
        return Name(token.value, token.position)

    def group(self, opening: Token) -> Node:
        inner = self.expression(0)
        self.close(")", opening)
        return Parentheses(inner, opening.position)

    def call(self, token: Token) -> Node:
        opening = self.advance()
        # Arguments are plain expressions, in a formula too: the | of I(a | b) is a logical or.
        outer, self.binding = self.binding, _BINDING
        arguments = []
        while self.peek().kind != ")":
            arguments.append(self.argument())
            if self.peek().kind != ",":
                break
            self.advance()
        self.close(")", opening)
        self.binding = outer
        if token.value == "c":
            return ValueList(tuple(argument.value for argument in arguments), token.position)
        return Call(token.value, tuple(arguments), token.position)

    def argument(self) -> Argument:
        token = self.peek()
        if token.kind == "name" and self.tokens[self.index + 1].kind == "=":
            self.index += 2
            return Argument(token.value, _option(self.expression(0)), token.position)
        return Argument(None, self.expression(0), token.position)

    def items(self, closing: str, opening: Token) -> tuple[Node, ...]:
        outer, self.binding = self.binding, _BINDING
        items = []
        while self.peek().kind != closing:
            items.append(self.expression(0))
            if self.peek().kind != ",":
                break
            self.advance()
        self.close(closing, opening)
        self.binding = outer
        return tuple(items)

    def close(self, closing: str, opening: Token) -> None:
        token = self.advance()
        if token.kind == closing:
            return
        if token.kind == "end":
            self.fail(f"the {opening.value!r} that is opened here is never closed", opening)
        self.fail_unexpected(token)

    def fail(self, message: str, token: Token) -> Node:
        raise FormulaError(message, self.text, token.position)

    def fail_missing(self, token: Token) -> Node:
        if token.kind == "end":
            self.fail("the text ends where a column, a number or '(' is expected", token)
        if token.kind == "]":
            self.fail("']' closes nothing", token)
        return self.fail(f"a column, a number or '(' is expected before {token.value!r}", token)

    def fail_unexpected(self, token: Token) -> Node:
        if token.kind in _ADVICE:
            self.fail(_ADVICE[token.kind], token)
        if token.kind in (")", "]"):
            self.fail(f"{token.value!r} closes nothing", token)
        if token.kind == ",":
            self.fail("',' has no meaning outside the arguments of a function", token)
        return self.fail(f"an operator is missing before {token.value!r}", token)


def _option(node: Node) -> Node:
    """The value of a named argument, where R's ``T`` and ``F`` are truth values, not columns."""
    if isinstance(node, Name) and node.name in ("T", "F"):
        return Boolean(node.name == "T", node.position, node.name)
    return node


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Parse an expression over columns.

    The grammar is closed: numbers, texts in quotes, column names (letters, digits, ``_`` and ``.``;
    anything in backticks), ``+ - * / ^ ** % %%``, comparisons, ``& | !`` and ``and or not``, ``in``
    with a list, parentheses, ``TRUE``/``FALSE``, ``pi`` and calls of the known functions.
    ``%`` (remainder) binds more tightly than ``*``, as R's ``%%`` does.

    Raises
    ------
    FormulaError
        With a caret below the place where the text stops making sense.

    >>> parse("(Days - 2) / 7").root.operator
    '/'
    """
    line = one_line(text)
    expression = Expression(Parser(line).parse(), line)
    check_calls(expression, FUNCTIONS)
    return expression


def one_line(text: str) -> str:
    """The text with each line break and tab as a space, so that carets stand where they should."""
    if not isinstance(text, str):
        raise FormulaError(f"a text is expected, not {type(text).__name__}")
    return "".join(" " if character.isspace() else character for character in text)
