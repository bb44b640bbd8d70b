"""Random designs in which X lacks full rank, and their columns by hand: a dummy per combination."""

from itertools import combinations

import numpy as np
import pandas as pd

KINDS = ("treatment", "sum", "helmert", "poly", "SAS")
FACTORS, NUMBERS = "fhek", "xzu"
# terms with * and / stand alone, so that the others can change places
FORMULAS = (
    "f * h",
    "f / k",
    "f + k",
    "f * h * e",
    "f * x",
    "k * x",
    "0 + f * h",
    "f:h",
    "h + f:h",
    "0 + f + h + x",
    "0 + f:x + f",
    "x + twice + f",
    "u + x + z + f:x",
    "poly(x, 2) * f",
    "f + k + h:k",
    "f:x + h",
    "0 + f:h + x",
    "poly(x, 2) + x + f",
)


def random_frame(rng) -> pd.DataFrame:
    """Factors f, h, e and k (within f), covariates x, z, u = x + z and twice = 2x; empty cells."""
    n = int(rng.integers(30, 70))
    data = pd.DataFrame({"g": rng.integers(0, 8, n), "e": rng.choice(list("pq"), n)})
    data["f"] = rng.choice(list("abcd")[: rng.integers(2, 5)], n)
    data["h"] = rng.choice(list("uvw")[: rng.integers(2, 4)], n)
    data["k"] = data["f"] + rng.choice(list("12"), n)
    data["x"], data["z"] = rng.normal(size=n) + rng.choice([0, 3]), rng.normal(size=n)
    data = data.assign(u=data["x"] + data["z"], twice=2 * data["x"])
    if rng.random() < 0.6:
        cell = data["f"] + data["h"]
        fewer = data[~cell.isin(rng.choice(cell.unique(), rng.integers(1, 3)))]
        kept, sizes = fewer["f"] + fewer["h"], fewer[["f", "h"]].nunique()
        # Still two factors: neither has a single level, nor stands for the other.
        data = fewer if sizes.min() > 1 and kept.nunique() > sizes.max() else data
    data = data.reset_index(drop=True)
    return data.assign(y=rng.normal(size=8)[data["g"]] + rng.normal(size=len(data)))


def recoded(data: pd.DataFrame, rhs: str, rng) -> tuple[pd.DataFrame, str, dict, float]:
    """The same model written otherwise: levels and terms in another order, contrasts, a scale."""
    scale = 10.0 ** rng.integers(-3, 4)
    out = data.copy()
    for name in (*NUMBERS, "twice"):
        out[name] = out[name] * scale
    for name in FACTORS:
        out[name] = pd.Categorical(out[name], rng.permutation(sorted(out[name].unique())))
    contrasts = {name: KINDS[rng.integers(5)] for name in FACTORS}
    terms = rhs.split(" + ")
    first = terms[:1] if terms[0] == "0" else []
    rest = terms[len(first) :]
    return (
        out,
        " + ".join([*first, *(rest[i] for i in rng.permutation(len(rest)))]),
        contrasts,
        scale,
    )


def term_columns(data: pd.DataFrame, reference: pd.DataFrame, rhs: str) -> dict[str, np.ndarray]:
    """Label of term -> its columns, a dummy for each combination of levels of the reference."""
    out = {} if rhs.startswith("0 + ") else {"(Intercept)": np.ones((len(data), 1))}
    for text in rhs.removeprefix("0 + ").split(" + "):
        for names in _expanded(text):
            block = np.ones((len(data), 1))
            for name in names:
                own = _columns(data, reference, name)
                block = np.einsum("ni,nj->nij", block, own).reshape(len(data), -1)
            out[":".join(names)] = block
    return out


def _expanded(text: str) -> list[tuple[str, ...]]:
    if "*" in text:
        parts = text.split(" * ")
        sizes = range(1, len(parts) + 1)
        return [names for size in sizes for names in combinations(parts, size)]
    if "/" in text:
        outer, inner = text.split(" / ")
        return [(outer,), (outer, inner)]
    return [tuple(text.split(":"))]


def _columns(data, reference, name):
    if name == "poly(x, 2)":
        # orthonormal over the rows of the reference: the origin matters where factors interact
        powers, those = (np.vander(frame["x"], 3, increasing=True) for frame in (data, reference))
        return (powers @ np.linalg.inv(np.linalg.qr(those, mode="r")))[:, 1:]
    if name in FACTORS:
        levels = sorted(reference[name].unique())
        return np.column_stack([(data[name] == level).astype(float) for level in levels])
    return data[name].to_numpy()[:, None]
