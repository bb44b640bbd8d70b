"""What a formula becomes on given data: the response, X and the random terms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mmfit.expression.labels import Labels
from mmfit.formula.design import DesignInfo


@dataclass(frozen=True, slots=True)
class FixedTerm:
    """One term of the fixed part.

    Attributes
    ----------
    name : str, R's term label, e.g. ``Days:sex``; ``(Intercept)`` for the intercept.
    variables : tuple of str, the factors (in the formula's sense) whose product the term is.
    columns : tuple of int, its columns in X before rank-deficient ones were dropped.
    """

    name: str
    variables: tuple[str, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One bar term, after expansion of ``/`` and ``||``; its covariance is unstructured.

    Attributes
    ----------
    group : str, lme4's name in VarCorr: ``clinic:region``; ``Subject.1`` for a second term
        on the same grouping factor.
    grouping : str, the grouping factor's own name (``Subject``).
    factors : tuple of str, the data columns whose combinations are the levels.
    effects : tuple of str, length q, the column names of ``model``.
    model : (n, q) float array, the raw model matrix of the bar's left-hand side.
    codes : (n,) intp array, the level of each row.
    levels : tuple of str or Labels, length L, labels as in lme4 (``1:1``), only levels that occur.
    constant : tuple of bool, length q, True where a column of ``model`` is exactly 1 in every row
        by construction (the intercept); all False where nothing is said.
    """

    group: str
    grouping: str
    factors: tuple[str, ...]
    effects: tuple[str, ...]
    model: np.ndarray
    codes: np.ndarray
    levels: tuple[str, ...] | Labels
    constant: tuple[bool, ...] = ()

    def __post_init__(self):
        if not self.constant:
            object.__setattr__(self, "constant", (False,) * len(self.effects))


@dataclass(frozen=True, slots=True)
class ModelMatrices:
    """Everything that the engine needs of a formula and its data, and nothing else.

    Attributes
    ----------
    formula : str, the formula as written.
    response : str, the text of the left-hand side, e.g. ``log(Reaction)``.
    y : (n,) float array.
    X : (n, p) float array of full column rank.
    fixed_names : tuple of str, length p, lme4's coefficient names.
    dropped : tuple of str, names of columns left out because X was rank deficient.
    fixed_terms : tuple of FixedTerm; their ``columns`` index ``all_fixed_names``.
    all_fixed_names : tuple of str, names of the columns of X before any were dropped.
    random : tuple of RandomTerm in lme4's order (number of levels, decreasing; ties as written
        where nothing had to be sorted, reversed otherwise).
    weights : (n,) float array of positive prior weights, or None.
    offset : (n,) float array, or None.
    design : DesignInfo, what new rows and type III tests need, or None.
    """

    formula: str
    response: str
    y: np.ndarray
    X: np.ndarray
    fixed_names: tuple[str, ...]
    dropped: tuple[str, ...]
    fixed_terms: tuple[FixedTerm, ...]
    all_fixed_names: tuple[str, ...]
    random: tuple[RandomTerm, ...]
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None
    design: DesignInfo | None = field(default=None, repr=False, compare=False)

    @property
    def nobs(self) -> int:
        return len(self.y)
