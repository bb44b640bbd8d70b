"""Walking along a profile curve: predictor steps in its coordinate, Newton corrections between.

The curve is that of the minimum over all other coordinates as a function of one, u. Its tangent
follows from exact second derivatives (predictor-corrector continuation: Allgower & Georg 1990).
"""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.profile.constrained_criterion import ConstrainedCriterion
from mmfit.inference.intervals.profile_newton import NewtonMove, moves

# A minimum is known once the next step promises less than this; that step is then taken on trust.
_SETTLED = 1e-6
# Evaluations for one value of u before a shorter step is tried.
_PATIENCE = 25
# Halvings of a step before the walk is given up; points on one side of a curve.
_HALVINGS, _LONGEST = 12, 400
# A fall of the criterion on the way out that is no rounding.
_FALLS = 1e-5
_EXITS = (1.0, 0.3, 0.1, 0.03, 0.01)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of a curve: u, the criterion's minimum there, x (K,) and derivatives in u."""

    u: float
    minimum: float
    x: np.ndarray
    tangent: np.ndarray
    slope: float
    curvature: float


class Corrector:
    """Newton's method at one value of u, from a predicted point."""

    def __init__(self, criterion: ConstrainedCriterion, target: int, x: np.ndarray):
        self.criterion, self.target = criterion, target
        self.held = int(criterion.targets.held[target])
        self.chart = criterion.charts.charts[criterion.targets.chart[target]]
        self.trial, self.base, self.move = x, x, None
        self.fraction, self.count, self.exits = 1.0, 0, 0

    def receive(self, move: NewtonMove | None) -> bool | None:
        """True once ``move`` is at the minimum, False when lost, None while it goes on."""
        self.count += 1
        noise = 1e-9 if self.move is None else 1e-9 + 1e-13 * abs(self.move.value)
        if move is None or (self.move is not None and move.value > self.move.value + noise):
            if self.move is None or self.count > _PATIENCE:
                return False
            self.fraction *= 0.3
            self.trial = self.chart.move(self.base, self.fraction * self._limited())
            return None
        self.base, self.move, self.fraction = self.trial, move, min(1.0, 3 * self.fraction)
        if move.gain < _SETTLED:
            if move.exit is None or self.exits > 3 or not self._leave(move):
                return True
        elif self.count > _PATIENCE:
            return False
        self.trial = self.chart.move(self.base, self.fraction * self._limited())
        return None

    def _limited(self) -> np.ndarray:
        """The step, no longer than the coordinates are large."""
        step = self.move.step
        k = len(step) - 2
        limit = 2 * max(np.abs(self.base[: k + 1]).max(), np.exp(self.base[k]))
        turn = self.chart.pair[1]
        longest = np.abs(step[:k]).max(initial=0.0) / limit
        longest = max(longest, abs(step[k]) / 2)
        if turn >= 0:
            longest = max(longest, abs(step[turn]) / 0.7)
        return step / max(longest, 1.0)

    def _leave(self, move: NewtonMove) -> bool:
        """Go on from a lower point where this one is a saddle, as at a variance of zero."""
        self.exits += 1
        lengths = [sign * t for t in _EXITS for sign in (1, -1)]
        trial = np.array([self.chart.move(self.base, t * move.exit) for t in lengths])
        found = moves(self.criterion, trial, np.full(len(trial), self.target))
        lower = [
            (m.value, i) for i, m in enumerate(found) if m is not None and np.isfinite(m.value)
        ]
        if not lower or min(lower)[0] > move.value - 1e-7:
            return False
        best = min(lower)[1]
        self.base, self.move = trial[best], found[best]
        return True

    def point(self) -> CurvePoint:
        """The point that was found."""
        move, x = self.move, self.chart.move(self.base, self.move.step)
        return CurvePoint(
            u=float(x[self.held]),
            minimum=move.minimum,
            x=x,
            tangent=move.tangent,
            slope=move.slope,
            curvature=move.curvature,
        )


class Walk:
    """One side of a curve, from the minimum to where the root of the increase reaches ``reach``.

    Attributes
    ----------
    points : list of CurvePoint, outwards from the minimum.
    note : str, why the walk ended early, or empty.
    """

    def __init__(
        self,
        criterion: ConstrainedCriterion,
        target: int,
        start: np.ndarray,
        *,
        sign: int,
        end: float,
        size: float,
        reach: float,
        steps: int,
    ):
        """``end``: where u ends;  ``size``: a step where neither slope nor curvature is known."""
        self.criterion, self.target, self.sign, self.end = criterion, target, sign, end
        self.size, self.reach, self.stride = size, reach, reach / steps
        self.points: list[CurvePoint] = []
        self.note, self.done, self.halvings, self.back = "", False, 0, 0
        self.corrector = Corrector(criterion, target, start)
        self.step = 0.0

    def where(self) -> np.ndarray:
        return self.corrector.trial

    def receive(self, move: NewtonMove | None) -> None:
        outcome = self.corrector.receive(move)
        if outcome is None:
            return
        if self.back:
            self._backward(outcome)
        elif outcome:
            self.points.append(self.corrector.point())
            self.halvings = 0
            if len(self.points) > 1 and self._fell(len(self.points) - 1):
                self.back = len(self.points) - 1
        else:
            self.halvings += 1
            self.step /= 2
            if not self.points or self.halvings > _HALVINGS:
                self._stop("the minimum over the other parameters was not found beyond this point")
                return
        self._continue(bool(outcome))

    def _continue(self, moved: bool) -> None:
        """Choose where to look next."""
        if self.back > 1:
            inner, outer = self.points[self.back - 1], self.points[self.back]
            x = self._from(outer, inner.u - outer.u)
        else:
            self.back = 0
            last = self.points[-1]
            if last.u == self.end or self.increase(last) >= self.reach**2:
                self.done = True
                return
            if len(self.points) > _LONGEST:
                self._stop("the deviance hardly rises: the curve was left where it had no end")
                return
            if moved:
                self.step = self._next_step()
            x = self._predict()
        self.corrector = Corrector(self.criterion, self.target, x)

    def _fell(self, i: int) -> bool:
        return self.points[i].minimum < self.points[i - 1].minimum - _FALLS

    def _backward(self, found: bool) -> None:
        """Where the criterion fell, a lower minimum had been missed: follow that inwards."""
        i = self.back - 1
        if found and self.corrector.point().minimum < self.points[i].minimum - _FALLS:
            self.points[i] = self.corrector.point()
            self.back = i
        else:
            self.back = 0

    def _stop(self, why: str) -> None:
        self.note, self.done = why, True

    def increase(self, point: CurvePoint) -> float:
        """Of the criterion over its minimum; not negative."""
        return max(point.minimum - self.points[0].minimum, 0.0)

    def _next_step(self) -> float:
        """Length of the step that should raise the root of the increase by one stride."""
        last = self.points[-1]
        increase = self.increase(last)
        want = (np.sqrt(increase) + self.stride) ** 2 - increase
        rise = max(last.slope * self.sign, 0.0)
        length = quadratic_root(last.curvature / 2, rise, want)
        if not length < 1e3 * self.size:
            length = self.size
        if self.step:
            length = min(length, 3 * self.step)
        return length

    def _predict(self) -> np.ndarray:
        last = self.points[-1]
        u = last.u + self.sign * self.step
        if (self.end - u) * self.sign <= 0.02 * self.step:
            u = self.end
            self.step = abs(u - last.u)
        change = u - last.u
        bend = 0.0
        if len(self.points) > 1:
            before = self.points[-2]
            bend = (last.tangent - before.tangent) / (last.u - before.u) * change**2 / 2
        return self._from(last, change, bend)

    def _from(self, point: CurvePoint, change: float, bend: np.ndarray | float = 0.0) -> np.ndarray:
        """The coordinates predicted at u + ``change``; the second-order part may not prevail."""
        step = change * point.tangent
        room = np.abs(step) / 2
        x = self.corrector.chart.move(point.x, step + np.clip(bend, -room, room))
        x[self.corrector.held] = point.u + change
        return x


def quadratic_root(a: float, b: float, c: float) -> float:
    """The smallest t >= 0 with a t^2 + b t = c, for b, c >= 0; infinite where there is none."""
    inside = b * b + 4 * a * c
    if inside < 0:
        return np.inf
    below = b + np.sqrt(inside)
    return 2 * c / below if below > 0 else np.inf
