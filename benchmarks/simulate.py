"""The data sets: real ones from the test references, and simulated ones with fixed seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

REFERENCE = Path(__file__).parent.parent / "tests" / "reference" / "data"
SEED = 20240607


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set with a name; ``make`` returns the same frame each time it is called.

    Attributes
    ----------
    name : str, unique among the data sets of a run.
    make : function without arguments that returns a DataFrame of float and categorical columns.
    """

    name: str
    make: Callable[[], pd.DataFrame]


def reference(name: str, *factors: str) -> DataSet:
    """A data set that the tests use; ``factors`` are the columns whose values are labels."""
    return DataSet(name, lambda: _read(name, factors))


def _read(name: str, factors: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.read_csv(next(REFERENCE.glob(f"{name}.csv*")))
    for column in frame:
        if column in factors or not is_numeric_dtype(frame[column]):
            frame[column] = pd.Categorical(frame[column].astype(str))
        else:
            frame[column] = frame[column].astype(float)
    return frame


def removed(base: DataSet, rows: int) -> DataSet:
    """The data set without ``rows`` of its rows, taken at random."""

    def make() -> pd.DataFrame:
        frame = base.make()
        keep = np.random.default_rng(SEED).permutation(len(frame))[rows:]
        return frame.iloc[np.sort(keep)].reset_index(drop=True)

    return DataSet(f"{base.name}-less-{rows}", make)


def _factor(codes: np.ndarray, prefix: str) -> pd.Categorical:
    """Codes as labels; labels of one length, so that R orders them as they are numbered."""
    used, codes = np.unique(codes, return_inverse=True)
    width = len(str(int(used[-1])))
    return pd.Categorical.from_codes(codes, [f"{prefix}{code:0{width}d}" for code in used])


def _everyone(rng: np.random.Generator, levels: int, n: int) -> np.ndarray:
    """(n,) codes in random order, in which each of the levels occurs at least once."""
    codes = np.concatenate([np.arange(levels), rng.integers(levels, size=n - levels)])
    return rng.permutation(codes)


def nested(n: int, regions: int, clinics: int, patients: int) -> DataSet:
    """y, x, region, clinic, patient: unbalanced at every level, each patient with a label.

    The rows of a patient are together, as such records usually are; lme4 is quicker for it.
    """

    def make() -> pd.DataFrame:
        rng = np.random.default_rng([SEED, n, patients])
        region_of = _everyone(rng, regions, clinics)
        clinic_of = _everyone(rng, clinics, patients)
        patient = _everyone(rng, patients, n)
        clinic = clinic_of[patient]
        region = region_of[clinic]
        order = np.lexsort((patient, clinic, region))
        patient, clinic, region = patient[order], clinic[order], region[order]
        x = rng.standard_normal(n)
        y = 1 + 0.5 * x + rng.standard_normal(n)
        for codes, levels, spread in (
            (region, regions, 0.4),
            (clinic, clinics, 0.6),
            (patient, patients, 0.8),
        ):
            y += spread * rng.standard_normal(levels)[codes]
        return pd.DataFrame(
            {
                "y": y,
                "x": x,
                "region": _factor(region, "r"),
                "clinic": _factor(clinic, "c"),
                "patient": _factor(patient, "p"),
            }
        )

    return DataSet(f"nested-{n}-{regions}-{clinics}-{patients}", make)


def crossed(n: int, subjects: int, items: int, pairs: int = 0) -> DataSet:
    """y, x, subj, item: intercept and slope by subject, intercept by item, pairs at random.

    With ``pairs``, that many pairs are drawn first and the rows are drawn among these.
    """

    def make() -> pd.DataFrame:
        rng = np.random.default_rng([SEED, subjects, items])
        size = pairs or n
        subj, item = _everyone(rng, subjects, size), _everyone(rng, items, size)
        if pairs:
            rows = _everyone(rng, pairs, n)
            subj, item = subj[rows], item[rows]
        x = rng.standard_normal(n)
        effects = rng.standard_normal((subjects, 2)) @ np.array([[0.8, 0.15], [0.0, 0.4]])
        y = 2 + 0.3 * x + effects[subj, 0] + effects[subj, 1] * x
        y += 0.5 * rng.standard_normal(items)[item] + rng.standard_normal(n)
        return pd.DataFrame(
            {"y": y, "x": x, "subj": _factor(subj, "s"), "item": _factor(item, "i")}
        )

    return DataSet(f"crossed-{n}-{subjects}-{items}-{pairs}", make)


def slopes(n: int, groups: int, covariates: int) -> DataSet:
    """y, x1, x2, ..., g: an unstructured covariance of the intercept and every slope."""

    def make() -> pd.DataFrame:
        rng = np.random.default_rng([SEED, n, groups, covariates])
        g, q = _everyone(rng, groups, n), covariates + 1
        Z = np.column_stack([np.ones(n), rng.standard_normal((n, covariates))])
        root = np.diag(np.linspace(0.9, 0.5, q)) + np.tril(0.15 * rng.standard_normal((q, q)), -1)
        effects = rng.standard_normal((groups, q)) @ root.T
        y = Z @ np.linspace(1, 0.2, q) + np.einsum("nq,nq->n", Z, effects[g])
        frame = {"y": y + rng.standard_normal(n)}
        frame |= {f"x{k}": Z[:, k] for k in range(1, q)}
        return pd.DataFrame(frame | {"g": _factor(g, "g")})

    return DataSet(f"slopes-{n}-{groups}-{covariates}", make)


def ratings(students: int, lecturers: int, departments: int, each: int) -> DataSet:
    """y, service, s, d: each student rates ``each`` lecturers, nearly all of one department.

    Two ratings in a hundred are of the next department (``service`` is 1), which links the
    departments in a ring: the students' and the lecturers' effects are crossed, and few of the
    pairs of lecturers have a student in common.
    """

    def make() -> pd.DataFrame:
        rng = np.random.default_rng([SEED, students, lecturers])
        s = np.repeat(np.arange(students), each)
        service = (rng.random(len(s)) < 0.02).astype(float)
        home = rng.integers(departments, size=students)[s]
        department = ((home + service) % departments).astype(int)
        size = lecturers // departments
        d = department * size + rng.integers(size, size=len(s))
        y = 3.2 - 0.1 * service + 0.35 * rng.standard_normal(students)[s]
        y += 0.5 * rng.standard_normal(lecturers)[d] + 1.2 * rng.standard_normal(len(s))
        return pd.DataFrame(
            {"y": y, "service": service, "s": _factor(s, "s"), "d": _factor(d, "d")}
        )

    return DataSet(f"ratings-{students}-{lecturers}", make)
