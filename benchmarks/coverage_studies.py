"""The designs on which intervals after a selection are measured, and data drawn from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

SEED = 20261201


@dataclass(frozen=True, slots=True)
class CoverageStudy:
    """A selection, and what is true.

    Attributes
    ----------
    name, title : str.
    truth : true coefficients by name, those of the richest model; others are 0.
    groups, rows : int, levels of ``g`` and rows of each.
    deviation, slope : standard deviations of the intercepts and of the slopes of ``x1`` by ``g``;
        that of the residuals is 1.
    maximal, minimal : formulas of a search, by ``search`` and ``criterion``; or
    models : the declared candidates, by name.
    correlation : of ``x1`` and ``x2``, standard normal within groups as all ``x``; ``z`` is 0 or 1,
        by group.
    """

    name: str
    title: str
    truth: Mapping[str, float]
    groups: int = 20
    rows: int = 5
    deviation: float = 0.7
    slope: float = 0.0
    maximal: str = ""
    minimal: str = "y ~ 1 + (1 | g)"
    search: str = "backward"
    criterion: str = "lrt"
    models: Mapping[str, str] = field(default_factory=dict)
    correlation: float = 0.0

    def data(self, replicate: int, method: str) -> pd.DataFrame:
        """A data set: covariates and response anew, by a stream of its own."""
        # By name, so that a study more or less changes no other; each method has its own data.
        place = int.from_bytes(f"{self.name}.{method}".encode(), "big")
        rng = np.random.default_rng(np.random.SeedSequence([SEED, place], spawn_key=(replicate,)))
        group = np.repeat(np.arange(self.groups), self.rows)
        x = rng.standard_normal((6, len(group)))
        x[1] = self.correlation * x[0] + np.sqrt(1 - self.correlation**2) * x[1]
        frame = {f"x{k + 1}": column for k, column in enumerate(x)}
        frame |= {"z": (group % 2).astype(float), "g": group}
        slopes = self.slope * rng.standard_normal(self.groups)[group] * x[0]
        y = self.deviation * rng.standard_normal(self.groups)[group] + slopes
        for name, value in self.truth.items():
            factors = [] if name == "(Intercept)" else name.split(":")
            y = y + value * np.prod([frame[factor] for factor in factors], axis=0)
        return pd.DataFrame(frame | {"y": y + rng.standard_normal(len(group))})


def studies() -> tuple[CoverageStudy, ...]:
    """The studies, in the order of the page."""
    return (*_searches(), *_ladders())


def _searches() -> tuple[CoverageStudy, ...]:
    four = {"x1": 0.2, "x2": 0.2, "x3": 0.2, "x4": 0.2}
    noise = "y ~ x1 + x2 + x3 + x4 + x5 + x6 + (1 | g)"
    return (
        CoverageStudy(
            "weak",
            "Backward by LRT: four weak effects",
            four,
            maximal="y ~ x1 + x2 + x3 + x4 + (1 | g)",
        ),
        CoverageStudy("noise", "Backward by LRT: one effect among six", {"x1": 0.3}, maximal=noise),
        CoverageStudy(
            "noise_aic",
            "Forward by AIC: one effect among six",
            {"x1": 0.3},
            maximal=noise,
            search="forward",
            criterion="aic",
        ),
        CoverageStudy(
            "correlated",
            "Backward by LRT: two covariates correlated at 0.7",
            {"x1": 0.25, "x2": 0.15},
            maximal="y ~ x1 + x2 + (1 | g)",
            correlation=0.7,
        ),
        CoverageStudy(
            "interaction",
            "Backward by LRT: a weak interaction of a covariate within and one between groups",
            {"x1": 0.2, "z": 0.5, "x1:z": 0.25},
            maximal="y ~ x1 * z + (1 | g)",
            deviation=0.5,
        ),
        CoverageStudy(
            "slope",
            "Backward by LRT: a varying slope that is often dropped",
            {"x1": 0.25, "x2": 0.15},
            maximal="y ~ x1 + x2 + (x1 | g)",
            slope=0.35,
        ),
        CoverageStudy(
            "between",
            "Backward by LRT: a weak covariate between 12 groups",
            {"x1": 0.3, "z": 0.5},
            groups=12,
            maximal="y ~ x1 + z + (1 | g)",
        ),
    )


def _ladders() -> tuple[CoverageStudy, ...]:
    rising = {
        "m0": "y ~ 1 + (1 | g)",
        "m1": "y ~ x1 + (1 | g)",
        "m2": "y ~ x1 + x2 + (1 | g)",
        "m3": "y ~ x1 + x2 + x3 + (1 | g)",
    }
    return (
        CoverageStudy(
            "ladder",
            "Four declared candidates, each richer by a weak effect",
            {"x1": 0.2, "x2": 0.2, "x3": 0.2},
            models=rising,
        ),
        CoverageStudy(
            "ladder_correlated",
            "Declared candidates with one or both of two covariates correlated at 0.7",
            {"x1": 0.25, "x2": 0.15},
            models={
                "a": "y ~ x1 + (1 | g)",
                "b": "y ~ x2 + (1 | g)",
                "both": "y ~ x1 + x2 + (1 | g)",
            },
            correlation=0.7,
        ),
        CoverageStudy(
            "ladder_slope",
            "Declared candidates with and without a varying slope and a weak effect",
            {"x1": 0.25, "x2": 0.2},
            models={
                "a": "y ~ x1 + (1 | g)",
                "b": "y ~ x1 + x2 + (1 | g)",
                "c": "y ~ x1 + x2 + (x1 | g)",
                "d": "y ~ x1 + (x1 | g)",
            },
            slope=0.35,
        ),
    )
