"""The criterion's minimum by brute force, in n x n matrices: independent of the engine.

In coordinates of the residual contrasts K (K'X = 0, K'K = I) of the weighted rows, and with
M = K'VK, V = I + sum of psi_e V_e, the REML criterion is

    log|M| + log|X'X| + nu (1 + log(2 pi y'K M^-1 K'y / nu)),   nu = n - p

(Harville 1974), and ML has log|V| for the first two and n for nu. The search goes through Cholesky
factors; the value that counts is computed from singular values, which keep their digits where
variances between levels are huge.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize

from mmfit.formula import ModelMatrices

STARTS = 30
_ITERATIONS = 80
# Values within this are one minimum.
_SAME = 1e-7


@dataclass(frozen=True, slots=True)
class Minimum:
    """The lowest value found.

    Attributes
    ----------
    objective : float, -2 log (restricted) likelihood.
    theta : (k,), lme4's order, in units of the terms' orthonormal bases.
    ends : (m,), distinct values where searches ended, ascending (local minima, as a rule).
    """

    objective: float
    theta: np.ndarray
    ends: np.ndarray


class Criterion:
    """-2 log (restricted) likelihood of one model, sigma profiled out."""

    def __init__(self, matrices: ModelMatrices, reml: bool):
        n, p = matrices.X.shape
        weights = np.ones(n) if matrices.weights is None else matrices.weights
        root = np.sqrt(weights)[:, None]
        y = matrices.y if matrices.offset is None else matrices.y - matrices.offset
        lengths = np.sqrt(((matrices.X * root) ** 2).sum(axis=0))
        Q, R = np.linalg.qr(matrices.X * root / lengths, mode="complete")
        self.K, self.reml, self.n = Q[:, p:], reml, n
        self.nu = n - p if reml else n
        self.y = self.K.T @ (y * root[:, 0])
        self.scale = np.sqrt(self.y @ self.y)
        self.y = self.y / self.scale
        self.constant = 2 * self.nu * np.log(self.scale) - np.log(weights).sum()
        if reml:
            self.constant += 2 * np.log(np.abs(np.diag(R)) * lengths).sum()
        self.bases, self.changes = [], []
        for term in matrices.random:
            basis, change = _basis(term.model * root)
            Z = np.zeros((n, len(term.levels), basis.shape[1]))
            Z[np.arange(n), term.codes] = basis
            self.bases.append(Z)
            self.changes.append(change)
        self.entries = [
            (t, r, c)
            for t, Z in enumerate(self.bases)
            for c in range(Z.shape[2])
            for r in range(c, Z.shape[2])
        ]
        self.k = len(self.entries)
        V = np.array([self._along(*entry) for entry in self.entries]).reshape(self.k, n, n)
        self.through = self.K.T @ V @ self.K
        self.V = None if reml else V

    def _along(self, t: int, r: int, c: int) -> np.ndarray:
        left, right = self.bases[t][:, :, r], self.bases[t][:, :, c]
        product = left @ right.T
        return product if r == c else product + product.T

    @property
    def saturated(self) -> bool:
        """Whether the random effects can fit every residual: sigma may then go to zero."""
        return np.linalg.matrix_rank(self.K.T @ self._flat(range(len(self.bases)))) >= len(self.y)

    def has_minimum(self) -> bool:
        """Whether the criterion is bounded as the variances of some terms grow.

        It is not where their columns and X fit y, unless log|V| grows as fast as the residual
        falls, which takes as many dimensions.
        """
        terms = range(len(self.bases))
        for some in (s for size in terms for s in combinations(terms, size + 1)):
            Z = self._flat(some)
            through = self.K.T @ Z
            rank = np.linalg.matrix_rank(through if self.reml else Z)
            rest = self.y - through @ np.linalg.lstsq(through, self.y, rcond=1e-10)[0]
            if rank < self.nu and np.sqrt(rest @ rest) < 1e-7:
                return False
        return True

    def _flat(self, terms) -> np.ndarray:
        return np.hstack([self.bases[t].reshape(self.n, -1) for t in terms])

    def lambdas(self, theta: np.ndarray) -> list[np.ndarray]:
        """Lower triangular (A, q, q) per term, of theta (A, k)."""
        out = [np.zeros((len(theta), Z.shape[2], Z.shape[2])) for Z in self.bases]
        for e, (t, r, c) in enumerate(self.entries):
            out[t][:, r, c] = theta[:, e]
        return out

    def value(self, theta: np.ndarray) -> float:
        """At one theta (k,), through singular values."""
        parts = [
            (Z @ lam[0]).reshape(self.n, -1)
            for Z, lam in zip(self.bases, self.lambdas(theta[None]), strict=True)
        ]
        B = np.hstack(parts)
        U, s, _ = np.linalg.svd(self.K.T @ B, full_matrices=True)
        inside = np.zeros(len(self.y))
        inside[: len(s)] = s**2
        r2 = ((U.T @ self.y) ** 2 / (1 + inside)).sum()
        ends = inside if self.reml else np.linalg.svd(B, compute_uv=False) ** 2
        return float(np.log1p(ends).sum() + self._rest(r2))

    def _rest(self, r2):
        return self.nu * (1 + np.log(2 * np.pi * r2 / self.nu)) + self.constant

    def at(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (A,) and gradients (A, k) at theta (A, k); inf and 0 where there is none."""
        lambdas = self.lambdas(theta)
        psis = [lam @ np.swapaxes(lam, 1, 2) for lam in lambdas]
        psi = np.array([psis[t][:, r, c] for t, r, c in self.entries]).T
        log_det, inverse = _inverses(psi, self.through)
        w = inverse @ self.y
        r2 = w @ self.y
        slope = (
            -self.nu * np.einsum("ai,eij,aj->ae", w, self.through, w, optimize=True) / r2[:, None]
        )
        if self.reml:
            traces = inverse.reshape(len(psi), -1) @ self.through.reshape(self.k, -1).T
        else:
            log_det, inverse = _inverses(psi, self.V)
            traces = inverse.reshape(len(psi), -1) @ self.V.reshape(self.k, -1).T
        slope = slope + traces
        gradient = np.zeros_like(theta)
        for t, lam in enumerate(lambdas):
            G = np.zeros_like(lam)
            mine = [(e, r, c) for e, (s, r, c) in enumerate(self.entries) if s == t]
            for e, r, c in mine:
                G[:, r, c] += 0.5 * slope[:, e]
                G[:, c, r] += 0.5 * slope[:, e]
            full = 2 * G @ lam
            for e, r, c in mine:
                gradient[:, e] = full[:, r, c]
        value = log_det + self._rest(r2)
        bad = ~(np.isfinite(value) & np.isfinite(gradient).all(axis=1))
        value[bad], gradient[bad] = np.inf, 0.0
        return value, gradient

    def of_user(self, theta: np.ndarray) -> np.ndarray:
        """The (k,) theta of these bases that is lme4's ``theta``, for :meth:`value`."""
        out = np.empty(self.k)
        for t, lam in enumerate(self.lambdas(np.asarray(theta, dtype=float)[None])):
            here = np.linalg.qr((self.changes[t] @ lam[0]).T, mode="r").T
            for e, (s, r, c) in enumerate(self.entries):
                if s == t:
                    out[e] = here[r, c]
        return out


def _basis(model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(columns of mean square one, orthogonal where they are independent; T, model = basis T)."""
    n = len(model)
    lengths = np.sqrt((model**2).mean(axis=0))
    lengths[lengths == 0] = 1.0
    if model.shape[1] == 1:
        return model / lengths, lengths[:, None]
    Q, R = np.linalg.qr(model / lengths)
    diagonal = np.abs(np.diag(R))
    if len(diagonal) < model.shape[1] or diagonal.min() < 1e-9 * diagonal.max():
        return model / lengths, np.diag(lengths)
    return Q * np.sqrt(n), R * lengths / np.sqrt(n)


def _inverses(psi: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log|I + sum of psi_e V_e| (A,) and the inverses; NaN where it is not positive definite."""
    m = V.shape[1]
    M = np.eye(m) + (psi @ V.reshape(len(V), -1)).reshape(-1, m, m)
    try:
        root = np.linalg.cholesky(M)
    except np.linalg.LinAlgError:
        root = np.full_like(M, np.nan)
        for a, one in enumerate(M):
            try:
                root[a] = np.linalg.cholesky(one)
            except np.linalg.LinAlgError:
                continue
    pivots = np.diagonal(root, axis1=1, axis2=2)
    log_det = 2 * np.log(pivots).sum(axis=1)
    fine = pivots.min(axis=1) > 1e-8 * pivots.max(axis=1)
    log_det[~fine] = np.nan
    inverse = np.full_like(M, np.nan)
    back = np.linalg.inv(root[fine])
    inverse[fine] = np.swapaxes(back, 1, 2) @ back
    return log_det, inverse


def minimum(matrices: ModelMatrices, reml: bool, seed: int = 0) -> Minimum | None:
    """The best of :data:`STARTS` starts; None where the criterion has no minimum."""
    criterion = Criterion(matrices, reml)
    if not criterion.has_minimum():
        return None
    with np.errstate(all="ignore"):
        ends = _descend(criterion, _starts(criterion, np.random.default_rng(seed)))
        values = criterion.at(ends)[0]
        order = np.argsort(values, kind="stable")
        ends, values = ends[order], values[order]
        new = np.concatenate([[True], np.diff(values) > _SAME])
        best, theta = np.inf, ends[0]
        for end in ends[new][:3]:
            polished = minimize(
                lambda t: tuple(part[0] for part in criterion.at(t[None])),
                end, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 100},
            ).x  # fmt: skip
            for candidate in (end, polished):
                value = criterion.value(candidate)
                if value < best:
                    best, theta = value, candidate
    return Minimum(best, theta, values[new])


def _starts(criterion: Criterion, rng: np.random.Generator) -> np.ndarray:
    """Every term small, middling, large, each alone large; the others at random."""
    terms = np.array([t for t, _, _ in criterion.entries])
    diagonal = np.array([r == c for _, r, c in criterion.entries])
    out = [np.where(diagonal, size, 0.0) for size in (0.1, 1.0, 10.0, 100.0)]
    for t in range(len(criterion.bases)):
        out += [np.where(diagonal & (terms == t), size, 0.05 * diagonal) for size in (3.0, 50.0)]
    while len(out) < STARTS:
        size = 10 ** rng.uniform(-1.5, 2.5, len(criterion.bases))
        spread = 10 ** rng.uniform(-1, 0.5, criterion.k)
        out.append(size[terms] * spread * rng.normal(size=criterion.k))
    return np.array(out[:STARTS])


def _descend(criterion: Criterion, x: np.ndarray) -> np.ndarray:
    """Quasi-Newton searches side by side, each with a step length of its own."""
    A, k = x.shape
    f, g = criterion.at(x)
    H = np.tile(np.eye(k), (A, 1, 1))
    fraction, fresh = np.ones(A), np.ones(A, dtype=bool)
    active = np.isfinite(f)
    for _ in range(_ITERATIONS):
        who = np.flatnonzero(active)
        if not len(who):
            break
        step = -np.einsum("aij,aj->ai", H[who], g[who])
        size = np.sqrt((step**2).sum(axis=1))
        limit = np.maximum(1.0, 2 * np.sqrt((x[who] ** 2).sum(axis=1)))
        step *= (np.minimum(1.0, limit / np.maximum(size, 1e-300)) * fraction[who])[:, None]
        slope = (g[who] * step).sum(axis=1)
        there = x[who] + step
        value, gradient = criterion.at(there)
        good = value <= f[who] + 1e-4 * slope
        moved, stuck = who[good], who[~good]
        s, change = step[good], gradient[good] - g[moved]
        H[moved] = _updated(H[moved], s, change, fresh[moved])
        fresh[moved] = False
        done = np.abs(slope[good]) < 1e-11
        x[moved], f[moved], g[moved] = there[good], value[good], gradient[good]
        fraction[moved] = 1.0
        active[moved[done]] = False
        fraction[stuck] *= 0.25
        lost = stuck[fraction[stuck] < 1e-6]
        # once more down the gradient, then no further
        active[lost[fresh[lost]]] = False
        H[lost], fraction[lost], fresh[lost] = np.eye(k), 1.0, True
    return x


def _updated(H: np.ndarray, s: np.ndarray, y: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """BFGS updates (Nocedal & Wright 2006, eq. 6.17) where the curvature is positive."""
    sy = (s * y).sum(axis=1)
    use = sy > 1e-12 * np.sqrt((s**2).sum(axis=1) * (y**2).sum(axis=1))
    if not use.any():
        return H
    out, s, y, sy = H.copy(), s[use], y[use], sy[use]
    first = H[use]
    size = sy / np.maximum((y**2).sum(axis=1), 1e-300)
    first = np.where(fresh[use][:, None, None], first * size[:, None, None], first)
    left = np.eye(s.shape[1]) - s[:, :, None] * y[:, None, :] / sy[:, None, None]
    outer = s[:, :, None] * s[:, None, :] / sy[:, None, None]
    out[use] = left @ first @ np.swapaxes(left, 1, 2) + outer
    return out
