"""The ``simulate`` block: a design, a model with known parameters, and a seed."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from mmfit.spec.base import Finite, FormulaText, Name, NotNegative, Positive, Record, listed
from mmfit.spec.distributions import Covariate

Levels = Annotated[int, Field(ge=2, le=10_000_000)]


class Factor(Record):
    """A grouping factor of the design."""

    levels: Annotated[
        Levels,
        Field(description="Number of levels; with `within`, number of levels in each of those."),
    ]
    within: Annotated[Name | None, Field(description="The factor that this one is nested in.")] = (
        None
    )
    labels: Annotated[
        Literal["unique", "reused"],
        Field(
            description="Labels of a nested factor: `unique` over the whole data set, or `reused`: "
            "counted from 1 again within each level of `within`."
        ),
    ] = "unique"


class RandomEffects(Record):
    """Standard deviations and correlations of the random effects of one grouping factor."""

    sd: Annotated[
        listed(NotNegative),
        Field(min_length=1, description="One standard deviation per effect, in formula order."),
    ]
    correlation: Annotated[
        listed(listed(Finite)) | None,
        Field(description="Correlation matrix of the effects, row by row; without it, none."),
    ] = None


def _factor_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return "<mapping>"
    return "<levels>" if isinstance(value, int) and not isinstance(value, bool) else None


FactorEntry = Annotated[
    Annotated[Levels, Tag("<levels>")] | Annotated[Factor, Tag("<mapping>")],
    Discriminator(_factor_kind),
]


class Simulation(Record):
    """A data set to simulate in place of a file."""

    seed: Annotated[int, Field(ge=0, description="Start of the random numbers.")]
    design: Annotated[
        dict[Name, FactorEntry],
        Field(
            min_length=1,
            description="Grouping factors: a number of levels, or a mapping; crossed with each "
            "other unless `within` says nested.",
        ),
    ]
    per_cell: Annotated[
        int, Field(ge=1, le=10_000_000, description="Rows per combination of the factors.")
    ] = 1
    fraction: Annotated[
        Finite,
        Field(
            gt=0,
            le=1,
            description="Random share of the combinations that is kept; every level of every "
            "factor stays.",
        ),
    ] = 1.0
    covariates: Annotated[
        dict[Name, Covariate],
        Field(
            default_factory=dict, description="Columns beside the factors, and how to draw them."
        ),
    ]
    formula: Annotated[FormulaText, Field(description="The model that the data come from.")]
    fixed: Annotated[dict[Name, Finite], Field(description="Every fixed effect by its name.")]
    random: Annotated[
        dict[Name, RandomEffects],
        Field(default_factory=dict, description="Every grouping factor of the formula."),
    ]
    residual_sd: Annotated[Positive, Field(description="Residual standard deviation.")]
    replicates: Annotated[int, Field(ge=1, description="Data sets to simulate; 1 for now.")] = 1

    @property
    def factors(self) -> dict[str, Factor]:
        """The design with every entry in its long form."""
        return {
            name: entry if isinstance(entry, Factor) else Factor(levels=entry)
            for name, entry in self.design.items()
        }
