"""The curves of a profile: each parameter's coordinate, its two sides, and the way back.

=========  ==========================================  ==========================
parameter  coordinate u                                ends where
=========  ==========================================  ==========================
sd         its root's entry, in units of the response  u = 0
cor        the angle with cosine rho                   u = 0 (rho = 1), pi (-1)
sigma      log sigma
fixed      the coefficient, centred and scaled
=========  ==========================================  ==========================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.criterion import CRITERIA
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.fit import Prepared
from mmfit.engine.profile.constrained_criterion import ConstrainedCriterion, Targets
from mmfit.engine.profile.covariance_coordinates import (
    Chart,
    Charts,
    effect_units,
    make_chart,
    start_coordinates,
)
from mmfit.engine.records import Fit
from mmfit.inference.intervals.parameters import Parameter
from mmfit.inference.intervals.profile_bounds import Crossing
from mmfit.inference.intervals.profile_walk import Walk

# An angle of which the cosine is 1 to within rounding.
_AT_END = 1e-6


@dataclass(frozen=True, slots=True)
class Curve:
    """The profile of one parameter.

    Attributes
    ----------
    parameter : Parameter;  estimate : float, in its units;  shift, scale : float, value = shift +
        scale f(u) with f by kind.
    low, high : Walk to either side of the estimate, or None where the estimate is at that end.
    cap : float, an increase of the criterion that no value needs to exceed: a correlation may be
        anything once one of its standard deviations is zero.
    """

    parameter: Parameter
    estimate: float
    shift: float
    scale: float
    low: Walk | None
    high: Walk | None
    criterion: ConstrainedCriterion
    cap: float = np.inf

    @property
    def walks(self) -> tuple[Walk, ...]:
        return tuple(walk for walk in (self.low, self.high) if walk is not None)

    def value(self, u: float) -> float:
        """The parameter at the coordinate u."""
        if self.parameter.kind == "sigma":
            u = np.exp(u)
        elif self.parameter.kind == "cor":
            u = np.cos(u)
        return float(self.shift + self.scale * u)

    def rows(self) -> np.ndarray:
        """(points, 3): value, zeta and increase of the criterion, by value."""
        if not self.walks:
            return np.empty((0, 3))
        out = [(self.estimate, 0.0, 0.0)]
        for walk, sign in ((self.low, -1.0), (self.high, 1.0)):
            for point in walk.points[1:] if walk is not None else ():
                increase = min(walk.increase(point), self.cap)
                row = (self.value(point.u), sign * np.sqrt(increase), increase)
                out = [row, *out] if sign < 0 else [*out, row]
        return np.array(out)

    def notes(self) -> list[str]:
        """Why a side could not be followed, a sentence each."""
        name = self.parameter.name
        if self.walks and np.isfinite(self.cap):
            return []
        if not self.walks:
            return [
                f"{name}: not identified, since a standard deviation is estimated as zero; every "
                "value is as likely."
            ]
        sides = (("below", self.low), ("above", self.high))
        return [
            f"{name}, {side} the estimate: {walk.note} ({self.value(walk.points[-1].u):.6g})."
            if walk.points
            else f"{name}, {side} the estimate: {walk.note}."
            for side, walk in sides
            if walk is not None and walk.note
        ]

    def end(self, side: int, cutoff: float) -> tuple[float, Crossing | None]:
        """The interval's end on one side (0 below), or the search that finds it."""
        walk = (self.low, self.high)[side]
        if walk is None or self.cap < cutoff**2:
            return self._limit(side), None
        level = walk.points[0].minimum + cutoff**2 if walk.points else np.nan
        for inner, outer in zip(walk.points, walk.points[1:], strict=False):
            if outer.minimum >= level:
                return np.nan, Crossing(self.criterion, walk.target, inner, outer, level)
        return (np.nan if walk.note else self._limit(side)), None

    def _limit(self, side: int) -> float:
        """Where the parameter space ends."""
        return (0.0 if self.parameter.kind == "sd" else -1.0) if side == 0 else 1.0


def make_curves(
    prepared: Prepared,
    best: Fit,
    wanted: tuple[Parameter, ...],
    values: np.ndarray,
    reach: float,
    steps: int,
) -> tuple[Curve, ...]:
    """Curves at their start: the walks have yet to be driven."""
    builder = _Builder(prepared, best, wanted)
    return tuple(
        builder.curve(i, parameter, value, reach, steps)
        for i, (parameter, value) in enumerate(zip(wanted, values, strict=True))
    )


def with_caps(curves: tuple[Curve, ...]) -> tuple[Curve, ...]:
    """Curves that have been followed; correlations with the increase at a variance of zero."""
    zero = {}
    for curve in curves:
        p, walk = curve.parameter, curve.low
        if p.kind == "sd" and walk is not None and walk.points and walk.points[-1].u == 0:
            zero[p.index, p.row] = walk.increase(walk.points[-1])
    out = []
    for curve in curves:
        p = curve.parameter
        if p.kind == "cor":
            caps = [zero.get((p.index, effect), np.inf) for effect in (p.row, p.column)]
            curve = replace(curve, cap=min(caps))
        out.append(curve)
    return tuple(out)


class _Builder:
    """What the curves of one fit share."""

    def __init__(self, prepared: Prepared, best: Fit, wanted: tuple[Parameter, ...]):
        system = self.system = prepared.system
        self.k = len(system.layout)
        self.s = float(np.log(best.sigma / system.scale[0]))
        theta = best.theta
        if self.k:
            theta = np.linalg.solve(system.theta_jacobian(), theta)
        charts: dict[tuple[int, ...], Chart] = {}
        which = []
        for parameter in wanted:
            key = _chart_key(parameter, system)
            if key not in charts:
                charts[key] = make_chart(system, key[0], key[1:])
            which.append(list(charts).index(key))
        self.starts = [
            np.append(start_coordinates(system, chart, theta, self.s), self.s)
            for chart in charts.values()
        ]
        self.which, self.charts = np.array(which, dtype=np.intp), list(charts.values())
        self.back = system.back()
        self.units = effect_units(system)
        targets = Targets(
            chart=self.which,
            contrast=np.array([self._contrast(p) for p in wanted]).reshape(len(wanted), -1),
            held=np.array([self._held(i, p) for i, p in enumerate(wanted)], dtype=np.intp),
        )
        problem = EstimationProblem(system, prepared.solver, CRITERIA[best.criterion])
        self.criterion = ConstrainedCriterion(problem, Charts(system, self.charts), targets)
        self.best = best

    def _contrast(self, parameter: Parameter) -> np.ndarray:
        if parameter.kind == "fixed":
            return self.back[parameter.index]
        return np.zeros(self.system.nfixed)

    def _held(self, i: int, parameter: Parameter) -> int:
        if parameter.kind == "fixed":
            return self.k + 1
        if parameter.kind == "sigma":
            return self.k
        layout = self.system.layout
        if parameter.kind == "cor":
            return int(self.charts[self.which[i]].pair[1])
        return int(np.flatnonzero(layout.term == parameter.index)[0])

    def curve(
        self, i: int, parameter: Parameter, estimate: float, reach: float, steps: int
    ) -> Curve:
        start = np.append(self.starts[self.which[i]], 0.0)
        shift, scale, size = self._units(parameter)
        if parameter.kind == "fixed":
            start[-1] = (estimate - shift) / scale
        held = self.criterion.targets.held[i]
        if parameter.kind == "cor" and min(start[held], np.pi - start[held]) < _AT_END:
            start[held] = np.pi * (start[held] > 1)
        u = start[held]
        ends = {"sd": (0.0, np.inf), "cor": (np.pi, 0.0)}.get(parameter.kind, (-np.inf, np.inf))

        def walk(end: float) -> Walk | None:
            if u == end or np.isnan(estimate):
                return None
            return Walk(
                self.criterion,
                i,
                start,
                sign=1 if end > u else -1,
                end=end,
                size=size,
                reach=reach,
                steps=steps,
            )

        return Curve(
            parameter, float(estimate), shift, scale, walk(ends[0]), walk(ends[1]), self.criterion
        )

    def _units(self, parameter: Parameter) -> tuple[float, float, float]:
        """(shift, scale) of the value in terms of u, and a first step in u."""
        scale, sigma = float(self.system.scale[0]), float(np.exp(self.s))
        if parameter.kind == "fixed":
            j = parameter.index
            se = float(np.sqrt(self.best.vcov[j, j]))
            return float(self.system.beta_start[0, j]), scale, se / scale
        if parameter.kind == "sigma":
            return 0.0, scale, 0.1
        if parameter.kind == "cor":
            return 0.0, 1.0, 0.2
        unit = float(self.units[parameter.index][parameter.column])
        return 0.0, scale * unit, 0.2 * sigma


def _chart_key(parameter: Parameter, system) -> tuple[int, ...]:
    """(term, leading effects ...); (-1,) where the order does not matter."""
    if parameter.kind == "cor":
        return parameter.index, parameter.column, parameter.row
    if parameter.kind == "sd" and system.terms[parameter.index].size > 1:
        return parameter.index, parameter.column
    return (-1,)
