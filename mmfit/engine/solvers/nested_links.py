"""The factors of a chain, each with its levels in the order of the levels that they lie in.

Every factor has its basis by level, Z_i = Q_i T_i' (:mod:`level_basis`). Where the digits are
wanted that large variances take, columns are shifted (:mod:`nested_shifts`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.engine.products import LevelSums, response_products
from mmfit.engine.solvers.blocks import Directions, directions
from mmfit.engine.solvers.chain import Chain
from mmfit.engine.solvers.level_basis import Within, level_basis
from mmfit.engine.solvers.nested_shifts import Axes, Products, Split, compressed, split
from mmfit.engine.system import System


@dataclass(frozen=True)
class Link:
    """One factor of the chain; its levels are in chain order.

    Attributes
    ----------
    q, p : int;  directions : Directions;  entries : (k_i,) intp, their places in the layout.
    raw : Products, Z_i'[Z_i Z_i+1 ... X] and Z_i'y.
    T : (q, q, levels, 1), Z_i = Q_i T'.
    absent : (q, levels, 1), 1.0 for directions that a level does not have; None for one effect.
    products : Products, of the innermost factor Q_i'[Q_i+1 ... X] and Q_i'y, of what the coarser
        factors leave; None of the others.
    shift : Products, of the others the same; None where nothing was taken off.
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
    absent: np.ndarray | None
    products: Products | None
    shift: Products | None
    rest: Products | None
    starts: np.ndarray | None

    @property
    def fixed(self) -> np.ndarray:
        """(q, p, levels): Z_i'X."""
        return self.raw.design[:, self.raw.design.shape[1] - self.p :]

    @property
    def width(self) -> int:
        """Columns beyond the factor's own: coarser Q's, X and y."""
        return self.raw.design.shape[1] - self.q + 1

    @cached_property
    def _all_shifts(self) -> np.ndarray:
        return self.shift.of(None)

    def shifts(self, members: np.ndarray | None) -> np.ndarray | None:
        """(q, w, levels, A): ``shift`` of the responses ``members``, or all."""
        if self.shift is None:
            return None
        return self._all_shifts if members is None else self.shift.of(members)


def build_links(system: System, chain: Chain, exact: bool) -> tuple[list[Link], Within]:
    """The links, innermost first, and what the innermost levels leave.

    ``exact``: with shifts, and with what the innermost levels leave of X from the rows.
    """
    raw, sums = _raw_products(system, chain)
    groups = [system.groups[g] for g in chain.groups]
    leaf = level_basis(sums, groups[0].columns)
    if all(group.size == 1 and isinstance(group.columns[0], float) for group in groups):
        found, within = compressed(system, chain, raw, leaf, exact)
    else:
        found, within = split(system, chain, leaf, exact)
    axes = [Axes(leaf.T, leaf.norms), *found.axes]
    return [_link(system, chain, i, raw[i], axes[i], found) for i in range(len(raw))], within


def _link(system: System, chain: Chain, i: int, raw: Products, axes: Axes, found: Split) -> Link:
    g, order, starts = chain.groups[i], chain.orders[i], None
    if i < len(chain.parents):
        starts = np.searchsorted(chain.parents[i], np.arange(len(chain.orders[i + 1])))

    def ordered(products: Products | None) -> Products | None:
        return products if products is None or starts is None else products.sorted(order)

    return Link(
        q=len(axes.norms),
        p=system.nfixed,
        directions=directions(system.layout, g),
        entries=system.layout.members[g],
        raw=raw.sorted(order),
        T=axes.T[..., order, None],
        absent=(axes.norms[:, order, None] == 0).astype(float) if len(axes.norms) > 1 else None,
        products=None if i else ordered(found.products),
        shift=ordered(found.shifts[i - 1]) if i else None,
        rest=ordered(found.rests[i - 1]) if i else None,
        starts=starts,
    )


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
