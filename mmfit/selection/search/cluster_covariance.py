"""The covariance of a model's estimates over drawn levels of its coarsest grouping factor."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.fit import fit_model
from mmfit.errors import MmfitError
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.formula.partition import Partition
from mmfit.formula.rank import independent_columns
from mmfit.selection.search.source import Clusters

# Fewer samples than this tell a variance to no better than a quarter of itself.
FEWEST_SAMPLES = 30


@dataclass(frozen=True, slots=True)
class ClusterCovariance:
    """A covariance by the cluster bootstrap (Field & Welsh 2007, JRSS B 69: 369-390).

    Attributes
    ----------
    vcov : (p, p) covariance of the fixed effects, or None where too few samples are usable.
    df : float, of its variances: 1/df = 1/(levels - 1) + 1/(samples - 1), the levels at hand and
        the samples of them both being draws.
    samples : int, samples on which the whole model could be fitted.
    """

    vcov: np.ndarray | None
    df: float
    samples: int


def cluster_covariance(
    matrices: ModelMatrices, known: Clusters, generators: Iterator[np.random.Generator]
) -> ClusterCovariance:
    """Refit a model to a sample per generator, each of as many levels as there are.

    The levels are those that ``mmfit.selection.search.source.drawn`` draws with the same
    generators; the columns of the model are taken as they are, so that bases and contrasts stay
    what they were. A variance over G levels drawn from G is short by (G - 1)/G, which is made up
    for.
    """
    estimates = []
    for rng in generators:
        found = _estimates(_drawn(matrices, known, known.picked(rng)))
        if found is not None:
            estimates.append(found)
    count, levels = len(estimates), len(known.rows)
    if count < FEWEST_SAMPLES or levels < 2:
        return ClusterCovariance(None, float("nan"), count)
    vcov = np.atleast_2d(np.cov(np.array(estimates), rowvar=False)) * levels / (levels - 1)
    return ClusterCovariance(vcov, 1 / (1 / (levels - 1) + 1 / (count - 1)), count)


def _estimates(matrices: ModelMatrices) -> np.ndarray | None:
    """(p,) REML estimates, or None where these rows do not give them all."""
    if len(independent_columns(matrices.X)) < matrices.X.shape[1]:
        return None
    try:
        fit = fit_model(matrices)
    except MmfitError:
        return None
    return fit.fixef if fit.converged and np.isfinite(fit.fixef).all() else None


def _drawn(matrices: ModelMatrices, known: Clusters, picked: np.ndarray) -> ModelMatrices:
    """The rows of the picked levels, each draw a level of its own."""
    rows = np.concatenate([known.rows[level] for level in picked])
    sizes = [len(known.rows[level]) for level in picked]
    draws = Partition(np.repeat(np.arange(len(picked)), sizes), len(picked))

    def of(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[rows]

    return replace(
        matrices,
        y=matrices.y[rows],
        X=matrices.X[rows],
        random=tuple(_term(term, rows, draws, known.relabelled) for term in matrices.random),
        weights=of(matrices.weights),
        offset=of(matrices.offset),
    )


def _term(term: RandomTerm, rows: np.ndarray, draws: Partition, relabelled) -> RandomTerm:
    old = term.codes[rows]
    if set(term.factors) & set(relabelled):
        met = draws.meet(Partition(old, len(term.levels)))
        codes, count = met.place, len(met.first)
    else:
        present, codes = np.unique(old, return_inverse=True)
        count = len(present)
    levels = tuple(map(str, range(1, count + 1)))
    return replace(term, model=term.model[rows], codes=codes.astype(np.intp), levels=levels)
