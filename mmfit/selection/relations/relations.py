"""What the models of a set are to each other, each relation found once, whatever the response."""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from mmfit.formula.matrices import ModelMatrices
from mmfit.selection.relations.structure import (
    EQUAL,
    RandomRelation,
    Structure,
    fixed_relation,
    random_relation,
    reversed_fixed,
    structure,
)
from mmfit.selection.relations.validity import PairAssessment, assess, data_difference

Key = TypeVar("Key", bound=Hashable)


class Relations(Generic[Key]):
    """The relations of models, found when they are first asked for and kept.

    Spans, partitions and containment depend on the rows and the matrices, not on the response: one
    object serves comparisons, ladders, searches and all responses of a batch.

    Parameters
    ----------
    matrices : from the key of a model to its matrices; what it raises is passed on.
    name : from the key of a model to what it is called in words.
    """

    def __init__(self, matrices: Callable[[Key], ModelMatrices], name: Callable[[Key], str] = str):
        self._matrices, self._name = matrices, name
        self._structures: dict[Key, Structure] = {}
        self._fixed: dict[tuple[Key, Key], str] = {}
        self._random: dict[tuple[Key, Key], RandomRelation] = {}
        self._pairs: dict[tuple[Key, Key], PairAssessment] = {}

    @classmethod
    def of(cls, matrices: Mapping[str, ModelMatrices]) -> "Relations[str]":
        """Those of models that are known by name."""
        return Relations(matrices.__getitem__)

    def structure(self, key: Key) -> Structure:
        """What a model spans, fixed and random part."""
        if key not in self._structures:
            self._structures[key] = structure(self._name(key), self._matrices(key))
        return self._structures[key]

    def difference(self, first: Key, second: Key) -> tuple[str, str] | None:
        """As :func:`data_difference`."""
        return data_difference(self.structure(first), self.structure(second))

    def fixed(self, first: Key, second: Key) -> str:
        """How the fixed part of the first model lies to that of the second."""
        if first == second:
            return EQUAL
        if (first, second) not in self._fixed:
            found = fixed_relation(self.structure(first), self.structure(second))
            self._fixed[first, second] = found
            self._fixed[second, first] = reversed_fixed(found)
        return self._fixed[first, second]

    def random(self, first: Key, second: Key) -> RandomRelation:
        """How the random part of the first model lies to that of the second."""
        if (first, second) not in self._random:
            found = random_relation(self.structure(first), self.structure(second))
            self._random[first, second] = found
            self._random[second, first] = found.reversed()
        return self._random[first, second]

    def pair(self, first: Key, second: Key) -> PairAssessment:
        """Whether and how the two can be tested against each other, the first meant as the null."""
        if (first, second) not in self._pairs:
            one, other = self.structure(first), self.structure(second)
            self._pairs[first, second] = assess(
                one,
                other,
                lambda: (self.fixed(first, second), self.random(first, second)),
            )
        return self._pairs[first, second]
