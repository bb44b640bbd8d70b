"""What the size of the tests is measured on: the tests, the designs, and the grid of both."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from mmfit.formula import build_matrices
from mmfit.formula.matrices import ModelMatrices

GROUPS = (5, 6, 8, 10, 15, 30, 100)
RATIOS = (0.0, 0.1, 1.0, 10.0)
"""Variance of the random intercept over that of the residuals."""
DATASETS, FEWER, FEWEST = 10_000, 4_000, 2_000
"""Data sets drawn: fewer where fits are dear for many groups, fewest where they are for few."""
_SIZES = (4, 5, 6, 6, 8, 9, 11, 12)
_DESIGN_SEED = 3

Covariances = Mapping[str, np.ndarray]
"""Of random terms, by the name of their group: their order depends on the numbers of levels."""


@dataclass(frozen=True, slots=True)
class Test:
    """A kind of test.

    Attributes
    ----------
    kind, title : str;  family : str, which chapter of the page it belongs to.
    null, alternative : formulas without a response; equal for the t tests of a coefficient.
    reml : bool, the criterion of the comparison.
    covariances : those of the null's random terms, by the ratio; the residual variance is one.
    edge : bool, whether the null puts a variance at zero.
    tested : for t tests the coefficient whose true value is zero, else None.
    dear : groups from which on, and up to which, fewer data sets are drawn.
    """

    kind: str
    title: str
    family: str
    null: str
    alternative: str
    reml: bool
    covariances: Callable[[float], Covariances]
    edge: bool = False
    tested: str | None = None
    dear: tuple[int, int] = (1000, 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One test in one design at one truth.

    Attributes
    ----------
    test : Test;  groups : int;  balanced : bool;  ratio : float, see ``RATIOS``.
    errors : str, the law of random effects and residuals, one of ``size_draws.LAWS``.
    drawn : formula that data sets are drawn from;  fixed : its coefficients.
    covariances : of its random terms.
    truth : str, in words what is not as the null has it; "" where the null is true.
    """

    test: Test
    groups: int
    balanced: bool
    ratio: float
    errors: str
    drawn: str
    fixed: tuple[float, ...]
    covariances: Covariances
    truth: str = ""

    @property
    def name(self) -> str:
        """Of the cell, in the file of numbers; its random numbers follow from it."""
        balance = "balanced" if self.balanced else "unbalanced"
        parts = [self.test.kind, str(self.groups), balance, f"{self.ratio:g}"]
        parts += [self.errors] if self.errors != "normal" else []
        return "-".join(parts + ([self.truth.replace(" ", "_")] if self.truth else []))

    @property
    def is_null(self) -> bool:
        """Whether all that the test takes for granted is true, and the null is."""
        return not self.truth and self.errors == "normal"

    @property
    def datasets(self) -> int:
        """How many are drawn."""
        many, few = self.test.dear
        if self.groups <= few:
            return FEWEST
        return FEWER if self.groups >= many else DATASETS

    def matrices(self, formula: str) -> ModelMatrices:
        """The model matrices of a formula on the design."""
        return _matrices(formula, self.groups, self.balanced)


@cache
def frame(groups: int, balanced: bool) -> pd.DataFrame:
    """Groups ``g`` of 8 rows, or of 4 to 12; ``h`` pairs of rows within a group, ``k`` 8 levels
    across groups, ``x`` counts the rows of a group, ``z`` is 0 or 1 between groups."""
    rng = np.random.default_rng(_DESIGN_SEED)
    sizes = np.full(groups, 8) if balanced else np.resize(_SIZES, groups)
    group = np.repeat(np.arange(groups), sizes)
    within = np.concatenate([np.arange(size) for size in sizes])
    across = within % 8 if balanced else rng.integers(0, 8, len(group))
    return pd.DataFrame(
        {
            "g": [f"g{i}" for i in group],
            "h": [f"h{i}" for i in within // 2],
            "k": [f"k{i}" for i in across],
            "x": within - 3.0,
            "z": group % 2.0,
        }
    )


@cache
def _matrices(formula: str, groups: int, balanced: bool) -> ModelMatrices:
    data = frame(groups, balanced)
    return build_matrices(formula, data, response=np.arange(len(data), dtype=float))


def _none(ratio: float) -> Covariances:
    return {}


def _intercept(ratio: float) -> Covariances:
    return {"g": np.array([[ratio]])}


def _nested(ratio: float) -> Covariances:
    return _intercept(ratio) | {"g:h": np.array([[0.5 * ratio]])}


def _crossed(ratio: float) -> Covariances:
    return _intercept(ratio) | {"k": np.array([[0.5 * ratio]])}


def _slopes(ratio: float) -> Covariances:
    return {"g": ratio * np.array([[1.0, 0.2], [0.2, 0.4]])}


def _apart(ratio: float) -> Covariances:
    return _intercept(ratio) | {"g.1": np.array([[0.4 * ratio]])}


FIXED, EDGE, OTHER, T_TESTS = "fixed", "edge", "other", "t"
TESTS = (
    Test(
        "between",
        "Fixed effect between groups, random intercept",
        FIXED,
        "~ 1 + (1 | g)",
        "~ z + (1 | g)",
        False,
        _intercept,
    ),
    Test(
        "between_nested",
        "Fixed effect between groups, nested intercepts",
        FIXED,
        "~ 1 + (1 | g) + (1 | g:h)",
        "~ z + (1 | g) + (1 | g:h)",
        False,
        _nested,
        dear=(100, 0),
    ),
    Test(
        "between_crossed",
        "Fixed effect between groups, crossed intercepts",
        FIXED,
        "~ 1 + (1 | g) + (1 | k)",
        "~ z + (1 | g) + (1 | k)",
        False,
        _crossed,
        dear=(100, 0),
    ),
    Test(
        "within_slopes",
        "Fixed effect within groups, slopes vary",
        FIXED,
        "~ 1 + (x | g)",
        "~ x + (x | g)",
        False,
        _slopes,
        dear=(100, 0),
    ),
    Test(
        "between_slopes",
        "Fixed effect between groups, beside slopes",
        FIXED,
        "~ x + (x | g)",
        "~ x + z + (x | g)",
        False,
        _slopes,
        dear=(100, 0),
    ),
    Test(
        "variance",
        "One variance against a linear model",
        EDGE,
        "~ z",
        "~ z + (1 | g)",
        True,
        _none,
        edge=True,
    ),
    Test(
        "nested",
        "Nested variance beside an intercept",
        EDGE,
        "~ 1 + (1 | g)",
        "~ 1 + (1 | g) + (1 | g:h)",
        True,
        _intercept,
        edge=True,
        dear=(100, 0),
    ),
    Test(
        "crossed",
        "Crossed variance beside an intercept",
        EDGE,
        "~ 1 + (1 | g)",
        "~ 1 + (1 | g) + (1 | k)",
        True,
        _intercept,
        edge=True,
        dear=(100, 0),
    ),
    Test(
        "slope",
        "Slope variance with its correlation",
        EDGE,
        "~ x + (1 | g)",
        "~ x + (x | g)",
        True,
        _intercept,
        edge=True,
        dear=(100, 0),
    ),
    Test(
        "slope_alone",
        "Slope variance without correlation",
        EDGE,
        "~ x + (1 | g)",
        "~ x + (x || g)",
        True,
        _intercept,
        edge=True,
        dear=(100, 0),
    ),
    Test(
        "correlation",
        "Correlation of intercept and slope",
        OTHER,
        "~ x + (x || g)",
        "~ x + (x | g)",
        True,
        _apart,
        dear=(100, 0),
    ),
    Test(
        "joint",
        "Fixed effect and slope variance at once",
        OTHER,
        "~ 1 + (1 | g)",
        "~ x + (x | g)",
        False,
        _intercept,
        edge=True,
        dear=(100, 0),
    ),
    Test(
        "t_between",
        "t test between groups, random intercept",
        T_TESTS,
        "~ z + (1 | g)",
        "~ z + (1 | g)",
        True,
        _intercept,
        tested="z",
    ),
    Test(
        "t_within_slopes",
        "t test within groups, slopes vary",
        T_TESTS,
        "~ x + (x | g)",
        "~ x + (x | g)",
        True,
        _slopes,
        tested="x",
        dear=(100, 8),
    ),
    Test(
        "t_between_slopes",
        "t test between groups, beside slopes",
        T_TESTS,
        "~ x + z + (x | g)",
        "~ x + z + (x | g)",
        True,
        _slopes,
        tested="z",
        dear=(100, 8),
    ),
)
BY_KIND = {test.kind: test for test in TESTS}


def null_cell(
    test: Test, groups: int, balanced: bool, ratio: float, errors: str = "normal"
) -> Cell:
    """A cell in which the null is true; all coefficients are zero, which no test depends on."""
    covariances = test.covariances(ratio)
    bare = Cell(test, groups, balanced, ratio, errors, test.null, (), covariances)
    return replace(bare, fixed=(0.0,) * bare.matrices(test.null).X.shape[1])


def size_cells() -> Iterator[Cell]:
    """The grid, then other laws than the normal."""
    for test in TESTS:
        for groups in GROUPS:
            for balanced in (True, False):
                for ratio in RATIOS if test.covariances is not _none else (0.0,):
                    yield null_cell(test, groups, balanced, ratio)
    for kind in ("between", "within_slopes", "nested", "slope"):
        for errors in ("t5", "skewed", "contaminated", "heteroscedastic"):
            for groups in (10, 30):
                yield null_cell(BY_KIND[kind], groups, False, 1.0, errors)


def power_cells() -> Iterator[Cell]:
    """What is not as the null has it, in unbalanced designs; the null cell is in the grid."""
    for effect in (0.5, 1.0, 2.0):
        yield _power("between", 10, f"effect {effect:g}", effect)
    for effect in (0.25, 0.5, 1.0):
        yield _power("within_slopes", 10, f"effect {effect:g}", effect)
    for variance in (0.1, 0.3, 1.0):
        more = {"g:h": np.array([[variance]])}
        yield _power("nested", 10, f"variance {variance:g}", more=more)
    for groups in (6, 10, 30):
        for variance in (0.01, 0.03, 0.1):
            whole = {"g": np.diag([1.0, variance])}
            yield _power("slope", groups, f"variance {variance:g}", more=whole)


def _power(
    kind: str, groups: int, truth: str, effect: float = 0.0, more: Covariances | None = None
) -> Cell:
    """A cell at ratio 1, with an ``effect`` of the last coefficient or covariances that differ."""
    test = BY_KIND[kind]
    cell = null_cell(test, groups, False, 1.0)
    fixed = [0.0] * cell.matrices(test.alternative).X.shape[1]
    fixed[-1] = effect
    return replace(
        cell,
        drawn=test.alternative,
        fixed=tuple(fixed),
        covariances={**cell.covariances, **(more or {})},
        truth=truth,
    )
