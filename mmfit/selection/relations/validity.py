"""Which pairs of models a likelihood-ratio test can compare, and by which criterion.

Decided from the matrices alone: the same data, fixed parts compared as column spans, random parts
compared as families of covariance matrices. Every outcome has a word for programs and a sentence
for people.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmfit.selection.relations.embedding import Embedding
from mmfit.selection.relations.spans import columns_inside
from mmfit.selection.relations.structure import (
    CONTAINS,
    EQUAL,
    INSIDE,
    NEITHER,
    UNPROVEN,
    RandomRelation,
    Structure,
    fixed_relation,
    random_relation,
)


@dataclass(frozen=True, slots=True)
class PairAssessment:
    """Whether and how two models can be compared.

    Attributes
    ----------
    outcome : str, ``valid`` or why not: ``different_rows``, ``different_response``,
        ``different_weights``, ``different_offset``, ``same_model``, ``fixed_not_nested``,
        ``random_not_nested``, ``not_provably_nested``, ``opposite_directions``,
        ``no_degrees_of_freedom``.
    reason : str, the same in words.
    null, alternative : Structure; in the order of the test where the pair is valid.
    swapped : bool, whether that is the reverse of the order asked for.
    criterion : ``"REML"``, ``"ML"`` or None.
    notes : tuple of str.
    df : int or None, difference of the models' dimensions.
    fixed_df : int or None, the part of ``df`` that is due to the fixed part.
    embeddings : of the null's random terms into the alternative's family, or None.
    """

    outcome: str
    reason: str
    null: Structure
    alternative: Structure
    swapped: bool = False
    criterion: str | None = None
    notes: tuple[str, ...] = ()
    df: int | None = None
    fixed_df: int | None = None
    embeddings: tuple[Embedding, ...] | None = None


def assess(
    first: Structure,
    second: Structure,
    related: Callable[[], tuple[str, RandomRelation]] | None = None,
) -> PairAssessment:
    """Decide whether the two models can be tested against each other, and say why (not).

    ``related`` gives the relations of the fixed and of the random parts, where they are kept; it is
    asked for models of the same data only.
    """
    difference = data_difference(first, second)
    if difference is not None:
        return PairAssessment(*difference, first, second)
    if related is None:
        fixed, random = fixed_relation(first, second), random_relation(first, second)
    else:
        fixed, random = related()
    if (fixed, random.kind) == (EQUAL, EQUAL):
        return PairAssessment("same_model", _same_words(first, second), first, second)
    if fixed in (EQUAL, INSIDE) and random.kind in (EQUAL, INSIDE):
        return _nested(first, second, fixed, random, swapped=False)
    if fixed in (EQUAL, CONTAINS) and random.kind in (EQUAL, CONTAINS):
        return _nested(second, first, fixed, random, swapped=True)
    outcome, words = _not_nested_words(first, second, fixed, random)
    advice = _advice(first, second, fixed)
    reason = f"not comparable by a likelihood-ratio test: {words}; {advice}"
    return PairAssessment(outcome, reason, first, second)


def data_difference(first: Structure, second: Structure) -> tuple[str, str] | None:
    """(outcome, reason) if the models are not of the same data, else None."""
    a, b = first.matrices, second.matrices
    if a.nobs != b.nobs:
        return "different_rows", (
            f"different rows: {first.name} has {a.nobs}, {second.name} has {b.nobs}; "
            "models can only be compared on the same rows"
        )
    if not np.array_equal(a.y, b.y):
        if a.response == b.response:
            return "different_rows", (
                f"different rows: {first.name} and {second.name} have different values of "
                f"{a.response} ({np.sum(a.y != b.y)} of {a.nobs}); models can only be compared on "
                "the same rows in the same order"
            )
        return "different_response", (
            f"different responses: {first.name} models {a.response}, {second.name} models "
            f"{b.response}; likelihoods of different responses cannot be compared, nor their AIC"
        )
    for what, left, right in (
        ("weights", _or_default(a.weights, a.nobs, 1.0), _or_default(b.weights, a.nobs, 1.0)),
        ("offset", _or_default(a.offset, a.nobs, 0.0), _or_default(b.offset, a.nobs, 0.0)),
    ):
        if not np.array_equal(left, right):
            return f"different_{what}", (
                f"different {what}: {first.name} and {second.name} differ in the {what} of "
                f"{np.sum(left != right)} of {a.nobs} rows; both models must have the same {what}"
            )
    return None


def _nested(null, alternative, fixed, random, *, swapped) -> PairAssessment:
    fixed_df = alternative.span.rank - null.span.rank
    criterion = "REML" if fixed == EQUAL else "ML"
    shown = fixed_df + alternative.family.dimension - null.family.dimension
    df = alternative.family.told - null.family.told if criterion == "REML" else shown
    if df <= 0 < shown:
        reason = (
            f"no degrees of freedom: what {alternative.name} adds to {null.name} cannot be told "
            "from the fixed part"
        )
        return PairAssessment("no_degrees_of_freedom", reason, null, alternative)
    if df <= 0:
        reason = (
            f"no degrees of freedom: {null.name} is {alternative.name} with covariances restricted "
            "to a part of their range, and has as many parameters; there is no chi-square for that"
        )
        return PairAssessment("no_degrees_of_freedom", reason, null, alternative)
    notes = []
    if fixed != EQUAL and random.kind != EQUAL:
        notes.append(
            "two things change at once, the fixed and the random part: "
            "a small p-value does not say which of them matters"
        )
    notes += _redundancy_notes(null, criterion) + _redundancy_notes(alternative, criterion)
    return PairAssessment(
        outcome="valid",
        reason=_nested_words(null, alternative, fixed, random.kind),
        null=null,
        alternative=alternative,
        swapped=swapped,
        criterion=criterion,
        notes=tuple(notes),
        df=df,
        fixed_df=fixed_df,
        embeddings=random.embeddings,
    )


def _nested_words(null, alternative, fixed, random) -> str:
    if fixed == EQUAL:
        return (
            f"same fixed part, and the random part of {null.name} lies inside that of "
            f"{alternative.name}: both by REML"
        )
    if random == EQUAL:
        return (
            f"same random part, and the fixed part of {null.name} lies inside that of "
            f"{alternative.name}: both by ML, as REML criteria of different fixed parts "
            "cannot be compared"
        )
    return (
        f"the fixed and the random part of {null.name} lie inside those of {alternative.name}: "
        "both by ML, as REML criteria of different fixed parts cannot be compared"
    )


def _same_words(first, second) -> str:
    return (
        f"{first.name} and {second.name} are the same model, written twice: their fixed parts span "
        "the same space and their random parts give the same covariances; there is nothing to test"
    )


def _not_nested_words(first, second, fixed, random) -> tuple[str, str]:
    a, b = first.name, second.name
    if fixed == NEITHER:
        return "fixed_not_nested", f"neither fixed part contains the other{_columns(first, second)}"
    missing = (
        f"{_listed(random.first_missing)} of {a} not inside {b}, "
        f"{_listed(random.second_missing)} of {b} not inside {a}"
    )
    if random.kind == NEITHER:
        return "random_not_nested", f"neither random part contains the other ({missing})"
    if random.kind == UNPROVEN:
        return "not_provably_nested", (
            f"the random parts are not provably nested ({missing}, as far as can be shown)"
        )
    smaller, larger = (a, b) if fixed == INSIDE else (b, a)
    return "opposite_directions", (
        f"{smaller} has the smaller fixed part but the larger random part, and {larger} the reverse"
    )


def _columns(first, second) -> str:
    parts = []
    for one, other in ((first, second), (second, first)):
        inside = columns_inside(one.matrices.X, other.span)
        names = [n for n, ok in zip(one.matrices.fixed_names, inside, strict=True) if not ok]
        parts.append(f"{', '.join(names)} of {one.name} not inside {other.name}")
    return f" ({'; '.join(parts)})"


def _advice(first, second, fixed) -> str:
    if fixed == EQUAL:
        return "compare AIC or BIC (by REML or by ML: the fixed parts are the same)"
    return "compare AIC or BIC of the ML fits (the fixed parts differ)"


def _redundancy_notes(model: Structure, criterion: str) -> list[str]:
    family = model.family
    counted = family.told if criterion == "REML" else family.dimension
    surplus = family.parameters - counted
    if surplus == 0:
        return []
    because = f" ({_listed(family.redundant)} adds nothing to the rest)" if family.redundant else ""
    return [
        f"{surplus} of the {family.parameters} covariance parameters of {model.name} cannot be "
        f"told apart by these data{because}; df counts only what can be"
    ]


def _listed(labels) -> str:
    return " + ".join(labels)


def _or_default(values, n, default):
    return np.full(n, default) if values is None else values
