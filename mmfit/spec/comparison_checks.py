"""Comparisons name models that exist, each pair once; the bootstrap has replicates to share."""

from collections.abc import Iterator
from typing import Any

from mmfit.common.arguments import fewest_draws
from mmfit.spec.problems import KeyPath, Problem, did_you_mean, listing


def check_comparisons(comparisons: Any, models: Any) -> Iterator[Problem]:
    """Pairs name two different models that exist, each pair once."""
    if not isinstance(comparisons, list):
        return
    names = models if isinstance(models, dict) else {}
    seen: dict[frozenset[str], tuple[int, list[str]]] = {}
    for index, entry in enumerate(comparisons):
        places = _places(entry)
        pair = list(places.values())
        if [type(name) for name in pair] != [str, str]:
            continue
        here = ("comparisons", index)
        yield from _unknown_models(here, places, names)
        if pair[0] == pair[1]:
            yield Problem(
                here,
                f"the model {pair[0]!r} is compared with itself",
                "two different models are needed",
            )
            continue
        first, known = seen.setdefault(frozenset(pair), (index, pair))
        if first != index:
            order = "" if known == pair else ", the other way round"
            yield Problem(
                here,
                f"the pair {pair[0]}, {pair[1]} stands in item {first + 1} already{order}",
                "each pair is allowed once",
            )


def _places(entry: Any) -> dict[int | str, Any]:
    """The names of a pair by their place: 0 and 1 of a list, the keys of a mapping."""
    if isinstance(entry, list):
        return dict(enumerate(entry))
    keys = ("null", "alternative")
    return {key: entry.get(key) for key in keys} if isinstance(entry, dict) else {}


def _unknown_models(
    here: KeyPath, places: dict[int | str, str], models: dict[str, Any]
) -> Iterator[Problem]:
    for place, name in places.items():
        if name in models:
            continue
        allowed = f"allowed: {listing(models)}" if models else "`models` has none to compare"
        yield Problem(
            (*here, place), f"unknown model {name!r}{did_you_mean(name, models)}", allowed
        )


def check_bootstrap(bootstrap: Any, inference: Any = None) -> Iterator[Problem]:
    """No more chunks than replicates; enough of these for intervals of the level asked for."""
    bootstrap = {} if bootstrap is None else bootstrap
    if not isinstance(bootstrap, dict):
        return
    chunks, replicates = bootstrap.get("chunks", 1), bootstrap.get("replicates", 999)
    if type(chunks) is int and type(replicates) is int and chunks > replicates >= 1:
        yield Problem(
            ("bootstrap", "chunks"),
            f"{chunks} chunks of {replicates} replicates",
            f"at most {replicates} is allowed here",
        )
    asked = inference if isinstance(inference, dict) else {}
    level, methods = asked.get("level", 0.95), asked.get("intervals")
    if not isinstance(methods, list) or "bootstrap" not in methods or type(replicates) is not int:
        return
    if isinstance(level, float) and 0 < level < 1 and 19 <= replicates < fewest_draws(level):
        yield Problem(
            ("bootstrap", "replicates") if "replicates" in bootstrap else ("inference", "level"),
            f"{replicates} replicates are too few for bootstrap intervals of coverage {level:g}",
            f"at least {fewest_draws(level)} are needed",
        )
