"""Which columns of a source are labels, so that their texts count and not their numbers."""

from mmfit.expression import variables
from mmfit.expression.nodes import Binary, Name, ValueList, walk
from mmfit.expression.parser import parse as parse_expression
from mmfit.formula import parse
from mmfit.formula.column_uses import label_and_number_columns
from mmfit.spec.analysis import Analysis

_EQUALITIES = frozenset({"==", "!=", "%in%"})


def spelled_columns(analysis: Analysis) -> frozenset[str]:
    """Columns whose texts are to be read beside their numbers.

    These are the ones declared categorical, grouping factors and factors of any model, what
    conditions compare by ``==`` or look up in lists, and what such columns are derived from.
    """
    data = analysis.data
    found = set(label_columns(analysis))
    texts = [*data.derive.values(), *([data.where] if data.where else [])]
    for text in texts:
        found |= _compared(text)
    for name, text in reversed(data.derive.items()):
        if name in found:
            found |= set(variables(text))
    return frozenset(found)


def label_columns(analysis: Analysis) -> tuple[str, ...]:
    """Columns that are labels in some place: declared categorical, or used so by some model."""
    labels, _ = _model_columns(analysis)
    return tuple(dict.fromkeys((*analysis.data.categorical, *sorted(labels))))


def pure_labels(analysis: Analysis) -> tuple[str, ...]:
    """Columns that are labels and nothing else: declared categorical, or no number in any model."""
    labels, numbers = _model_columns(analysis)
    return tuple(dict.fromkeys((*analysis.data.categorical, *sorted(labels - numbers))))


def _model_columns(analysis: Analysis) -> tuple[set[str], set[str]]:
    """Columns that some model uses as labels, and those that some model uses as numbers."""
    labels: set[str] = set()
    numbers: set[str] = set()
    for spec in analysis.specs.values():
        found = label_and_number_columns(parse(spec.formula))
        labels |= found[0]
        numbers |= found[1]
        for text in (spec.weights, spec.offset):
            if text is not None:
                numbers |= set(variables(text))
    return labels, numbers


def _compared(text: str) -> set[str]:
    found = set()
    for node in walk(parse_expression(text).root):
        if isinstance(node, Binary) and node.operator in _EQUALITIES:
            sides = [node.left, node.right]
            sides += [i for side in sides if isinstance(side, ValueList) for i in side.items]
            found |= {side.name for side in sides if isinstance(side, Name)}
    return found
