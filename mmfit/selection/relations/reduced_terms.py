"""Random terms made simpler, on the matrices of a model, without its data.

As in lmerTest's ``ranova(reduce.terms = TRUE)`` (Kuznetsova, Brockhoff & Christensen 2017,
J. Stat. Softw. 82(13)): each term left of a bar that is no margin of another is dropped in turn;
a bar of an intercept alone is removed whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfit.errors import ComparisonError
from mmfit.formula.design import RandomDesign
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.formula.model_matrix import INTERCEPT, CodedMatrix, model_matrix
from mmfit.formula.terms import Terms, make_terms
from mmfit.formula.variables import Coded, Coding


@dataclass(frozen=True, slots=True)
class ReducedTerm:
    """A model with one of its random terms made simpler.

    Attributes
    ----------
    label : str, what was dropped, as lmerTest prints it: ``Days in (Days | Subject)``.
    matrices : ModelMatrices of the smaller model, or None where they cannot be told without data.
    kept : tuple of int, the terms of the full model that are left as they are.
    simpler : RandomTerm or None, what takes the place of the reduced term.
    place : int, the reduced term's place in ``ModelMatrices.random``.
    reason : str or None, why there are no matrices, or what is particular to them.
    """

    label: str
    matrices: ModelMatrices | None
    kept: tuple[int, ...]
    simpler: RandomTerm | None
    place: int
    reason: str | None = None


def reduced_models(matrices: ModelMatrices) -> list[ReducedTerm]:
    """Every model with one random term made simpler, in the order of the formula.

    Raises
    ------
    ComparisonError
        For matrices that were not built from a formula.
    """
    design = matrices.design
    if design is None:
        raise ComparisonError("these matrices have no formula that tells their random terms")
    found = []
    for bar in design.formula.random:
        place = next(i for i, known in enumerate(design.random) if known.bar is bar)
        masks = [sum(1 << k for k in members) for members in bar.terms.members]
        droppable = [m for m in masks if not any(m != other and m & ~other == 0 for other in masks)]
        if not masks:
            found.append(_removed(matrices, place, f"({bar.text})"))
        for mask in droppable:
            label = f"{bar.terms.labels[masks.index(mask)]} in ({bar.text})"
            rest = [m for m in masks if m != mask]
            found.append(_without(matrices, place, label, rest, design.random[place]))
    return found


def _removed(matrices: ModelMatrices, place: int, label: str, reason=None) -> ReducedTerm:
    kept = tuple(i for i in range(len(matrices.random)) if i != place)
    random = tuple(matrices.random[i] for i in kept)
    return ReducedTerm(label, replace(matrices, random=random), kept, None, place, reason)


def _without(matrices, place, label, rest: list[int], design: RandomDesign) -> ReducedTerm:
    """The bar with the terms ``rest`` (masks) left of it, or with an intercept where none is."""
    term, old = matrices.random[place], design.bar.terms
    if not rest and not old.intercept and not _spans_constant(old, design.codings):
        reason = None
        if not _intercept_beside(matrices, place):
            reason = (
                "nothing is left to vary, so that the term is removed whole; an intercept in its "
                "place would be another model, not a smaller one"
            )
        return _removed(matrices, place, label, reason)
    terms = make_terms(old.intercept or not rest, old.variables, rest)
    model = _columns(term, old, terms, design.codings)
    if model is None:
        kept = tuple(i for i in range(len(matrices.random)) if i != place)
        reason = "the columns of the smaller model cannot be told from those of the larger one"
        return ReducedTerm(label, None, kept, None, place, reason)
    constant = (terms.intercept, *(False for _ in model.names[1:]))
    simpler = replace(
        term, effects=model.names, model=np.ascontiguousarray(model.matrix), constant=constant
    )
    others = [other for i, other in enumerate(matrices.random) if i != place]
    if any(_same_term(simpler, other) for other in others):
        return _removed(matrices, place, label)
    random = tuple(simpler if i == place else t for i, t in enumerate(matrices.random))
    kept = tuple(i for i in range(len(random)) if i != place)
    return ReducedTerm(label, replace(matrices, random=random), kept, simpler, place)


def _intercept_beside(matrices: ModelMatrices, place: int) -> bool:
    """Whether another term lets the intercept vary by the same levels."""
    own = matrices.random[place].codes
    return any(
        any(term.constant) and np.array_equal(term.codes, own)
        for i, term in enumerate(matrices.random)
        if i != place
    )


def _same_term(one: RandomTerm, other: RandomTerm) -> bool:
    return (
        one.effects == other.effects
        and np.array_equal(one.codes, other.codes)
        and np.array_equal(one.model, other.model)
    )


def _spans_constant(terms: Terms, codings: Sequence[Coding]) -> bool:
    return any(all(codings[k].levels is not None for k in members) for members in terms.members)


def _columns(term: RandomTerm, old: Terms, new: Terms, codings) -> CodedMatrix | None:
    """The columns of ``new`` terms: some of those that are there, or made from them."""
    names = _shape(new, codings).names
    unique = len(set(term.effects)) == len(term.effects)
    if unique and all(name in term.effects or name == INTERCEPT for name in names):
        places = [term.effects.index(n) if n in term.effects else -1 for n in names]
        ones = np.ones(len(term.codes))
        matrix = np.column_stack([ones if k < 0 else term.model[:, k] for k in places])
        return CodedMatrix(matrix, names, (), matrix)
    coded = _coded(term, old, codings)
    used = {k for members in new.members for k in members}
    if not used <= coded.keys():
        return None
    filled = [coded.get(k, Coded(coding, np.zeros(0))) for k, coding in enumerate(codings)]
    return model_matrix(new, filled, len(term.codes))


def _coded(term: RandomTerm, old: Terms, codings) -> dict[int, Coded]:
    """The variables with a term of their own left of the bar, read back from its columns."""
    shape = _shape(old, codings)
    columns = shape.term_columns[int(old.intercept) :]
    found = {}
    for members, own in zip(old.members, columns, strict=True):
        if len(members) > 1:
            continue
        coding, values = codings[members[0]], term.model[:, list(own)]
        if coding.levels is None:
            found[members[0]] = Coded(coding, values[:, 0] if values.shape[1] == 1 else values)
            continue
        full = values.shape[1] == len(coding.levels)
        table = np.eye(len(coding.levels)) if full else coding.contrast.matrix
        distance = ((values[:, None, :] - table[None]) ** 2).sum(axis=2)
        found[members[0]] = Coded(coding, distance.argmin(axis=1))
    return found


def _shape(terms: Terms, codings: Sequence[Coding]) -> CodedMatrix:
    """The names and places of the columns of some terms."""
    one = [
        Coded(
            c,
            np.zeros(1, dtype=np.intp) if c.levels is not None else np.zeros((1, len(c.suffixes))),
        )
        for c in codings
    ]
    return model_matrix(terms, one, 1)
