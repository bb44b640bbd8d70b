"""Which pairs are compared, by which null distribution, and the settings of the bootstrap."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from mmfit.spec.base import MistakeError, Name, Record, listed

NULL_DISTRIBUTIONS = (
    "auto",
    "chi2",
    "chibar2",
    "exact",
    "calibrated",
    "bootstrap",
)
"""How the p-value of a likelihood-ratio test may be found; ``auto``: what keeps its level best."""

FEWEST_REPLICATES = 19
"""With fewer bootstrap replicates no p-value can be 5 %."""

NullDistribution = Literal[NULL_DISTRIBUTIONS]


class ComparisonSpec(Record):
    """One comparison, with a null distribution of its own."""

    null: Annotated[Name, Field(description="The smaller model.")]
    alternative: Annotated[Name, Field(description="The model that contains it.")]
    null_distribution: Annotated[
        NullDistribution | None,
        Field(description="As for the analysis; without it, that of the analysis."),
    ] = None


def _pair(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 2:
        raise MistakeError(
            f"found a list of {len(value)}", "a comparison is a pair [null, alternative]"
        )
    return value


Pair = Annotated[listed(Name), AfterValidator(_pair)]


def _entry_kind(value: Any) -> str | None:
    if isinstance(value, (dict, ComparisonSpec)):
        return "<mapping>"
    return "<pair>" if isinstance(value, (list, tuple)) else None


Entry = Annotated[
    Annotated[Pair, Tag("<pair>")] | Annotated[ComparisonSpec, Tag("<mapping>")],
    Discriminator(_entry_kind),
]


def _comparisons_kind(value: Any) -> str | None:
    if isinstance(value, (list, tuple)):
        return "<pairs>"
    return "<all>" if isinstance(value, str) else None


Comparisons = Annotated[
    Annotated[Literal["all"], Tag("<all>")]
    | Annotated[listed(Entry), Field(min_length=1), Tag("<pairs>")],
    Discriminator(_comparisons_kind),
]


class BootstrapSpec(Record):
    """The parametric bootstrap of likelihood-ratio tests and of intervals."""

    replicates: Annotated[
        int,
        Field(
            ge=FEWEST_REPLICATES,
            le=10_000_000,
            description="Data sets simulated from the null model (for intervals: from the model).",
        ),
    ] = 999
    seed: Annotated[int, Field(ge=0, description="Start of the random numbers.")] = 1
    chunks: Annotated[
        int,
        Field(ge=1, description="Jobs that the replicates are shared among; no result changes."),
    ] = 1
    stop: Annotated[
        bool,
        Field(
            description="End the replicates of a test early when so many have exceeded its "
            "statistic that the p-value is plainly above 5 %."
        ),
    ] = True


def pairs_of(entries: Any) -> Any:
    """``"all"``, or the pairs (null, alternative) of the entries, in their order."""
    if isinstance(entries, str):
        return entries
    return tuple(
        (entry.null, entry.alternative) if isinstance(entry, ComparisonSpec) else tuple(entry)
        for entry in entries
    )


def methods_of(entries: Any) -> dict[tuple[str, str], str]:
    """The null distribution of each pair that names one of its own."""
    if isinstance(entries, str):
        return {}
    return {
        (entry.null, entry.alternative): entry.null_distribution
        for entry in entries
        if isinstance(entry, ComparisonSpec) and entry.null_distribution is not None
    }
