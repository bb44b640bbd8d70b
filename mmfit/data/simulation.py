"""Data simulated from a design and a model with known parameters.

Every purpose draws from a random stream of its own, ``SeedSequence(seed).spawn`` by replicate, then
by purpose, then by position in the file. So adding a covariate leaves the cells, the random effects
and the residuals as they were, and the same file gives the same bytes on each run.
"""

from enum import IntEnum

import numpy as np
import pandas as pd

from mmfit.data.diagnosis import factor_partition
from mmfit.errors import DataError
from mmfit.formula import build_matrices, parse
from mmfit.formula.matrices import RandomTerm
from mmfit.formula.partition import Partition
from mmfit.spec import RandomEffects, Simulation
from mmfit.spec.distributions import Sequence
from mmfit.spec.simulation_checks import factor_set, terms_by_grouping


class Purpose(IntEnum):
    """What a random stream is used for; the numbers are part of the reproducible result."""

    CELLS = 0
    COVARIATES = 1
    RANDOM_EFFECTS = 2
    RESIDUALS = 3


def stream(seed: int, replicate: int, purpose: Purpose, position: int = 0) -> np.random.Generator:
    """The random numbers of one purpose; equal to spawning from ``seed`` thrice."""
    key = (replicate, int(purpose), position)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def simulate(simulation: Simulation, replicate: int = 0) -> pd.DataFrame:
    """One simulated data set: response, covariates and factors, a row per observation.

    Parameters
    ----------
    simulation : checked (``mmfit.spec.load_analysis``).
    replicate : int, which of the data sets of this seed; the design and the covariates are the
        same in all, random effects and residuals differ.

    Returns
    -------
    DataFrame, rows ordered by the cells of the design, factors as categoricals.
    """
    seed = simulation.seed
    factors, position = _design(simulation, stream(seed, 0, Purpose.CELLS))
    frame = factors.assign(**_covariates(simulation, factors, position))
    formula = parse(simulation.formula)
    y = stream(seed, replicate, Purpose.RESIDUALS).standard_normal(len(frame))
    y *= simulation.residual_sd
    matrices = build_matrices(formula, frame.assign(**{formula.response: y}))
    names = matrices.all_fixed_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two coefficients are named {twice!r}; rename a column of the formula")
    # Sums column by column: a BLAS product may differ in its last bits between machines.
    dropped = set(matrices.dropped)
    kept = [name for name in names if name not in dropped]
    for name, column in zip(kept, matrices.X.T, strict=True):
        y = y + simulation.fixed[name] * column
    if matrices.offset is not None:
        y = y + matrices.offset
    terms = terms_by_grouping(matrices)
    for index, (name, effects) in enumerate(simulation.random.items()):
        rng = stream(seed, replicate, Purpose.RANDOM_EFFECTS, index)
        y = y + _random_part(terms[factor_set(name)], effects, rng)
    return pd.DataFrame({formula.response: y, **frame})


def _design(simulation: Simulation, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """The factors, a row per observation, and the position of each row within its cell."""
    factors = simulation.factors
    codes: dict[str, np.ndarray] = {}
    cells = 1
    for name in _outermost_first(simulation):
        levels = factors[name].levels
        codes = {known: np.repeat(values, levels) for known, values in codes.items()}
        own = np.tile(np.arange(levels), cells)
        parent = factors[name].within
        reused = parent is None or factors[name].labels == "reused"
        codes[name] = own if reused else codes[parent] * levels + own
        cells *= levels
    kept = _kept_cells(list(codes.values()), cells, simulation.fraction, rng)
    columns = {
        name: _labelled(np.repeat(codes[name][kept], simulation.per_cell)) for name in factors
    }
    position = np.tile(np.arange(simulation.per_cell), len(kept))
    return pd.DataFrame(columns), position


def _outermost_first(simulation: Simulation) -> list[str]:
    factors = simulation.factors
    order: list[str] = []
    while len(order) < len(factors):
        order += [
            name
            for name, factor in factors.items()
            if name not in order and (factor.within is None or factor.within in order)
        ]
    return order


def _labelled(codes: np.ndarray) -> pd.Categorical:
    """Levels 1, 2, 3, … in this order."""
    return pd.Categorical.from_codes(codes, [str(k + 1) for k in range(int(codes.max()) + 1)])


def _kept_cells(
    codes: list[np.ndarray], cells: int, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """A random share of the cells, in order, such that every level of every factor stays.

    The cells are shuffled; the first cell of each level is kept, then the next ones until the
    share is reached.
    """
    wanted = round(fraction * cells)
    if wanted >= cells:
        return np.arange(cells)
    shuffled = rng.permutation(cells)
    needed = np.zeros(cells, dtype=bool)
    for values in codes:
        needed[np.unique(values[shuffled], return_index=True)[1]] = True
    more = np.flatnonzero(~needed)[: max(wanted - int(needed.sum()), 0)]
    needed[more] = True
    return np.sort(shuffled[needed])


def _covariates(
    simulation: Simulation, factors: pd.DataFrame, position: np.ndarray
) -> dict[str, np.ndarray | pd.Categorical]:
    drawn = {}
    for index, (name, covariate) in enumerate(simulation.covariates.items()):
        rng = stream(simulation.seed, 0, Purpose.COVARIATES, index)
        if isinstance(covariate, Sequence):
            values = covariate.values(position)
        elif covariate.per is None:
            values = covariate.draw(rng, len(factors))
        else:
            groups = _levels(simulation, factors, covariate.per)
            values = covariate.draw(rng, groups.levels)[groups.codes]
        if covariate.distribution == "categorical":
            values = pd.Categorical(values, categories=sorted(covariate.levels))
        drawn[name] = values
    return drawn


def _levels(simulation: Simulation, factors: pd.DataFrame, name: str) -> Partition:
    """The rows by a factor's true levels: with reused labels, together with what it lies within."""
    columns = [name]
    parents = simulation.factors
    while parents[columns[0]].labels == "reused":
        columns.insert(0, parents[columns[0]].within)
    return factor_partition(factors, columns)


def _random_part(
    terms: list[RandomTerm], effects: RandomEffects, rng: np.random.Generator
) -> np.ndarray:
    """What one grouping factor adds to each row: its effects times the draws of its level."""
    codes, levels = terms[0].codes, len(terms[0].levels)
    model = np.column_stack([term.model for term in terms])
    draws = rng.standard_normal((levels, len(effects.sd)))
    root = correlation_root(effects)
    total = np.zeros(len(codes))
    for i, sd in enumerate(effects.sd):
        values = np.zeros(levels)
        for j in range(i + 1):
            values += root[i, j] * draws[:, j]
        total += model[:, i] * (sd * values)[codes]
    return total


def correlation_root(effects: RandomEffects) -> np.ndarray:
    """Lower triangular root of the correlation matrix; semidefinite ones have one as well.

    Returns
    -------
    (q, q) array L with L L' equal to the correlation matrix.
    """
    q = len(effects.sd)
    R = np.eye(q) if effects.correlation is None else np.array(effects.correlation)
    root = np.zeros((q, q))
    for j in range(q):
        pivot = R[j, j] - sum(root[j, k] ** 2 for k in range(j))
        # A pivot of zero means that this effect follows from those before it.
        root[j, j] = np.sqrt(pivot) if pivot > 1e-12 else 0.0
        for i in range(j + 1, q):
            rest = R[i, j] - sum(root[i, k] * root[j, k] for k in range(j))
            root[i, j] = rest / root[j, j] if root[j, j] else 0.0
    return root
