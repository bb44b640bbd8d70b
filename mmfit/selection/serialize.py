"""A selection to JSON and back."""

import json
from dataclasses import asdict

from mmfit.errors import DataError
from mmfit.selection.records import RankedModel, Ranking, Selection, SelectionStep


def selection_to_json(selection: Selection) -> str:
    """One object, keys in the order of the records' fields, full double precision."""
    return json.dumps(asdict(selection), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def selection_from_json(text: str) -> Selection:
    """The inverse of ``selection_to_json``.

    Raises
    ------
    DataError : the text is not a selection written by this version.
    """
    try:
        raw = json.loads(text)
        return Selection(
            alpha=raw["alpha"],
            chosen=raw["chosen"],
            steps=tuple(_step(step) for step in raw["steps"]),
            rankings=tuple(_ranking(ranking) for ranking in raw["rankings"]),
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise DataError(f"not a selection written by this version of mmfit: {error}") from None


def _step(raw: dict) -> SelectionStep:
    lists = {"candidates": tuple(raw["candidates"]), "aic": tuple(raw["aic"])}
    return SelectionStep(**{**raw, **lists})


def _ranking(raw: dict) -> Ranking:
    return Ranking(**{**raw, "models": tuple(RankedModel(**model) for model in raw["models"])})
