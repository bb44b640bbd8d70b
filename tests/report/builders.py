"""Candidates whose fits are made by hand from the reference results (lme4), not by the engine."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit, GroupModes, OptimizerRecord, VarianceTerm, VarianceUncertainty
from mmfit.formula import ModelMatrices, build_matrices, parse
from mmfit.selection.records import Candidate

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference() -> dict:
    with open(REFERENCE / "expected.json", encoding="utf-8") as file:
        return {case["id"]: case for case in json.load(file)["fits"]}


@cache
def data_set(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


@cache
def factors(name: str) -> tuple[str, ...]:
    with open(REFERENCE / "expected.json", encoding="utf-8") as file:
        return tuple(np.atleast_1d(json.load(file)["categorical"][name]).tolist())


def matrices(case: str) -> ModelMatrices:
    """y, X and random terms of a reference case."""
    record = reference()[case]
    columns = factors(record["data"])
    frame = data_set(record["data"]).astype(dict.fromkeys(columns, str))
    frame = frame.astype(dict.fromkeys(columns, "category"))
    return build_matrices(parse(record["formula"]), frame)


def fit(case: str, criterion: str, model: ModelMatrices) -> Fit:
    """The reference fit as a record; conditional modes (REML only) where the reference has them."""
    record = reference()[case][criterion]
    terms = tuple(
        VarianceTerm(v["group"], v["group"], tuple(v["names"]), np.array(v["covariance"]))
        for v in record["varcorr"]
    )
    theta = np.array(record["theta"], dtype=float).reshape(-1)
    p = len(model.fixed_names)
    return Fit(
        formula=record.get("formula", model.formula),
        criterion=criterion,
        objective=record["criterion"],
        nobs=record["nobs"],
        npar=record["npar"],
        sigma=record["sigma"],
        theta=theta,
        fixed_names=model.fixed_names,
        fixef=np.array([record["fixef"][name] for name in model.fixed_names]),
        vcov=np.array(record["vcov"]).reshape(p, p),
        dropped=(),
        terms=terms,
        groups=tuple(_modes(record, term, model) for term in terms),
        singular=record["singular"],
        singular_groups=tuple(t.group for t in terms if not np.linalg.det(t.covariance) > 0),
        unidentified=(),
        uncertainty=_uncertainty(record, len(theta), p),
        optimizer=OptimizerRecord(
            "nested",
            "newton",
            6,
            record["criterion"] + 1,
            record["criterion"],
            1e-9,
            1e-14,
            2.0,
            True,
            "predicted decrease below tolerance",
        ),
    )


def _uncertainty(record: dict, k: int, p: int) -> VarianceUncertainty:
    """As if only sigma were uncertain, and that as in a linear model: df = n - p."""
    vcov = np.array(record["vcov"]).reshape(p, p)
    jacobian = np.zeros((k + 1, p, p))
    jacobian[-1] = 2 * vcov / record["sigma"]
    covariance = np.zeros((k + 1, k + 1))
    covariance[-1, -1] = record["sigma"] ** 2 / (2 * (record["nobs"] - p))
    return VarianceUncertainty(covariance, jacobian)


def _modes(record: dict, term: VarianceTerm, model: ModelMatrices) -> GroupModes:
    levels = next(t.levels for t in model.random if t.group == term.group)
    q = len(term.effects)
    known = [g for g in record.get("ranef", ()) if g["group"] == term.group]
    modes = np.zeros((len(levels), q))
    if known:
        place = {level: i for i, level in enumerate(known[0]["levels"])}
        found = np.array(known[0]["modes"], dtype=float).reshape(-1, q)
        modes = found[[place[level] for level in levels]]
    covariance = np.repeat(term.covariance[None] / 10, len(levels), axis=0)
    return GroupModes(term.group, term.effects, levels, modes, covariance)


def candidate(name: str, case: str) -> Candidate:
    model = matrices(case)
    return Candidate(name, model, {c: fit(case, c, model) for c in ("REML", "ML")})


def sleep_candidates() -> tuple[Candidate, ...]:
    return candidate("m1", "sleep_int"), candidate("m2", "sleep_slope")


def nested_candidates() -> tuple[Candidate, ...]:
    return candidate("region", "nested_region_only"), candidate("clinics", "nested_slash")


def penicillin_candidates() -> tuple[Candidate, ...]:
    return candidate("plate", "penicillin_plate"), candidate("both", "penicillin")
