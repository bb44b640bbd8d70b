"""What an analysis file may hold, and the Analysis that is made of it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag

from mmfit.expression import variables as expression_variables
from mmfit.formula import parse
from mmfit.spec.base import ExpressionText, FormulaText, MistakeError, Name, Record, Text, listed
from mmfit.spec.comparisons import BootstrapSpec, Comparisons, NullDistribution
from mmfit.spec.inference import InferenceSpec
from mmfit.spec.search import SELECTED, SelectionSpec
from mmfit.spec.simulation import Simulation

SUPPORTED_DF = ("satterthwaite", "kenward-roger", "residual", "normal")
"""The methods for degrees of freedom that the inference offers."""

CONTRASTS = ("treatment", "sum", "helmert", "poly")


class _Data(Record):
    categorical: Annotated[
        listed(Name),
        Field(
            description="Columns that are factors although their labels are numbers. Text columns "
            "are factors anyway."
        ),
    ] = ()
    where: Annotated[
        ExpressionText | None,
        Field(description="Keep the rows for which this holds, in terms of the file's columns."),
    ] = None
    derive: Annotated[
        dict[Name, ExpressionText],
        Field(
            default_factory=dict,
            description="New or replaced columns, computed after `where`, in this order.",
        ),
    ]
    missing: Annotated[
        Literal["drop", "error"],
        Field(
            description="Rows in which a variable of any candidate model is missing: drop them "
            "for all models, or stop."
        ),
    ] = "drop"


def _sha256(text: str) -> str:
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise MistakeError(
            f"{text!r} ({len(text)} characters) is no SHA-256 checksum",
            "64 characters, 0-9 and a-f, are allowed, as `sha256sum FILE` prints them",
        )
    return text.lower()


class FileData(_Data):
    """Data read from a file."""

    file: Annotated[
        Text,
        Field(
            description="csv, tsv or parquet, also .gz; relative to the folder in which mmfit runs."
        ),
    ]
    sha256: Annotated[
        Annotated[Text, AfterValidator(_sha256)] | None,
        Field(description="Checksum of the file; a file with other bytes is refused."),
    ] = None


class SimulatedData(_Data):
    """Data simulated from a design."""

    simulate: Annotated[Simulation, Field(description="A data set to simulate, in place of file.")]


def _data_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return "<simulated>" if "simulate" in value and "file" not in value else "<file>"


Contrasts = dict[Name, Literal[CONTRASTS]]


class _ModelDefaults(Record):
    weights: Annotated[
        ExpressionText | None,
        Field(description="Prior weights: a column or an expression; all positive."),
    ] = None
    offset: Annotated[
        ExpressionText | None,
        Field(description="A known part of the response: a column or an expression."),
    ] = None
    contrasts: Annotated[
        Contrasts,
        Field(default_factory=dict, description="Coding of factors in the fixed part, by factor."),
    ]


class ModelSpec(_ModelDefaults):
    """One candidate model."""

    formula: Annotated[FormulaText, Field(description="The model, in lme4's notation.")]

    @property
    def variables(self) -> tuple[str, ...]:
        """The data columns that the model uses, weights and offset included, each once."""
        names = list(parse(self.formula).variables)
        for text in (self.weights, self.offset):
            if text is not None:
                names.extend(expression_variables(text))
        return tuple(dict.fromkeys(names))


def _model_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return "<mapping>"
    return "<formula>" if isinstance(value, str) else None


ModelEntry = Annotated[
    Annotated[FormulaText, Tag("<formula>")] | Annotated[ModelSpec, Tag("<mapping>")],
    Discriminator(_model_kind),
]


_MODELS_OR_SEARCH = {
    "anyOf": [
        {"required": ["models"]},
        {
            "required": ["selection"],
            "properties": {"selection": {"required": ["search", "scope"]}},
        },
    ]
}


class AnalysisFile(_ModelDefaults):
    """One analysis: data, candidate models, and what to do with them."""

    model_config = ConfigDict(json_schema_extra=_MODELS_OR_SEARCH)

    title: Annotated[Text | None, Field(description="Heading of the report.")] = None
    data: Annotated[
        Annotated[FileData, Tag("<file>")] | Annotated[SimulatedData, Tag("<simulated>")],
        Discriminator(_data_kind),
        Field(description="Where the data come from and how they are prepared."),
    ]
    models: Annotated[
        dict[Name, ModelEntry],
        Field(
            default_factory=dict,
            min_length=1,
            description="Candidate models by name: a formula, or a mapping. Needed unless there "
            "is a search.",
        ),
    ]
    comparisons: Annotated[
        Comparisons,
        Field(
            description="`all`: every valid pair; or a list of [null, alternative], each also as a "
            "mapping with a `null_distribution` of its own."
        ),
    ] = "all"
    null_distribution: Annotated[
        NullDistribution,
        Field(
            description="Null distribution of the likelihood-ratio tests; `auto`: for each pair "
            "the best that keeps its level."
        ),
    ] = "auto"
    bootstrap: Annotated[
        BootstrapSpec, Field(description="The parametric bootstrap of tests and intervals.")
    ] = BootstrapSpec()
    selection: Annotated[SelectionSpec, Field(description="How the final model is chosen.")] = (
        SelectionSpec()
    )
    inference: Annotated[
        InferenceSpec, Field(description="What is wanted of every model beside the usual tables.")
    ] = InferenceSpec()
    df: Annotated[
        Literal[SUPPORTED_DF],
        Field(description="Degrees of freedom of the t and F tests."),
    ] = "satterthwaite"


class Analysis(AnalysisFile):
    """A validated analysis.

    Attributes
    ----------
    name : str, the stem of the file; the folder of the results.
    path : str, the file as given.
    sha256 : str, checksum of the bytes that were read of it.
    title : str, the name where the file gives none.
    data : FileData or SimulatedData.
    models : dict of ModelSpec by name, in file order, with the analysis's ``weights``, ``offset``
        and ``contrasts`` filled in where a model has none of its own; empty only with a search.
    comparisons : ``"all"`` or a tuple of (null, alternative).
    pair_methods : dict of (null, alternative) to the null distribution that the pair asks for
        itself; all other pairs have that of the analysis.
    null_distribution : str, one of ``NULL_DISTRIBUTIONS``.
    bootstrap : BootstrapSpec.
    selection : SelectionSpec; ``scope`` is a Scope or None, ``criterion`` None without a search.
    inference : InferenceSpec.
    df : str.
    """

    name: str
    path: str
    sha256: str
    title: str
    models: dict[str, ModelSpec]
    pair_methods: dict[tuple[str, str], str]

    @property
    def candidate_names(self) -> tuple[str, ...]:
        """The models that have fits, in order: those of the file, then that of the search."""
        return (*self.models, *((SELECTED,) if self.selection.search else ()))

    @property
    def scope_model(self) -> ModelSpec | None:
        """The maximal model of the search, with the analysis's weights, offset and contrasts."""
        scope = self.selection.scope
        return None if scope is None else self.generated(scope.maximal)

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """Every model that the rows must suit, by its place in the file."""
        specs = {f"models.{name}": spec for name, spec in self.models.items()}
        scope = self.scope_model
        return specs if scope is None else {**specs, "selection.scope": scope}

    def with_selected(self, formula: str) -> "Analysis":
        """The analysis once its search has ended with this formula: one more model."""
        models = {**self.models, SELECTED: self.generated(formula)}
        return self.model_copy(update={"models": models})

    def generated(self, formula: str) -> ModelSpec:
        """A model of the search: this formula with the analysis's own settings."""
        return ModelSpec(
            formula=formula,
            weights=self.weights,
            offset=self.offset,
            contrasts=dict(self.contrasts),
        )
