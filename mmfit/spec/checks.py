"""What has to agree between the parts of an analysis: names that refer to other names.

The checks work on the raw content, part by part, so that a wrong value in one part does not hide
what is wrong in another. Parts that are not of the right shape are skipped: pydantic has reported
them.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from mmfit.errors import FormulaError
from mmfit.expression import variables as expression_variables
from mmfit.formula import parse as parse_formula
from mmfit.spec.base import MODEL_NAME, VARIABLE
from mmfit.spec.problems import KeyPath, Problem, did_you_mean, listing
from mmfit.spec.simulation import Simulation


def check_names(models: Any) -> Iterator[Problem]:
    """Names of models become names of files, on any system."""
    names = list(models) if isinstance(models, dict) else []
    for name in names:
        if not MODEL_NAME.fullmatch(name):
            yield Problem(
                ("models", name),
                f"{name!r} is no name for a model, because it names files",
                "a letter is allowed first, then letters, digits, '_', '-' and '.'",
            )
    by_lower: dict[str, str] = {}
    for name in names:
        first = by_lower.setdefault(name.lower(), name)
        if first != name:
            yield Problem(
                ("models", name),
                f"differs from the model {first!r} by upper and lower case alone",
                "another name is needed, because some systems take the two for one file",
            )


def check_categorical(data: Any) -> Iterator[Problem]:
    """No column is listed twice."""
    columns = data.get("categorical") if isinstance(data, dict) else None
    if not isinstance(columns, list):
        return
    for index, column in enumerate(columns):
        if column in columns[:index]:
            yield Problem(
                ("data", "categorical", index),
                f"the column {column!r} is listed twice",
                "each column is allowed once",
            )


def check_simulated_columns(simulation: Simulation, raw: dict[str, Any]) -> Iterator[Problem]:
    """The candidates, ``categorical``, ``where`` and ``derive`` use columns that are simulated."""
    try:
        response = parse_formula(simulation.formula).response
    except FormulaError:
        return
    data = raw["data"]
    columns = [*simulation.design, *simulation.covariates]
    if not VARIABLE.fullmatch(response) or response in columns:
        return
    columns.insert(0, response)
    if isinstance(data.get("categorical"), list):
        names = [name for name in data["categorical"] if isinstance(name, str)]
        yield from _unknown_columns(("data", "categorical"), names, columns)
    yield from _unknown_columns(("data", "where"), _variables(data.get("where")), columns)
    derived = data.get("derive")
    for name, text in derived.items() if isinstance(derived, dict) else ():
        yield from _unknown_columns(("data", "derive", name), _variables(text), columns)
        columns.append(name)
    models = raw.get("models")
    defaults = {key: raw.get(key) for key in ("weights", "offset")}
    for key, text in defaults.items():
        yield from _unknown_columns((key,), _variables(text), columns)
    for name, entry in models.items() if isinstance(models, dict) else ():
        parts = {"formula": entry} if isinstance(entry, str) else entry
        if isinstance(parts, dict):
            used = [*formula_variables(parts.get("formula"))]
            for key in ("weights", "offset"):
                used += _variables(parts.get(key))
            yield from _unknown_columns(("models", name), used, columns)
    for path, text in scope_formulas(raw).items():
        yield from _unknown_columns(path, formula_variables(text), columns)


def _unknown_columns(
    path: tuple[str, ...], used: Iterable[str], columns: list[str]
) -> Iterator[Problem]:
    for name in dict.fromkeys(used):
        if name not in columns:
            yield Problem(
                path,
                f"the simulated data have no column {name!r}{did_you_mean(name, columns)}",
                f"columns: {listing(columns)}",
            )


def _variables(text: Any) -> tuple[str, ...]:
    try:
        return expression_variables(text) if isinstance(text, str) else ()
    except FormulaError:
        return ()


def formula_variables(text: Any) -> tuple[str, ...]:
    """The columns of a formula; none where it cannot be read."""
    try:
        return parse_formula(text).variables if isinstance(text, str) else ()
    except FormulaError:
        return ()


def scope_formulas(raw: dict[str, Any]) -> dict[KeyPath, Any]:
    """The formulas of the search, each by the keys that lead to it."""
    selection = raw.get("selection")
    scope = selection.get("scope") if isinstance(selection, dict) else None
    if isinstance(scope, dict):
        return {("selection", "scope", key): scope.get(key) for key in ("maximal", "minimal")}
    return {("selection", "scope"): scope}


def check_design(simulation: Simulation) -> Iterator[Problem]:
    """``within`` and ``per`` name factors of the design, and nesting ends somewhere."""
    here = ("data", "simulate")
    factors = simulation.factors
    for name, factor in factors.items():
        path = (*here, "design", name, "within")
        if factor.within is not None and factor.within not in factors:
            yield Problem(
                path,
                f"unknown factor {factor.within!r}{did_you_mean(factor.within, factors)}",
                f"factors of the design: {listing(factors)}",
            )
        chain = _chain(name, factors)
        if chain[-1] == name and len(chain) > 1:
            steps = " and ".join(f"{a} lies within {b}" for a, b in pairwise(chain))
            yield Problem(path, f"the nesting goes in a circle: {steps}", "one factor is outermost")
        if factor.labels == "reused" and factor.within is None:
            yield Problem(
                (*here, "design", name, "labels"),
                "labels are reused in a factor that lies within no other",
                "`within` is needed, or `labels: unique`",
            )
    for name, covariate in simulation.covariates.items():
        if name in factors:
            yield Problem(
                (*here, "covariates", name),
                f"{name!r} is a factor of the design already",
                "another name is needed",
            )
        if covariate.per is not None and covariate.per not in factors:
            yield Problem(
                (*here, "covariates", name, "per"),
                f"unknown factor {covariate.per!r}{did_you_mean(covariate.per, factors)}",
                f"factors of the design: {listing(factors)}",
            )


def _chain(name: str, factors: dict[str, Any]) -> list[str]:
    """The factor, what it lies within, and so on, until an end or a repetition."""
    chain = [name]
    while (parent := factors[chain[-1]].within) in factors:
        chain.append(parent)
        if parent in chain[:-1]:
            break
    return chain
