"""The factors of a chain, in orthogonal coordinates and with columns that the coarser ones leave.

Every factor has its basis by level, Z_i = Q_i T_i' (:mod:`level_basis`). From the outermost factor
inwards each column beyond a factor's own (the coarser factors' Q's, X and y) is split by level into
its part Q_i c_i, the factor's shift, and the rest, which is what goes on to the finer factors. The
elimination puts a shift back when it has come to its factor (:mod:`nested`). So what is summed up
below is as small as what the levels differ by, and no digits are lost to a difference of large
sums, whatever the ratios of the variances.

Where all factors have an intercept only, the rows of a level of the innermost factor are alike in
every Z, and one row stands for them.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mmfit.engine.products import Column, LevelSums, response_products
from mmfit.engine.solvers.blocks import Directions, directions, invert_lower, lower
from mmfit.engine.solvers.chain import Chain
from mmfit.engine.solvers.level_basis import (
    ROUNDING,
    LevelBasis,
    Within,
    level_basis,
    within_levels,
)
from mmfit.engine.system import Group, System

# The weight, in a coarser factor's shift, of what the innermost levels can explain themselves.
_SHARED = 1e-8


@dataclass(frozen=True, slots=True)
class Products:
    """Per level, products of q rows with d columns and with y.

    Attributes
    ----------
    design : (q, d, levels);  responses : (q, levels, B).
    """

    design: np.ndarray
    responses: np.ndarray

    def of(self, members: np.ndarray | None) -> np.ndarray:
        """(q, d + 1, levels, A), for the responses ``members``, or all."""
        y = self.responses if members is None else np.take(self.responses, members, axis=-1)
        q, d, levels = self.design.shape
        out = np.empty((q, d + 1, levels, y.shape[-1]))
        out[:, :d] = self.design[..., None]
        out[:, d] = y
        return out

    def sorted(self, order: np.ndarray) -> "Products":
        return Products(self.design[..., order], self.responses[:, order])


@dataclass(frozen=True)
class Link:
    """One factor of the chain; its levels are in chain order.

    Attributes
    ----------
    q, p : int;  directions : Directions;  entries : (k_i,) intp, their places in the layout.
    raw : Products, Z_i'[Z_i Z_i+1 ... X] and Z_i'y.
    T : (q, q, levels, 1), Z_i = Q_i T'.
    absent : (q, levels, 1), 1.0 for the directions that a level does not have.
    shift : Products, Q_i'[Q_i+1 ... X] and Q_i'y, of what the coarser factors leave.
    rest : Products, [Q_i Q_i+1 ... X] and y by what the innermost factor leaves of Q_i, or None
        where that is nothing.
    starts : (coarser levels,) intp, where the children of each coarser level begin; None at the
        top.
    """

    q: int
    p: int
    directions: Directions
    entries: np.ndarray
    raw: Products
    T: np.ndarray
    absent: np.ndarray
    shift: Products
    rest: Products | None
    starts: np.ndarray | None

    @property
    def fixed(self) -> np.ndarray:
        """(q, p, levels): Z_i'X."""
        return self.raw.design[:, self.raw.design.shape[1] - self.p :]

    @property
    def width(self) -> int:
        """Columns beyond the factor's own: coarser Q's, X and y."""
        return self.shift.design.shape[1] + 1

    @cached_property
    def all_shifts(self) -> np.ndarray:
        """(q, w, levels, B)."""
        return self.shift.of(None)

    def shifts(self, members: np.ndarray | None) -> np.ndarray:
        """(q, w, levels, A): ``shift``, of the responses ``members``."""
        return self.all_shifts if members is None else self.shift.of(members)


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


def build_links(system: System, chain: Chain, exact: bool = False) -> tuple[list[Link], Within]:
    """The links, innermost first, and what the innermost levels leave.

    ``exact`` as in :func:`mmfit.engine.solvers.level_basis.within_levels`.
    """
    raw, sums = _raw_products(system, chain)
    groups = [system.groups[g] for g in chain.groups]
    leaf = level_basis(sums, groups[0].columns)
    rests: list[Products | None] = [None] * len(groups)
    if all(group.size == 1 and isinstance(group.columns[0], float) for group in groups):
        rows, within = _compressed(system, chain, raw[0], leaf, exact)
        bases, shifts = _split(rows, groups, None)
    else:
        Z = [group.columns for group in groups]
        codes = [group.codes for group in groups]
        rows = _Rows(codes, Z, [[] for _ in groups], list(system.columns), system.y.copy())
        bases, shifts = _split(rows, groups, leaf)
        rests = [None, *_rests(rows, leaf, bases)]
        within = _within(rows, leaf, shifts[0], exact)
        for products in (*shifts[1:], *rests[1:]):
            _take(products, within.taken)
    bases = [leaf, *bases]
    links = []
    for i, g in enumerate(chain.groups):
        order, starts = chain.orders[i], None
        if i < len(chain.parents):
            starts = np.searchsorted(chain.parents[i], np.arange(len(chain.orders[i + 1])))
        rest = rests[i]
        links.append(
            Link(
                q=groups[i].size,
                p=system.nfixed,
                directions=directions(system.layout, g),
                entries=system.layout.members[g],
                raw=raw[i].sorted(order),
                T=bases[i].T[..., order, None],
                absent=(bases[i].norms[:, order, None] == 0).astype(float),
                shift=shifts[i].sorted(order),
                rest=None if rest is None else rest.sorted(order),
                starts=starts,
            )
        )
    return links, within


def _raw_products(system: System, chain: Chain) -> tuple[list[Products], LevelSums]:
    """Z_i'[Z_i Z_i+1 ... X] and Z_i'y by level, innermost first; the innermost sums."""
    out, sums, rows, innermost = [], None, tuple(system.y), None
    for i, g in enumerate(chain.groups):
        group = system.groups[g]
        # Sums of the coarser factors add up those of the finer.
        above = chain.ancestors[i - 1] if i else None
        sums = LevelSums(group.codes, group.levels, sums, above)
        innermost = innermost or sums
        coarser = [system.groups[h] for h in chain.groups[i:]]
        right = (*(column for other in coarser for column in other.columns), *system.columns)
        design = sums.products(group.columns, right)
        # The digits of a batch do not depend on its size when all its sums run over the rows.
        plain = LevelSums(group.codes, group.levels) if len(rows) > 1 else sums
        out.append(Products(design, response_products(plain, group.columns, system.y, rows)))
    return out, innermost


def _compressed(
    system: System, chain: Chain, raw: Products, leaf: LevelBasis, exact: bool
) -> tuple[_Rows, Within]:
    """A row per innermost level, and what those levels leave."""
    groups, p = [system.groups[g] for g in chain.groups], system.nfixed
    design = raw.design[:, raw.design.shape[1] - p :] * leaf.scale[:, None]
    responses = raw.responses * leaf.scale[:, :, None]
    within = within_levels(leaf, system.columns, system.y, design, responses, None, exact)
    length = leaf.norms[0] / leaf.columns[0]
    codes = [np.arange(leaf.levels)]
    for ancestor in chain.ancestors:
        codes.append(ancestor[codes[-1]])
    rows = _Rows(
        codes=codes,
        Z=[(group.columns[0] * length,) for group in groups],
        Q=[[] for _ in groups],
        X=list(design[0]),
        Y=np.ascontiguousarray(responses[0].T),
    )
    return rows, within


def _split(
    rows: _Rows, groups: list[Group], leaf: LevelBasis | None
) -> tuple[list[LevelBasis], list[Products]]:
    """The bases of all factors but the innermost, and the shifts of all.

    ``rows`` are left as the second innermost factor leaves them: the innermost levels are summed up
    as they are. ``leaf`` is their basis, or None where each of them is one row.
    """
    bases, shifts = [], []
    for i in reversed(range(1, len(groups))):
        sums = LevelSums(rows.codes[i], groups[i].levels)
        basis = _graded_basis(sums, rows.Z[i], leaf)
        rows.Q[i] = [
            basis.scale[a][rows.codes[i]] * direction for a, direction in enumerate(basis.columns)
        ]
        shift = _Shift.of(basis, rows.Q[i], leaf)
        parts = []
        for Q in rows.Q[i + 1 :]:
            for a, column in enumerate(Q):
                c, Q[a] = shift.take(column)
                parts.append(c)
        for j, column in enumerate(rows.X):
            c, rows.X[j] = shift.take(column)
            parts.append(c)
        c_y = shift.of_responses(rows.Y)
        for a, direction in enumerate(basis.columns):
            part = (c_y[a] * basis.scale[a][:, None])[rows.codes[i]]
            rows.Y -= part.T * direction
        bases.insert(0, basis)
        design = np.array(parts).reshape(len(parts), basis.size, basis.levels)
        shifts.insert(0, Products(design.transpose(1, 0, 2).copy(), c_y))
    others = tuple(column for Q in rows.Q[1:] for column in Q)
    if leaf is None:
        last = Products(np.array((*others, *rows.X))[None], rows.Y.T[None].copy())
    else:
        last = Products(leaf.products((*others, *rows.X)), leaf.responses(rows.Y))
    return bases, [last, *shifts]


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
    def of(cls, basis: LevelBasis, Q: list[Column], leaf: LevelBasis | None) -> "_Shift":
        q, sums = basis.size, basis.sums
        rests = () if leaf is None else tuple(leaf.split(column)[1] for column in Q)
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
    sums: LevelSums, columns: tuple[Column, ...], leaf: LevelBasis | None
) -> LevelBasis:
    """The basis of a coarser factor, those directions first of which the innermost leave least.

    A direction that the innermost levels have too counts by the inverse of their variance, the
    others in full; mixed, the small numbers would be lost in the large.
    """
    if len(columns) == 1 or leaf is None:
        return level_basis(sums, columns)
    rests = np.array([leaf.split(column)[1] for column in columns])
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


def _within(rows: _Rows, leaf: LevelBasis, shift: Products, exact: bool) -> Within:
    p = len(rows.X)
    X = np.array([np.broadcast_to(column, rows.Y.shape[1]) for column in rows.X])
    X = X.reshape(p, rows.Y.shape[1])
    total = np.empty((len(rows.Y), p + 1, p + 1))
    total[:, :p, :p] = X @ X.T
    for j in range(p):
        total[:, j, p] = total[:, p, j] = np.einsum("bn,n->b", rows.Y, X[j])
    total[:, p, p] = np.einsum("bn,bn->b", rows.Y, rows.Y)
    design = shift.design[:, shift.design.shape[1] - p :]
    return within_levels(leaf, tuple(X), rows.Y, design, shift.responses, total, exact)


def _rests(rows: _Rows, leaf: LevelBasis, bases: list[LevelBasis]) -> list[Products]:
    """Per factor beyond the innermost: what its levels leave of Q_i, by [Q_i Q_i+1 ... X] and y."""
    left = [[leaf.split(column)[1] for column in Q] for Q in rows.Q]
    out = []
    for i, basis in enumerate(bases, 1):
        sums = basis.sums
        others = tuple(column for Q in left[i:] for column in Q)
        design = sums.products(tuple(left[i]), (*others, *rows.X))
        out.append(Products(design, response_products(sums, tuple(left[i]), rows.Y)))
    return out
