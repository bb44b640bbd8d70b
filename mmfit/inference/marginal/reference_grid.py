"""Linear functions of the fixed effects at the cells of a reference grid, averaged over factors.

Searle, Speed & Milliken 1980 (The American Statistician 34(4)): population marginal means; the grid
is that of emmeans (Lenth): all combinations of the factors' levels, covariates at their means,
equal weights over the factors that are averaged out. Functions are held with the coefficients of
all columns of the model matrix, also of those that a rank-deficient fit dropped, so that it can be
decided whether the fit estimates them: they must lie in the row space of the matrix of the fit
(Searle 1971, Linear Models, section 5.4).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfit.errors import MmfitError
from mmfit.formula.design import DesignInfo
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.marginal.nesting import cell_weights, nested_factors, occurring
from mmfit.inference.marginal.predictors import Predictor, find_predictor, predictors, restrict

# Numbers of a grid's model matrix; 400 MB.
_LIMIT = 50_000_000
# Whole numbers below this are exact as doubles.
_EXACT = 2**53
# Step of a derivative as a share of the covariate's range; Richardson's extrapolation leaves an
# error of its fourth power.
_STEP = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceGrid:
    """The cells at which a fit is looked at.

    Attributes
    ----------
    matrices : ModelMatrices, with a design.
    predictors : tuple of Predictor, as ``at`` left them;  given : frozenset of those named in it.
    codes : (cells, predictors) intp array, the level of each predictor in each cell.
    nests : mapping of a factor to the factors that it is nested in.
    present : (cells,) bool, whether the nested factors' combination occurs in the data.
    """

    matrices: ModelMatrices
    predictors: tuple[Predictor, ...]
    given: frozenset[str]
    codes: np.ndarray
    nests: Mapping[str, tuple[str, ...]]
    present: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(predictor.name for predictor in self.predictors)

    def frame(self) -> dict[str, Any]:
        """The data columns at the cells."""
        return {
            predictor.name: predictor.values[codes]
            for predictor, codes in zip(self.predictors, self.codes.T, strict=True)
        }

    def functions(self) -> np.ndarray:
        """(cells, columns): the rows of the model matrix, dropped columns included."""
        return _rows(self.matrices.design, self.frame(), len(self.codes))

    def slopes(self, name: str) -> np.ndarray:
        """(cells, columns): derivatives of the rows with respect to a covariate.

        Central differences of two steps, extrapolated (Richardson); exact for polynomials up to
        degree four.
        """
        predictor = self.predictors[self.names.index(name)]
        frame = self.frame()
        at = np.asarray(frame[name], dtype=float)
        step = _STEP * predictor.span

        def difference(h: float) -> np.ndarray:
            high, low = at + h, at - h
            up, down = (
                _rows(self.matrices.design, {**frame, name: value}, len(at))
                for value in (high, low)
            )
            return (up - down) / (high - low)[:, None]

        return (4 * difference(step / 2) - difference(step)) / 3

    def average(self, functions: np.ndarray, names: Sequence[str]) -> "Averages":
        """Averages of the cells' functions by the levels of some predictors, first one fastest."""
        places = [self.names.index(name) for name in names]
        sizes = [len(self.predictors[k].labels) for k in places]
        total = math.prod(sizes)
        target = np.zeros(len(self.codes), dtype=np.intp)
        for k, stride in zip(places, np.cumprod([1, *sizes[:-1]]), strict=False):
            target += self.codes[:, k] * stride
        weights = cell_weights(self.codes, self.names, self.nests, self.present, names)
        out = np.zeros((total, functions.shape[1]))
        np.add.at(out, target, functions * weights[:, None])
        cells = np.zeros(total)
        np.add.at(cells, target, weights)
        kept = np.flatnonzero(cells > 0)
        chosen = tuple(self.predictors[k] for k in places)
        return Averages(chosen, _combinations(kept, sizes), out[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Averages:
    """Functions by levels.

    Attributes
    ----------
    predictors : tuple of Predictor, whose levels they go by.
    codes : (m, predictors) intp array, the levels of each.
    functions : (m, columns), as in :class:`ReferenceGrid`.
    """

    predictors: tuple[Predictor, ...]
    codes: np.ndarray
    functions: np.ndarray

    def columns(self) -> dict[str, list]:
        """Name of predictor -> its level in each row: str, or a number for a numeric column."""
        shown = [_whole(predictor.labels) for predictor in self.predictors]
        return {
            predictor.name: [labels[k] for k in codes]
            for predictor, labels, codes in zip(self.predictors, shown, self.codes.T, strict=True)
        }


def _whole(labels: tuple) -> tuple:
    """Numbers as int where all are whole, as the column they come from has (or could have) them."""
    if all(isinstance(x, float) and x.is_integer() and abs(x) < _EXACT for x in labels):
        return tuple(int(x) for x in labels)
    return labels


def build_grid(matrices: ModelMatrices, at: Mapping[str, Any] | None = None) -> ReferenceGrid:
    """The reference grid of a fit.

    Parameters
    ----------
    matrices : of the fit, built from a formula.
    at : values by column, one or several: of a covariate, where the grid holds it in place of its
        mean; of a factor, the levels that the grid has.

    Raises
    ------
    MmfitError
        For matrices without a design, unknown columns and values, or a grid that is too large.
    """
    design = matrices.design
    if design is None:
        raise MmfitError("marginal means need matrices that were built from a formula")
    if at is not None and not isinstance(at, Mapping):
        raise MmfitError(f"at={at!r} must map columns to their values, such as {{'x': 0}}")
    known = predictors(design)
    chosen = {find_predictor(known, design, name).name: value for name, value in (at or {}).items()}
    used = tuple(restrict(p, chosen[p.name]) if p.name in chosen else p for p in known)
    sizes = [len(predictor.labels) for predictor in used]
    cells = math.prod(sizes)
    if cells * max(len(matrices.all_fixed_names), 1) > _LIMIT:
        raise MmfitError(
            f"the reference grid has {cells} cells of {len(matrices.all_fixed_names)} columns, "
            "which is too much; restrict factors by at={...}"
        )
    codes = _combinations(np.arange(cells), sizes)
    factors = tuple(p for p in known if p.is_factor and len(p.labels) > 1)
    nests = nested_factors(design, factors)
    present = occurring(design, known, used, codes, nests)
    return ReferenceGrid(matrices, used, frozenset(chosen), codes, nests, present)


def _combinations(places: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """(m, factors) levels of the combinations at these places, the first factor fastest."""
    if not sizes:
        return np.zeros((len(places), 0), dtype=np.intp)
    return np.column_stack(np.unravel_index(places, sizes, order="F"))


def _rows(design: DesignInfo, frame: Mapping[str, Any], cells: int) -> np.ndarray:
    if not frame:
        return np.ones((cells, int(design.formula.fixed.intercept)))
    return design.fixed_matrix(frame).matrix


def to_fitted(matrices: ModelMatrices, functions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Functions (m, columns) in the coefficients that the fit kept (m, p); which are estimable.

    See :class:`mmfit.formula.estimability.Estimability`.
    """
    design = matrices.design
    return functions[:, design.kept], design.estimable(functions)
