"""Orthogonal bases of a factor's model matrix within each of its levels: Z_l = Q_l T_l'.

With c = Q'R, V = I + Z Psi Z' of one factor has R'V^-1 R = (R'R - c'c) + c'(I + T'Psi T)^-1 c by
level, a sum of what the levels leave and of what V lets through: nothing is lost to a difference,
however large Psi is, and no rank has to be known. An effect that the others of its level explain
to rounding gets a zero column; another choice would change Z by that rounding and no more.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.engine.system.level_sums import Column, LevelSums, response_products
from mmfit.engine.system.whitened_system import Group

# What is left of a column below this share of it is orthogonal to the basis after a second pass.
_CANCELS = 0.1
# What is left below this share is rounding. As a direction of its own it would add theirs squared,
# 1e-24 times a variance ratio, to I + T'Psi T.
ROUNDING = 1e-12
# Below this share of a column within levels, that part is computed from the rows: as a difference
# of sums it would lose digits.
_LOST = 0.05
# Share of a column's length below which what the levels leave of it explains nothing.
_HELD = 1e-8


@dataclass(frozen=True)
class LevelBasis:
    """The basis of one factor.

    Attributes
    ----------
    sums : LevelSums, of the factor's rows.
    columns : tuple of q Columns, orthogonal within every level;  norms : (q, L), their lengths,
        zero where a level has no such direction.
    T : (q, q, L), lower triangular: row a is effect a, column b its part along direction b.
    """

    sums: LevelSums
    columns: tuple[Column, ...]
    norms: np.ndarray
    T: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        return self.sums.codes

    @property
    def levels(self) -> int:
        return self.sums.levels

    @property
    def size(self) -> int:
        return len(self.columns)

    @cached_property
    def scale(self) -> np.ndarray:
        """(q, L): 1 / norms, zero for a direction that is not there."""
        there = self.norms > 0
        if there.all():
            return 1.0 / self.norms
        return np.where(there, 1.0, 0.0) / np.where(there, self.norms, 1.0)

    def products(self, columns: tuple[Column, ...]) -> np.ndarray:
        """(q, len(columns), L): Q'columns by level."""
        out = self.sums.products(self.columns, columns)
        out *= self.scale[:, None]
        return out

    def responses(self, Y: np.ndarray) -> np.ndarray:
        """(q, L, B): Q'y by level, for responses Y (B, n)."""
        out = response_products(self.sums, self.columns, Y)
        out *= self.scale[:, :, None]
        return out

    def without(self, column: Column, c: np.ndarray) -> np.ndarray:
        """(n,): what is left of a column without Q c, c (q, L)."""
        rest = column
        for a, direction in enumerate(self.columns):
            part = (c[a] * self.scale[a])[self.sums.codes]
            if not isinstance(direction, float) or direction != 1.0:
                part *= direction
            rest = rest - part
        return rest

    def split(self, column: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(c (q, L), what is left of the column without Q c (n,), its lengths (L,)).

        Twice is enough (Giraud, Langou & Rozloznik 2005): what a second pass shortens again is
        rounding, and is put at zero.
        """
        sums = self.sums
        whole = np.sqrt(sums.product(column, column))
        c = self.along(column)
        rest = self.without(column, c)
        length = np.sqrt(sums.product(rest, rest))
        if (length < _CANCELS * whole).any():
            before, again = length, self.along(rest)
            rest = self.without(rest, again)
            length = np.sqrt(sums.product(rest, rest))
            c += again
            none = (length < 0.5 * before) & (before < _CANCELS * whole)
            none |= length <= ROUNDING * whole
            if none.any():
                length = np.where(none, 0.0, length)
                rest = np.where(none[sums.codes], 0.0, rest)
        return c, rest, length

    def along(self, column: Column) -> np.ndarray:
        """(q, L): Q'column."""
        parts = [self.sums.product(direction, column) for direction in self.columns]
        return np.array(parts) * self.scale


def group_basis(group: Group) -> LevelBasis:
    """The basis of a grouping factor of a system."""
    return level_basis(LevelSums(group.codes, group.levels), group.columns)


def level_basis(sums: LevelSums, columns: tuple[Column, ...]) -> LevelBasis:
    """Gram-Schmidt within every level, column by column."""
    q = len(columns)
    T = np.zeros((q, q, sums.levels))
    norms = np.empty((q, sums.levels))
    norms[0] = T[0, 0] = np.sqrt(sums.products(columns[:1], columns[:1])[0, 0])
    basis = LevelBasis(sums, columns[:1], norms[:1], T[:1, :1])
    for j in range(1, q):
        c, rest, norms[j] = basis.split(columns[j])
        T[j, :j], T[j, j] = c, norms[j]
        basis = LevelBasis(sums, (*basis.columns, rest), norms[: j + 1], T[: j + 1, : j + 1])
    return basis


@dataclass(frozen=True, slots=True)
class Within:
    """What the levels leave of R = [X, y - X taken].

    Attributes
    ----------
    products : (B, m, m), R'R of it;  taken : (B, p).
    """

    products: np.ndarray
    taken: np.ndarray


def within_levels(n: int, design: np.ndarray, responses: np.ndarray) -> Within:
    """Of the whitened system's R = [X, y], R'R = n I, by Q'X (q, p, L) and Q'y (q, L, B).

    A difference, good to rounding where no variance is large.
    """
    left = _products_left(n, design, responses)
    return Within(left, np.zeros((len(left), left.shape[1] - 1)))


def exact_within_levels(
    basis: LevelBasis,
    X: tuple[Column, ...],
    y: np.ndarray,
    design: np.ndarray,
    responses: np.ndarray,
    total: np.ndarray | None = None,
) -> Within:
    """The same of X (p Columns) and y (B, n), as large variances ask for it.

    ``total`` (B, m, m) is [X y]'[X y], or None for the whitened system's n I. A column of which the
    levels explain nearly all is taken from the rows, response by response. Where X explains nearly
    all that the levels leave of y, it is taken off it, and off ``responses``, in place: the
    criterion does not change, but y'Py is no difference.
    """
    n, p = len(basis.codes), len(X)
    if total is None:
        total = np.broadcast_to(n * np.eye(p + 1), (len(y), p + 1, p + 1))
    out = total + _products_left(0, design, responses)
    size = total[0].diagonal()
    rests = {j: _rest(basis, X[j]) for j in range(p) if out[0, j, j] <= _LOST * size[j]}
    for j, rest in rests.items():
        for i in range(p):
            out[:, i, j] = out[:, j, i] = _dot(rest, rests.get(i, X[i]))
        out[:, p, j] = out[:, j, p] = 0.0 if rest is None else np.einsum("bn,n->b", y, rest)
    for b in np.flatnonzero(out[:, p, p] <= _LOST * total[:, p, p]):
        _from_rows(out[b], basis.without(y[b], responses[:, :, b]), X, rests)
    taken = _explained(out, n)
    for b in np.flatnonzero(taken.any(axis=1)):
        responses[:, :, b] -= np.einsum("qpl,p->ql", design, taken[b])
        rest = y[b] - sum(column * value for column, value in zip(X, taken[b], strict=True))
        _from_rows(out[b], basis.without(rest, responses[:, :, b]), X, rests)
    return Within(out, taken)


def _products_left(n: int, design: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """(B, m, m): n I less the products of Q'X (q, p, L) and Q'y (q, L, B)."""
    (q, p, levels), B = design.shape, responses.shape[2]
    flat = design.transpose(1, 0, 2).reshape(p, q * levels)
    across = responses.reshape(q * levels, B)
    if B == 1:
        rows = np.concatenate([flat, across.T])
        out = -(rows @ rows.T)[None]
        out.reshape(-1)[:: p + 2] += n
        return out
    out = np.zeros((B, p + 1, p + 1))
    out[:, :p, :p] = -(flat @ flat.T)
    for j in range(p):
        # not by matmul, whose digits depend on how many responses there are
        out[:, j, p] = out[:, p, j] = -np.einsum("l,lb->b", flat[j], across)
    out[:, p, p] = -np.einsum("lb,lb->b", across, across)
    out.reshape(B, -1)[:, :: p + 2] += n
    return out


def _from_rows(out: np.ndarray, rest: np.ndarray, X, rests) -> None:
    """Set the last row and column of ``out`` (m, m) from what is left of y."""
    for j, column in enumerate(X):
        out[-1, j] = out[j, -1] = _dot(rest, rests.get(j, column))
    out[-1, -1] = np.einsum("n,n->", rest, rest)


def _dot(one: np.ndarray | None, other: Column | None) -> float:
    if one is None or other is None:
        return 0.0
    return float(np.einsum("n,n->", one, np.broadcast_to(other, len(one))))


def _explained(products: np.ndarray, n: int) -> np.ndarray:
    """(B, p): coefficients of what X explains of y, where that is nearly all of it, else zero.

    A column of which next to nothing is left is held back by a term on the diagonal.
    """
    m = products.shape[1]
    xx, xy, yy = products[0, :-1, :-1], products[:, :-1, -1], products[:, -1, -1]
    beta = np.einsum("pq,bq->bp", np.linalg.inv(xx + _HELD * n * np.eye(m - 1)), xy)
    left = yy - np.einsum("bp,bp->b", beta, xy)
    return np.where((left <= _LOST * yy)[:, None], beta, 0.0)


def _rest(basis: LevelBasis, column: Column) -> np.ndarray | None:
    """What the levels leave of a column; None where that is nothing by construction."""
    if isinstance(column, float) and isinstance(basis.columns[0], float):
        return None
    return basis.split(column)[1]
