"""Which columns a formula uses as labels, and which as numbers."""

from mmfit.formula.formula import Formula
from mmfit.formula.names import uses, uses_below


def label_and_number_columns(formula: Formula) -> tuple[frozenset[str], frozenset[str]]:
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
            used += uses_below(variable.expression.root, True)
    labels = frozenset(name for name, as_label in used if as_label)
    return labels, frozenset(name for name, as_label in used if not as_label)
