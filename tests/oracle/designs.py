"""Random small designs of every structure, as ugly as people's data are.

A seed gives one design, always the same: few rows, levels with one or two of them, covariates far
from zero (years, quarterly visits), in tiny and huge units, duplicated rows, fixed parts with no
intercept or with other columns than the random part, weights and offsets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.errors import MmfitError
from mmfit.formula import ModelMatrices, build_matrices

# {a} and {b} stand for left-hand sides.
STRUCTURES = {
    "single": "({a} | g)",
    "two terms": "({a} | g) + (0 + {b} | g)",
    "nested": "({a} | g) + ({b} | g:h)",
    "crossed": "({a} | g) + ({b} | h)",
    "three": "({a} | g) + (1 | h) + (1 | i)",
    "nested and crossed": "({a} | g/h) + (1 | i)",
}
_SHARES = (0.5, 0.1, 0.15, 0.15, 0.05, 0.05)
_LEFT = ("1", "1", "1", "x", "0 + x", "x + z", "I(x^2)", "f", "0 + f", "0 + x + z", "x + f")
_NARROW = ("1", "1", "x", "0 + x", "f")
_OTHER = ("1", "1", "x", "0 + x")
_BESIDE = ("x", "z", "I(x^2)", "f")
_FIXED = (
    *("1", "1", "x", "x", "x", "x + z", "f", "x * f", "z", "x + u"),
    *("0 + x", "0 + x + z", "0 + f", "0 + u", "0"),
)
_COVARIATES = ("normal", "years", "quarters", "steps", "two", "between", "nearly one", "rounded")
_UNITS = (1.0, 1.0, 1.0, 1.0, 1e-6, 1e5)
_SPREADS = (0.0, 0.3, 1.0, 3.0, 30.0)
_LOCATIONS = (0.0, 0.0, 10.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Design:
    """One model on one data set.

    Attributes
    ----------
    seed : int;  structure : str, a key of ``STRUCTURES``.
    formula : str;  data : DataFrame.
    weights, offset : names of columns, or None.
    """

    seed: int
    structure: str
    formula: str
    data: pd.DataFrame
    weights: str | None
    offset: str | None

    @property
    def given(self) -> dict[str, str | None]:
        """Weights and offset, as ``lmer`` and ``build`` take them."""
        return {"weights": self.weights, "offset": self.offset}

    @property
    def right(self) -> str:
        """The formula without its response, as ``lmer_many`` takes it."""
        return self.formula[1:]

    def matrices(self) -> ModelMatrices:
        """The model's matrices; raises what ``build`` raises of a design that it refuses."""
        return build_matrices(self.formula, self.data, **self.given)


def random_design(seed: int, *, most_rows: int = 40) -> Design:
    """The design of a seed, with 8 to ``most_rows`` rows."""
    rng = np.random.default_rng(seed)
    structure = str(rng.choice(list(STRUCTURES), p=_SHARES))
    n = int(rng.integers(8, most_rows + 1))
    data = _factors(rng, n)
    for name in ("x", "z", "u"):
        data[name] = _covariate(rng, data["g"].to_numpy(), str(rng.choice(_COVARIATES)))
    data["w"] = rng.choice([1.0, 2.0, 9.0], n) if rng.random() < 0.5 else rng.uniform(0.1, 4, n)
    data["o"] = rng.normal(size=n)
    if rng.random() < 0.1:
        # visits entered twice
        data = data.iloc[rng.integers(0, n, n)].reset_index(drop=True)
    random = _random_part(rng, structure)
    formula = f"y ~ {rng.choice(_FIXED)} + {random}"
    data.insert(0, "y", _response(rng, data, structure))
    weights = "w" if rng.random() < 0.15 else None
    offset = "o" if rng.random() < 0.1 else None
    return Design(seed, structure, formula, data, weights, offset)


def accepted(seeds) -> Iterator[tuple[Design, ModelMatrices]]:
    """The designs of ``seeds`` that ``build`` does not refuse, with their matrices."""
    for seed in seeds:
        design = random_design(seed)
        try:
            matrices = design.matrices()
        except MmfitError:
            continue
        yield design, matrices


def _random_part(rng: np.random.Generator, structure: str) -> str:
    single = structure == "single"
    left = rng.choice(_LEFT if single else _NARROW)
    other = rng.choice(_BESIDE if structure == "two terms" else _OTHER)
    text = STRUCTURES[structure].format(a=left, b=other)
    # only the first bar becomes independent
    return text.replace(" | ", " || ", 1) if rng.random() < 0.3 else text


def _factors(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """g, h, i and a covariate f of two or three labels."""
    return pd.DataFrame(
        {
            "g": _levels(rng, n, "a"),
            "h": _levels(rng, n, "b"),
            "i": _levels(rng, n, "c"),
            "f": np.array(["p", "q", "r"])[rng.integers(0, int(rng.integers(2, 4)), n)],
        }
    )


def _levels(rng: np.random.Generator, n: int, letter: str) -> np.ndarray:
    count = int(rng.integers(2, max(3, min(12, n // 2))))
    kind = rng.random()
    if kind < 0.35:
        codes = np.arange(n) % count
    elif kind < 0.7:
        codes = rng.integers(0, count, n)
    else:
        # a few levels have most of the rows, the rest one or two
        share = rng.dirichlet(np.full(count, 0.4))
        codes = rng.choice(count, n, p=share)
        codes[:count] = np.arange(count)
    return np.array([f"{letter}{code}" for code in rng.permutation(codes)])


def _covariate(rng: np.random.Generator, g: np.ndarray, kind: str) -> np.ndarray:
    n = len(g)
    values = {
        "normal": lambda: rng.normal(size=n),
        "years": lambda: rng.integers(1990, 2010, n).astype(float),
        "quarters": lambda: 2015 + rng.integers(0, 8, n) / 4,
        "steps": lambda: rng.integers(0, 5, n).astype(float),
        "two": lambda: rng.integers(0, 2, n).astype(float),
        "between": lambda: rng.normal(size=n)[np.unique(g, return_inverse=True)[1]],
        "nearly one": lambda: 1 + 0.1 * rng.normal(size=n),
        "rounded": lambda: np.round(rng.uniform(0, 10, n), 1),
    }[kind]()
    return values * rng.choice(_UNITS)


def _response(rng: np.random.Generator, data: pd.DataFrame, structure: str) -> np.ndarray:
    """Effects of g (and of h and i where the structure has them) with slopes on x, and noise."""
    n, x = len(data), data["x"].to_numpy()
    spread = np.ptp(x)
    x = (x - x.mean()) / (spread if spread > 0 else 1.0)
    z = data["z"].to_numpy() / max(np.abs(data["z"]).max(), 1e-12)
    y = rng.normal(size=n) + rng.choice([0.0, 1.0, 5.0]) * x + rng.choice(_LOCATIONS)
    for name in ("g", "h", "i") if structure not in ("single", "two terms") else ("g",):
        codes = np.unique(data[name], return_inverse=True)[1]
        effects = rng.normal(size=(codes.max() + 1, 3)) * rng.choice(_SPREADS, 3)
        y = y + effects[codes, 0] + effects[codes, 1] * x + effects[codes, 2] * z
    if rng.random() < 0.3:
        y = np.round(y, int(rng.integers(0, 3)))
    return y * rng.choice([1.0, 1.0, 1e-4, 1e4])
