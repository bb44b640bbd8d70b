"""Inner products of the covariances that the parameters of a random part give the data.

A parameter stands for a symmetric matrix V_e, the derivative of Var(y), and the data speak of it
through P V_e P alone, P = I - XX+: the distribution of what no fixed effects reach. Independence of
such matrices does not change when all are multiplied by one regular matrix from both sides, so that
prior weights matter to the residual's only, which is W^-1; it is carried as a term with a level per
row. All is computed from sums over levels and over pairs of levels that share rows, never n x n.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.formula.matrices import RandomTerm
from mmfit.formula.partition import Partition
from mmfit.formula.rank import independent_columns

# Share of a column's length below which it adds no direction to those before it: a clock that
# counts seconds still does, the rounding of a sum does not.
_NEW = 1e-10
# Numbers gathered at once, where the pairs of levels are many.
_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True)
class Whitened:
    """A random term in an orthonormal basis of its columns' span, so that units do not matter.

    Attributes
    ----------
    codes : (n,) intp array;  levels : int.
    rows : (r, n) array Q with QQ' = n I;  lengths : (q,), root mean squares of the columns;
    factor : (r, q) array R, the columns over their lengths being Q'R.
    fixed : (levels, r, p) array, the sums over each level of rows times the basis of X.
    spread : (r r, p p) array, the sum over the levels of W_is W_jt at [(i, j), (s, t)], W a level's
        sums.
    """

    codes: np.ndarray
    levels: int
    rows: np.ndarray
    lengths: np.ndarray
    factor: np.ndarray
    fixed: np.ndarray
    spread: np.ndarray

    @property
    def size(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Moments:
    """Inner products tr(P V_e P V_f) of the parameters' covariances.

    The entries of each term's covariance come in vech order (column by column of the lower
    triangle), term by term, in the terms' whitened coordinates; the residual variance is last.

    Attributes
    ----------
    terms : tuple of Whitened, without the residual.
    projected, plain : (k, k) arrays, with P and with I in its place; (k + 1, k + 1) with the
        residual.
    """

    terms: tuple[Whitened, ...]
    projected: np.ndarray
    plain: np.ndarray


def moments(X: np.ndarray, random: Sequence[RandomTerm], residual: np.ndarray | None) -> Moments:
    """Of a fixed part X (n, p) of full rank and random terms.

    ``residual`` (n,): standard deviations of the residuals, up to a factor, whose covariance is
    then the last parameter; None leaves it out.
    """
    n = len(X)
    basis = np.linalg.qr(X / _lengths(X))[0].T if X.shape[1] else np.zeros((0, n))
    terms = tuple(_whitened(term.model, term.codes, len(term.levels), basis) for term in random)
    all_terms = terms
    if residual is not None:
        all_terms = (*terms, _whitened(residual[:, None], np.arange(n), n, basis))
    starts = np.cumsum([0, *(len(lower(term.size)[0]) for term in all_terms)])
    plain, projected = np.zeros((2, starts[-1], starts[-1]))
    for a, first in enumerate(all_terms):
        for b, second in enumerate(all_terms[: a + 1]):
            at = slice(starts[a], starts[a + 1]), slice(starts[b], starts[b + 1])
            plain[at], projected[at] = _pair(first, second)
            plain[at[::-1]], projected[at[::-1]] = plain[at].T, projected[at].T
    return Moments(terms, projected, plain)


def lower(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of a covariance in vech order."""
    columns, rows = np.triu_indices(size)
    return rows, columns


def _lengths(matrix: np.ndarray) -> np.ndarray:
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    largest[largest == 0] = 1.0
    return largest * np.sqrt(np.mean((matrix / largest) ** 2, axis=0))


def _whitened(model, codes, levels: int, basis: np.ndarray) -> Whitened:
    n = len(model)
    lengths = _lengths(model)
    lengths[lengths == 0] = 1.0
    unit = model / lengths
    kept = independent_columns(unit, _NEW)
    rows = np.linalg.qr(unit[:, kept])[0].T * np.sqrt(n)
    fixed = np.empty((levels, len(rows), len(basis)))
    for i, row in enumerate(rows):
        for s, column in enumerate(basis):
            fixed[:, i, s] = np.bincount(codes, row * column, levels)
    r, p = len(rows), len(basis)
    spread = np.tensordot(fixed, fixed, axes=(0, 0)).transpose(0, 2, 1, 3).reshape(r * r, p * p)
    return Whitened(codes, levels, rows, lengths, rows @ unit / n, fixed, spread)


def _pair(a: Whitened, b: Whitened) -> tuple[np.ndarray, np.ndarray]:
    """The inner products of two terms' entries, with I and with P.

    With H_lm = Z_l'P Z_m for the levels l of one term and m of the other, these are sums over l and
    m of tr(C H_lm D H_lm'). H_lm = S_lm - Y_lm, S_lm = Z_l'Z_m being zero for levels without common
    rows and Y_lm = W_l W_m' of rank p for all, so that only pairs with common rows are formed.
    """
    first, second, S = _common(a, b)
    Y = np.empty_like(S)
    step = max(1, _AT_ONCE // max(1, a.fixed.shape[2] * (a.size + b.size)))
    for start in range(0, len(S), step):
        part = slice(start, start + step)
        np.einsum("cis,cjs->cij", a.fixed[first[part]], b.fixed[second[part]], out=Y[part])
    whole = (a.spread @ b.spread.T).reshape(a.size, a.size, b.size, b.size)
    projected = whole.transpose(0, 2, 1, 3) - _quadratic(Y) + _quadratic(S - Y)
    return _entries(_quadratic(S)), _entries(projected)


def _common(a: Whitened, b: Whitened) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of levels with common rows, (c,) each, and their (c, r_a, r_b) blocks Z_l'Z_m."""
    if a.codes is b.codes or np.array_equal(a.codes, b.codes):
        first = second = np.arange(a.levels)
        place = a.codes
    elif a.levels == len(a.codes):
        first, second, place = a.codes, b.codes, np.arange(len(a.codes))
    else:
        met = Partition(a.codes, a.levels).meet(Partition(b.codes, b.levels))
        first, second, place = met.first, met.second, met.place
    S = np.empty((len(first), a.size, b.size))
    for i, row in enumerate(a.rows):
        for j, column in enumerate(b.rows):
            S[:, i, j] = np.bincount(place, row * column, len(first))
    return first, second, S


def _quadratic(S: np.ndarray) -> np.ndarray:
    """(r_a, r_b, r_a, r_b): the sum over the blocks of S_ik S_jh at [i, k, j, h]."""
    flat = S.reshape(len(S), -1)
    return (flat.T @ flat).reshape(*S.shape[1:], *S.shape[1:])


def _entries(tensor: np.ndarray) -> np.ndarray:
    """Sum over i, j, k, h of C_ij D_kh tensor[i, k, j, h] for all entries C of a and D of b."""
    (i, j), (k, h) = lower(tensor.shape[0]), lower(tensor.shape[1])
    i, j = i[:, None], j[:, None]
    # An entry off the diagonal stands for both of its places; by symmetry two sums serve four.
    values = tensor[i, k, j, h] + np.where(k != h, tensor[i, h, j, k], 0.0)
    return values * np.where(i != j, 2.0, 1.0)
