"""The remainder of one member by dense LAPACK.

As :mod:`stacked`, but columns with s = 0 take no part in I + s S s, so that at theta = 0 nothing of
order T^3 is done. Symmetric matrices are kept as upper triangles until both halves are needed.
"""

from functools import cached_property
from itertools import combinations_with_replacement, product

import numpy as np
from scipy.linalg import blas, lapack

from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.remainder.effect_columns import (
    EffectColumns,
    across,
    effect_columns,
    mirror,
    positions,
    turn_rows,
)


class DenseMember:
    """I + s S s factorised at the theta of one member."""

    def __init__(self, S, lambdas: list[np.ndarray], columns: RemainderColumns, whole: bool):
        """``S`` (T, T), the upper triangle unless ``whole``; used and changed.

        ``lambdas``: (q, q) per remainder group.
        """
        self.columns = columns
        self._S, self._full, self._kept_whole = S, whole, whole
        self.rotations, self.pieces = effect_columns(lambdas, columns)
        if any(U is not None for U in self.rotations):
            self._S = self._turn(self._whole_S())
        self._live = [p for p in self.every if p.s > 0]
        self._order = sum(p.active.stop - p.active.start for p in self._live)
        self.log_det = 0.0
        self._factor = np.zeros((0, 0))
        if self._order:
            K = self._scaled(self._S)
            K.reshape(-1)[:: self._order + 1] += 1.0
            self._factor, info = lapack.dpotrf(K.T, lower=1, clean=0, overwrite_a=1)
            self.log_det = 2 * np.log(self._factor.diagonal()).sum() if info == 0 else np.nan
            if info:
                self._factor = np.asfortranarray(np.eye(self._order))

    @property
    def every(self) -> list[EffectColumns]:
        """The pieces of all groups, in the order of the columns."""
        return [p for group in self.pieces for p in group]

    def _turn(self, M: np.ndarray, back: bool = False) -> np.ndarray:
        """U'M U (or U M U') for a full M (T, T)."""
        return self._turn_rows(self._turn_rows(M, back).T, back)

    def _turn_rows(self, M: np.ndarray, back: bool = False) -> np.ndarray:
        return turn_rows(M, self.rotations, self.pieces, back)

    def _whole_S(self) -> np.ndarray:
        if not self._full:
            mirror(self._S)
            self._full = True
        return self._S

    @cached_property
    def _active(self) -> np.ndarray | slice:
        """The columns with s > 0."""
        if self._order == self.columns.width:
            return slice(None)
        return positions(self._live)

    @cached_property
    def _rest(self) -> np.ndarray:
        """The columns that are not large."""
        return positions([p for p in self.every if not p.large])

    @cached_property
    def _s(self) -> np.ndarray:
        """(Ta,) s of the active columns."""
        out = np.empty(self._order)
        for p in self._live:
            out[p.active] = p.s
        return out

    def _scaled(self, M: np.ndarray) -> np.ndarray:
        """s M s of the active columns from the upper triangle of M (T, T), upper triangle."""
        out = np.empty((self._order, self._order))
        for p, r in combinations_with_replacement(self._live, 2):
            np.multiply(M[p.place, r.place], p.s * r.s, out=out[p.active, r.active])
        return out

    def _solve_factor(self, half: np.ndarray) -> np.ndarray:
        """(c, Ta) times (I + s S s)^-1."""
        if not self._order:
            return half
        return lapack.dpotrs(self._factor, half.T, lower=1)[0].T

    def gram(self, rows: np.ndarray) -> np.ndarray:
        if not self._order:
            return np.zeros((len(rows),) * 2)
        scaled = self._turn_rows(rows.T).T[:, self._active] * self._s
        half = lapack.dtrtrs(self._factor, scaled.T, lower=1)[0]
        return half.T @ half

    def solve(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turned = self._turn_rows(rows.T).T
        inner = self._solve_factor(turned[:, self._active] * self._s)
        effects = np.zeros_like(turned)
        effects[:, self._active] = scaled = inner * self._s
        left = np.empty_like(turned)
        for p in self.every:
            if p.large:
                left[:, p.place] = inner[:, p.active] / p.s
        if len(self._rest):
            seen = scaled @ self._S_rest
            left[:, self._rest] = turned[:, self._rest] - seen
        return self._turn_rows(effects.T, True).T, self._turn_rows(left.T, True).T

    def multiply(self, rows: np.ndarray) -> np.ndarray:
        turned = self._turn_rows(rows.T)
        if self._full:
            out = self._S @ turned
        else:
            out = blas.dsymm(1.0, self._S.T, np.asfortranarray(turned), lower=1)
        return self._turn_rows(out, True).T

    @cached_property
    def _S_rest(self) -> np.ndarray:
        """S between the active columns and those that are not large."""
        columns = self._whole_S()[:, self._rest]
        return columns if isinstance(self._active, slice) else columns[self._active]

    @cached_property
    def _P(self) -> np.ndarray:
        """(Ta, Ta), (I + s S s)^-1, the upper triangle."""
        if not self._order:
            return self._factor
        return lapack.dpotri(self._factor, lower=1)[0].T

    @cached_property
    def _P_full(self) -> np.ndarray:
        return mirror(self._P)

    @cached_property
    def _half(self) -> np.ndarray:
        """P s S for the columns that are not large, (Ta, Tr)."""
        if not self._order:
            return np.zeros((0, len(self._rest)))
        return self._P_full @ (self._s[:, None] * self._S_rest)

    def covariance(self) -> np.ndarray:
        """J (T, T); its upper triangle will do unless S was given in full."""
        T = self.columns.width
        out = (np.zeros if self._order < T else np.empty)((T, T))
        turned = any(U is not None for U in self.rotations)
        P = self._P_full if turned else self._P
        for p, r in combinations_with_replacement(self._live, 2):
            np.multiply(P[p.active, r.active], p.s * r.s, out=out[p.place, r.place])
        if turned or self._kept_whole:
            mirror(out)
        return self._turn(out, back=True) if turned else out

    def _diagonal(self, p: EffectColumns, r: EffectColumns) -> np.ndarray:
        """(L,) the entries of N for the same level and the effects of two pieces of a group."""
        if p.large and r.large:
            same = 1.0 if p is r else 0.0
            return (same - across(self._P, p.active, r.active)) / (p.s * r.s)
        if p.large:
            return self._half[p.active, r.rest].diagonal() / p.s
        if r.large:
            return self._diagonal(r, p)
        whole = self._whole_S()[p.place, r.place].diagonal()
        scaled = self._S_rest[:, p.rest] * self._s[:, None]
        return whole - np.einsum("tl,tl->l", scaled, self._half[:, r.rest])

    def trace_blocks(self) -> list[np.ndarray]:
        out = []
        for U, pieces in zip(self.rotations, self.pieces, strict=True):
            block = np.empty((len(pieces),) * 2)
            for i, j in combinations_with_replacement(range(len(pieces)), 2):
                block[i, j] = block[j, i] = self._diagonal(pieces[i], pieces[j]).sum()
            out.append(block if U is None else U @ block @ U.T)
        return out

    def posterior(self) -> list[np.ndarray]:
        out = []
        for U, pieces in zip(self.rotations, self.pieces, strict=True):
            levels = pieces[0].place.stop - pieces[0].place.start
            block = np.zeros((levels, len(pieces), len(pieces)))
            for i, j in combinations_with_replacement(range(len(pieces)), 2):
                p, r = pieces[i], pieces[j]
                if p.s and r.s:
                    values = p.s * r.s * across(self._P, p.active, r.active)
                    block[:, i, j] = block[:, j, i] = values
            out.append(block if U is None else U @ block @ U.T)
        return out

    @cached_property
    def _N(self) -> list[list[np.ndarray]]:
        """N in the turned basis, by pieces: [p][r] for r not before p."""
        every = self.every
        # what is not large: S - S s P s S among itself
        plain = None
        if len(self._rest):
            plain = self._whole_S()[np.ix_(self._rest, self._rest)]
            if self._order:
                plain -= (self._S_rest * self._s[:, None]).T @ self._half
        return [[self._N_block(p, r, plain) for r in every[i:]] for i, p in enumerate(every)]

    def _N_block(self, p: EffectColumns, r: EffectColumns, plain) -> np.ndarray:
        if p.large and r.large:
            block = self._P_full[p.active, r.active] * (-1.0 / (p.s * r.s))
            if p is r:
                np.einsum("ll->l", block)[:] = self._diagonal(p, p)
            return block
        if p.large:
            return self._half[p.active, r.rest] / p.s
        if r.large:
            return self._half[r.active, p.rest].T / r.s
        return plain[p.rest, r.rest]

    def _N_between(self, p: int, r: int) -> np.ndarray:
        return self._N[p][r - p] if p <= r else self._N[r][p - r].T

    def products(self, g: int, h: int) -> np.ndarray:
        first = np.cumsum([0, *(len(group) for group in self.pieces)])
        one, two = range(len(self.pieces[g])), range(len(self.pieces[h]))
        blocks = [self._N_between(first[g] + i, first[h] + k) for i, k in product(one, two)]
        gram = np.empty((len(blocks),) * 2)
        for a, b in combinations_with_replacement(range(len(blocks)), 2):
            gram[a, b] = gram[b, a] = np.einsum("lm,lm->", blocks[a], blocks[b])
        out = gram.reshape(len(one), len(two), len(one), len(two)).transpose(0, 2, 1, 3)
        U, W = self.rotations[g], self.rotations[h]
        if U is not None:
            out = np.einsum("ia,jb,abkm->ijkm", U, U, out)
        return out if W is None else np.einsum("kc,md,ijcd->ijkm", W, W, out)

    def through(self, inner: list[np.ndarray]):
        sums, moved = [], []
        turned = any(U is not None for U in self.rotations)
        for M in inner:
            if not self._kept_whole and (turned or len(self._rest)):
                mirror(M)
            M = self._turn(M) if turned else M
            moved.append(self._moved(M))
            sums.append(self._through(M, moved[-1]))
        traces = np.zeros((len(inner),) * 2)
        for e, f in combinations_with_replacement(range(len(inner)), 2):
            traces[e, f] = traces[f, e] = np.einsum("tu,ut->", moved[e], moved[f])
        return sums, traces

    def _moved(self, M: np.ndarray) -> np.ndarray:
        """s M s P, (Ta, Ta)."""
        if not self._order:
            return np.zeros((0, 0))
        return blas.dsymm(1.0, self._scaled(M).T, self._P_full.T, lower=1)

    def _through(self, M: np.ndarray, moved: np.ndarray) -> list[np.ndarray]:
        """Per group the sum over levels of the diagonal blocks of Q'M Q."""
        seen = None
        if len(self._rest):
            # M Q for the columns that are not large: Q = I - s P s S
            seen = M[:, self._rest]
            if self._order:
                seen = seen - (M[:, self._active] * self._s) @ self._half
        out = []
        for U, pieces in zip(self.rotations, self.pieces, strict=True):
            block = np.empty((len(pieces),) * 2)
            for i, j in combinations_with_replacement(range(len(pieces)), 2):
                value = self._through_pieces(pieces[i], pieces[j], moved, seen)
                block[i, j] = block[j, i] = value
            out.append(block if U is None else U @ block @ U.T)
        return out

    def _through_pieces(self, p: EffectColumns, r: EffectColumns, moved, seen) -> float:
        if p.large and r.large:
            P = self._P_full.T[:, p.active]
            return np.einsum("tl,tl->", P, moved[:, r.active]) / (p.s * r.s)
        if not r.large:
            p, r = r, p
        # now p is not large, and Q of r meets M Q of p
        active = seen[self._active, p.rest]
        if r.large:
            right = self._P_full[:, r.active] * self._s[:, None]
            return np.einsum("tl,tl->", active, right) / r.s
        right = self._half[:, r.rest] * self._s[:, None]
        return np.trace(seen[r.place, p.rest]) - np.einsum("tl,tl->", active, right)
