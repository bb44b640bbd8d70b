"""Records made by hand from the reference results (lme4), without formula parser and engine."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit, GroupModes, OptimizerRecord, VarianceTerm, VarianceUncertainty
from mmfit.formula.matrices import FixedTerm, ModelMatrices, RandomTerm
from mmfit.selection.records import Candidate

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference() -> dict:
    with open(REFERENCE / "expected.json", encoding="utf-8") as file:
        return {case["id"]: case for case in json.load(file)["fits"]}


@cache
def data_set(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


def random_term(frame: pd.DataFrame, factors: tuple[str, ...], effects: tuple[str, ...]):
    """A bar term with an intercept and numeric slopes, levels sorted as pandas sorts them."""
    labels = frame[list(factors)].astype(str).agg(":".join, axis=1)
    first = frame.assign(_label=labels).drop_duplicates("_label").sort_values(list(factors))
    levels = tuple(first["_label"])
    codes = labels.map({level: code for code, level in enumerate(levels)}).to_numpy(np.intp)
    columns = [np.ones(len(frame)) if e == "(Intercept)" else frame[e].to_numpy() for e in effects]
    name = ":".join(factors)
    return RandomTerm(name, name, factors, effects, np.column_stack(columns), codes, levels)


def matrices(case: str, random: tuple[RandomTerm, ...]) -> ModelMatrices:
    """y, X and random terms of a reference case whose fixed effects are numeric columns."""
    record = reference()[case]
    frame = data_set(record["data"])
    names = tuple(record["REML"]["fixef"])
    X = [np.ones(len(frame)) if n == "(Intercept)" else frame[n].to_numpy(float) for n in names]
    response = record["formula"].partition("~")[0].strip()
    terms = tuple(FixedTerm(name, (name,), (i,)) for i, name in enumerate(names))
    return ModelMatrices(
        formula=record["formula"],
        response=response,
        y=frame[response].to_numpy(float),
        X=np.column_stack(X),
        fixed_names=names,
        dropped=(),
        fixed_terms=terms,
        all_fixed_names=names,
        random=random,
    )


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


def candidate(name: str, case: str, *terms: tuple[tuple[str, ...], tuple[str, ...]]) -> Candidate:
    """A candidate from a reference case; ``terms`` are (factors, effects) in lme4's order."""
    frame = data_set(reference()[case]["data"])
    model = matrices(case, tuple(random_term(frame, *term) for term in terms))
    return Candidate(name, model, {c: fit(case, c, model) for c in ("REML", "ML")})


INTERCEPT = ("(Intercept)",)


def sleep_candidates() -> tuple[Candidate, ...]:
    return (
        candidate("m1", "sleep_int", (("Subject",), INTERCEPT)),
        candidate("m2", "sleep_slope", (("Subject",), ("(Intercept)", "Days"))),
    )


def nested_candidates() -> tuple[Candidate, ...]:
    region, clinic = (("region",), INTERCEPT), (("clinic", "region"), INTERCEPT)
    return (
        candidate("region", "nested_region_only", region),
        candidate("clinics", "nested_slash", clinic, region),
    )


def penicillin_candidates() -> tuple[Candidate, ...]:
    plate, sample = (("plate",), INTERCEPT), (("sample",), INTERCEPT)
    return (
        candidate("plate", "penicillin_plate", plate),
        candidate("both", "penicillin", plate, sample),
    )
