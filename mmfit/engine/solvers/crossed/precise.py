"""Crossed factors where variances are so large that differences of cross-products lose digits.

Two things are lost at a variance ratio of 10^6 and more: what the levels of different factors have
in common (their sum over all levels is the same column for every factor with an intercept), and
what they explain of X and y. Here both are kept apart.

The effects of a factor g of the remainder are split into their mean over its L levels and L - 1
contrasts, so that V = V_c + B Phi B' with the columns B that the factors' means have (k of them,
orthonormal), Phi the sum of Psi_g / L_g in these, and V_c with effects that sum to zero. With
H = B'V_c^-1 B, h = B'V_c^-1 F and E = (I + H Phi)^-1,

    log|V| = log|V_c| + log|I + Phi H|
    B'V^-1 B = E H,  B'V^-1 F = E h,  F'V^-1 F = F'V_c^-1 F - h'Phi E h

Each column F is written as F* + Z_c b, b by least squares beside the eliminated factor. With V_0
the part of V of that factor alone, S = Z_c'V_0^-1 Z_c, r = Z_c'V_0^-1 F*, G the Lambdas,
u = (I + G'SG)^-1 G'(r + S b) and e = G u - b,

    F'V_c^-1 F = F*'V_0^-1 F* - r'e - e'r + e'S e + u'u,

the minimum of a sum of squares, in which an error of u counts squared (Bates, Maechler, Bolker &
Walker 2015, eq. 13). Only the value of the criterion needs these digits; its derivatives do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mmfit.engine.solvers.contract.composition import VarianceLimits
from mmfit.engine.solvers.crossed.contrasts import Contrasts
from mmfit.engine.solvers.crossed.products import dense_coupling, upper_products
from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.levels.basis import LevelBasis, group_basis
from mmfit.engine.solvers.levels.blocks import kernel
from mmfit.engine.system.level_sums import Column, level_products
from mmfit.engine.system.orthonormal import orthonormal_rows
from mmfit.engine.system.whitened_system import System
from mmfit.formula.rank import independent_columns

# Columns that differ by less of their length are taken for the same.
_SAME = 1e-9
# Weight by which directions without information are held back.
_HELD = 1e-8
# Operations of one evaluation and numbers of the dense coupling beyond which it is done without.
_OPERATIONS, _NUMBERS = 3e10, 6e7


class PreciseSource:
    """Makes the precise values of a crossed solver when a variance is first so large.

    Attributes
    ----------
    values : PreciseValues, made when they are first asked for.
    """

    def __init__(self, rows: Callable[[], System], system: System, order: list[int]):
        """``rows`` gives the system with its rows;  ``order``: the groups, the eliminated first."""
        self._rows, self._order = rows, order
        self._precision = VarianceLimits(system)
        first, *remainder = (system.groups[g].levels * system.groups[g].size for g in order)
        size = float(first * sum(remainder))
        self._feasible = size * sum(remainder) < _OPERATIONS and size < _NUMBERS

    @cached_property
    def values(self) -> "PreciseValues":
        return PreciseValues(self._rows(), self._order)

    def wanted(self, lambdas: list[np.ndarray]) -> list[int]:
        """The places of the members with a variance so large that it costs digits."""
        wanted = self._precision.wanted(lambdas) if self._feasible else None
        return [] if wanted is None else np.flatnonzero(wanted).tolist()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns F as F* + Z_c b, and their products beside the eliminated factor.

    Attributes
    ----------
    rows : (f, n), F*;  shift : (T, f), b.
    lead : (q, L, f), Q_1'F*;  across : (T, f), Z_c' of what Q_1 leaves of F*.
    rests : (f, n), that.
    """

    rows: np.ndarray
    shift: np.ndarray
    lead: np.ndarray
    across: np.ndarray
    rests: np.ndarray


class PreciseValues:
    """log|V| and R'V^-1 R of crossed factors, for one response and theta at a time.

    Parameters
    ----------
    system : with its rows;  order : list of int, the groups, the eliminated one first.
    """

    def __init__(self, system: System, order: list[int]):
        self.system, self.order = system, order
        first, *self.others = (system.groups[g] for g in order)
        self.lead: LevelBasis = group_basis(first)
        self.columns = RemainderColumns.of(self.others)
        self.contrasts = Contrasts(self.columns)
        self._remainder_products()
        self._common()
        self._fixed = self._split(np.concatenate([self.B, self.X]))
        self._responses: dict[int, tuple[_Columns, np.ndarray, np.ndarray]] = {}

    def _remainder_products(self) -> None:
        """A (q L, T) and W (T, T): Q_1'Z_c, and Z_c'Z_c less its projection on Q_1."""
        T = self.columns.width
        index, values = upper_products(self.others, self.columns)
        whole = np.zeros(T * T)
        whole[index] = values
        whole = whole.reshape(T, T)
        whole = self.contrasts.of(self.contrasts.of(whole + np.triu(whole, 1).T).T)
        dense = dense_coupling(self.lead, self.others, self.columns)
        self.A = self.contrasts.of(dense.reshape(-1, T))
        self.W = whole - self.A.T @ self.A
        self.W = (self.W + self.W.T) / 2
        held = self.W.copy()
        held.reshape(-1)[:: len(held) + 1] += _HELD * np.diag(whole).max()
        self._held = lapack.dpotrf(held, lower=1)[0]

    def _common(self) -> None:
        """B (k, n) and its part in every factor's columns; X = inner B + what is left of it."""
        n = self.system.nobs
        parts = [_rows(group.columns, n) for group in self.others]
        M = np.concatenate(parts)
        kept = independent_columns(M.T, _SAME)
        self.B = orthonormal_rows(M[kept], np.sqrt(n))[0]
        self.inner = [part @ self.B.T / n for part in parts]
        inside = self.system.X @ self.B.T / n
        rest = self.system.X - inside @ self.B
        length = np.sqrt(np.einsum("pn,pn->p", rest, rest) / n)
        self.X_inner, self.X_left = inside, np.flatnonzero(length > _SAME)
        self.X = rest[self.X_left]

    def _split(self, rows: np.ndarray) -> _Columns:
        shift, rest = np.zeros((len(self.W), len(rows))), rows.copy()
        for _ in range(2):
            across = self._across(self._beside(rest)[1])
            b = lapack.dpotrs(self._held, across, lower=1)[0] if len(rows) else across
            shift += b
            rest -= self.contrasts.effects(self.others, b)
        lead, rests = self._beside(rest)
        return _Columns(rest, shift, lead, self._across(rests), rests)

    def _beside(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(q, L, f), Q_1'F, and (f, n) what Q_1 leaves of rows F (f, n)."""
        q, L = self.lead.norms.shape
        lead, rests = np.empty((q, L, len(rows))), np.empty(rows.shape)
        for j, row in enumerate(rows):
            lead[:, :, j], rests[j], _ = self.lead.split(row)
        return lead, rests

    def _across(self, rows: np.ndarray) -> np.ndarray:
        """(T, f): Z_c'F for rows (f, n)."""
        parts = [
            level_products(group.codes, group.levels, group.columns, tuple(rows))
            .transpose(1, 0, 2)
            .reshape(len(rows), -1)
            for group in self.others
        ]
        return self.contrasts.of(np.concatenate(parts, axis=1)).T

    def _response(self, member: int) -> tuple[_Columns, np.ndarray, np.ndarray]:
        """y less what B and X explain of it; coefficients of B (k,) and of X (p,) so taken."""
        if member not in self._responses:
            k, fixed = len(self.B), self._fixed
            found = self._split(self.system.y[member][None])
            own, n = fixed.rests @ fixed.rests.T, self.system.nobs
            right = fixed.rests @ found.rests[0]
            beta = np.linalg.solve(own + _HELD * n * np.eye(len(own)), right)
            off = np.concatenate([self.B, self.X]).T @ beta
            found = self._split((self.system.y[member] - off)[None])
            taken = np.zeros(len(self.system.X))
            taken[self.X_left] = beta[k:]
            # y - X taken holds, beside what is split here, these coefficients of B
            inside = beta[:k] - self.X_inner.T @ taken
            self._responses[member] = found, inside, taken
        return self._responses[member]

    def taken(self, member: int) -> np.ndarray:
        """(p,): what is taken off a response, see :class:`Factorization`."""
        return self._response(member)[2]

    def at(self, lambdas: list[np.ndarray], member: int) -> tuple[float, np.ndarray]:
        """(log|V|, R'V^-1 R (m, m)) for R = [X, y - X taken] at Lambda (q, q) of each group.

        NaN where doubles cannot hold them.
        """
        try:
            return self._at(lambdas, member)
        except np.linalg.LinAlgError:
            return np.nan, np.full((len(self.system.X) + 1,) * 2, np.nan)

    def _at(self, lambdas: list[np.ndarray], member: int) -> tuple[float, np.ndarray]:
        lams = [lambdas[g] for g in self.order]
        y, inside, _ = self._response(member)
        F = _joined(self._fixed, y)
        K, log_det = kernel(self.lead.T[..., None], lams[0][..., None])
        through, seen = _apply(K[..., 0], self.A), _apply(K[..., 0], _flat(F.lead))
        S = self.W + self.A.T @ through
        r = F.across + self.A.T @ seen
        D = F.rests @ F.rests.T + _flat(F.lead).T @ seen
        inner = self.contrasts.scaled(self.contrasts.scaled(S, lams[1:]).T, lams[1:])
        inner.reshape(-1)[:: len(inner) + 1] += 1.0
        root, failed = lapack.dpotrf(inner, lower=1)
        if failed:
            raise np.linalg.LinAlgError
        u = lapack.dpotrs(root, self.contrasts.scaled((r + S @ F.shift).T, lams[1:]).T, lower=1)[0]
        e = self.contrasts.scaled(u.T, lams[1:], back=True).T - F.shift
        cross = r.T @ e
        centred = D - cross - cross.T + e.T @ (S @ e) + u.T @ u
        log_det = log_det.sum() + 2 * np.log(np.diag(root)).sum()
        return self._with_means(centred, lams[1:], float(log_det), inside)

    def _with_means(self, centred, lams, log_det: float, inside) -> tuple[float, np.ndarray]:
        """From the products of [B, X left, y] by V_c to log|V| and R'V^-1 R."""
        k, p = len(self.B), len(self.system.X)
        roots = [
            within.T @ lam / np.sqrt(levels)
            for within, lam, levels in zip(self.inner, lams, self.columns.levels, strict=True)
        ]
        root = np.concatenate(roots, axis=1)
        H, side = centred[:k, :k], centred[:k, k:]
        N = np.eye(root.shape[1]) + root.T @ H @ root
        log_det += float(np.linalg.slogdet(N)[1])
        # (I + H Phi)^-1 = I - H root N^-1 root', solved so that large Phi loses nothing
        E = np.linalg.inv(np.eye(k) + H @ root @ root.T)
        out = np.empty_like(centred)
        out[:k, :k] = E @ H
        out[:k, k:] = E @ side
        out[k:, :k] = out[:k, k:].T
        through = root.T @ side
        out[k:, k:] = centred[k:, k:] - through.T @ np.linalg.solve(N, through)
        back = np.zeros((len(centred), p + 1))
        back[:k, :p], back[:k, p] = self.X_inner.T, inside
        back[k + np.arange(len(self.X_left)), self.X_left] = 1.0
        back[-1, p] = 1.0
        whole = back.T @ out @ back
        return log_det, (whole + whole.T) / 2


def _rows(columns: tuple[Column, ...], n: int) -> np.ndarray:
    return np.array([np.broadcast_to(column, n) for column in columns])


def _joined(one: _Columns, two: _Columns) -> _Columns:
    return _Columns(
        np.concatenate([one.rows, two.rows]),
        np.concatenate([one.shift, two.shift], axis=1),
        np.concatenate([one.lead, two.lead], axis=2),
        np.concatenate([one.across, two.across], axis=1),
        np.concatenate([one.rests, two.rests]),
    )


def _flat(blocks: np.ndarray) -> np.ndarray:
    return blocks.reshape(-1, blocks.shape[-1])


def _apply(K: np.ndarray, M: np.ndarray) -> np.ndarray:
    """K_l M_l for K (q, q, L) and M (q L, c)."""
    q = len(K)
    blocks = M.reshape(q, -1, M.shape[1])
    if q == 1:
        return K[0, 0][:, None] * M
    return np.einsum("ijl,jlc->ilc", K, blocks).reshape(M.shape)
