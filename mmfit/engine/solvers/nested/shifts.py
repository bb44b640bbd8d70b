"""Columns of a chain as its coarser factors leave them, so that no digits are lost to large sums.

From the outermost factor inwards each column beyond a factor's own (the coarser factors' Q's, X and
y) is split by level into its part Q_i c_i, the factor's shift, and the rest, which is what goes on
to the finer factors. The elimination puts a shift back when it has come to its factor
(:mod:`solver`). So what is summed up below is as small as what the levels differ by, and no digits
are lost to a difference of large sums, whatever the ratios of the variances. Without large
variances there is nothing to spare, and no shift.

Where all factors have an intercept only, the rows of a level of the innermost factor are alike in
every Z, and one row stands for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.solvers.levels.basis import (
    ROUNDING,
    LevelBasis,
    Within,
    exact_within_levels,
    level_basis,
    within_levels,
)
from mmfit.engine.solvers.levels.blocks import invert_lower, lower
from mmfit.engine.solvers.nested.chain import Chain
from mmfit.engine.solvers.nested.products import Products
from mmfit.engine.system.level_sums import Column, LevelSums, response_products
from mmfit.engine.system.whitened_system import Group, System

# The weight, in a coarser factor's shift, of what the innermost levels can explain themselves.
_SHARED = 1e-8


@dataclass(frozen=True, slots=True)
class Axes:
    """A factor's basis without its rows: T (q, q, levels) and norms (q, levels)."""

    T: np.ndarray
    norms: np.ndarray


@dataclass(frozen=True, slots=True)
class Split:
    """The columns of a chain, split.

    Attributes
    ----------
    axes : list of Axes, by factor.
    products : Products, of the innermost factor Q'[Q_1 ... X] and Q'y, of what the others leave.
    shifts : list of Products, by factor Q_i'[Q_i+1 ... X] and Q_i'y, of what was taken off; None
        where nothing was, as of the innermost factor.
    rests : list of Products, by factor [Q_i Q_i+1 ... X] and y by what the innermost levels leave
        of Q_i; None where that is nothing, as of their own.
    """

    axes: list[Axes]
    products: Products
    shifts: list[Products | None]
    rests: list[Products | None]

    def sorted(self, orders: Sequence[np.ndarray]) -> "Split":
        """With the levels of every factor in the given order."""

        def ordered(parts):
            return [
                None if part is None else part.sorted(order)
                for part, order in zip(parts, orders, strict=True)
            ]

        axes = [
            Axes(axis.T[..., order], axis.norms[:, order])
            for axis, order in zip(self.axes, orders, strict=True)
        ]
        products = self.products.sorted(orders[0])
        return Split(axes, products, ordered(self.shifts), ordered(self.rests))


@dataclass(slots=True)
class _Rows:
    """What is split: rows by factor, and columns that become what the coarser factors leave.

    Attributes
    ----------
    codes : per factor (n,) intp;  Z : per factor its columns;  Q : per factor its basis once it is
        known, as it is left by the finer ones since;  X : p columns;  Y : (B, n).
    """

    codes: list[np.ndarray]
    Z: list[tuple[Column, ...]]
    Q: list[list[Column]]
    X: list[Column]
    Y: np.ndarray


def compressed(
    system: System, chain: Chain, raw: Products, innermost: LevelBasis
) -> tuple[Split, Within]:
    """A chain of intercepts with its shifts, from a row per innermost level.

    ``raw``: Z'[Z_0 ... X] and Z'y of the innermost factor;  ``innermost``: its basis. Second,
    what the innermost levels leave, from their rows.
    """
    groups, p = [system.groups[g] for g in chain.groups], system.nfixed
    design = raw.design[:, raw.design.shape[1] - p :] * innermost.scale[:, None]
    responses = raw.responses * innermost.scale[:, :, None]
    within = exact_within_levels(innermost, system.columns, system.y, design, responses)
    length = innermost.norms[0] / innermost.columns[0]
    codes = [np.arange(innermost.levels)]
    for ancestor in chain.ancestors:
        codes.append(ancestor[codes[-1]])
    rows = _Rows(
        codes=codes,
        Z=[(group.columns[0] * length,) for group in groups],
        Q=[[] for _ in groups],
        X=list(design[0]),
        Y=np.ascontiguousarray(responses[0].T),
    )
    bases, shifts = _take_off(rows, groups, None, exact=True)
    others = [column for Q in rows.Q[1:] for column in Q]
    products = Products(np.array([*others, *rows.X])[None], rows.Y.T[None].copy())
    return _made(innermost, bases, products, shifts, [None] * len(bases)), within


def _made(innermost: LevelBasis, bases: list[LevelBasis], products, shifts, rests) -> Split:
    axes = [Axes(basis.T, basis.norms) for basis in (innermost, *bases)]
    return Split(axes, products, [None, *shifts], [None, *rests])


def split(system: System, chain: Chain, innermost: LevelBasis, exact: bool) -> tuple[Split, Within]:
    """Any chain, from its rows; ``innermost``: the innermost factor's basis."""
    groups = [system.groups[g] for g in chain.groups]
    rows = _Rows(
        codes=[group.codes for group in groups],
        Z=[group.columns for group in groups],
        Q=[[] for _ in groups],
        X=list(system.columns),
        Y=system.y.copy() if exact else system.y,
    )
    bases, shifts = _take_off(rows, groups, innermost, exact)
    others = tuple(column for Q in rows.Q[1:] for column in Q)
    products = Products(innermost.products((*others, *rows.X)), innermost.responses(rows.Y))
    rests = _rests(rows, innermost, bases)
    within = _within(rows, innermost, products, exact)
    for part in (*shifts, *rests) if exact else ():
        if part is not None:
            _take(part, within.taken)
    return _made(innermost, bases, products, shifts, rests), within


def _take_off(
    rows: _Rows, groups: list[Group], innermost: LevelBasis | None, exact: bool
) -> tuple[list[LevelBasis], list[Products | None]]:
    """The bases and shifts of all factors but the innermost; ``rows`` are left as these leave them.

    ``innermost``: the basis of the innermost factor, or None where each of its levels is one row.
    """
    bases, shifts = [], []
    for i in reversed(range(1, len(groups))):
        sums = LevelSums(rows.codes[i], groups[i].levels)
        basis = _graded_basis(sums, rows.Z[i], innermost if exact else None)
        rows.Q[i] = [
            basis.scale[a][rows.codes[i]] * direction for a, direction in enumerate(basis.columns)
        ]
        bases.insert(0, basis)
        shifts.insert(0, _take_shift(rows, i, basis, innermost) if exact else None)
    return bases, shifts


def _take_shift(rows: _Rows, i: int, basis: LevelBasis, innermost: LevelBasis | None) -> Products:
    """Take factor ``i``'s part off the columns beyond it."""
    shift, parts = _Shift.of(basis, rows.Q[i], innermost), []
    for Q in rows.Q[i + 1 :]:
        for a, column in enumerate(Q):
            c, Q[a] = shift.take(column)
            parts.append(c)
    for j, column in enumerate(rows.X):
        c, rows.X[j] = shift.take(column)
        parts.append(c)
    responses = shift.of_responses(rows.Y)
    for a, direction in enumerate(basis.columns):
        part = (responses[a] * basis.scale[a][:, None])[rows.codes[i]]
        rows.Y -= part.T * direction
    design = np.array(parts).reshape(len(parts), basis.size, basis.levels)
    return Products(design.transpose(1, 0, 2).copy(), responses)


@dataclass(frozen=True, slots=True)
class _Shift:
    """How much of a column is put down to a factor: its coefficients on Q, level by level.

    Those that leave least where the innermost levels have effects of their own: weighted least
    squares in which what these can explain counts next to nothing.

    Attributes
    ----------
    rests : tuple of Columns, what the innermost levels leave of Q; empty where that is nothing.
    inverse : (q, q, L), of the weighted Q'Q.
    """

    basis: LevelBasis
    rests: tuple[np.ndarray, ...]
    inverse: np.ndarray

    @classmethod
    def of(cls, basis: LevelBasis, Q: list[Column], innermost: LevelBasis | None) -> "_Shift":
        q, sums = basis.size, basis.sums
        rests = () if innermost is None else tuple(innermost.split(column)[1] for column in Q)
        if not any(rest.any() for rest in rests):
            return cls(basis, (), np.zeros((q, q, 0)))
        own = sums.products(rests, rests)
        root = invert_lower(lower((1 - _SHARED) * own + _SHARED * np.eye(q)[:, :, None]))
        return cls(basis, rests, np.einsum("kil,kjl->ijl", root, root))

    def take(self, column: Column) -> tuple[np.ndarray, np.ndarray]:
        """(c (q, L), the rest of the column (n,)); what is left by rounding alone is zero."""
        if not self.rests:
            return self.basis.split(column)[:2]
        sums, c, rest = self.basis.sums, 0.0, column
        for _ in range(2):
            inner = [sums.product(own, rest) for own in self.rests]
            along = self._solve(self.basis.along(rest), np.array(inner))
            c, rest = c + along, self.basis.without(rest, along)
        small = sums.product(rest, rest) <= ROUNDING**2 * sums.product(column, column)
        return c, np.where(small[sums.codes], 0.0, rest) if small.any() else rest

    def of_responses(self, Y: np.ndarray) -> np.ndarray:
        """(q, L, B)."""
        along = self.basis.responses(Y)
        if not self.rests:
            return along
        return self._solve(along, response_products(self.basis.sums, self.rests, Y))

    def _solve(self, along: np.ndarray, inner: np.ndarray) -> np.ndarray:
        weighted = _SHARED * along + (1 - _SHARED) * inner
        return np.einsum("ijl,jl...->il...", self.inverse, weighted)


def _graded_basis(
    sums: LevelSums, columns: tuple[Column, ...], innermost: LevelBasis | None
) -> LevelBasis:
    """The basis of a coarser factor, those directions first of which the innermost leave least.

    A direction that the innermost levels have too counts by the inverse of their variance, the
    others in full; mixed, the small numbers would be lost in the large.
    """
    if len(columns) == 1 or innermost is None:
        return level_basis(sums, columns)
    rests = np.array([innermost.split(column)[1] for column in columns])
    B = np.linalg.eigh(rests @ rests.T)[1]
    whole = np.array([np.broadcast_to(column, rests.shape[1]) for column in columns])
    basis = level_basis(sums, tuple(B.T @ whole))
    return replace(basis, T=np.einsum("ij,jkl->ikl", B, basis.T))


def _take(products: Products, taken: np.ndarray) -> None:
    """Take X taken off y, in place."""
    p = taken.shape[1]
    fixed = products.design[:, products.design.shape[1] - p :]
    for b in np.flatnonzero(taken.any(axis=1)):
        products.responses[:, :, b] -= np.einsum("qpl,p->ql", fixed, taken[b])


def _within(rows: _Rows, innermost: LevelBasis, products: Products, exact: bool) -> Within:
    p = len(rows.X)
    design = products.design[:, products.design.shape[1] - p :]
    if not exact:
        return within_levels(rows.Y.shape[1], design, products.responses)
    X = np.array([np.broadcast_to(column, rows.Y.shape[1]) for column in rows.X])
    X = X.reshape(p, rows.Y.shape[1])
    total = np.empty((len(rows.Y), p + 1, p + 1))
    total[:, :p, :p] = X @ X.T
    for j in range(p):
        total[:, j, p] = total[:, p, j] = np.einsum("bn,n->b", rows.Y, X[j])
    total[:, p, p] = np.einsum("bn,bn->b", rows.Y, rows.Y)
    return exact_within_levels(innermost, tuple(X), rows.Y, design, products.responses, total)


def _rests(rows: _Rows, innermost: LevelBasis, bases: list[LevelBasis]) -> list[Products | None]:
    """Per factor beyond the innermost: what its levels leave of Q_i, by [Q_i Q_i+1 ... X] and y."""
    left = [[innermost.split(column)[1] for column in Q] for Q in rows.Q]
    if not any(column.any() for Q in left for column in Q):
        return [None] * len(bases)
    out = []
    for i, basis in enumerate(bases, 1):
        sums = basis.sums
        others = tuple(column for Q in left[i:] for column in Q)
        design = sums.products(tuple(left[i]), (*others, *rows.X))
        out.append(Products(design, response_products(sums, tuple(left[i]), rows.Y)))
    return out
