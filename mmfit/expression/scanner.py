"""Text into tokens."""

import re
from dataclasses import dataclass

from mmfit.errors import FormulaError


@dataclass(frozen=True, slots=True)
class Token:
    """``kind``: ``number``, ``text``, ``name``, ``quoted`` (backticks), ``end`` or an operator."""

    kind: str
    value: str
    position: int


_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)L?
    | (?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | `(?P<quoted>[^`]+)`
    | (?P<operator>\*\*|%%|%in%|==|!=|<=|>=|\|\||&&|[-+*/^%:~|&!<>=(),\[\]])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t"}
_ADVICE = {
    '"': "a text that is opened here is not closed",
    "'": "a text that is opened here is not closed",
    "`": "a name that is opened here with a backtick is not closed",
    "{": "braces have no meaning here; write ( )",
    "}": "braces have no meaning here; write ( )",
    "$": "'$' has no meaning here; write the column's name alone",
    "@": "'@' has no meaning here; write the column's name alone",
    ";": "';' has no meaning here; one expression is allowed",
}


def scan(text: str) -> tuple[Token, ...]:
    """All tokens of a text, an ``end`` token last.

    Raises
    ------
    FormulaError
        Where a character starts no token, or a text or backtick is not closed.
    """
    tokens = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise FormulaError(_complaint(text, position), text, position)
        if found.lastgroup != "space":
            tokens.append(_token(found, text))
        position = found.end()
    tokens.append(Token("end", "", len(text)))
    return tuple(tokens)


def _token(found: re.Match, text: str) -> Token:
    kind = found.lastgroup
    value = found.group(kind)
    position = found.start()
    if kind == "text":
        return Token(kind, _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), value[1:-1]), position)
    if kind == "operator":
        return Token({"**": "^", "%": "%%"}.get(value, value), value, position)
    if kind == "number" and text[found.end() : found.end() + 1].isidentifier():
        message = "a name cannot start with a digit; put it in backticks: `2nd visit`"
        raise FormulaError(message, text, position)
    return Token(kind, value, position)


def _complaint(text: str, position: int) -> str:
    character = text[position]
    return _ADVICE.get(character, f"the character {character!r} has no meaning here")
