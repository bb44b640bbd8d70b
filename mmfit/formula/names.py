"""Which data columns the parts of a formula use; names that stand more than once."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mmfit.expression.nodes import Call, Name, Node, children

if TYPE_CHECKING:
    from mmfit.formula.formula import Formula

# Functions that take columns as labels, whatever they hold.
_OF_LABELS = frozenset({"C", "as.factor", "factor", "interaction", "ordered", "relevel"})


def distinct(names: list[str]) -> list[str]:
    """The names in order, those that have stood before numbered from 2."""
    taken, out = set(names), []
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        if counts[name] > 1:
            while (numbered := f"{name} [{counts[name]}]") in taken:
                counts[name] += 1
            name = numbered
        taken.add(name)
        out.append(name)
    return out


def column_names(*nodes: Node) -> tuple[str, ...]:
    """Columns in order of appearance, each once; the contrast named in ``C()`` is no column."""
    names: dict[str, None] = {}
    pending = list(reversed(nodes))
    while pending:
        node = pending.pop()
        if isinstance(node, Name):
            names[node.name] = None
        elif isinstance(node, Call) and node.function == "C":
            pending.append(node.arguments[0].value)
        else:
            pending.extend(reversed(children(node)))
    return tuple(names)


def label_and_number_columns(formula: "Formula") -> tuple[frozenset[str], frozenset[str]]:
    """Columns that a formula uses as labels, and those that it uses as they are; some are in both.

    Labels are the grouping factors and what ``factor()`` and its kin are given.
    """
    response = formula.response_expression
    variables = [
        *formula.fixed.variables,
        *formula.fixed.offsets,
        *(variable for bar in formula.random for variable in bar.terms.variables),
    ]
    roots = [] if response is None else [response.root]
    roots += [variable.expression.root for variable in variables]
    used = uses(roots)
    for bar in formula.random:
        for variable in bar.grouping.factors:
            used += _uses(variable.expression.root, True)
    labels = frozenset(name for name, as_label in used if as_label)
    return labels, frozenset(name for name, as_label in used if not as_label)


def uses(roots: Iterable[Node]) -> list[tuple[str, bool]]:
    """Each column in some trees, with whether it is used as labels."""
    return [use for root in roots for use in _uses(root, False)]


def _uses(node: Node, as_label: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(node, Name):
        yield node.name, as_label
        return
    if isinstance(node, Call) and node.function == "C":
        yield from _uses(node.arguments[0].value, True)
        return
    inside = isinstance(node, Call) and node.function in _OF_LABELS
    for child in children(node):
        yield from _uses(child, inside)
