"""The factors of a chain, each with its levels in the order of the levels that they lie in.

Every factor has its basis by level, Z_i = Q_i T_i' (:mod:`basis`). Where the digits are
wanted that large variances take, columns are shifted (:mod:`shifts`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfit.engine.covariance.directions import Directions, directions
from mmfit.engine.solvers.levels.basis import Within, level_basis, within_levels
from mmfit.engine.solvers.nested.chain import Chain
from mmfit.engine.solvers.nested.products import Products
from mmfit.engine.solvers.nested.shifts import Axes, Split, compressed, split
from mmfit.engine.system.level_sums import LevelSums, response_products
from mmfit.engine.system.whitened_system import System


@dataclass(frozen=True)
class Link:
    """One factor of the chain; its levels are in chain order.

    Attributes
    ----------
    q, p : int;  directions : Directions.
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
    intercepts = all(g.size == 1 and isinstance(g.columns[0], float) for g in groups)
    ordered = [part.sorted(order) for part, order in zip(raw, chain.orders, strict=True)]
    if intercepts and not exact:
        found, within = _intercepts(system, chain, ordered)
    else:
        innermost = level_basis(sums, groups[0].columns)
        if intercepts:
            found, within = compressed(system, chain, raw[0], innermost)
        else:
            found, within = split(system, chain, innermost, exact)
        found = found.sorted(chain.orders)
    return [_link(system, chain, i, ordered[i], found) for i in range(len(raw))], within


def _intercepts(system: System, chain: Chain, raw: list[Products]) -> tuple[Split, Within]:
    """A chain of intercepts without shifts, all in chain order: everything is in its products."""
    norms = [np.sqrt(part.design[0, 0]) for part in raw]
    design, code = raw[0].design[:, 1:] / norms[0], None
    for j, parent in enumerate(chain.parents):
        code = parent if code is None else parent[code]
        design[0, j] /= norms[j + 1][code]
    products = Products(design, raw[0].responses / norms[0][:, None])
    within = within_levels(system.nobs, design[:, len(chain.parents) :], products.responses)
    axes = [Axes(norm[None, None], norm[None]) for norm in norms]
    nothing: list[Products | None] = [None] * len(norms)
    return Split(axes, products, nothing, nothing), within


def _link(system: System, chain: Chain, i: int, raw: Products, found: Split) -> Link:
    g, starts, axes = chain.groups[i], None, found.axes[i]
    if i < len(chain.parents):
        starts = np.searchsorted(chain.parents[i], np.arange(len(chain.orders[i + 1])))
    return Link(
        q=len(axes.norms),
        p=system.nfixed,
        directions=directions(system.layout, g),
        raw=raw,
        T=axes.T[..., None],
        absent=(axes.norms[..., None] == 0).astype(float) if len(axes.norms) > 1 else None,
        products=None if i else found.products,
        shift=found.shifts[i],
        rest=found.rests[i],
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
