"""Data sets of a cell, and bootstrap samples from fits to them.

Data set i has stream i of the cell's seed, which gives its own errors and then those of its
bootstrap samples: results do not depend on how many data sets are drawn at a time.
"""

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.size_studies import Cell, frame
from mmfit.engine.covariance.roots import semidefinite_cholesky
from mmfit.engine.many_fits import ManyFits
from mmfit.formula.matrices import ModelMatrices

SEED = 20261201
_WIDE, _SHARE = 3.0, 0.1


def _contaminated(rng: np.random.Generator, size: int) -> np.ndarray:
    wide = np.where(rng.random(size) < _SHARE, _WIDE, 1.0)
    return wide * rng.standard_normal(size) / np.sqrt(1 + _SHARE * (_WIDE**2 - 1))


LAWS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "t5": lambda rng, size: rng.standard_t(5, size) / np.sqrt(5 / 3),
    "skewed": lambda rng, size: (rng.chisquare(4, size) - 4) / np.sqrt(8),
    "contaminated": _contaminated,
    "heteroscedastic": lambda rng, size: rng.standard_normal(size),
}
"""Laws of random effects and residuals, with mean 0 and variance 1.

``heteroscedastic``: the residuals' standard deviation is three times as large where z is one.
"""


class Draws:
    """The numbers of some data sets of a cell, in their order."""

    def __init__(self, cell: Cell, datasets: range):
        root = np.random.SeedSequence(SEED, spawn_key=(zlib.crc32(cell.name.encode()),))
        keys = [
            np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, i)) for i in datasets
        ]
        self._streams = [np.random.Generator(np.random.SFC64(key)) for key in keys]
        self._cell = cell

    def data(self) -> np.ndarray:
        """(B, n) responses as the cell's truth has them."""
        cell, count = self._cell, len(self._streams)
        matrices = cell.matrices(cell.drawn)
        fixed = np.tile(cell.fixed, (count, 1))
        roots = [
            np.tile(semidefinite_cholesky(cell.covariances[term.group]), (count, 1, 1))
            for term in matrices.random
        ]
        numbers = self._numbers(matrices, cell.errors)
        if cell.errors == "heteroscedastic":
            wide = np.where(frame(cell.groups, cell.balanced)["z"].to_numpy() == 1, _WIDE, 1.0)
            numbers[:, : matrices.nobs] *= wide / np.sqrt((1 + _WIDE**2) / 2)
        return _responses(matrices, fixed, roots, np.ones(count), numbers)

    def again(self, fits: ManyFits) -> np.ndarray:
        """(B, n): one sample from each of B fits; coefficients are taken as zero.

        Fits without estimates get samples of the residual alone, which nobody must use.
        """
        roots = [semidefinite_cholesky(np.nan_to_num(c)) for c in fits.covariances]
        sigma = np.nan_to_num(fits.sigma, nan=1.0)
        numbers = self._numbers(fits.matrices, "normal")
        return _responses(fits.matrices, np.zeros_like(fits.fixef), roots, sigma, numbers)

    def _numbers(self, matrices: ModelMatrices, errors: str) -> np.ndarray:
        """(B, numbers): per data set those of its residuals, then those of its random effects."""
        effects = sum(len(term.levels) * term.model.shape[1] for term in matrices.random)
        draw, size = LAWS[errors], matrices.nobs + effects
        return np.array([draw(rng, size) for rng in self._streams])


def _responses(matrices, fixed, roots, sigma, numbers) -> np.ndarray:
    at = matrices.nobs
    out = fixed @ matrices.X.T + sigma[:, None] * numbers[:, :at]
    for term, root in zip(matrices.random, roots, strict=True):
        levels, q = len(term.levels), root.shape[-1]
        own = numbers[:, at : at + levels * q].reshape(-1, levels, q)
        effects = own @ np.swapaxes(root, 1, 2)
        for c in range(q):
            out += effects[:, term.codes, c] * term.model[:, c]
        at += levels * q
    return out
