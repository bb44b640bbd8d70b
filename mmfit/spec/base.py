"""What all records of an analysis file share: strictness and the types of single values."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from mmfit.errors import FormulaError
from mmfit.expression import parse as parse_expression
from mmfit.formula import parse as parse_formula

MODEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
VARIABLE = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*")


class MistakeError(ValueError):
    """A value that is wrong: what was found, and what is allowed."""

    def __init__(self, found: str, allowed: str):
        self.found = found
        self.allowed = allowed
        super().__init__(f"{found}; {allowed}")


class Record(BaseModel):
    """A mapping of the file: no key but these, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stripped(value: str) -> str:
    text = value.strip()
    if not text:
        raise MistakeError("the text is empty", "write something or remove the key")
    return text


def _formula(text: str) -> str:
    try:
        parse_formula(text)
    except FormulaError as error:
        raise MistakeError(str(error), "a formula as in lme4 is allowed: y ~ x + (1 | g)") from None
    return text


def _expression(text: str) -> str:
    try:
        parse_expression(text)
    except FormulaError as error:
        raise MistakeError(str(error), "an expression of columns is allowed: log(x) / 2") from None
    return text


Text = Annotated[str, AfterValidator(_stripped)]
Name = Text
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]
NotNegative = Annotated[Finite, Field(ge=0)]
FormulaText = Annotated[
    Text,
    AfterValidator(_formula),
    WithJsonSchema({"type": "string", "pattern": "~", "description": "A formula as in lme4."}),
]
ExpressionText = Annotated[Text, AfterValidator(_expression)]


def listed(item: Any) -> Any:
    """The type of a YAML list of ``item``, kept as a tuple."""
    return Annotated[
        tuple[item, ...], BeforeValidator(_as_tuple, json_schema_input_type=list[item])
    ]
