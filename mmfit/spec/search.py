"""How the final model is chosen: the level of the tests, a search, an audit of its stability."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from mmfit.spec.base import Finite, FormulaText, Record

SEARCHES = ("backward", "forward", "exhaustive")
CRITERIA = ("lrt", "aic", "bic", "caic")
STABILITY_METHODS = ("parametric", "cluster")
SELECTED = "selected"
"""The name of the model that a search ends with."""


class Scope(Record):
    """The models that a search may visit."""

    maximal: Annotated[FormulaText, Field(description="The model that contains all others.")]
    minimal: Annotated[
        FormulaText | None,
        Field(description="The model that all others contain; without it, the search decides."),
    ] = None


def _scope_kind(value: Any) -> str | None:
    if isinstance(value, (dict, Scope)):
        return "<mapping>"
    return "<formula>" if isinstance(value, str) else None


ScopeEntry = Annotated[
    Annotated[FormulaText, Tag("<formula>")] | Annotated[Scope, Tag("<mapping>")],
    Discriminator(_scope_kind),
]


class StabilitySpec(Record):
    """The selection repeated on bootstrap samples."""

    samples: Annotated[int, Field(ge=2, le=1_000_000, description="Number of samples.")] = 100
    method: Annotated[
        Literal[STABILITY_METHODS],
        Field(
            description="`parametric`: responses simulated from the chosen model; `cluster`: the "
            "levels of the grouping factor drawn with replacement."
        ),
    ] = "parametric"
    seed: Annotated[int, Field(ge=0, description="Start of the random numbers.")] = 1


class SelectionSpec(Record):
    """How the final model is chosen."""

    alpha: Annotated[
        Finite, Field(gt=0, lt=1, description="Significance level of each step of the selection.")
    ] = 0.05
    search: Annotated[
        Literal[SEARCHES] | None,
        Field(
            description="Generate the candidates from `scope`: drop terms of the maximal model, "
            "add terms to the minimal one, or visit every model."
        ),
    ] = None
    scope: Annotated[
        ScopeEntry | None,
        Field(
            description="The maximal model of the search; or a mapping of `maximal` and `minimal`."
        ),
    ] = None
    criterion: Annotated[
        Literal[CRITERIA] | None,
        Field(
            description="What a step of the search goes by: likelihood-ratio tests at `alpha`, or "
            "an information criterion. Without it: lrt; aic for an exhaustive search."
        ),
    ] = None
    stability: Annotated[
        StabilitySpec | None,
        Field(description="Repeat the selection on bootstrap samples and count what is chosen."),
    ] = None


def resolved(spec: SelectionSpec) -> SelectionSpec:
    """The scope in its long form, and the criterion filled in where there is a search."""
    scope = Scope(maximal=spec.scope) if isinstance(spec.scope, str) else spec.scope
    usual = {None: None, "exhaustive": "aic"}.get(spec.search, "lrt")
    return spec.model_copy(update={"scope": scope, "criterion": spec.criterion or usual})
