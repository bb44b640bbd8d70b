"""What a fit must remember of its formula and data, to build the same matrices for new rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mmfit.common.arguments import check_columns
from mmfit.errors import DataError
from mmfit.expression.columns import Columns
from mmfit.formula.bars import Bar
from mmfit.formula.checked_columns import checked_weights
from mmfit.formula.estimability import Estimability
from mmfit.formula.formula import Formula
from mmfit.formula.grouping import GroupCoding
from mmfit.formula.model_matrix import CodedMatrix, model_matrix
from mmfit.formula.names import column_names
from mmfit.formula.terms import Terms, Variable
from mmfit.formula.transforms import State, States
from mmfit.formula.variables import Coded, Coding, VariableReader, align


@dataclass(frozen=True, slots=True, eq=False)
class RandomDesign:
    """One random term without its rows.

    Attributes
    ----------
    bar : Bar;  group : str, as in RandomTerm;  effects : tuple of str.
    codings : tuple of Coding, of the variables on the left.
    groups : GroupCoding, of the grouping factor.
    """

    bar: Bar
    group: str
    effects: tuple[str, ...]
    codings: tuple[Coding, ...]
    groups: GroupCoding


@dataclass(frozen=True, slots=True, eq=False)
class NewRandom:
    """A random term on new rows: ``model`` (n, q); ``codes`` (n,) intp, -1 for unknown levels."""

    group: str
    effects: tuple[str, ...]
    model: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class NewMatrices:
    """The matrices on new rows.

    Attributes
    ----------
    X : (n, p) array, the columns that the fit kept.
    estimable : (n,) bool array, where the fit determines the mean of the fixed part.
    random : tuple of NewRandom, in the order of the fit's terms; empty where not asked for.
    offset : (n,) array of what the formula and the offset's text give, or None without any.
    """

    X: np.ndarray
    estimable: np.ndarray
    random: tuple[NewRandom, ...]
    offset: np.ndarray | None


@dataclass(frozen=True, eq=False)
class DesignInfo:
    """The design of a model.

    Attributes
    ----------
    formula : Formula.
    categorical : tuple of str, columns whose numbers are labels.
    fixed : tuple of Coded, the variables of the fixed part with their rows of the fit.
    kept : (p,) intp array, columns of X that were not dropped.
    random : tuple of RandomDesign, in lme4's order.
    states : mapping, what stateful functions learnt, by the text of the call.
    offsets : tuple of Variable, offsets that are known by their text.
    array_offset : bool, whether an offset was given as bare numbers (unknown for new rows).
    rows : int, rows of the fit.
    sources : mapping, the data columns of the fixed part as they were given, rows of the fit.
    weights : Variable, the prior weights where they are known by their text, or None.
    """

    formula: Formula
    categorical: tuple[str, ...]
    fixed: tuple[Coded, ...]
    kept: np.ndarray
    random: tuple[RandomDesign, ...]
    states: Mapping[str, State]
    offsets: tuple[Variable, ...]
    array_offset: bool
    rows: int
    sources: Mapping[str, Any]
    weights: Variable | None

    @cached_property
    def estimability(self) -> Estimability:
        """Which functions of the coefficients of all columns the rows of the fit determine."""
        rows = model_matrix(self.formula.fixed, self.fixed, self.rows).distinct
        return Estimability.of(rows, self.kept)

    def estimable(self, functions: np.ndarray) -> np.ndarray:
        """(m,) bool: which functions (m, c) of the coefficients, dropped ones too."""
        if len(self.kept) == functions.shape[1]:
            return np.ones(len(functions), dtype=bool)
        return self.estimability.holds(functions)

    @property
    def factor_levels(self) -> dict[str, tuple[str, ...]]:
        """Levels of each factor of the fixed part, by the variable's name."""
        codings = (coded.coding for coded in self.fixed)
        return {c.variable.label: c.levels for c in codings if c.levels is not None}

    @property
    def factor_columns(self) -> dict[str, tuple[str, ...]]:
        """Names of the columns, one per level, of each factor of the fixed part."""
        return {
            label: tuple(label + level for level in levels)
            for label, levels in self.factor_levels.items()
        }

    def rebuild(
        self, frame: Mapping[str, Any], *, random: bool = True, grouped: bool = True
    ) -> NewMatrices:
        """The same design on new rows.

        Parameters
        ----------
        frame : DataFrame or mapping with the columns that are needed (not the response).
        random : bool, False leaves the random terms out (their columns need not be there).
        grouped : bool, False takes every level as unknown (the grouping columns need not be there).

        Raises
        ------
        FormulaError, DataError
            Missing columns or values; a level of a fixed factor that the fit did not see.
        """
        check_columns(frame, "the new data")
        columns = Columns(frame, self.categorical)
        reader = VariableReader(columns, self.formula.text, States(self.states))
        codings = [coded.coding for coded in self.fixed]
        fixed = _matrix(self.formula.fixed, codings, reader).matrix
        bars = self.random if random else ()
        terms = tuple(_new_random(term, columns, reader, grouped) for term in bars)
        offset = sum_offsets(self.offsets, columns, self.formula.text, reader.states)
        return NewMatrices(fixed[:, self.kept], self.estimable(fixed), terms, offset)

    def fixed_matrix(self, frame: Mapping[str, Any]) -> CodedMatrix:
        """The fixed part on new rows, with the columns that the fit dropped; no offset."""
        reader = VariableReader(
            Columns(frame, self.categorical), self.formula.text, States(self.states)
        )
        return _matrix(self.formula.fixed, [coded.coding for coded in self.fixed], reader)

    def prior_weights(self, frame: Mapping[str, Any]) -> np.ndarray | None:
        """(n,) prior weights of new rows; None where their columns are not there, or not known.

        Raises
        ------
        DataError
            For weights that are not positive numbers.
        """
        variable, columns = self.weights, Columns(frame, self.categorical)
        if variable is None or any(
            name not in columns for name in column_names(variable.expression.root)
        ):
            return None
        reader = VariableReader(columns, variable.expression.text, States(self.states))
        values = reader.numbers(variable, "weights")
        return checked_weights(values, variable.label, columns.length)


def full_dummy_matrix(design: DesignInfo) -> CodedMatrix:
    """The fixed part with a column per level for every factor in every term.

    This is the rank-deficient matrix from which type III hypotheses are built, whatever contrasts
    the model was fitted with (lmerTest's ``get_rdX``).

    Returns
    -------
    CodedMatrix over the rows of the fit: ``matrix``, ``names`` and, per term (the intercept first,
    where there is one), ``term_columns``.
    """
    return model_matrix(design.formula.fixed, design.fixed, design.rows, full_dummies=True)


def sum_offsets(
    offsets: Sequence[Variable], columns: Columns, text: str, states: States
) -> np.ndarray | None:
    """The sum of offsets, (n,), or None without any.

    Raises
    ------
    DataError
        For an offset that is not numeric.
    """
    total = None
    for variable in offsets:
        reader = VariableReader(columns, variable.expression.text or text, states)
        value = reader.numbers(variable, "offset")
        total = value.copy() if total is None else total + value
    return total


def _matrix(terms: Terms, codings: Sequence[Coding], reader: VariableReader) -> CodedMatrix:
    coded = [align(coding, reader.value(coding.variable)) for coding in codings]
    return model_matrix(terms, coded, reader.columns.length)


def _new_random(
    term: RandomDesign, columns: Columns, reader: VariableReader, grouped: bool
) -> NewRandom:
    grouping = term.bar.grouping
    missing = [name for name in grouping.columns if name not in columns]
    if missing and grouped:
        raise DataError(
            f"the new data lack the column {missing[0]!r} of the grouping factor {grouping.name}"
        )
    values = [
        align(coding, left_value(coding.variable, grouping.columns, reader))
        for coding in term.codings
    ]
    model = model_matrix(term.bar.terms, values, columns.length).matrix
    if grouped:
        codes = term.groups.codes([reader.factor(variable) for variable in grouping.factors])
    else:
        codes = np.full(columns.length, -1, dtype=np.intp)
    return NewRandom(term.group, term.effects, model, codes)


def left_value(variable: Variable, grouping_columns: Sequence[str], reader: VariableReader):
    """A variable left of a bar; one that also groups there is a factor (lme4's ``factorize``)."""
    if variable.label in grouping_columns:
        return reader.factor(variable)
    return reader.value(variable)
