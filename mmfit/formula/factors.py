"""Functions of the formula language that give factors."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from mmfit.expression.compare import is_truth
from mmfit.expression.deparse import deparse
from mmfit.expression.evaluator import Evaluator, Special
from mmfit.expression.functions import bind
from mmfit.expression.labels import LabelError, require_distinct, spellings, value_label
from mmfit.expression.nodes import Call, Name, Node, Text, ValueList
from mmfit.expression.values import FactorValues, Logical, as_factor, compact
from mmfit.formula.contrasts import KINDS, ContrastChoice, contrast_kind
from mmfit.formula.transforms import bspline, centered, natural_spline, polynomial, scaled, whole


def factor_of(evaluator: Evaluator, node: Node) -> FactorValues:
    """The value of a tree as a factor; a bare column keeps its integers as labels."""
    if isinstance(node, Name) and node.name in evaluator.columns:
        return evaluator.columns.factor(node.name)
    value = evaluator.single(node)
    if isinstance(value, float | str | bool):
        evaluator.fail("a column is needed here, not a constant", node)
    if not isinstance(value, FactorValues | Logical) and not is_truth(value):
        _require_finite(evaluator, node, value)
    try:
        return as_factor(value)
    except LabelError as error:
        return evaluator.fail(f"{deparse(node)}: {error}", node)


def _require_finite(evaluator: Evaluator, node: Node, value: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(value))
    if len(bad):
        evaluator.fail(f"{deparse(node)} is {value[bad[0]]:g} in row {bad[0] + 1}", node)


def plain_factor(evaluator: Evaluator, node: Call) -> FactorValues:
    """``factor(x, levels, labels)``: x as a factor that is not ordered."""
    return _factor(evaluator, node, ordered=False)


def ordered_factor(evaluator: Evaluator, node: Call) -> FactorValues:
    """``ordered(x, levels, labels)``: x as an ordered factor (polynomial contrasts)."""
    return _factor(evaluator, node, ordered=True)


def _factor(evaluator: Evaluator, node: Call, ordered: bool) -> FactorValues:
    arguments = bind(node, ("x", "levels", "labels"))
    factor = factor_of(evaluator, arguments["x"])
    # R's factor() keeps the order of one that is ordered already.
    factor = replace(factor, ordered=ordered or factor.ordered, kind="categorical")
    if "levels" in arguments:
        factor = _with_levels(evaluator, factor, arguments["levels"])
    if "labels" in arguments:
        labels = _labels(evaluator, arguments["labels"])
        if len(labels) != len(factor.levels) or len(set(labels)) != len(labels):
            message = f"{len(factor.levels)} different labels are needed: {_shown(factor)}"
            evaluator.fail(message, arguments["labels"])
        factor = replace(factor, levels=labels)
    return factor


def _with_levels(evaluator: Evaluator, factor: FactorValues, node: Node) -> FactorValues:
    wanted = _labels(evaluator, node, factor.levels)
    lost = [label for label in factor.levels if label not in wanted]
    if lost or len(set(wanted)) != len(wanted):
        what = f"level {lost[0]!r} occurs but is not listed" if lost else "a level is listed twice"
        evaluator.fail(what, node)
    place = np.array([wanted.index(label) for label in factor.levels] + [-1], dtype=np.intp)
    return replace(factor, codes=place[factor.codes], levels=wanted).without_unused()


def _labels(evaluator: Evaluator, node: Node, known: Collection[str] = ()) -> tuple[str, ...]:
    """Constants as labels: of those that they may mean, one that is known."""
    items = node.items if isinstance(node, ValueList) else (node,)
    values = [evaluator.value(item) for item in items]
    if not all(isinstance(value, float | bool | str) for value in values):
        evaluator.fail("labels are needed here, such as c('a', 'b')", node)
    known = set(known)
    return tuple(
        next((label for label in spellings(value) if label in known), value_label(value))
        for value in values
    )


def _shown(factor: FactorValues) -> str:
    more = ", ..." if len(factor.levels) > 12 else ""
    return ", ".join(map(repr, factor.levels[:12])) + more


def releveled(evaluator: Evaluator, node: Call) -> FactorValues:
    """``relevel(x, ref)``: x with one level moved to the front."""
    arguments = bind(node, ("x", "ref"))
    factor = factor_of(evaluator, arguments["x"])
    label = _labels(evaluator, arguments["ref"], factor.levels)[0]
    if label not in factor.levels:
        evaluator.fail(f"{label!r} is not a level: {_shown(factor)}", arguments["ref"])
    if factor.ordered:
        evaluator.fail("relevel is for factors that are not ordered", node)
    wanted = (label, *(other for other in factor.levels if other != label))
    place = np.array([wanted.index(level) for level in factor.levels] + [-1], dtype=np.intp)
    return FactorValues(place[factor.codes], wanted, contrast=factor.contrast)


def crossed(evaluator: Evaluator, node: Call) -> FactorValues:
    """``interaction(a, b, ...)``: the combinations that occur, ``a.b``, first factor fastest."""
    factors = [factor_of(evaluator, argument.value) for argument in node.arguments]
    codes, levels = factors[0].codes, factors[0].levels
    for factor in factors[1:]:
        missing = (codes < 0) | (factor.codes < 0)
        keys = factor.codes[~missing] * len(levels) + codes[~missing]
        pairs, kept = compact(keys, len(levels) * len(factor.levels))
        codes = np.full(len(codes), -1, dtype=np.intp)
        codes[~missing] = pairs
        second, first = np.divmod(kept, len(levels))
        names, others = tuple(levels), tuple(factor.levels)
        levels = tuple(
            f"{names[a]}.{others[b]}" for a, b in zip(first.tolist(), second.tolist(), strict=True)
        )
        try:
            require_distinct(levels)
        except LabelError as error:
            evaluator.fail(f"{deparse(node)}: {error}", node)
    return FactorValues(codes, levels)


def with_contrast(evaluator: Evaluator, node: Call) -> FactorValues:
    """``C(x, contrast, base)``: x with contrasts of its own."""
    arguments = bind(node, ("object", "contr", "base"))
    factor = factor_of(evaluator, arguments["object"])
    chosen = arguments.get("contr")
    if chosen is None:
        return factor
    options = {}
    if isinstance(chosen, Call):
        options = bind(chosen, ("n", "base"))
    base = arguments.get("base", options.get("base"))
    kind = contrast_kind(_contrast_name(evaluator, chosen))
    if not kind:
        evaluator.fail(f"a contrast is needed here: {', '.join(KINDS)}", chosen)
    if base is not None and kind != "treatment":
        evaluator.fail(f"only treatment contrasts have a base, not {kind}", base)
    place = 1 if base is None else whole(evaluator, base, 1)
    if place > len(factor.levels):
        evaluator.fail(f"there are only {len(factor.levels)} levels", base)
    function = not isinstance(chosen, Text) and deparse(chosen).startswith("contr.")
    numbered = function or base is not None
    return replace(factor, contrast=ContrastChoice(kind, place, numbered))


def _contrast_name(evaluator: Evaluator, node: Node) -> str:
    match node:
        case Name(name=name):
            return name
        case Text(value=value):
            return value
        case Call(function=function):
            return function
        case _:
            return ""


def _out_of_place(evaluator: Evaluator, node: Call) -> None:
    place = "among the terms, by itself" if node.function == "offset" else "in C(x, ...)"
    evaluator.fail(f"{node.function} stands {place}", node)


SPECIAL: Mapping[str, Special] = {
    "C": with_contrast,
    "as.factor": plain_factor,
    "bs": bspline,
    "center": centered,
    "factor": plain_factor,
    "interaction": crossed,
    "ns": natural_spline,
    "ordered": ordered_factor,
    "poly": polynomial,
    "relevel": releveled,
    "scale": scaled,
    **{f"contr.{kind}": _out_of_place for kind in KINDS},
    "offset": _out_of_place,
}
