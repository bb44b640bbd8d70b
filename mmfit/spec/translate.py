"""pydantic's errors in the words of the analysis file."""

import math
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from mmfit.spec.problems import KeyPath, Problem, did_you_mean, listing

_TYPES = {
    "string_type": "text is allowed here",
    "bool_type": "true or false is allowed here",
    "int_type": "a whole number is allowed here",
    "int_from_float": "a whole number is allowed here",
    "float_type": "a number is allowed here",
    "finite_number": "a finite number is allowed here",
    "dict_type": "a mapping (`name: value` lines, or {name: value}) is allowed here",
    "model_type": "a mapping (`name: value` lines, or {name: value}) is allowed here",
    "tuple_type": "a list such as [a, b] is allowed here",
}
_BOUNDS = {
    "greater_than": ("gt", "a number greater than {} is allowed here"),
    "greater_than_equal": ("ge", "a number of at least {} is allowed here"),
    "less_than": ("lt", "a number less than {} is allowed here"),
    "less_than_equal": ("le", "a number of at most {} is allowed here"),
}
_COMPARISON = "a pair [null, alternative], or a mapping with these keys, is allowed here"
# What a value of several possible shapes may be, by the key that it stands under.
_SHAPES = {
    "data": "a mapping with `file` or `simulate` is allowed here",
    "models": "a formula, or a mapping with `formula`, is allowed here",
    "comparisons": "`all` or a list of pairs [null, alternative] is allowed here",
    "means": "`all` or a list such as [a, b] is allowed here",
    "scope": "a formula, or a mapping with `maximal`, is allowed here",
    "design": "a number of levels, or a mapping with `levels` and `within`, is allowed here",
    "covariates": "a mapping with `distribution` is allowed here",
}


def translate(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Every error as a Problem; ``root`` is the model that was validated."""
    problems = []
    for item in error.errors(include_url=False):
        loc = item["loc"]
        path = tuple(step for step in loc if not _is_tag(step))
        problems.append(Problem(path, *_words(item, loc, path, root)))
    return problems


def _is_tag(step: Any) -> bool:
    return isinstance(step, str) and (
        (step.startswith("<") and step.endswith(">")) or step == "[key]"
    )


def _words(item: Any, loc: KeyPath, path: KeyPath, root: type[BaseModel]) -> tuple[str, str]:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        mistake = context["error"]
        return mistake.found, mistake.allowed
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), path, _keys_at(root, loc[:-1]))
    if kind == "missing":
        return _missing_key(str(path[-1]), path)
    if kind == "literal_error":
        return _not_listed(item["input"], context["expected"])
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _wrong_shape(item["input"], path, context)
    if kind in ("too_short", "too_long"):
        return "it is empty", "at least {} is needed".format(context.get("min_length", 1))
    if kind in _BOUNDS:
        name, allowed = _BOUNDS[kind]
        return f"found {describe(item['input'])}", allowed.format(f"{context[name]:g}")
    allowed = _TYPES.get(kind, item["msg"])
    if "number" in allowed and _is_number(item["input"]):
        allowed += " (without quotes)"
    return f"found {describe(item['input'])}", allowed


def _is_number(value: Any) -> bool:
    """Whether a value is text that would be a number without its quotes."""
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def describe(value: Any) -> str:
    """A value of the file, briefly."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.6g}"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:57] + '…'!r}"
    return "a mapping" if isinstance(value, dict) else "a list"


def _unknown_key(key: str, path: KeyPath, keys: list[str]) -> tuple[str, str]:
    if path == ("data", "simulate"):
        return "both `file` and `simulate` are given", "one of the two is allowed"
    return f"unknown key{did_you_mean(key, keys)}", f"allowed keys here: {listing(keys, 20)}"


def _missing_key(key: str, path: KeyPath) -> tuple[str, str]:
    if path == ("data", "file"):
        return "missing", "`data` needs `file` (a data file) or `simulate` (a design)"
    return "missing", f"the key `{key}` is needed here"


def _not_listed(value: Any, expected: str) -> tuple[str, str]:
    """A word that is not in its list, with the nearest that is."""
    names = [name.strip("'\" ") for name in expected.replace(" or ", ", ").split(", ")]
    hint = did_you_mean(value, names) if isinstance(value, str) else ""
    return f"found {describe(value)}{hint}", f"allowed: {', '.join(names)}"


def _wrong_shape(value: Any, path: KeyPath, context: dict[str, Any]) -> tuple[str, str]:
    if "tag" in context:
        tag = context["tag"].strip("<>")
        names = [name.strip("' <>") for name in context["expected_tags"].split(", ")]
        return (
            f"unknown distribution {tag!r}{did_you_mean(tag, names)}",
            f"allowed: {', '.join(names)}",
        )
    if path[:1] == ("comparisons",) and len(path) > 1:
        return f"found {describe(value)}", _COMPARISON
    key = next((step for step in reversed(path) if step in _SHAPES), None)
    return f"found {describe(value)}", _SHAPES[key]


def _keys_at(root: type[BaseModel], loc: KeyPath) -> list[str]:
    """The keys allowed in the mapping that pydantic's location leads to."""
    here: Any = root
    for step in loc:
        here = _descend(here, step)
    keys = list(next(_records(here)).model_fields)
    # Data without `simulate` are taken for a file's; a misspelt `simulate` is to be recognised.
    return [*keys, "simulate"] if here is not root and "file" in keys else keys


def _descend(annotation: Any, step: str | int) -> Any:
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields[str(step)].annotation
    if origin is Annotated:
        return _descend(get_args(annotation)[0], step)
    if origin in (Union, UnionType):
        members = get_args(annotation)
        for member in members:
            if any(isinstance(m, Tag) and m.tag == step for m in get_args(member)[1:]):
                return member
        return _descend(next(m for m in members if m is not type(None)), step)
    return get_args(annotation)[1 if origin is dict else 0]


def _records(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _records(part)
