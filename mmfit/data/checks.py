"""Whether the candidates can be fitted to the rows used, seen before any of them is."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pandas.api import types

from mmfit.data.rows import rows_text
from mmfit.errors import DataError, DesignError, MmfitError
from mmfit.expression import evaluate, variables
from mmfit.expression.nodes import Name
from mmfit.formula import ModelMatrices, build_matrices, parse
from mmfit.spec import Analysis, ModelSpec


def check_models(frame: pd.DataFrame, analysis: Analysis) -> dict[str, ModelMatrices]:
    """Refuse candidates that these rows cannot support, all of them in one message.

    Returns the matrices of each model by its place in the file (``models.m1``).

    Parameters
    ----------
    frame : the rows used, factors coded, indexed by their number in the source.
    analysis : with the candidates.

    Raises
    ------
    DataError, DesignError or FormulaError
        The class is that of the first problem: a response that is no number or constant; a
        covariate that is constant; weights that are not positive; a factor or grouping factor
        with one level; a random part that the residual variance cannot be told from;
        expressions without a finite value (see ``mmfit.formula.build``).
    """
    problems: list[tuple[str, MmfitError]] = []
    built: dict[str, ModelMatrices] = {}
    for place, spec in analysis.specs.items():
        found = next(_problems(frame, spec), None) or _built(frame, spec)
        if isinstance(found, MmfitError):
            problems.append((f"{analysis.path}: {place}: {found}", found))
        else:
            built[place] = found
    if not problems:
        return built
    messages = "\n".join(message for message, _ in problems)
    kind = type(problems[0][1])
    raise kind(messages)


def candidate_matrices(frame: pd.DataFrame, spec: ModelSpec) -> ModelMatrices:
    """The matrices of one candidate on the rows used; raises as ``mmfit.formula.build`` does."""
    return build_matrices(
        parse(spec.formula),
        frame,
        weights=spec.weights,
        offset=spec.offset,
        contrasts=spec.contrasts,
    )


def _problems(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[MmfitError]:
    """What is wrong with one model, the plainest words first."""
    yield from _response(frame, spec)
    yield from _constant(frame, spec)
    yield from _weights(frame, spec)


def _built(frame: pd.DataFrame, spec: ModelSpec) -> ModelMatrices | MmfitError:
    """The matrices of one model, or why there are none."""
    try:
        return candidate_matrices(frame, spec)
    except MmfitError as error:
        if len(frame) != frame.index[-1]:
            return type(error)(f"{error}\n(rows are counted among the {len(frame)} used)")
        return error


def _response(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[DataError]:
    """A response of text: nearly always numbers with something in between, so show that."""
    expression = parse(spec.formula).response_expression
    if not isinstance(expression.root, Name):
        return
    column = frame[expression.root.name]
    if types.is_numeric_dtype(column.dtype):
        return
    texts = column.astype(str)
    odd = texts[pd.to_numeric(texts, errors="coerce").isna()]
    if odd.empty:
        yield DataError(
            f"the response {column.name!r} is categorical; a response is numeric, "
            "so take it out of `categorical`"
        )
    else:
        where = f"{odd.iloc[0]!r} in row {odd.index[0]} of the data"
        yield DataError(f"the response {column.name!r} is not numeric: {where}")


def _constant(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[DesignError]:
    """A covariate with one value says nothing beside an intercept: it is the intercept again."""
    formula = parse(spec.formula)
    parts = (formula.fixed, *(bar.terms for bar in formula.random))
    beside_intercept = (v for part in parts if part.intercept for v in part.variables)
    names = (name for v in beside_intercept for name in variables(v.expression))
    for name in dict.fromkeys(names):
        values = frame[name] if name in frame else pd.Series(dtype=object)
        if types.is_numeric_dtype(values.dtype) and values.min() == values.max():
            yield DesignError(
                f"the covariate {name!r} is {values.iloc[0]:g} in all {len(frame)} rows used; "
                "its effect cannot be told from the intercept: leave it out"
            )


def _weights(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[DataError]:
    if spec.weights is None:
        return
    values = np.asarray(evaluate(spec.weights, frame))
    if values.dtype.kind not in "iuf":
        return
    bad = frame.index[~(values > 0)]
    if len(bad):
        first = values[frame.index.get_loc(bad[0])]
        yield DataError(
            f"the weights {spec.weights} are not positive in {rows_text(bad)} of the data "
            f"({first:g} in the first); leave rows without weight out by `where`"
        )
