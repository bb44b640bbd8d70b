"""The distributions that covariates of a simulated data set are drawn from."""

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from mmfit.spec.base import Finite, MistakeError, Name, Positive, Record, Text, listed


class _Drawn(Record):
    """What all distributions have in common."""

    per: Annotated[
        Name | None,
        Field(
            description="A grouping factor: one value per level of it, the same for all rows of "
            "the level. Without it every row has a value of its own."
        ),
    ] = None


class Normal(_Drawn):
    """Normal distribution."""

    distribution: Literal["normal"]
    mean: Finite = 0.0
    sd: Positive = 1.0

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return self.mean + self.sd * rng.standard_normal(size)


class LogNormal(_Drawn):
    """The exponential of a normal distribution."""

    distribution: Literal["lognormal"]
    mean_log: Finite = 0.0
    sd_log: Positive = 1.0

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return np.exp(self.mean_log + self.sd_log * rng.standard_normal(size))


class Uniform(_Drawn):
    """Uniform distribution between low and high."""

    distribution: Literal["uniform"]
    low: Finite = 0.0
    high: Finite = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise MistakeError(
                f"low is {self.low:g} and high is {self.high:g}", "low must be less than high"
            )
        return self

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return self.low + (self.high - self.low) * rng.random(size)


class Exponential(_Drawn):
    """Exponential distribution with the given mean."""

    distribution: Literal["exponential"]
    mean: Positive = 1.0

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return self.mean * rng.standard_exponential(size)


class Gamma(_Drawn):
    """Gamma distribution with the given shape and mean."""

    distribution: Literal["gamma"]
    shape: Positive
    mean: Positive = 1.0

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return self.mean / self.shape * rng.standard_gamma(self.shape, size)


class Poisson(_Drawn):
    """Poisson counts with the given mean."""

    distribution: Literal["poisson"]
    mean: Annotated[Positive, Field(le=1e9)]

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return rng.poisson(self.mean, size)


class Bernoulli(_Drawn):
    """0 or 1; 1 with the given probability."""

    distribution: Literal["bernoulli"]
    probability: Annotated[Finite, Field(gt=0, lt=1)] = 0.5

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        return (rng.random(size) < self.probability).astype(np.int64)


class Categorical(_Drawn):
    """A factor: labels with their probabilities (all alike unless given)."""

    distribution: Literal["categorical"]
    levels: Annotated[listed(Text), Field(min_length=2)]
    probabilities: listed(Positive) | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        repeated = [label for label in self.levels if self.levels.count(label) > 1]
        if repeated:
            raise MistakeError(
                f"the level {repeated[0]!r} stands twice", "each level is named once"
            )
        if self.probabilities is None:
            return self
        if len(self.probabilities) != len(self.levels):
            raise MistakeError(
                f"{len(self.probabilities)} probabilities for {len(self.levels)} levels",
                "give one per level",
            )
        total = math.fsum(self.probabilities)
        if abs(total - 1) > 1e-9:
            raise MistakeError(f"the probabilities sum to {total:.12g}", "they must sum to 1")
        return self

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        shares = self.probabilities or (1 / len(self.levels),) * len(self.levels)
        bounds = np.cumsum(shares)[:-1]
        codes = np.searchsorted(bounds, rng.random(size), "right")
        return np.array(self.levels, dtype=object)[codes]


class Sequence(_Drawn):
    """Equally spaced values within each cell: start, start + step, … (days of a study, say)."""

    distribution: Literal["sequence"]
    start: Finite = 0.0
    step: Finite = 1.0

    @model_validator(mode="after")
    def _runs(self) -> Self:
        if self.step == 0:
            raise MistakeError("step is 0, so that all values would be alike", "give another step")
        if self.per is not None:
            raise MistakeError(
                "`per` is given, but a sequence counts the rows of a cell", "remove `per`"
            )
        return self

    def values(self, position: np.ndarray) -> np.ndarray:
        """The value at each position 0, 1, … within the cell."""
        return self.start + self.step * position


_KINDS = (
    Normal, LogNormal, Uniform, Exponential, Gamma, Poisson, Bernoulli, Categorical, Sequence,
)  # fmt: skip


def _kind(value: Any) -> str | None:
    given = value.get("distribution") if isinstance(value, dict) else None
    return f"<{given}>" if isinstance(given, str) else None


def distribution_names() -> tuple[str, ...]:
    """The distributions that there are, in the order of the documentation."""
    return tuple(kind.model_fields["distribution"].annotation.__args__[0] for kind in _KINDS)


Covariate = Annotated[
    Annotated[Normal, Tag("<normal>")]
    | Annotated[LogNormal, Tag("<lognormal>")]
    | Annotated[Uniform, Tag("<uniform>")]
    | Annotated[Exponential, Tag("<exponential>")]
    | Annotated[Gamma, Tag("<gamma>")]
    | Annotated[Poisson, Tag("<poisson>")]
    | Annotated[Bernoulli, Tag("<bernoulli>")]
    | Annotated[Categorical, Tag("<categorical>")]
    | Annotated[Sequence, Tag("<sequence>")],
    Discriminator(_kind),
]
