"""The parts of a search agree: it has a scope that suits the models, and nothing without it."""

from collections.abc import Iterator
from typing import Any

from mmfit.errors import FormulaError
from mmfit.formula import parse as parse_formula
from mmfit.spec.problems import Problem, listing
from mmfit.spec.search import SEARCHES, SELECTED


def check_search(raw: dict[str, Any]) -> Iterator[Problem]:
    """Models or a search; a search with its scope; nothing of a search without one."""
    selection = raw.get("selection")
    block = selection if isinstance(selection, dict) else {}
    search = block.get("search")
    if search is None:
        if "models" not in raw:
            yield Problem(("models",), "missing", "the key `models` is needed here")
        for key in ("scope", "criterion"):
            if block.get(key) is not None:
                yield Problem(
                    ("selection", key),
                    f"`{key}` belongs to a search, and there is none",
                    f"add `search` ({listing(SEARCHES)}), or remove `{key}`",
                )
        return
    if block.get("scope") is None:
        yield Problem(
            ("selection", "search"),
            "a search without `scope`",
            "the key `scope` is needed beside it: the formula of the maximal model",
        )
    if search == "exhaustive" and block.get("criterion") == "lrt":
        yield Problem(
            ("selection", "criterion"),
            "an exhaustive search ranks all models, which tests of pairs cannot",
            "allowed with it: aic, bic, caic",
        )
    models = raw.get("models")
    entries = models if isinstance(models, dict) else {}
    for name in entries:
        if name.lower() == SELECTED:
            yield Problem(
                ("models", name),
                f"{name!r} is the name of the model that the search ends with",
                "another name is needed",
            )
    yield from _check_scope(block.get("scope"))
    yield from _check_response(block.get("scope"), entries)


def _check_response(scope: Any, models: dict[str, Any]) -> Iterator[Problem]:
    """What the search ends with stands beside the models, so that one has its response."""
    here = ("selection", "scope")
    if isinstance(scope, dict):
        here, scope = (*here, "maximal"), scope.get("maximal")
    texts = (
        entry.get("formula") if isinstance(entry, dict) else entry for entry in models.values()
    )
    try:
        response = parse_formula(scope).response
        known = list(dict.fromkeys(parse_formula(text).response for text in texts))
    except (FormulaError, TypeError, AttributeError):
        return
    if known and response not in known:
        yield Problem(
            here,
            f"its response is {response}, and that of the models {listing(known)}; what the search "
            "ends with cannot be compared with them",
            "a response of the models is allowed here",
        )


def _check_scope(scope: Any) -> Iterator[Problem]:
    """The minimal model has the response of the maximal one, and no other variables."""
    if not isinstance(scope, dict) or scope.get("minimal") is None:
        return
    try:
        maximal, minimal = (parse_formula(scope[key]) for key in ("maximal", "minimal"))
    except (FormulaError, KeyError, TypeError, AttributeError):
        return
    here = ("selection", "scope", "minimal")
    if minimal.response != maximal.response:
        yield Problem(
            here,
            f"its response is {minimal.response}, and that of the maximal model {maximal.response}",
            "one response is allowed in a search",
        )
        return
    extra = [name for name in minimal.variables if name not in maximal.variables]
    if extra:
        yield Problem(
            here,
            f"the maximal model does not contain it: it has no {listing(extra)}",
            f"variables of the maximal model: {listing(maximal.variables)}",
        )
