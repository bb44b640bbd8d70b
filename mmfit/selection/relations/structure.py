"""What a model spans, fixed and random part, and how two models lie to each other by that."""

from dataclasses import dataclass
from functools import cached_property

from mmfit.formula.matrices import ModelMatrices
from mmfit.selection.relations.counterexamples import is_outside
from mmfit.selection.relations.embedding import Embedding
from mmfit.selection.relations.families import CovarianceFamily, covariance_family, embed_family
from mmfit.selection.relations.spans import ColumnSpan, column_span, columns_inside, log_volume

EQUAL, INSIDE, CONTAINS, NEITHER, UNPROVEN = "equal", "inside", "contains", "neither", "unproven"
_REVERSED = {INSIDE: CONTAINS, CONTAINS: INSIDE}


# Bases whose volumes agree to this are the same for REML (x and I(x - 3) beside an intercept).
VOLUME_ROUNDING = 1e-9


@dataclass(frozen=True)
class Structure:
    """What relations are decided from: computed once per model, used in every pair.

    Attributes
    ----------
    name : str.
    matrices : ModelMatrices.
    span : ColumnSpan of X.
    family : CovarianceFamily of the random part.
    """

    name: str
    matrices: ModelMatrices
    span: ColumnSpan
    family: CovarianceFamily

    @cached_property
    def log_volume(self) -> float:
        """log sqrt(det X'X)."""
        return log_volume(self.matrices.X)

    def basis_constant(self, other: "Structure") -> float:
        """What to add to ``other``'s REML criterion to express it in the basis of this model's X.

        The REML criterion holds log det X'V^-1 X. For X1 = X0 T it is larger by 2 log|det T|,
        whatever V is: criteria of two bases of one space (other contrasts) differ by a constant.
        """
        if self.matrices.X is other.matrices.X:
            return 0.0
        constant = 2 * (self.log_volume - other.log_volume)
        return constant if abs(constant) > VOLUME_ROUNDING else 0.0


@dataclass(frozen=True, slots=True)
class RandomRelation:
    """How the random parts of two models relate.

    Attributes
    ----------
    kind : ``equal``, ``inside`` (the first inside the second), ``contains``, ``neither``, or
        ``unproven`` (no containment found, but none refuted either).
    forward, backward : of the first family's terms into the second, and the reverse; None for a
        term for which none is found.
    first_missing, second_missing : tuple of str, terms of the first (second) model that the other
        cannot give.
    """

    kind: str
    forward: tuple[Embedding | None, ...]
    backward: tuple[Embedding | None, ...]
    first_missing: tuple[str, ...]
    second_missing: tuple[str, ...]

    @property
    def embeddings(self) -> tuple[Embedding, ...] | None:
        """Of the inner family's terms into the outer family; None unless one is inside."""
        if self.kind in (EQUAL, INSIDE):
            return self.forward
        return self.backward if self.kind == CONTAINS else None

    def reversed(self) -> "RandomRelation":
        """The relation of the second model to the first."""
        return RandomRelation(
            _REVERSED.get(self.kind, self.kind),
            self.backward,
            self.forward,
            self.second_missing,
            self.first_missing,
        )


def structure(name: str, matrices: ModelMatrices) -> Structure:
    """Prepare a model for comparisons."""
    return Structure(name, matrices, column_span(matrices.X), covariance_family(matrices))


def fixed_relation(first: Structure, second: Structure) -> str:
    """How span(X) of the first model relates to that of the second."""
    inside = bool(columns_inside(first.matrices.X, second.span).all())
    contains = bool(columns_inside(second.matrices.X, first.span).all())
    if inside and contains:
        return EQUAL
    return INSIDE if inside else CONTAINS if contains else NEITHER


def reversed_fixed(relation: str) -> str:
    """The same relation, seen from the second model."""
    return _REVERSED.get(relation, relation)


def random_relation(first: Structure, second: Structure) -> RandomRelation:
    """How the covariance family of the first model relates to that of the second."""
    forward = embed_family(first.family, second.family)
    backward = embed_family(second.family, first.family)
    missing = _labels(first.family, forward), _labels(second.family, backward)
    if not missing[0]:
        kind = EQUAL if not missing[1] else INSIDE
        return RandomRelation(kind, forward, backward, *missing)
    if not missing[1]:
        return RandomRelation(CONTAINS, forward, backward, *missing)
    refuted = _refuted(first, second, forward) and _refuted(second, first, backward)
    return RandomRelation(NEITHER if refuted else UNPROVEN, forward, backward, *missing)


def _refuted(inner: Structure, outer: Structure, embeddings) -> bool:
    weights = inner.matrices.weights
    return any(
        is_outside(term, outer.family, weights)
        for term, found in zip(inner.family.terms, embeddings, strict=True)
        if found is None
    )


def _labels(family: CovarianceFamily, embeddings) -> tuple[str, ...]:
    pairs = zip(family.terms, embeddings, strict=True)
    return tuple(term.label for term, found in pairs if found is None)
