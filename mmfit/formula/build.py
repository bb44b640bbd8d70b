"""A formula and data into model matrices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmfit.common.alignment import aligned
from mmfit.common.arguments import contrast_map
from mmfit.errors import DataError, FormulaError
from mmfit.expression.columns import Columns
from mmfit.expression.evaluator import unknown_column
from mmfit.expression.labels import LabelError
from mmfit.expression.nodes import Expression, Name
from mmfit.expression.parser import parse as parse_expression
from mmfit.formula import checks
from mmfit.formula.bars import Bar
from mmfit.formula.checked_columns import checked_column, checked_weights
from mmfit.formula.design import DesignInfo, RandomDesign, left_value, sum_offsets
from mmfit.formula.formula import Formula, parse
from mmfit.formula.grouping import Groups, code_groups, term_order, unique_names
from mmfit.formula.matrices import FixedTerm, ModelMatrices, RandomTerm
from mmfit.formula.model_matrix import INTERCEPT, CodedMatrix, model_matrix
from mmfit.formula.names import column_names, uses
from mmfit.formula.rank import independent_columns
from mmfit.formula.terms import Terms, Variable
from mmfit.formula.transforms import States
from mmfit.formula.variables import Coded, Coding, VariableReader, code_variable

Column = str | Sequence[float] | np.ndarray | None


def build_matrices(
    formula: Formula | str,
    frame: Mapping[str, Any],
    *,
    weights: Column = None,
    offset: Column = None,
    contrasts: Mapping[str, object] | None = None,
    categorical: Sequence[str] = (),
    response: np.ndarray | None = None,
) -> ModelMatrices:
    """Build the response, X and the random terms of a model.

    Parameters
    ----------
    formula : Formula or str.
    frame : DataFrame (or mapping of arrays) without missing values in the columns used.
    weights, offset : name of a column, text of an expression, or (n,) array; a Series is matched
        by its index, see ``mmfit.common.alignment``.
    contrasts : contrast by variable of the fixed part (``{"sex": "sum"}``, ``{"factor(Days)":
        matrix}``); like lme4's, they leave the random terms alone. Names of columns that the
        formula does not use are ignored.
    categorical : names of columns whose numbers are labels.
    response : (n,) array in place of the formula's response; needed for a one-sided formula.

    Raises
    ------
    FormulaError
        Unknown columns; expressions that cannot be evaluated or are not finite.
    DataError
        Missing values, a response, weights or offset that is not numeric, bad contrasts.
    DesignError
        A design that cannot identify the model.
    """
    return build_matrices_with_design(
        formula,
        frame,
        weights=weights,
        offset=offset,
        contrasts=contrasts,
        categorical=categorical,
        response=response,
    )[0]


def build_matrices_with_design(
    formula: Formula | str,
    frame: Mapping[str, Any],
    *,
    weights: Column = None,
    offset: Column = None,
    contrasts: Mapping[str, object] | None = None,
    categorical: Sequence[str] = (),
    response: np.ndarray | None = None,
) -> tuple[ModelMatrices, DesignInfo]:
    """``build``, with the DesignInfo that new rows and type III tests need."""
    if isinstance(formula, str):
        formula = parse(formula, response=formula.lstrip()[:1] != "~")
    columns = _columns(frame, categorical)
    states = States()
    reader = VariableReader(columns, formula.text, states)
    y = _response(formula, reader, response)
    fixed, coded = _fixed(formula.fixed, reader, _contrasts(contrasts, formula, columns))
    kept = independent_columns(fixed.distinct)
    random, designs = _random(formula.random, reader)
    checks.check_random(random)
    checks.check_fixed(len(kept), columns.length)
    known_weights, prior = _weights(weights, columns)
    known, given = _offset(formula, offset, columns)
    total = sum_offsets(known, columns, formula.text, states)
    if given is not None:
        total = given if total is None else total + given
    everything = len(kept) == len(fixed.names)
    X = fixed.matrix if everything else fixed.matrix.T[kept].T
    checks.check_residual(X, random, prior)
    numbers = set(kept.tolist())
    design = DesignInfo(
        formula=formula,
        categorical=tuple(categorical or ()),
        fixed=coded,
        kept=kept,
        random=designs,
        states=states.known,
        offsets=known,
        array_offset=given is not None,
        rows=columns.length,
        sources=_sources(formula.fixed, columns),
        weights=known_weights,
    )
    matrices = ModelMatrices(
        formula=formula.text,
        response=formula.response,
        y=y,
        X=X,
        fixed_names=tuple(fixed.names[k] for k in kept),
        dropped=tuple(name for k, name in enumerate(fixed.names) if k not in numbers),
        fixed_terms=_fixed_terms(formula.fixed, fixed),
        all_fixed_names=fixed.names,
        random=random,
        weights=prior,
        offset=total,
        design=design,
    )
    return matrices, design


def _columns(frame: Mapping[str, Any], categorical: Sequence[str]) -> Columns:
    columns = Columns(frame, tuple(categorical or ()))
    for name in columns.categorical:
        if name not in columns:
            raise DataError(f"categorical: {unknown_column(name, columns.names())}")
    if columns.length == 0:
        raise DataError("the data have no rows")
    return columns


def _response(formula: Formula, reader: VariableReader, given: np.ndarray | None) -> np.ndarray:
    label = formula.response or "response"
    if given is not None:
        values = aligned(given, reader.columns.frame, "the response")
        y = checked_column(values, label, reader.columns.length, "response")
    elif formula.response_expression is None:
        raise DataError("the formula names no response, and none is given")
    else:
        variable = Variable(formula.response, formula.response_expression)
        # A copy: the column itself belongs to the frame.
        y = reader.numbers(variable, "response").copy()
    checks.check_response(label, y)
    return y


def _contrasts(
    contrasts: Mapping[str, object] | None, formula: Formula, columns: Columns
) -> Mapping[str, object]:
    labels = {variable.label for variable in formula.fixed.variables}
    contrasts = contrast_map(contrasts)
    for name in contrasts:
        if name not in labels and name not in columns:
            raise DataError(f"contrasts: {unknown_column(name, columns.names())}")
    return contrasts


def _fixed(
    terms: Terms, reader: VariableReader, contrasts: Mapping[str, object]
) -> tuple[CodedMatrix, tuple[Coded, ...]]:
    coded = tuple(
        code_variable(variable, reader.value(variable), contrasts) for variable in terms.variables
    )
    return model_matrix(terms, coded, reader.columns.length), coded


def _sources(terms: Terms, columns: Columns) -> dict[str, Any]:
    """The data columns of the fixed part, as the frame holds them.

    One that holds numbers with texts beside, and is used as labels alone, is given by its labels.
    """
    roots = [variable.expression.root for variable in terms.variables]
    found = {name: columns[name] for name in column_names(*roots) if name in columns}
    spelled = {name for name in found if columns.texts(name) is not None}
    if spelled:
        import pandas as pd

        numbers = {name for name, as_label in uses(roots) if not as_label}
        for name in spelled - numbers:
            factor = columns.factor(name)
            found[name] = pd.Categorical.from_codes(factor.codes, list(factor.levels))
    return found


def _fixed_terms(terms: Terms, fixed: CodedMatrix) -> tuple[FixedTerm, ...]:
    intercept = ((INTERCEPT, ()),) if terms.intercept else ()
    named = (
        (label, tuple(terms.variables[k].label for k in members))
        for label, members in zip(terms.labels, terms.members, strict=True)
    )
    return tuple(
        FixedTerm(label, variables, columns)
        for (label, variables), columns in zip(
            (*intercept, *named), fixed.term_columns, strict=True
        )
    )


def _random(
    bars: Sequence[Bar], reader: VariableReader
) -> tuple[tuple[RandomTerm, ...], tuple[RandomDesign, ...]]:
    known: dict[tuple[str, ...], Groups] = {}
    lefts: dict[tuple, tuple] = {}
    groups = [_groups(bar.grouping.factors, reader, known) for bar in bars]
    order = term_order([len(found.coding.levels) for found in groups])
    names = unique_names([bars[k].grouping.name for k in order])
    pairs = [
        _random_term(bars[k], name, groups[k], _left(bars[k], reader, lefts))
        for k, name in zip(order, names, strict=True)
    ]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _groups(factors: tuple[Variable, ...], reader: VariableReader, known: dict) -> Groups:
    """The groups of combined factors; those of ``a/b/c`` share the work on ``b:a``."""
    key = tuple(variable.label for variable in factors)
    if key not in known:
        rest = _groups(factors[1:], reader, known) if len(factors) > 1 else None
        factor = reader.factor(factors[0])
        try:
            known[key] = code_groups(factor, rest)
        except LabelError as error:
            raise DataError(f"the grouping factor {':'.join(key)}: {error}") from None
    return known[key]


def _left(bar: Bar, reader: VariableReader, known: dict) -> tuple[CodedMatrix, tuple[Coding, ...]]:
    """The model matrix of the left of a bar; bars with equal sides share one."""
    labels = (variable.label for variable in bar.terms.variables)
    variables = tuple((label, label in bar.grouping.columns) for label in labels)
    key = (bar.terms.intercept, bar.terms.labels, variables)
    if key not in known:
        coded = tuple(
            code_variable(variable, left_value(variable, bar.grouping.columns, reader))
            for variable in bar.terms.variables
        )
        matrix = model_matrix(bar.terms, coded, reader.columns.length)
        known[key] = matrix, tuple(variable.coding for variable in coded)
    return known[key]


def _random_term(
    bar: Bar, name: str, groups: Groups, left: tuple[CodedMatrix, tuple[Coding, ...]]
) -> tuple[RandomTerm, RandomDesign]:
    matrix, codings = left
    constant = (False,) * len(matrix.names)
    term = RandomTerm(
        group=name,
        grouping=bar.grouping.name,
        factors=bar.grouping.columns,
        effects=matrix.names,
        model=matrix.matrix,
        codes=groups.codes,
        levels=groups.coding.levels,
        constant=(True, *constant[1:]) if bar.terms.intercept else constant,
    )
    return term, RandomDesign(bar, name, matrix.names, codings, groups.coding)


def _named_column(text: str, columns: Columns, role: str) -> Variable:
    """A column of this name, or an expression.

    Raises
    ------
    DataError
        Where the text is both: the name of a column, and an expression of other columns.
    """
    if text in columns:
        if not text.isidentifier() and _is_expression(text, columns):
            raise DataError(
                f"{role}: {text!r} is a column of the data and an expression of others; write "
                f"`{text}` (in backticks) for the column, or rename it"
            )
        return Variable(text, Expression(Name(text), text))
    return Variable(text, parse_expression(text))


def _is_expression(text: str, columns: Columns) -> bool:
    """Whether a text, which is the name of a column, can be computed from other columns."""
    try:
        root = parse_expression(text).root
    except FormulaError:
        return False
    return root != Name(text) and all(name in columns for name in column_names(root))


def _weights(weights: Column, columns: Columns) -> tuple[Variable | None, np.ndarray | None]:
    """The weights as a variable, where they are known by their text, and as numbers."""
    if weights is None:
        return None, None
    if not isinstance(weights, str):
        values = aligned(weights, columns.frame, "weights")
        return None, checked_weights(values, "given", columns.length)
    variable = _named_column(weights, columns, "weights")
    reader = VariableReader(columns, variable.expression.text, States())
    values = reader.numbers(variable, "weights")
    return variable, checked_weights(values, weights, columns.length)


def _offset(
    formula: Formula, offset: Column, columns: Columns
) -> tuple[tuple[Variable, ...], np.ndarray | None]:
    """Offsets that are known by their text, and the one given as numbers."""
    known = formula.fixed.offsets
    if offset is None:
        return known, None
    if isinstance(offset, str):
        return (*known, _named_column(offset, columns, "offset")), None
    values = aligned(offset, columns.frame, "offset")
    return known, checked_column(values, "given", columns.length, "offset")
