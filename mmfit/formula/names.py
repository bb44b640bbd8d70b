"""Which data columns the parts of a formula use."""

from mmfit.expression.nodes import Call, Name, Node, children


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
