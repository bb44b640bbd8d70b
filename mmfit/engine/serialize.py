"""Fits to JSON and back without loss: Python writes the shortest digits that read back the same."""

import json
from dataclasses import fields, is_dataclass

import numpy as np

from mmfit.engine.records import (
    Confounding,
    Fit,
    GroupModes,
    OptimizerRecord,
    VarianceTerm,
    VarianceUncertainty,
)
from mmfit.errors import DataError
from mmfit.formula.unidentified import Unidentified


def fit_to_json(fit: Fit) -> str:
    """One JSON object per fit, keys in the order of the record's fields; null for NaN."""
    return json.dumps(_plain(fit), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def fit_from_json(text: str) -> Fit:
    """The inverse of :func:`fit_to_json`.

    Raises
    ------
    DataError
        When the text is not a fit written by this version.
    """
    try:
        raw = json.loads(text)
        p, k = len(raw["fixef"]), len(raw["theta"])
        raw["terms"] = tuple(_variance_term(term) for term in raw["terms"])
        raw["groups"] = tuple(_group(group) for group in raw["groups"])
        raw["uncertainty"] = VarianceUncertainty(
            covariance=np.array(raw["uncertainty"]["covariance"], dtype=float).reshape(
                k + 1, k + 1
            ),
            jacobian=np.array(raw["uncertainty"]["jacobian"], dtype=float).reshape(k + 1, p, p),
            confounding=_confounding(raw["uncertainty"]["confounding"], p),
        )
        raw["unidentified"] = tuple(_unidentified(one) for one in raw["unidentified"])
        raw["optimizer"] = OptimizerRecord(**_numbers(raw["optimizer"]))
        for name in ("fixed_names", "dropped", "singular_groups"):
            raw[name] = tuple(raw[name])
        raw["theta"] = np.array(raw["theta"], dtype=float)
        raw["fixef"] = np.array(raw["fixef"], dtype=float)
        raw["vcov"] = np.array(raw["vcov"], dtype=float).reshape(p, p)
        return Fit(**_numbers(raw))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise DataError(f"not a fit written by this version of mmfit: {error}") from None


def _plain(value):
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        missing = np.isnan(value)
        return (np.where(missing, None, value) if missing.any() else value).tolist()
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _numbers(raw: dict) -> dict:
    """A record's fields, NaN for null: no field of a record is None."""
    return {name: np.nan if value is None else value for name, value in raw.items()}


def _variance_term(raw) -> VarianceTerm:
    raw["effects"] = tuple(raw["effects"])
    raw["covariance"] = np.array(raw["covariance"], dtype=float)
    return VarianceTerm(**raw)


def _unidentified(raw) -> Unidentified:
    names = "parameters", "directions", "functions"
    tables = {name: tuple(map(tuple, raw[name])) for name in names}
    return Unidentified(**{**raw, **tables})


def _confounding(raw, p: int) -> Confounding | None:
    if raw is None:
        return None
    half, slopes = (np.array(raw[name], dtype=float) for name in ("half", "slopes"))
    return Confounding(half.reshape(p, p), slopes.reshape(-1, p, p))


def _group(raw) -> GroupModes:
    raw["effects"], raw["levels"] = tuple(raw["effects"]), tuple(raw["levels"])
    raw["modes"] = np.array(raw["modes"], dtype=float)
    raw["covariance"] = np.array(raw["covariance"], dtype=float)
    return GroupModes(**raw)
