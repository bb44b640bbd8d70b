"""The functions of the expression language: all of them, element by element."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from mmfit.errors import FormulaError
from mmfit.expression.nodes import Call, Expression, Node, walk


@dataclass(frozen=True, slots=True)
class Function:
    """A function of numbers.

    Attributes
    ----------
    apply : the function of float64 arrays, or None where the evaluator treats it by itself.
    least, most : int, how many arguments it takes.
    options : tuple of str, names under which the arguments may be given, in order.
    """

    apply: Callable[..., np.ndarray] | None
    least: int = 1
    most: int = 1
    options: tuple[str, ...] = ("x",)


def _logarithm(x: np.ndarray, base: float | None = None) -> np.ndarray:
    return np.log(x) if base is None else np.log(x) / np.log(base)


def _rounded(x: np.ndarray, digits: float = 0.0) -> np.ndarray:
    return np.round(x, int(digits))


def _smallest(*values: np.ndarray) -> np.ndarray:
    return reduce(np.minimum, values)


def _largest(*values: np.ndarray) -> np.ndarray:
    return reduce(np.maximum, values)


_MANY = 64
_EXTREME = {"least": 2, "most": _MANY, "options": ()}

FUNCTIONS: Mapping[str, Function] = {
    "I": Function(None),
    "abs": Function(np.abs),
    "ceil": Function(np.ceil),
    "ceiling": Function(np.ceil),
    "cos": Function(np.cos),
    "exp": Function(np.exp),
    "expm1": Function(np.expm1),
    "floor": Function(np.floor),
    "ifelse": Function(None, 3, 3, ("test", "yes", "no")),
    "is.na": Function(None),
    "is_missing": Function(None),
    "log": Function(_logarithm, 1, 2, ("x", "base")),
    "log10": Function(np.log10),
    "log1p": Function(np.log1p),
    "log2": Function(np.log2),
    "max": Function(_largest, **_EXTREME),
    "min": Function(_smallest, **_EXTREME),
    "pmax": Function(_largest, **_EXTREME),
    "pmin": Function(_smallest, **_EXTREME),
    "round": Function(_rounded, 1, 2, ("x", "digits")),
    "sign": Function(np.sign),
    "sin": Function(np.sin),
    "sqrt": Function(np.sqrt),
    "tan": Function(np.tan),
}


def check_calls(expression: Expression, known: Mapping[str, Function]) -> None:
    """Refuse calls of functions that do not exist, or with arguments that they do not take.

    Raises
    ------
    FormulaError
        With a caret below the call, and the functions that exist.
    """
    for node in walk(expression.root):
        if isinstance(node, Call):
            _check_call(node, known, expression.text)


def _check_call(node: Call, known: Mapping[str, Function], text: str) -> None:
    function = known.get(node.function)
    if function is None:
        names = ", ".join(name for name in sorted(known, key=str.lower))
        message = f"there is no function {node.function!r}; known are c, {names}"
        raise FormulaError(message, text, node.position)
    count = len(node.arguments)
    if not function.least <= count <= function.most:
        raise FormulaError(_wrong_count(node.function, function, count), text, node.position)
    if function.options:
        _check_names(node, function, text)
        return
    named = next((argument for argument in node.arguments if argument.name is not None), None)
    if named is not None:
        message = f"{node.function} takes its arguments without names"
        raise FormulaError(message, text, named.position)


def _check_names(node: Call, function: Function, text: str) -> None:
    seen = set()
    for argument in node.arguments:
        name = argument.name
        if name is not None and name not in function.options:
            message = f"{node.function} takes no argument {name!r}; it takes "
            raise FormulaError(message + ", ".join(function.options), text, argument.position)
        if name is not None and name in seen:
            message = f"{node.function} is given the argument {name!r} twice"
            raise FormulaError(message, text, argument.position)
        seen.add(name)
    given = bind(node, function.options)
    for name in function.options[: function.least]:
        if name not in given:
            message = f"{node.function} lacks its argument {name!r}"
            raise FormulaError(message, text, node.position)


def bind(node: Call, options: tuple[str, ...]) -> dict[str, Node]:
    """The arguments of a call by name; positional ones fill the names left over, as in R."""
    given = {argument.name for argument in node.arguments if argument.name is not None}
    free = iter([name for name in options if name not in given])
    return {a.name or next(free): a.value for a in node.arguments}


def _wrong_count(name: str, function: Function, count: int) -> str:
    if name in ("min", "max") and count == 1:
        return f"{name} compares two or more values row by row: {name}(x, 0)"
    if function.least == function.most:
        wanted = f"{function.least}"
    elif function.most == _MANY:
        wanted = f"{function.least} or more"
    else:
        wanted = f"{function.least} to {function.most}"
    return f"{name} takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}"
