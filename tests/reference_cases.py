"""The reference results of lme4, lmerTest and pbkrtest, and our fits of the same cases."""

import functools
import json
from pathlib import Path

import pandas as pd

from mmfit.engine import fit_both
from mmfit.formula import build_matrices

# The reference was made with lme4's own order of the departments, in which 15 comes first.
DEPARTMENTS = [15, 5, 10, 12, 6, 7, 4, 8, 9, 14, 1, 3, 11, 2]

FOLDER = Path(__file__).parent / "reference"


@functools.cache
def expected() -> dict:
    """expected.json as it stands."""
    return json.loads((FOLDER / "expected.json").read_text())


@functools.cache
def inference() -> dict[str, dict]:
    """Case id -> its intervals, term tests, measures, marginal means and predictions."""
    parts = json.loads((FOLDER / "inference.json").read_text())
    return {part["id"]: part for part in parts}


@functools.cache
def cases() -> dict[str, dict]:
    """Case id -> its formula, data and reference results."""
    return {case["id"]: case for case in expected()["fits"]}


@functools.cache
def data(name: str) -> pd.DataFrame:
    """One data set, as R's read.csv gives it."""
    frame = pd.read_csv(next(FOLDER.glob(f"data/{name}.csv*")))
    if name == "insteval":
        frame["dept"] = pd.Categorical(frame["dept"], categories=DEPARTMENTS)
    return frame


@functools.cache
def matrices(case_id: str):
    """The model matrices of a case."""
    case = cases()[case_id]
    frame = data(case["data"])
    variables = [v for v in frame.columns if v in case["formula"]]
    complete = frame[frame[variables].notna().all(axis=1)]
    return build_matrices(
        case["formula"],
        complete,
        weights=case.get("weights"),
        offset=case.get("offset"),
        contrasts=case.get("contrasts"),
        categorical=[c for c in expected()["categorical"][case["data"]] if c in frame.columns],
    )


@functools.cache
def fits(case_id: str) -> dict:
    """Our REML and ML fits of a case."""
    return fit_both(matrices(case_id))
