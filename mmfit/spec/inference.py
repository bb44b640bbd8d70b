"""What an analysis wants of its models beside the tables that every analysis has."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from mmfit.spec.base import Finite, MistakeError, Name, Record, Text, listed

INTERVALS = ("profile", "wald", "bootstrap")
ADJUSTMENTS = ("tukey", "holm", "none")
PREDICTION_INTERVALS = ("prediction", "confidence")

Level = Annotated[Finite, Field(gt=0, lt=1)]


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise MistakeError(f"{value!r} is listed twice", "each is allowed once")
    return values


def _means_kind(value: Any) -> str | None:
    if isinstance(value, (list, tuple)):
        return "<list>"
    return "<all>" if isinstance(value, str) else None


Means = Annotated[
    Annotated[Literal["all"], Tag("<all>")]
    | Annotated[listed(Name), AfterValidator(_each_once), Tag("<list>")],
    Discriminator(_means_kind),
]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


By = Annotated[
    listed(Name),
    AfterValidator(_each_once),
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
]


class PredictionSpec(Record):
    """Rows to predict."""

    file: Annotated[
        Text,
        Field(
            description="csv, tsv or parquet, also .gz, with the columns that the models use; "
            "`categorical` and `derive` of the data apply."
        ),
    ]
    interval: Annotated[
        Literal[PREDICTION_INTERVALS],
        Field(
            description="`prediction`: of a new observation; `confidence`: of its expected value."
        ),
    ] = "prediction"
    random_effects: Annotated[
        bool,
        Field(
            description="Add the conditional modes of the levels that the fit has seen; "
            "false: population predictions."
        ),
    ] = True


class InferenceSpec(Record):
    """Intervals, tests, measures, means, predictions and diagnosis of every model."""

    level: Annotated[Level, Field(description="Confidence level of the intervals.")] = 0.95
    intervals: Annotated[
        Annotated[listed(Literal[INTERVALS]), AfterValidator(_each_once)],
        Field(description="Intervals for all parameters, by these methods; [] for none."),
    ] = ("profile",)
    term_tests: Annotated[
        bool, Field(description="F tests of the fixed terms that can be dropped (drop1).")
    ] = True
    random_term_tests: Annotated[
        bool, Field(description="Likelihood-ratio tests of the random terms (ranova).")
    ] = True
    measures: Annotated[
        bool, Field(description="R squared, intraclass correlations, conditional AIC.")
    ] = True
    means: Annotated[
        Means,
        Field(
            description="Marginal means and their differences by these factors of the fixed part "
            "(`a:b` for the cells of two; `a | b` for those of a, compared within each level of "
            "b); `all`: every factor; [] for none."
        ),
    ] = "all"
    adjust: Annotated[
        Literal[ADJUSTMENTS],
        Field(description="Adjustment of the p-values of differences between means."),
    ] = "tukey"
    slopes: Annotated[
        dict[Name, By],
        Field(
            default_factory=dict,
            description="Slopes of these covariates, each by the levels of a factor or of several; "
            "[] for the overall slope.",
        ),
    ]
    influence: Annotated[
        bool, Field(description="What leaving out each level of a grouping factor changes.")
    ] = True
    diagnosis: Annotated[
        bool, Field(description="Convergence, singular directions and residual checks in words.")
    ] = True
    predictions: Annotated[PredictionSpec | None, Field(description="Rows to predict.")] = None
