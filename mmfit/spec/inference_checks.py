"""Means and slopes are of variables that some model has in its fixed part."""

from collections.abc import Iterable, Iterator
from typing import Any

from mmfit.errors import FormulaError
from mmfit.formula import parse as parse_formula
from mmfit.spec.problems import KeyPath, Problem, did_you_mean, listing


def check_inference(inference: Any, formulas: Iterable[Any]) -> Iterator[Problem]:
    """``means`` and ``slopes`` name columns of the fixed part of some model.

    Parameters
    ----------
    inference : the raw block.
    formulas : those of all models and of the search, as they stand in the file.
    """
    if not isinstance(inference, dict):
        return
    columns = _fixed_columns(formulas)
    if columns is None:
        return
    here = ("inference", "means")
    means = inference.get("means")
    for index, text in enumerate(means if isinstance(means, list) else ()):
        yield from _check_means((*here, index), text, columns)
    slopes = inference.get("slopes")
    for covariate, by in slopes.items() if isinstance(slopes, dict) else ():
        here = ("inference", "slopes", covariate)
        yield from _unknown(here, [covariate], columns)
        groups = by if isinstance(by, list) else [by]
        yield from _unknown(here, [part for text in groups for part in _cells(text)], columns)
        if covariate in groups:
            yield Problem(
                here,
                f"the slope of {covariate!r} by itself",
                "a factor is allowed here, or [] for the overall slope",
            )


def _check_means(path: KeyPath, text: Any, columns: list[str]) -> Iterator[Problem]:
    """``a``, ``a:b``, ``a | b``; the name of a column is one part, whatever it contains."""
    if not isinstance(text, str) or text.strip() in columns:
        return
    sides = text.split("|")
    cells = [_cells(side) for side in sides]
    names = [name for side in cells for name in side]
    if len(sides) > 2 or not all(names):
        yield Problem(
            path,
            f"{text!r} is no factor, nor a combination of factors",
            "a factor, a:b for the cells of two, or a | b for a within each level of b, is allowed",
        )
        return
    if len(set(names)) < len(names):
        yield Problem(path, f"{text!r} names a factor twice", "each is allowed once")
    yield from _unknown(path, names, columns)


def _cells(text: Any) -> list[str]:
    """The factors of ``a:b``; none where the text is not text."""
    return [part.strip() for part in text.split(":")] if isinstance(text, str) else []


def _fixed_columns(formulas: Iterable[Any]) -> list[str] | None:
    """The columns of all fixed parts; None where a formula cannot be read (said elsewhere)."""
    found: dict[str, None] = {}
    for text in formulas:
        if not isinstance(text, str):
            return None
        try:
            found |= dict.fromkeys(parse_formula(text).fixed_variables)
        except FormulaError:
            return None
    return list(found)


def _unknown(path: KeyPath, names: Iterable[str], columns: list[str]) -> Iterator[Problem]:
    for name in dict.fromkeys(names):
        if name not in columns:
            allowed = f"variables: {listing(columns)}" if columns else "no model has any"
            yield Problem(
                path,
                f"no model has the variable {name!r} in its fixed part"
                f"{did_you_mean(name, columns)}",
                allowed,
            )
