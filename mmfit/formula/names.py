"""Which data columns the parts of a formula use; names that stand more than once."""

from mmfit.expression.nodes import Call, Name, Node, children


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
