"""The designs on which the size of the tests is measured, and data drawn under their nulls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.many_fits import ManyFits
from mmfit.formula import build_matrices
from mmfit.formula.matrices import ModelMatrices

# Groups of lme4's sleepstudy.
FEW = 18
SEED = 20261124
# Data sets drawn at a time: what bounds the memory.
BLOCK = 1000


@dataclass(frozen=True, slots=True)
class Study:
    """One null hypothesis in one design.

    Attributes
    ----------
    name, title : str.
    null, alternative : formulas without a response; equal for the t tests of a coefficient.
    reml : bool, the criterion of the comparison.
    frame : the design;  fixed : (p,) coefficients of the null;  covariances : per random term of
        the null a (q, q) matrix;  sigma : residual standard deviation.
    tested : for t tests, the coefficient whose true value is zero, else None.
    """

    name: str
    title: str
    null: str
    alternative: str
    reml: bool
    frame: pd.DataFrame
    fixed: tuple[float, ...]
    covariances: tuple[np.ndarray, ...]
    sigma: float
    tested: str | None = None

    def matrices(self, formula: str) -> ModelMatrices:
        """The model matrices of either formula on the design."""
        stand_in = np.arange(len(self.frame), dtype=float)
        return build_matrices(formula, self.frame, response=stand_in)


def studies() -> tuple[Study, ...]:
    """The studies, in the order of the page."""
    return (*_one_variance(), _slope(FEW), _slope(400), *_fixed_effects(), *_t_tests())


def _one_variance() -> Sequence[Study]:
    balanced = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(6)], 5)})
    return (
        Study(
            "variance",
            "One variance: 6 groups of 5, no variance between them (REML)",
            "~ 1",
            "~ 1 + (1 | g)",
            True,
            balanced,
            (10.0,),
            (),
            1.0,
        ),
        Study(
            "variance_unbalanced",
            "One variance: 10 groups of 2 to 9 and a covariate between them (REML)",
            "~ z",
            "~ z + (1 | g)",
            True,
            _between(),
            (10.0, 1.0),
            (),
            1.0,
        ),
    )


def _slope(groups: int) -> Study:
    names = [f"g{i:03}" for i in range(groups)]
    frame = pd.DataFrame({"g": np.repeat(names, 10), "x": np.tile(np.arange(10.0), groups)})
    title = f"A slope beside an intercept: {groups} groups of 10, slopes do not vary (REML)"
    name = "slope" if groups == FEW else "slope_many"
    intercept = (np.array([[1.4]]),)
    return Study(
        name, title, "~ x + (1 | g)", "~ x + (x | g)", True, frame, (250.0, 10.0), intercept, 1.0
    )


def _between(copies: int = 1) -> pd.DataFrame:
    """Ten groups of 2 to 9 rows, or so many more; ``z`` differs between, ``x`` within groups."""
    sizes = np.tile([2, 3, 3, 4, 5, 5, 6, 7, 8, 9], copies)
    rng = np.random.default_rng(20250613)
    group = np.repeat(np.arange(len(sizes)), sizes)
    return pd.DataFrame(
        {
            "g": [f"g{i:03}" for i in group],
            "z": np.arange(len(sizes))[group] % 2.0,
            "x": np.round(rng.normal(size=len(group)), 2),
        }
    )


def _fixed_effects() -> Sequence[Study]:
    frames = {"fixed": _between(), "fixed_many": _between(copies=20)}
    return tuple(
        Study(
            name,
            f"A fixed effect between {frame['g'].nunique()} groups of 2 to 9, by likelihood ratio "
            "(ML)",
            "~ 1 + (1 | g)",
            "~ z + (1 | g)",
            False,
            frame,
            (5.0,),
            (np.array([[0.8]]),),
            1.0,
        )
        for name, frame in frames.items()
    )


def _t_tests() -> Sequence[Study]:
    between = "~ z + (1 | g)"
    slopes = "~ x + (x | g)"
    return (
        Study(
            "t_between",
            "t test of a covariate between 10 groups of 2 to 9 (REML)",
            between,
            between,
            True,
            _between(),
            (5.0, 0.0),
            (np.array([[0.8]]),),
            1.0,
            tested="z",
        ),
        Study(
            "t_slope",
            "t test of a covariate within 10 groups of 2 to 9 whose slopes vary (REML)",
            slopes,
            slopes,
            True,
            _between(),
            (5.0, 0.0),
            (np.array([[0.8, 0.2], [0.2, 0.5]]),),
            1.0,
            tested="x",
        ),
    )


def draw(study: Study, matrices: ModelMatrices, replicates: range) -> np.ndarray:
    """(len(replicates), n) data sets of the null; replicate i has stream i of the study's seed."""
    fixed = np.tile(study.fixed, (len(replicates), 1))
    roots = [np.tile(semidefinite_cholesky(c), (len(replicates), 1, 1)) for c in study.covariances]
    streams = _streams(study, 0, replicates)
    return _responses(matrices, fixed, roots, np.full(len(replicates), study.sigma), streams)


def redraw(study: Study, matrices: ModelMatrices, fits: ManyFits, replicates: range) -> np.ndarray:
    """(B, n): one data set from each of B fits, with streams that ``draw`` does not use."""
    roots = [semidefinite_cholesky(c) for c in fits.covariances]
    streams = _streams(study, 1, replicates)
    return _responses(matrices, fits.fixef, roots, fits.sigma, streams)


def _streams(study: Study, purpose: int, replicates: range) -> list[np.random.SeedSequence]:
    """Stream i for replicate i, of a seed of the study's own."""
    place = [one.name for one in studies()].index(study.name)
    root = np.random.SeedSequence(SEED, spawn_key=(place, purpose))
    return root.spawn(replicates.stop)[replicates.start :]


def _responses(matrices, fixed, roots, sigma, streams) -> np.ndarray:
    out = fixed @ matrices.X.T
    for i, stream in enumerate(streams):
        rng = np.random.default_rng(stream)
        out[i] += sigma[i] * rng.standard_normal(matrices.nobs)
        for term, root in zip(matrices.random, roots, strict=True):
            effects = rng.standard_normal((len(term.levels), root.shape[-1])) @ root[i].T
            out[i] += np.einsum("nq,nq->n", term.model, effects[term.codes])
    return out
