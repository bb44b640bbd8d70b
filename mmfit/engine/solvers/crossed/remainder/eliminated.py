"""A remainder from which one more factor is eliminated, block by block.

When every level of the eliminated factor lies in one level of factor 2 (pupils in classes), S is
block diagonal in factor 2. With S_22 its blocks, A = S_2r its coupling with the rest and
W = Psi_2 G, G = (I + S_22 Psi_2)^-1, the rest r keeps the dense system of S' = S_rr - A'W A, and

    J_rr = J' of S',  J_2r = -W A J',  J_22 = W + W A J'A'W
    N_22 = F - G A J'A'G', F = G S_22.

A derivative along M (S changes by -M) changes S' along M' = K'M K, K = [-W A; I], and with
m = M_22, a = M_2r - m W A, the blocks of N_22 along G (m - a J'A' - A J'a' + A J'M'J'A') G'.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from mmfit.engine.solvers.contract.solver import COPIES, SecondOrderCost
from mmfit.engine.solvers.crossed.remainder.by_member import DensePlan
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.remainder.effect_columns import mirror
from mmfit.engine.solvers.levels.member_blocks import (
    between,
    eliminate_blocks,
    level_sums,
    multiply,
    product,
    row_products,
    times,
)


@dataclass(frozen=True, slots=True)
class BlockStorage:
    """Where the entries of S stand: S_22 (q, q, L), S_2r (q, L, T'), S_rr (T', T'), one by one.

    Attributes
    ----------
    q, levels : of factor 2, whose columns come first;  rest : RemainderColumns of the others.
    width : int, T;  size : int, of a vector.
    """

    name = "crossed, chain eliminated"
    second_order_is_cheap = False

    q: int
    levels: int
    rest: RemainderColumns

    @property
    def own(self) -> int:
        """Columns of factor 2."""
        return self.q * self.levels

    @property
    def width(self) -> int:
        return self.own + self.rest.width

    @property
    def size(self) -> int:
        return self.own * self.q + self.width * self.rest.width

    def places(self, flat: np.ndarray) -> np.ndarray:
        """The places of entries of the upper triangle given by flat index into (T, T)."""
        one, two = np.divmod(flat.astype(np.int64), self.width)
        effect, level = np.divmod(one, self.levels)
        block = (effect * self.q + two // self.levels) * self.levels + level
        # S_2r and S_rr together are (T, T')
        beyond = self.own * self.q + one * self.rest.width + (two - self.own)
        return np.where(two < self.own, block, beyond)

    def factorize(self, S: np.ndarray, lambdas: list[np.ndarray]) -> "EliminatedRemainder":
        """See :class:`mmfit.engine.solvers.contract.remainder.RemainderPlan`."""
        return EliminatedRemainder(S, lambdas, self)

    def cost(self, passes: float) -> SecondOrderCost:
        dense = passes * (self.rest.width**3 + 2 * self.own * self.rest.width**2)
        return SecondOrderCost(dense, 0.0, 2 * COPIES * self.size)

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Views S_22 (A, q, q, L), S_2r (A, q, L, T') and S_rr (A, T', T') of (A, size)."""
        first, T = self.own * self.q, self.rest.width
        second = first + self.own * T
        blocks = values[:, :first].reshape(-1, self.q, self.q, self.levels)
        across = values[:, first:second].reshape(-1, self.q, self.levels, T)
        return blocks, across, values[:, second:].reshape(-1, T, T)


class EliminatedRemainder:
    """The remainder with factor 2 eliminated, for all members."""

    def __init__(self, S: np.ndarray, lambdas: list[np.ndarray], storage: BlockStorage):
        """``S`` (A, size), upper triangles;  ``lambdas`` (A, q, q) per remainder group, 2 first."""
        self.storage = storage
        self.S22, self.A, self.Srr = storage.split(S)
        _fill(self.S22)
        self.two = eliminate_blocks(self.S22, lambdas[0])
        self.WA = times(self.two.precision, self.A)
        reduced = self.Srr - self._down(self.A, self.WA)
        self.inner = DensePlan(storage.rest, whole=False).factorize(reduced, lambdas[1:])
        self.log_det = self.two.log_det + self.inner.log_det

    def _flat(self, rows: np.ndarray) -> np.ndarray:
        """(A, q, L, T') as (A, q L, T')."""
        return rows.reshape(len(rows), self.storage.own, -1)

    def _down(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """left'right, (A, T', T')."""
        return self._flat(left).swapaxes(1, 2) @ self._flat(right)

    def _split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(A, c, T) into (A, c, q, L) and (A, c, T')."""
        own = self.storage.own
        blocks = rows[:, :, :own].reshape(*rows.shape[:2], self.storage.q, -1)
        return blocks, rows[:, :, own:]

    def _joined(self, blocks: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return np.concatenate([blocks.reshape(*blocks.shape[:2], -1), rest], axis=2)

    def _apply(self, u: np.ndarray) -> np.ndarray:
        """A u, (A, c, q, L), for u (A, c, T')."""
        moved = u @ self._flat(self.A).swapaxes(1, 2)
        return moved.reshape(*u.shape[:2], self.storage.q, -1)

    def _transposed(self, x: np.ndarray) -> np.ndarray:
        """A'x, (A, c, T'), for x (A, c, q, L)."""
        return x.reshape(*x.shape[:2], -1) @ self._flat(self.A)

    def gram(self, rows: np.ndarray) -> np.ndarray:
        own, rest = self._split(rows)
        weighted = multiply(self.two.precision, own)
        flat = own.reshape(*own.shape[:2], -1)
        taken = flat @ weighted.reshape(flat.shape).swapaxes(1, 2)
        return taken + self.inner.gram(rest - self._transposed(weighted))

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own, rest = self._split(rows)
        weighted = multiply(self.two.precision, own)
        effects, left = self.inner.solve(rest - self._transposed(weighted))
        remaining = own - self._apply(effects)
        mine = multiply(self.two.precision, remaining)
        return (
            self._joined(mine, effects),
            self._joined(multiply(self.two.shrink, remaining), left),
        )

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        own, rest = self._split(rows)
        out = rest @ self._Srr + self._transposed(own)
        return self._joined(multiply(self.S22, own) + self._apply(rest), out)

    @cached_property
    def _Srr(self) -> np.ndarray:
        return np.stack([mirror(M.copy()) for M in self.Srr])

    @cached_property
    def _J(self) -> np.ndarray:
        """J', (A, T', T'), full."""
        return np.stack([mirror(np.array(M, order="C")) for M in self.inner.covariance()])

    @cached_property
    def _AJ(self) -> np.ndarray:
        return (self._flat(self.A) @ self._J).reshape(self.A.shape)

    @cached_property
    def _AJA(self) -> np.ndarray:
        """A_l J'A_l', (A, q, q, L)."""
        return row_products(self._AJ, self.A)

    @cached_property
    def _X(self) -> np.ndarray:
        return between(self.two.shrink, self._AJA)

    @cached_property
    def _F(self) -> np.ndarray:
        return product(self.two.shrink, self.S22)

    @cached_property
    def _J22(self) -> np.ndarray:
        W = self.two.precision
        return W + between(W, self._AJA)

    def covariance(self) -> np.ndarray:
        """J, (A, size)."""
        out = np.empty((len(self.A), self.storage.size))
        blocks, across, rest = self.storage.split(out)
        blocks[:] = self._J22
        np.negative(times(self.two.precision, self._AJ), out=across)
        rest[:] = self._J
        return out

    def trace_blocks(self) -> list[np.ndarray]:
        return [(self._F - self._X).sum(axis=3), *self.inner.trace_blocks()]

    def posterior(self) -> list[np.ndarray]:
        return [self._J22.transpose(0, 3, 1, 2), *self.inner.posterior()]

    def products(self, g: int, h: int) -> np.ndarray:
        if g > 0:
            return self.inner.products(g - 1, h - 1)
        q = self.storage.q
        where, sums, traces = self._own_directions
        if h > 0:
            parts = np.stack([block[h - 1] for block in sums], axis=1)
            return parts[:, where]
        levels = level_sums(self._F, self._X).transpose(0, 4, 1, 2, 3)
        levels = (levels + levels.swapaxes(1, 2)) / 2
        levels = (levels + levels.swapaxes(3, 4)) / 2
        flat = where.reshape(-1)
        return levels + traces[:, flat[:, None], flat].reshape(-1, q, q, q, q)

    @cached_property
    def _own_directions(self):
        """Through (C_i'C_j + C_j'C_i) / 2 with C = G A for all i <= j; their places (q, q)."""
        C = times(self.two.shrink, self.A)
        q, found = self.storage.q, []
        where = np.empty((q, q), dtype=np.intp)
        for i, j in combinations_with_replacement(range(q), 2):
            where[i, j] = where[j, i] = len(found)
            M = C[:, i].swapaxes(1, 2) @ C[:, j]
            found.append((M + M.swapaxes(1, 2)) / 2)
        sums, traces = self.inner.through(found)
        return where, sums, traces

    def through(self, inner: list[np.ndarray]) -> tuple[list[list[np.ndarray]], np.ndarray]:
        blocks, sides, reduced, own = [], [], [], []
        for M in inner:
            m, across, rest = self.storage.split(M)
            _fill(m)
            side = across - times(m, self.WA)
            small = rest - self._down(self.WA, side) - self._down(across, self.WA)
            small = np.stack([mirror(part) for part in small])
            own.append(self._own_sums(m, side, small))
            blocks.append(m)
            sides.append(side)
            reduced.append(small)
        sums, traces = self.inner.through(reduced)
        traces = traces + self._own_traces(blocks, sides)
        return [[mine, *others] for mine, others in zip(own, sums, strict=True)], traces

    def _own_sums(self, m, side, small) -> np.ndarray:
        """(A, q, q), for factor 2."""
        mixed = row_products(side, self._AJ)
        changed = self._flat(self._AJ) @ small
        block = m - mixed - mixed.swapaxes(1, 2)
        block = block + row_products(changed.reshape(self.A.shape), self._AJ)
        return between(self.two.shrink, block).sum(axis=3)

    def _own_traces(self, blocks, sides) -> np.ndarray:
        """The part of tr(M_e J M_f J) in which factor 2 has its W."""
        W = self.two.precision
        out = np.empty((len(W), len(blocks), len(blocks)))
        weighted = [product(m, W) for m in blocks]
        moved = [self._flat(side) @ self._J for side in sides]
        for e, f in combinations_with_replacement(range(len(blocks)), 2):
            value = np.einsum("aijl,ajil->a", weighted[e], weighted[f])
            both = row_products(moved[f].reshape(self.A.shape), sides[e])
            out[:, e, f] = out[:, f, e] = value + 2 * np.einsum("aijl,aijl->a", W, both)
        return out


def _fill(blocks: np.ndarray) -> None:
    """Mirror (A, q, q, L) blocks of which only the entries i <= j are set."""
    for i in range(blocks.shape[1]):
        blocks[:, i + 1 :, i] = blocks[:, i, i + 1 :]
