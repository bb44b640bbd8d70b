"""Random terms in the coordinates in which covariance families are compared."""

from dataclasses import dataclass

import numpy as np

from mmfit.formula.matrices import RandomTerm
from mmfit.formula.partition import Partition
from mmfit.selection.relations.spans import basis_change, column_span


@dataclass(frozen=True, slots=True)
class FamilyTerm:
    """One random term in whitened coordinates.

    Attributes
    ----------
    position : int, the term's place in ``ModelMatrices.random``.
    label : str, as one would write it, e.g. ``(1 + Days | Subject)``.
    codes : (n,) intp array, levels numbered by first appearance: equal arrays, equal partitions.
    levels : int, number of levels.
    model : (n, r) array with model'model = n I, same span as the raw model matrix.
    support : (n,) bool array, rows on which the term has any effect.
    to_whitened : (r, q) array W: raw model = model W, hence Psi = W Psi_raw W'.
    from_whitened : (q, r) array B: model = raw model B, hence Psi_raw = B Psi B'.
    """

    position: int
    label: str
    codes: np.ndarray
    levels: int
    model: np.ndarray
    support: np.ndarray
    to_whitened: np.ndarray
    from_whitened: np.ndarray

    @property
    def rank(self) -> int:
        return self.model.shape[1]


def family_term(term: RandomTerm, position: int) -> FamilyTerm:
    """The term at ``position``, whitened and with canonical levels."""
    model = np.asarray(term.model, dtype=float)
    groups = Partition(term.codes, len(term.levels)).canonical()
    support = np.any(model != 0, axis=1)
    basis = column_span(model).orthonormal()
    to_basis, from_basis = basis_change(model, basis)
    root = np.sqrt(len(model))
    return FamilyTerm(
        position=position,
        label=term_label(term),
        codes=groups.codes,
        levels=groups.levels,
        model=np.where(support[:, None], basis, 0.0) * root,
        support=support,
        to_whitened=to_basis / root,
        from_whitened=from_basis * root,
    )


def by_partition(terms: tuple[FamilyTerm, ...]) -> tuple[tuple[int, ...], ...]:
    """Places of the terms that share a partition, in order of appearance."""
    groups: list[list[int]] = []
    for place, term in enumerate(terms):
        for group in groups:
            if np.array_equal(terms[group[0]].codes, term.codes):
                group.append(place)
                break
        else:
            groups.append([place])
    return tuple(tuple(group) for group in groups)


def term_label(term: RandomTerm) -> str:
    """The term as one would write it: ``(1 + Days | Subject)``, ``(0 + Days | Subject)``."""
    effects = ["1" if name == "(Intercept)" else name for name in term.effects]
    if "1" not in effects:
        effects.insert(0, "0")
    return f"({' + '.join(effects)} | {term.grouping})"
