"""Functions of the formula language beyond the elementwise ones: stateful ones and factors.

A stateful function (``poly``, ``scale``, ...) learns something from the rows of the fit, which is
kept, so that new rows are transformed by what was learnt then.
"""

from collections.abc import Callable, Mapping

import numpy as np

from mmfit.expression.columns import Columns
from mmfit.expression.deparse import deparse
from mmfit.expression.evaluator import Evaluator
from mmfit.expression.functions import FUNCTIONS, Function, bind
from mmfit.expression.nodes import Boolean, Call, Name, Node, Number, Parentheses, Unary
from mmfit.expression.values import Matrix, as_numbers
from mmfit.formula.orthogonal import OrthogonalBasis, orthogonal_basis
from mmfit.formula.splines import SplineBasis, evaluate_basis, interior_knots

_BS = ("x", "df", "knots", "degree", "intercept", "Boundary.knots")
_NS = ("x", "df", "knots", "intercept", "Boundary.knots")
_CONTRASTS = {
    f"contr.{kind}": Function(None, 0, 2, ("n", "base"))
    for kind in ("treatment", "sum", "helmert", "poly", "SAS")
}

FORMULA_FUNCTIONS: Mapping[str, Function] = {
    **FUNCTIONS,
    "C": Function(None, 1, 3, ("object", "contr", "base")),
    "as.factor": Function(None),
    "bs": Function(None, 1, 6, _BS),
    "center": Function(None),
    "factor": Function(None, 1, 3, ("x", "levels", "labels")),
    "interaction": Function(None, 1, 16, ()),
    "ns": Function(None, 1, 5, _NS),
    "offset": Function(None),
    "ordered": Function(None, 1, 3, ("x", "levels", "labels")),
    "poly": Function(None, 1, 3, ("x", "degree", "raw")),
    "relevel": Function(None, 2, 2, ("x", "ref")),
    "scale": Function(None, 1, 3, ("x", "center", "scale")),
    **_CONTRASTS,
}

State = OrthogonalBasis | SplineBasis | tuple[float, float]


class States:
    """What stateful functions learnt, by the text of the call.

    Parameters
    ----------
    known : mapping or None; given, nothing is learnt any more.
    """

    def __init__(self, known: Mapping[str, State] | None = None):
        self.known = {} if known is None else dict(known)
        self.learning = known is None

    def get(self, key: str, learn: Callable[[], State]) -> State:
        if self.learning and key not in self.known:
            self.known[key] = learn()
        return self.known[key]


class FormulaEvaluator(Evaluator):
    """An evaluator that also knows the functions of the formula language.

    Parameters
    ----------
    columns : Columns;  text : str, the formula;  states : States.
    special : the functions beyond the elementwise ones.
    """

    def __init__(self, columns: Columns, text: str, states: States, special: Mapping):
        super().__init__(columns, text, special)
        self.states = states


def column_argument(evaluator: Evaluator, node: Call, argument: Node) -> np.ndarray:
    """The data argument of a stateful function as one column of finite numbers."""
    value = evaluator.numbers(argument)
    if not isinstance(value, np.ndarray):
        evaluator.fail(f"{node.function} needs a column, not a constant", argument)
    if not np.isfinite(value).all():
        row = int(np.flatnonzero(~np.isfinite(value))[0])
        evaluator.fail(f"{deparse(argument)} is {value[row]:g} in row {row + 1}", argument)
    return value


def constant(evaluator: Evaluator, node: Node) -> float:
    """A number that is written out."""
    sign = 1.0
    while isinstance(node, Parentheses | Unary):
        if isinstance(node, Unary):
            sign = -sign if node.operator == "-" else sign
            node = node.operand
        else:
            node = node.inner
    if not isinstance(node, Number):
        evaluator.fail("a number is needed here", node)
    return sign * node.value


def whole(evaluator: Evaluator, node: Node, least: int) -> int:
    value = constant(evaluator, node)
    if value % 1 or value < least:
        evaluator.fail(f"a whole number from {least} is needed here", node)
    return int(value)


def flag(evaluator: Evaluator, node: Node | None, default: bool) -> bool:
    """A truth value that is written out (``TRUE``, ``T``)."""
    if node is None:
        return default
    if isinstance(node, Name) and node.name in ("T", "F"):
        return node.name == "T"
    if not isinstance(node, Boolean):
        evaluator.fail("TRUE or FALSE is needed here", node)
    return node.value


def numbers_list(evaluator: Evaluator, node: Node) -> tuple[float, ...]:
    items = getattr(node, "items", None)
    return tuple(constant(evaluator, item) for item in ((node,) if items is None else items))


def polynomial(evaluator: FormulaEvaluator, node: Call) -> Matrix:
    """``poly(x, degree = 1, raw = FALSE)``: orthonormal polynomials over the rows of the fit."""
    arguments = bind(node, ("x", "degree", "raw"))
    x = column_argument(evaluator, node, arguments["x"])
    degree = whole(evaluator, arguments["degree"], 1) if "degree" in arguments else 1
    suffixes = tuple(str(k + 1) for k in range(degree))
    if flag(evaluator, arguments.get("raw"), False):
        return Matrix(x[:, None] ** np.arange(1, degree + 1), suffixes)
    if evaluator.states.learning:
        distinct = len(np.unique(x))
        if degree >= distinct:
            evaluator.fail(f"degree {degree} needs more than the {distinct} distinct values", node)
    basis = evaluator.states.get(deparse(node), lambda: orthogonal_basis(x, degree))
    return Matrix(basis.columns(x), suffixes)


def scaled(evaluator: FormulaEvaluator, node: Call) -> np.ndarray:
    """``scale(x, center = TRUE, scale = TRUE)``; either may be a number, as in R."""
    arguments = bind(node, ("x", "center", "scale"))
    x = column_argument(evaluator, node, arguments["x"])

    def learn() -> tuple[float, float]:
        shift = _shift(evaluator, arguments.get("center"), x)
        option = arguments.get("scale")
        if option is not None and not isinstance(option, Boolean | Name):
            return shift, constant(evaluator, option)
        if not flag(evaluator, option, True):
            return shift, 1.0
        # The root mean square where nothing was taken off, the standard deviation otherwise.
        return shift, float(np.sqrt(np.sum((x - shift) ** 2) / max(len(x) - 1, 1)))

    shift, unit = evaluator.states.get(deparse(node), learn)
    if unit == 0:
        evaluator.fail(f"{deparse(arguments['x'])} has no spread to scale by", node)
    return (x - shift) / unit


def _shift(evaluator: Evaluator, option: Node | None, x: np.ndarray) -> float:
    if option is not None and not isinstance(option, Boolean | Name):
        return constant(evaluator, option)
    return float(np.mean(x)) if flag(evaluator, option, True) else 0.0


def centered(evaluator: FormulaEvaluator, node: Call) -> np.ndarray:
    """``center(x)``: x minus its mean over the rows of the fit."""
    x = column_argument(evaluator, node, node.arguments[0].value)
    shift, _ = evaluator.states.get(deparse(node), lambda: (float(np.mean(x)), 1.0))
    return x - shift


def bspline(evaluator: FormulaEvaluator, node: Call) -> Matrix:
    """``bs(x, df, knots, degree = 3, intercept = FALSE, Boundary.knots = range(x))``."""
    arguments = bind(node, _BS)
    degree = whole(evaluator, arguments["degree"], 1) if "degree" in arguments else 3
    return _spline(evaluator, node, arguments, degree, natural=False)


def natural_spline(evaluator: FormulaEvaluator, node: Call) -> Matrix:
    """``ns(x, df, knots, intercept = FALSE, Boundary.knots = range(x))``."""
    return _spline(evaluator, node, bind(node, _NS), 3, natural=True)


def _spline(
    evaluator: FormulaEvaluator, node: Call, arguments: dict[str, Node], degree: int, natural: bool
) -> Matrix:
    x = column_argument(evaluator, node, arguments["x"])

    def learn() -> SplineBasis:
        intercept = flag(evaluator, arguments.get("intercept"), False)
        ends = arguments.get("Boundary.knots")
        limits = (x.min(), x.max()) if ends is None else numbers_list(evaluator, ends)
        low, high = float(min(limits)), float(max(limits))
        if not low < high:
            evaluator.fail(f"{deparse(arguments['x'])} has no range for a spline", node)
        smallest = 1 + intercept if natural else degree + intercept
        if "knots" in arguments:
            inner = numbers_list(evaluator, arguments["knots"])
        else:
            given = arguments.get("df")
            wanted = smallest if given is None else whole(evaluator, given, smallest)
            inner = interior_knots(x, wanted - smallest, (low, high))
        if any(not low < knot < high for knot in inner):
            evaluator.fail(f"the knots must lie between {low:g} and {high:g}", node)
        return SplineBasis(inner, (low, high), degree, intercept, natural)

    columns = evaluate_basis(evaluator.states.get(deparse(node), learn), as_numbers(x))
    return Matrix(columns, tuple(str(k + 1) for k in range(columns.shape[1])))
