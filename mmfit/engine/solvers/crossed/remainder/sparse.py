"""The remainder of one member where S is sparse.

K = I + s S s, P = K^-1; symmetric matrices are values on a constant pattern (:mod:`pattern`). P on
the pattern is the selected inverse, and P A P on the pattern, for A on it, the derivative of the
selected inverse: with them the traces of products of two P's, which would need all of P, cost no
more than a few factorisations. Groups with an effect whose s is not large take N's columns from S
instead, by blocks of right-hand sides.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from mmfit.engine.solvers.crossed.remainder.effect_columns import (
    EffectColumns,
    effect_columns,
    turn_rows,
)
from mmfit.engine.solvers.crossed.remainder.pattern import RemainderPattern
from mmfit.engine.solvers.sparse import factorize
from mmfit.errors import ComputationError

# (I - P) / (s s') has lost 1e-16 / s^2 of its digits here, which is less than a fit needs; columns
# of N by solving cost more than in a dense remainder.
_LARGE = 3e-3
# Doubles in a block of columns of N.
_BLOCK = 4_000_000


class SparseMember:
    """I + s S s factorised at the theta of one member."""

    def __init__(self, S: np.ndarray, lambdas: list[np.ndarray], pattern: RemainderPattern):
        """``S`` (nnz,), values on the pattern;  ``lambdas`` (q, q) per remainder group."""
        self.pattern, self.columns = pattern, pattern.columns
        self.rotations, self.pieces = effect_columns(lambdas, pattern.columns, _LARGE)
        self._S = pattern.turn(S, self.rotations)
        self._s = np.empty(self.columns.width)
        for p in self._every:
            self._s[p.place] = p.s
        self.log_det, self._factor = 0.0, None
        if self._s.any():
            K = self._scaled(self._S)
            K[pattern.diagonal] += 1.0
            try:
                self._factor = factorize(pattern.plan, K[pattern.full])
                self.log_det = self._factor.log_det
            except ComputationError:
                self.log_det = np.nan

    @property
    def _every(self) -> list[EffectColumns]:
        return [p for group in self.pieces for p in group]

    def _scaled(self, M: np.ndarray) -> np.ndarray:
        """s M s."""
        return M * self._s[self.pattern.rows] * self._s[self.pattern.cols]

    @cached_property
    def _matrix(self):
        return self.pattern.matrix(self._S)

    @cached_property
    def _large(self) -> np.ndarray:
        """(T,), which columns are large."""
        out = np.empty(self.columns.width, dtype=bool)
        for p in self._every:
            out[p.place] = p.large
        return out

    def _clean(self, g: int) -> bool:
        return all(p.large for p in self.pieces[g])

    def _solve(self, B: np.ndarray) -> np.ndarray:
        """P B for (T, c)."""
        return B if self._factor is None else self._factor.solve(B)

    def _turn_rows(self, M: np.ndarray, back: bool = False) -> np.ndarray:
        return turn_rows(M, self.rotations, self.pieces, back)

    def gram(self, rows: np.ndarray) -> np.ndarray:
        if self._factor is None:
            return np.zeros((len(rows),) * 2)
        half = self._factor.half_solve(self._turn_rows(rows.T) * self._s[:, None])
        return half.T @ half

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turned = self._turn_rows(rows.T)
        s, large = self._s[:, None], self._large
        inner = self._solve(s * turned)
        effects = s * inner
        left = np.empty_like(turned)
        left[large] = inner[large] / s[large]
        if not large.all():
            left[~large] = (turned - self._matrix @ effects)[~large]
        return self._turn_rows(effects, True).T, self._turn_rows(left, True).T

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        return self._turn_rows(self._matrix @ self._turn_rows(rows.T), True).T

    @cached_property
    def _P(self) -> np.ndarray:
        """P on the pattern; the identity without a factor."""
        if self._factor is None:
            out = np.zeros(len(self._S))
            out[self.pattern.diagonal] = 1.0
            return out
        return self._factor.selected_inverse()[self.pattern.upper]

    def covariance(self) -> np.ndarray:
        """J on the pattern."""
        return self.pattern.turn(self._scaled(self._P), self.rotations, back=True)

    def _sums(self, M: np.ndarray, g: int) -> np.ndarray:
        """(q, q), the sum of group g's diagonal blocks of M on the pattern."""
        return M[self.pattern.levels(g)].sum(axis=2)

    def _root(self, g: int) -> np.ndarray:
        """(q,), s of the effects of group g."""
        return np.array([p.s for p in self.pieces[g]])

    def _back(self, g: int, block: np.ndarray) -> np.ndarray:
        U = self.rotations[g]
        return block if U is None else U @ block @ U.T

    def trace_blocks(self) -> list[np.ndarray]:
        out = []
        for g, levels in enumerate(self.columns.levels):
            if self._clean(g):
                s = self._root(g)
                block = (levels * np.eye(len(s)) - self._sums(self._P, g)) / np.outer(s, s)
            elif self._factor is None:
                block = self._sums(self._S, g)
            else:
                block = sum(_same_level(N, self.pieces[g], low) for low, N, _ in self._solved(g))
            out.append(self._back(g, block))
        return out

    def posterior(self) -> list[np.ndarray]:
        J = self.covariance()
        groups = range(len(self.pieces))
        return [J[self.pattern.levels(g)].transpose(2, 0, 1) for g in groups]

    def _solved(self, g: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """(first level, N, Q = I - J S) for the columns of group g, blocks of (T, q, b)."""
        T, levels, pieces = self.columns.width, self.columns.levels[g], self.pieces[g]
        step = max(1, _BLOCK // (T * len(pieces)))
        for low in range(0, levels, step):
            count = min(step, levels - low)
            N, Q = (np.empty((T, len(pieces), count)) for _ in range(2))
            for i, p in enumerate(pieces):
                place = np.arange(p.place.start + low, p.place.start + low + count)
                N[:, i], Q[:, i] = self._column(p, place)
            yield low, N, Q

    def _column(self, p: EffectColumns, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns ``place`` of N and of Q; large rows by P, the others by S (see the module)."""
        s, large = self._s[:, None], self._large
        index = (place, np.arange(len(place)))
        unit = np.zeros((len(s), len(place)))
        unit[index] = 1.0
        if p.large:
            inner = self._solve(unit)
            Q = s * inner / p.s
            N = self._matrix @ Q
            N[large] = (unit - inner)[large] / (s[large] * p.s)
            return N, Q
        raw = self._matrix[:, place].toarray()
        inner = self._solve(s * raw)
        Q = -s * inner
        N = raw + self._matrix @ Q
        N[large] = inner[large] / s[large]
        Q[index] += 1.0
        return N, Q

    def products(self, g: int, h: int) -> np.ndarray:
        if self._factor is None:
            out = self._plain_products(g, h)
        elif self._clean(g) and self._clean(h):
            out = self._clean_products[g][h]
        elif self._clean(g):
            out = self._solved_products[h][g].transpose(2, 3, 0, 1)
        else:
            out = self._solved_products[g][h]
        U, W = self.rotations[g], self.rotations[h]
        if U is not None:
            out = np.einsum("ia,jb,abkm->ijkm", U, U, out)
        return out if W is None else np.einsum("kc,md,ijcd->ijkm", W, W, out)

    def _plain_products(self, g: int, h: int) -> np.ndarray:
        """With N = S."""
        if g > h:
            return self._plain_products(h, g).transpose(2, 3, 0, 1)
        block, weight = self._S[self.pattern.cells[g, h]], self.pattern.once[g, h]
        if g != h:
            return np.einsum("ikc,jmc->ijkm", block, block)
        turned = block.transpose(1, 0, 2)
        first = np.einsum("ikc,jmc,c->ijkm", block, block, weight)
        return (first + np.einsum("ikc,jmc,c->ijkm", turned, turned, weight)) / 2

    @cached_property
    def _solved_products(self) -> dict[int, list[np.ndarray]]:
        out = {}
        for g, wide in enumerate(self.columns.sizes):
            if self._clean(g):
                continue
            total = [0.0] * len(self.pieces)
            for _, N, _ in self._solved(g):
                for h, place in enumerate(self.columns.places):
                    size = self.columns.sizes[h]
                    block = N[place].reshape(size, -1, wide, N.shape[2])
                    flat = block.transpose(2, 0, 1, 3).reshape(wide * size, -1)
                    gram = (flat @ flat.T).reshape(wide, size, wide, size)
                    total[h] = total[h] + gram.transpose(0, 2, 1, 3)
            out[g] = total
        return out

    def _twice(self, A: np.ndarray) -> np.ndarray:
        """P A P on the pattern, for A on it."""
        if self._factor is None:
            return np.zeros_like(A)
        derivative = self._factor.selected_inverse_derivative(A[self.pattern.full])
        return -derivative[self.pattern.upper]

    @cached_property
    def _clean_products(self) -> dict[int, dict[int, np.ndarray]]:
        """Through (I - P) B (I - P), B = s^-1 E s^-1 on one group, on the pattern."""
        clean = [g for g in range(len(self.pieces)) if self._clean(g)]
        out = {g: {} for g in clean}
        for g in clean:
            q, levels = len(self.pieces[g]), self.columns.levels[g]
            found = {h: np.empty((q, q, *(len(self.pieces[h]),) * 2)) for h in clean}
            P, root = self._sums(self._P, g), self._root(g)
            for i, j in combinations_with_replacement(range(q), 2):
                E = np.zeros((q, q))
                E[i, j] = E[j, i] = 0.5 if i != j else 1.0
                E /= np.outer(root, root)
                B = np.zeros_like(self._S)
                places = self.pattern.levels(g)
                B[places] = E[:, :, None]
                through = self._twice(B)
                for h in clean:
                    block = self._sums(through, h)
                    if h == g:
                        block = block + levels * E - P @ E - E @ P
                    s = self._root(h)
                    found[h][i, j] = found[h][j, i] = block / np.outer(s, s)
            out[g] = found
        return out

    def through(self, inner: list[np.ndarray]):
        turned = [self.pattern.turn(M, self.rotations) for M in inner]
        scaled = [self._scaled(M) for M in turned]
        both = [self._twice(A) for A in scaled]
        weight = np.where(self.pattern.rows == self.pattern.cols, 1.0, 2.0)
        traces = np.array([[np.sum(weight * A * R) for R in both] for A in scaled])
        sums: list[list[np.ndarray]] = [[] for _ in inner]
        for g in range(len(self.pieces)):
            for e, block in enumerate(self._through(g, turned, both)):
                sums[e].append(self._back(g, block))
        return sums, (traces + traces.T) / 2

    def _through(self, g: int, turned, both) -> list[np.ndarray]:
        """The sums of group g for every e."""
        if self._clean(g):
            s = self._root(g)
            return [self._sums(R, g) / np.outer(s, s) for R in both]
        if self._factor is None:
            return [self._sums(M, g) for M in turned]
        q = len(self.pieces[g])
        matrices = [self.pattern.matrix(M) for M in turned]
        out = [np.zeros((q, q)) for _ in turned]
        for _, _, Q in self._solved(g):
            for block, M in zip(out, matrices, strict=True):
                seen = (M @ Q.reshape(len(Q), -1)).reshape(Q.shape)
                block += np.einsum("til,tjl->ij", Q, seen)
        return out


def _same_level(N: np.ndarray, pieces: list[EffectColumns], low: int) -> np.ndarray:
    """(q, q): sum of N's entries between the effects of one level, from its columns (T, q, b)."""
    b = N.shape[2]
    index = np.arange(b)
    rows = [p.place.start + low + index for p in pieces]
    return np.array([[N[row, j, index].sum() for j in range(len(pieces))] for row in rows])
