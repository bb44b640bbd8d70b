"""A design on some of its rows: what every coefficient stands for remains that of all rows.

Bases, levels and contrasts are those of the whole design. Some rows may not determine all of its
columns: those that are no longer independent are left out of the matrices, and a coefficient is
known only where its value does not depend on which of them were left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mmfit.expression.labels import Labels
from mmfit.formula import checks
from mmfit.formula.estimability import Estimability
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.formula.partition import Partition
from mmfit.formula.rank import independent_columns


@dataclass(frozen=True, slots=True)
class RowSubset:
    """A design on some of its rows.

    Attributes
    ----------
    whole : ModelMatrices of all rows.
    matrices : ModelMatrices of these rows, with independent columns.
    fixed : (p,) intp, per column of the whole X its place in that of ``matrices``, -1 where these
        rows do not determine the coefficient.
    terms : per random term of the whole its place among those of ``matrices``, -1 where it is zero
        in all of these rows.
    effects : per random term (q,) intp, as ``fixed`` for its effects.
    """

    whole: ModelMatrices
    matrices: ModelMatrices
    fixed: np.ndarray
    terms: tuple[int, ...]
    effects: tuple[np.ndarray, ...]


class RowSubsets:
    """The subsets of rows of one design.

    Parameters
    ----------
    whole : ModelMatrices.
    """

    def __init__(self, whole: ModelMatrices):
        self.whole = whole

    def all_rows(self) -> RowSubset:
        """The design as it stands."""
        places = tuple(np.arange(len(term.effects)) for term in self.whole.random)
        fixed = np.arange(self.whole.X.shape[1])
        return RowSubset(self.whole, self.whole, fixed, tuple(range(len(places))), places)

    def on(self, keep: np.ndarray) -> RowSubset:
        """The design on the rows ``keep`` (m,) intp.

        Raises
        ------
        DesignError
            As for a design of these rows alone.
        """
        whole = self.whole
        X, kept, fixed = _independent(_rows(whole.X, keep), lambda: whole.X.shape[1])
        random, terms, effects = self._random(keep)
        weights = None if whole.weights is None else whole.weights[keep]
        checks.check_random(random)
        checks.check_fixed(len(kept), len(keep))
        checks.check_residual(X, random, weights)
        names, independent = whole.fixed_names, set(kept.tolist())
        matrices = replace(
            whole,
            y=whole.y[keep],
            X=X,
            fixed_names=tuple(names[k] for k in kept),
            dropped=(*whole.dropped, *(n for k, n in enumerate(names) if k not in independent)),
            random=random,
            weights=weights,
            offset=None if whole.offset is None else whole.offset[keep],
            design=None,
        )
        return RowSubset(whole, matrices, fixed, terms, effects)

    def _random(self, keep):
        """The random terms on some rows, the place of each, and the places of their effects."""
        random, places, effects = [], [], []
        coded: dict[int, tuple] = {}
        for t, term in enumerate(self.whole.random):
            if id(term.codes) not in coded:
                # Terms that share their codes go on to share them.
                some = Partition(term.codes[keep], len(term.levels))
                coded[id(term.codes)] = some.occurring()
            groups, present = coded[id(term.codes)]
            model, kept, place = _independent(_rows(term.model, keep), lambda t=t: self._ranks[t])
            effects.append(place)
            places.append(len(random) if len(kept) else -1)
            if len(kept):
                random.append(
                    replace(
                        term,
                        model=model,
                        effects=tuple(term.effects[k] for k in kept),
                        constant=tuple(term.constant[k] for k in kept),
                        codes=groups.codes,
                        levels=_levels(term, present),
                    )
                )
        return tuple(random), tuple(places), tuple(effects)

    @cached_property
    def _ranks(self) -> list[int]:
        return [len(independent_columns(term.model)) for term in self.whole.random]


def _rows(matrix: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Some rows of a matrix, its columns contiguous."""
    return matrix.T.take(keep, axis=1).T


def _independent(
    matrix: np.ndarray, whole_rank: Callable[[], int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(independent columns, their places in the matrix, places among them or -1) of some rows.

    Columns that are dependent in all rows too are left as they are.
    """
    every = np.arange(matrix.shape[1])
    kept = independent_columns(matrix)
    if len(kept) == len(every) or len(kept) == whole_rank():
        return matrix, every, every
    place = np.full(len(every), -1, dtype=np.intp)
    place[kept] = np.arange(len(kept))
    place[~Estimability.of(matrix, kept).holds(np.eye(len(every)))] = -1
    return matrix.T[kept].T, kept, place


def _levels(term: RandomTerm, present: np.ndarray | None) -> tuple[str, ...] | Labels:
    if present is None:
        return term.levels
    return Labels(len(present), lambda: [term.levels[k] for k in present.tolist()])
