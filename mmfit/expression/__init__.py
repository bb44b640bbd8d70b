"""The closed expression language over columns that formulas, ``where`` and ``derive`` share.

Nothing of a user's text is ever run by Python: an expression is parsed into a tree of known nodes
and evaluated by walking it.
"""

from mmfit.expression.interface import condition, evaluate, variables
from mmfit.expression.nodes import Expression
from mmfit.expression.parser import parse

__all__ = ["Expression", "condition", "evaluate", "parse", "variables"]
