"""Terms and coded variables into a model matrix, as R's ``model.matrix`` does it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.errors import DesignError
from mmfit.formula.terms import Terms
from mmfit.formula.variables import MAX_CELLS, Coded, too_large

INTERCEPT = "(Intercept)"


@dataclass(frozen=True, slots=True, eq=False)
class CodedMatrix:
    """A model matrix.

    Attributes
    ----------
    matrix : (n, p) float array.
    names : tuple of str, length p.
    term_columns : per term (the intercept first, where there is one), its columns.
    """

    matrix: np.ndarray
    names: tuple[str, ...]
    term_columns: tuple[tuple[int, ...], ...]


def model_matrix(
    terms: Terms, variables: Sequence[Coded], rows: int, full_dummies: bool = False
) -> CodedMatrix:
    """The model matrix of some terms; in an interaction the first factor varies fastest.

    Parameters
    ----------
    terms : Terms;  variables : their variables, coded;  rows : int, n.
    full_dummies : bool, a column per level for every factor in every term, whatever its contrasts
        (the rank-deficient matrix behind type III tests).

    Raises
    ------
    DesignError
        Where the matrix would be larger than 4 GiB.
    """
    contrasted = _contrasted(terms, variables, full_dummies)
    widths = [
        int(np.prod([variables[k].coding.width(flag) for k, flag in zip(term, flags, strict=True)]))
        for term, flags in zip(terms.members, contrasted, strict=True)
    ]
    total = sum(widths) + terms.intercept
    if rows * total > MAX_CELLS:
        widest = int(np.argmax(widths))
        raise DesignError(too_large(terms.labels[widest], widths[widest], rows))
    matrix = np.empty((rows, total))
    names: list[str] = []
    columns = []
    if terms.intercept:
        matrix[:, 0] = 1.0
        names.append(INTERCEPT)
        columns.append((0,))
    for term, flags, width in zip(terms.members, contrasted, widths, strict=True):
        start = len(names)
        block, labels = _term([variables[k] for k in term], flags)
        matrix[:, start : start + width] = block
        names.extend(labels)
        columns.append(tuple(range(start, start + width)))
    return CodedMatrix(matrix, tuple(names), tuple(columns))


def _contrasted(
    terms: Terms, variables: Sequence[Coded], full_dummies: bool
) -> tuple[tuple[bool, ...], ...]:
    if full_dummies:
        return tuple(tuple(False for _ in term) for term in terms.members)
    if terms.intercept:
        return terms.contrasted
    # Without an intercept the first factor found gets a column per level (R's model.matrix).
    for place, term in enumerate(terms.members):
        for position, k in enumerate(term):
            if variables[k].coding.levels is not None:
                flags = list(terms.contrasted[place])
                flags[position] = False
                return (
                    *terms.contrasted[:place],
                    tuple(flags),
                    *terms.contrasted[place + 1 :],
                )
    return terms.contrasted


def _term(variables: Sequence[Coded], flags: Sequence[bool]) -> tuple[np.ndarray, list[str]]:
    block, names = _variable(variables[0], flags[0])
    for variable, flag in zip(variables[1:], flags[1:], strict=True):
        more, suffixes = _variable(variable, flag)
        names = [f"{a}:{b}" for b in suffixes for a in names]
        block = (more[:, :, None] * block[:, None, :]).reshape(len(block), -1)
    return block, names


def _variable(coded: Coded, contrasted: bool) -> tuple[np.ndarray, list[str]]:
    coding, data = coded.coding, coded.data
    label = coding.variable.label
    if coding.levels is not None and contrasted:
        return coding.contrast.matrix.take(data, axis=0), [
            label + name for name in coding.contrast.names
        ]
    if coding.levels is not None:
        dummies = np.zeros((len(data), len(coding.levels)))
        dummies[np.arange(len(data)), data] = 1.0
        return dummies, [label + level for level in coding.levels]
    if data.ndim == 1:
        return data[:, None], [label]
    # R numbers the columns of a matrix only where there are several.
    suffixes = coding.suffixes if len(coding.suffixes) > 1 else ("",)
    return data, [label + suffix for suffix in suffixes]
