"""Further models whose profile intervals lme4 or the definition confirms; data by formulas.

``python -m tests.inference.intervals.profile_models FOLDER`` writes them for
``profile_reference.R``.
"""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mmfit.engine import fit_model
from mmfit.engine.criterion import ML
from mmfit.formula import build_matrices

REFERENCE = Path(__file__).parent / "profile_reference.json"

# name -> formula, data, weights
MODELS = {
    "three effects": ("y ~ x + z + (x + z | g)", "slopes", None),
    "uncorrelated": ("y ~ x + z + (x + z || g)", "slopes", None),
    "weighted": ("y ~ x + (x | g)", "slopes", "w"),
    "two terms on one factor": ("y ~ x + (1 | g) + (0 + x + z | g)", "slopes", None),
    "crossed": ("y ~ x + (x | s) + (1 | i)", "crossed", None),
    "nested": ("y ~ x + (1 | a) + (x | a:b)", "nested", None),
    "no fixed effects": ("y ~ 0 + (1 | a)", "nested", None),
    "rank one": ("y ~ x + (x | g)", "rank one", None),
    "no slope variance": ("y ~ x + (x | g)", "flat", None),
    "no variance": ("y ~ x + (1 | g)", "none", None),
}


def normal(n: int, stream: int) -> np.ndarray:
    """(n,) numbers that look standard normal: quantiles of fractional parts (a Weyl sequence)."""
    i = np.arange(1, n + 1)
    fraction = (i * (i + 1) / 2 * np.sqrt([2, 3, 5, 7, 11, 13, 17, 19, 23, 29][stream]) + 0.1) % 1
    return ndtri(0.001 + 0.998 * fraction)


def levels(n: int, count: int, stream: int) -> np.ndarray:
    """(n,) levels of uneven sizes; each of them occurs."""
    out = np.floor(count * (0.5 + np.sin(1.7 * np.arange(n) + stream) * 0.499)).astype(int)
    out[:count] = np.arange(count)
    return out


def _slopes() -> pd.DataFrame:
    n, count = 200, 20
    g, x, z = levels(n, count, 1), normal(n, 0), normal(n, 1)
    b = np.column_stack([normal(count, 2), normal(count, 3), normal(count, 4)])
    b[:, 1] = 0.4 * b[:, 0] + 0.7 * b[:, 1]
    y = 2 + x - z + b[g, 0] + b[g, 1] * x + 0.6 * b[g, 2] * z + normal(n, 5)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g, "w": 0.5 + np.arange(n) % 5})


def _crossed() -> pd.DataFrame:
    n = 180
    s, i, x = levels(n, 15, 1), np.arange(n) % 11, normal(n, 0)
    y = normal(15, 1)[s] + 0.5 * normal(15, 2)[s] * x + 0.7 * normal(11, 3)[i] + normal(n, 4)
    return pd.DataFrame({"y": y, "x": x, "s": s, "i": i})


def _nested() -> pd.DataFrame:
    n = 200
    a, b, x = np.arange(n) % 6, levels(n, 4, 2), normal(n, 0)
    cell = a * 4 + b
    y = 2 * normal(6, 1)[a] + normal(24, 2)[cell] + 0.5 * normal(24, 3)[cell] * x + x + normal(n, 4)
    return pd.DataFrame({"y": y, "x": x, "a": a, "b": b})


def _rank_one() -> pd.DataFrame:
    n, count = 160, 15
    g, x, z = levels(n, count, 1), normal(n, 0), normal(15, 1)
    return pd.DataFrame({"y": 2 * z[g] + z[g] * x + normal(n, 2), "x": x, "g": g})


def _flat() -> pd.DataFrame:
    n, count = 120, 12
    g, x = levels(n, count, 1), normal(n, 0)
    return pd.DataFrame({"y": normal(count, 1)[g] + x + normal(n, 2), "x": x, "g": g})


def _none() -> pd.DataFrame:
    n = 96
    g, y = np.arange(n) % 12, normal(n, 0)
    mean = np.bincount(g, y) / np.bincount(g)
    return pd.DataFrame({"y": y - 0.9 * mean[g], "x": normal(n, 1), "g": g})


DATA = {
    "slopes": _slopes,
    "crossed": _crossed,
    "nested": _nested,
    "rank one": _rank_one,
    "flat": _flat,
    "none": _none,
}


@cache
def model(name: str):
    """(matrices, ML fit) of one of MODELS."""
    formula, data, weights = MODELS[name]
    frame = DATA[data]()
    for column in frame.columns.intersection(list("gsiab")):
        frame[column] = column + frame[column].astype(str)
    matrices = build_matrices(formula, frame, weights=weights)
    return matrices, fit_model(matrices, criterion=ML)


@cache
def reference() -> dict:
    """Name -> {"parameter": [...], "conf_low": [...], "conf_high": [...]} by lme4 1.1-31."""
    return json.loads(REFERENCE.read_text())


def write(folder: Path) -> None:
    """The data, and a list of the models, for the R script."""
    for name, make in DATA.items():
        frame = make()
        for column in frame.columns.intersection(list("gsiab")):
            frame[column] = column + frame[column].astype(str)
        frame.to_csv(folder / f"{name}.csv", index=False)
    models = [
        {"name": name, "formula": formula, "data": data, "weights": weights}
        for name, (formula, data, weights) in MODELS.items()
    ]
    (folder / "models.json").write_text(json.dumps(models))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
