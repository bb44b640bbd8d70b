"""The criterion with sigma free and one linear function of the fixed effects held at a value.

With s = log sigma, kappa = y'Py / sigma^2, and l'beta = b,

    d = log|V| [+ log|X'V^-1 X|] + nu (2 s + log 2 pi) + kappa + (b - l'beta^)^2 / (sigma^2 l'Cl)

where C = (X'V^-1 X)^-1 and beta^ = C X'V^-1 y (Bates, Maechler, Bolker & Walker 2015, section 3.4,
before sigma is profiled out; the last term is what the constraint adds to the sum of squares).
With v = (-beta_b, 1), beta_b the constrained estimate, and C_b = C - Cl l'C / l'Cl, the slopes are

    d / dPsi_e            tr(V^-1 V_e) - v'R'V^-1 V_e V^-1 R v / sigma^2
    d2 / dPsi_e dPsi_f    2 v'R'V^-1 V_e P_b V_f V^-1 R v / sigma^2 - tr(V^-1 V_e V^-1 V_f)

with P_b as P, with C_b in place of C; under REML P stands in the traces.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.evaluation import EstimationProblem, Evaluation
from mmfit.engine.profile.covariance_coordinates import Charts

# Columns of Z per evaluation: beyond, points share no work worth its memory.
_COLUMNS = 20_000


@dataclass(frozen=True, slots=True)
class Targets:
    """What is held fixed along each of T curves.

    Attributes
    ----------
    chart : (T,) intp, the chart in use.
    contrast : (T, p), l in terms of the whitened X; zero where no fixed effect is held.
    held : (T,) intp, the coordinate that is held: one of l's, k for s, k + 1 for b.
    """

    chart: np.ndarray
    contrast: np.ndarray
    held: np.ndarray


@dataclass(frozen=True, slots=True)
class Point:
    """The criterion at A points: value (A,), gradient (A, k + 2), hessian (A, k + 2, k + 2).

    Coordinates: k of the chart, s, b. Where no fixed effect is held, b has no influence.
    """

    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


class ConstrainedCriterion:
    """Evaluates a problem of one response at points of the targets' curves."""

    def __init__(self, problem: EstimationProblem, charts: Charts, targets: Targets):
        self.problem, self.charts, self.targets = problem, charts, targets
        system = problem.system
        columns = sum(g.levels * g.size for g in system.groups)
        self.chunk = int(np.clip(_COLUMNS // max(columns, 1), 1, 256))
        self.count = 0

    def at(self, x: np.ndarray, target: np.ndarray) -> Point:
        """At coordinates ``x`` (A, k + 2) of the curves ``target`` (A,)."""
        self.count += len(x)
        parts = [
            self._at(x[i : i + self.chunk], target[i : i + self.chunk])
            for i in range(0, len(x), self.chunk)
        ]
        if len(parts) == 1:
            return parts[0]
        return Point(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in Point.__slots__)
        )

    def _at(self, x: np.ndarray, target: np.ndarray) -> Point:
        k = x.shape[1] - 2
        which, s = self.targets.chart[target], x[:, k]
        with np.errstate(all="ignore"):
            entries = self.charts.entries(x[:, :k], which)
            theta = self.charts.theta(entries, which, s)
            at = self.problem.at(theta, np.zeros(len(x), dtype=np.intp))
            base = _Base(self.problem, at, s, x[:, k + 1], self.targets.contrast[target])
            Q = self.charts.quadratic[which]
            J = 2 * np.einsum("aeij,aj->aei", Q, entries) * base.shrink[:, None, None]
            psi = np.einsum("aei,ai->ae", J, entries) / 2
            point = base.in_entries(Q, J, psi)
            self.charts.to_coordinates(x, which, point.gradient, point.hessian)
        return point


class _Base:
    """The criterion and its derivatives in (Psi entries, s, b)."""

    def __init__(self, problem: EstimationProblem, at: Evaluation, s, b, contrast):
        nu, p = problem.nu, problem.system.nfixed
        self.nu, self.shrink = nu, np.exp(-2 * s)
        # l'Cl, the constrained estimate's v, and how both change with b
        half = np.einsum("apq,ap->aq", at.R_inverse, contrast)
        length = np.einsum("aq,aq->a", half, half)
        self.bound = length > 0
        length = np.where(self.bound, length, 1.0)
        way = np.einsum("apq,aq->ap", at.R_inverse, half) / length[:, None]
        lack = np.where(self.bound, b - np.einsum("ap,ap->a", contrast, at.beta), 0.0)
        v = np.ones((len(b), p + 1))
        v[:, :p] = at.factor.taken - at.beta - way * lack[:, None]
        self.pull, self.stiff = lack / length, self.bound / length
        self.kappa = (at.r2 + lack * self.pull) * self.shrink
        self.value = at.objective + nu * (2 * s - np.log(at.r2 / nu) - 1) + self.kappa
        through = np.einsum("aemn,an->aem", at.slopes, v)
        self.w = np.einsum("aem,am->ae", through, v)
        self.w_b = -2 * np.einsum("aep,ap->ae", through[:, :, :p], way)
        inner = np.einsum("aep,apq->aeq", through[:, :, :p], at.R_inverse)
        pairs = at.factor.pairs(v[:, :, None]) - np.einsum("aeq,afq->aef", inner, inner)
        along = np.einsum("aep,ap->ae", through[:, :, :p], way)
        pairs = pairs + length[:, None, None] * along[:, :, None] * along[:, None, :]
        information = at.psi_information
        self.slope = at.psi_traces - self.shrink[:, None] * self.w
        self.bend = 2 * self.shrink[:, None, None] * pairs - information

    def in_entries(self, Q: np.ndarray, J: np.ndarray, psi: np.ndarray) -> Point:
        """Derivatives in (l, s, b); J (A, k, k) = d Psi_e / d l_i, d Psi / d s = -2 Psi."""
        A, k = psi.shape
        g, H = np.zeros((A, k + 2)), np.zeros((A, k + 2, k + 2))
        wide = np.concatenate([J, -2 * psi[:, :, None]], axis=2)
        slope = np.einsum("ae,aei->ai", self.slope, wide)
        g[:, : k + 1] = slope
        g[:, k] += 2 * (self.nu - self.kappa)
        g[:, k + 1] = 2 * self.shrink * self.pull
        H[:, : k + 1, : k + 1] = np.swapaxes(wide, 1, 2) @ self.bend @ wide
        H[:, :k, :k] += 2 * self.shrink[:, None, None] * np.einsum("ae,aeij->aij", self.slope, Q)
        mixed = 2 * self.shrink[:, None] * np.einsum("ae,aei->ai", self.w, wide)
        H[:, : k + 1, k] += mixed
        H[:, k, : k + 1] += mixed
        turn = -2 * slope[:, :k]
        H[:, :k, k] += turn
        H[:, k, :k] += turn
        H[:, k, k] += 4 * self.kappa + 4 * np.einsum("ae,ae->a", self.slope, psi)
        across = -self.shrink[:, None] * np.einsum("ae,aei->ai", self.w_b, wide)
        across[:, k] -= 4 * self.shrink * self.pull
        H[:, : k + 1, k + 1] = H[:, k + 1, : k + 1] = across * self.bound[:, None]
        H[:, k + 1, k + 1] = 2 * self.shrink * self.stiff
        return Point(self.value, g, H)
