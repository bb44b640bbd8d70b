"""Which data columns the parts of a formula use; names that stand more than once."""

from collections.abc import Iterable, Iterator

from mmfit.expression.nodes import Call, Name, Node, children

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


def uses(roots: Iterable[Node]) -> list[tuple[str, bool]]:
    """Each column in some trees, with whether it is used as labels."""
    return [use for root in roots for use in uses_below(root, False)]


def uses_below(node: Node, as_label: bool) -> Iterator[tuple[str, bool]]:
    """The same of one tree, which is ``as_label`` used as labels where it is a column itself."""
    if isinstance(node, Name):
        yield node.name, as_label
        return
    if isinstance(node, Call) and node.function == "C":
        yield from uses_below(node.arguments[0].value, True)
        return
    inside = isinstance(node, Call) and node.function in _OF_LABELS
    for child in children(node):
        yield from uses_below(child, inside)
