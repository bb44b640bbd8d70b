"""Which covariance parameters of a model a design can tell apart.

They are identified where the matrices P V_e P (see ``moments``) are linearly independent, the
residual variance's among them, which is where the expected information of the restricted likelihood
has full rank at every interior point (Searle, Casella & McCulloch 1992, section 6.6.e). It is a
property of the design alone and is taken for fits by ML as well: under ML the determinant of V may
move what no response can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.formula.moments import Moments, lower, moments
from mmfit.formula.rank import reduced_echelon

# Squared share of itself in which a parameter's covariance must differ from all combinations of the
# others. Inner products are good to 1e-15 (a sum of a million rows to 1e-13), and what differs by
# less than 3e-6 could not be estimated either.
_SQUARED = 1e-11
# Size of a parameter's covariance beside the largest that is rounding: it occurs in no row, as the
# covariance of two effects that no level has both of.
_ABSENT = 1e-10
# Share of a null vector that rounding does not reach.
_PART = 1e-4
# Entries of a reduced basis that are rounding.
_ROUNDING = 1e-7


@dataclass(frozen=True, slots=True)
class NullMoves:
    """Moves of the covariance parameters, in the user's units, that the data do not see.

    Attributes
    ----------
    parameters : tuple of (group, term_1, term_2), ``""`` for the second term of a variance.
    directions : (d, k) array in reduced echelon form, pivots from the first parameter on.
    beside_fixed : (d,) bool, whether a move is unseen only because the fixed part takes it up.
    """

    parameters: tuple[tuple[str, str, str], ...]
    directions: np.ndarray
    beside_fixed: np.ndarray


def residual_confounded(
    X: np.ndarray, random: Sequence[RandomTerm], weights: np.ndarray | None = None
) -> tuple[RandomTerm, ...]:
    """The fewest terms that the residual variance cannot be told from; empty where it can.

    That takes as many random effects as there are rows beyond those that the fixed effects use up,
    so that other designs cost nothing.
    """
    spare = X.shape[0] - X.shape[1]
    if sum(len(term.levels) * len(term.effects) for term in random) < spare:
        return ()
    found = moments(X, random, np.ones(len(X)) if weights is None else 1 / np.sqrt(weights))
    kept = list(range(len(random)))
    if not _residual_inside(found, kept):
        return ()
    for place in reversed(range(len(random))):
        fewer = [other for other in kept if other != place]
        if _residual_inside(found, fewer):
            kept = fewer
    return tuple(random[place] for place in kept)


def dimensions(X: np.ndarray, random: Sequence[RandomTerm]) -> tuple[int, int]:
    """How many covariance parameters the data tell apart beside the fixed part, and without it.

    The residual variance is not counted.
    """
    if not random:
        return 0, 0
    found = moments(X, random, None)
    lost = (_null_vectors(inner, found.plain).shape[1] for inner in (found.projected, found.plain))
    told, shown = (len(found.plain) - count for count in lost)
    return told, shown


def null_moves(matrices: ModelMatrices) -> NullMoves:
    """A basis of what the data of a model cannot tell, the residual variance being told.

    Each direction is a change of the covariances of the random effects that leaves the covariance
    of the data, as far as the fixed part lets it be seen, as it is.
    """
    parameters = tuple(name for term in matrices.random for name in _parameters(term))
    k = len(parameters)
    if not k:
        return NullMoves((), np.zeros((0, 0)), np.zeros(0, dtype=bool))
    found = moments(matrices.X, matrices.random, None)
    plain = found.plain
    factors = [term.factor for term in found.terms]
    null = _null_vectors(found.projected, plain)
    back = _blocks([_to_whitened(np.linalg.pinv(factor)) for factor in factors])
    moves = np.hstack([back @ null, _without_effect(factors)]).T
    if not len(moves):
        return NullMoves(parameters, np.zeros((0, k)), np.zeros(0, dtype=bool))
    # The elimination is done on contributions to the covariance of the data, so that what it takes
    # for rounding does not depend on units or on numbers of levels.
    size = _contributions(found)
    reduced = reduced_echelon((moves * size)[:, ::-1])[:, ::-1]
    reduced[np.abs(reduced) < _ROUNDING] = 0.0
    whitened = reduced / size @ _blocks([_to_whitened(factor) for factor in factors]).T
    seen = np.einsum("de,ef,df->d", whitened, plain, whitened)
    return NullMoves(parameters, _in_users_units(reduced, size, found), seen > 1e-8)


def _parameters(term: RandomTerm) -> list[tuple[str, str, str]]:
    rows, columns = lower(len(term.effects))
    return [
        (term.group, term.effects[c], "" if r == c else term.effects[r])
        for r, c in zip(rows, columns, strict=True)
    ]


def _null_vectors(projected: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """(k, d): combinations of the parameters whose covariances vanish in P."""
    size = np.sqrt(np.diag(plain))
    inverse = 1 / np.where(size > _ABSENT * size.max(initial=0.0), size, np.inf)
    values, vectors = np.linalg.eigh(projected * inverse * inverse[:, None])
    # What occurs in no row is a null vector of its own, whatever its scale.
    return vectors[:, values < _SQUARED] * np.where(inverse > 0, inverse, 1.0)[:, None]


def _residual_inside(found: Moments, kept: Sequence[int]) -> bool:
    """Whether the residual's covariance is a combination of those of the terms ``kept``."""
    counts = [len(lower(term.size)[0]) for term in found.terms]
    starts = np.cumsum([0, *counts])
    places = [np.arange(starts[t], starts[t + 1]) for t in kept]
    at = np.concatenate([*places, [starts[-1]]]).astype(np.intp)
    plain = found.plain[np.ix_(at, at)]
    null = _null_vectors(found.projected[np.ix_(at, at)], plain)
    share = null[-1] * np.sqrt(plain[-1, -1])
    return bool(np.linalg.norm(share) > _PART)


def _to_whitened(factor: np.ndarray) -> np.ndarray:
    """(r(r+1)/2, q(q+1)/2): the entries of R Psi R' from those of Psi, R (r, q)."""
    (i, j), (a, b) = lower(factor.shape[0]), lower(factor.shape[1])
    R = factor
    i, j = i[:, None], j[:, None]
    return R[i, a] * R[j, b] + np.where(a != b, R[i, b] * R[j, a], 0.0)


def _blocks(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """The block diagonal matrix."""
    out = np.zeros(np.sum([block.shape for block in blocks], axis=0))
    row = column = 0
    for block in blocks:
        out[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return out


def _without_effect(factors: Sequence[np.ndarray]) -> np.ndarray:
    """(k, d): moves that dependent columns of a term's own model matrix leave without effect."""
    blocks = []
    for factor in factors:
        change = _to_whitened(factor)
        blocks.append(np.linalg.svd(change)[2][len(change) :].T)
    return _blocks(blocks)


def _in_users_units(reduced: np.ndarray, size: np.ndarray, found: Moments) -> np.ndarray:
    """(d, k) moves of the user's covariances, each pivot being 1."""
    first, second, start = [], [], 0
    for term in found.terms:
        rows, columns = lower(len(term.lengths))
        part = np.sqrt(size[start : start + len(rows)])
        start += len(rows)
        first.append(part * term.lengths[rows])
        second.append(part * term.lengths[columns])
    a, b = np.concatenate(first), np.concatenate(second)
    pivots = np.array([np.flatnonzero(row)[0] for row in reduced])[:, None]
    # Ratio by ratio, and within the range of numbers, since units may be extreme.
    with np.errstate(over="ignore", under="ignore"):
        units = np.clip((a[pivots] / a) * (b[pivots] / b), 1e-300, 1e300)
    return reduced * units


def _contributions(found: Moments) -> np.ndarray:
    """(k,) size of what each parameter of the columns at unit length can give to the data.

    Of a covariance it is the geometric mean of the variances', also where no level has both.
    """
    parts, start = [], 0
    for term in found.terms:
        change = _to_whitened(term.factor)
        inner = found.plain[start : start + len(change), start : start + len(change)]
        start += len(change)
        rows, columns = lower(term.factor.shape[1])
        square = np.einsum("ea,ef,fa->a", change, inner, change)[rows == columns]
        size = np.sqrt(np.where(square > 0, square, 1.0))
        parts.append(np.sqrt(size[rows] * size[columns]))
    return np.concatenate(parts)
