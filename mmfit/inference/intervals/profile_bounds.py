"""Where a profile curve crosses a given increase of the criterion: the ends of intervals.

By Newton's method on the curve, whose slope and curvature are known, inside a bracket of points.
"""

import numpy as np

from mmfit.engine.profile.constrained_criterion import ConstrainedCriterion
from mmfit.inference.intervals.profile_newton import NewtonMove
from mmfit.inference.intervals.profile_walk import Corrector, CurvePoint, quadratic_root

# This close in the criterion the second-order expansion is exact to rounding.
_NEAR = 1e-3
_PATIENCE = 30


class Crossing:
    """A search for the u between two points of a curve at which the minimum is ``level``.

    Attributes
    ----------
    u : float, NaN until it is found.
    """

    def __init__(
        self,
        criterion: ConstrainedCriterion,
        target: int,
        inner: CurvePoint,
        outer: CurvePoint,
        level: float,
    ):
        self.criterion, self.target, self.level = criterion, target, level
        self.inner, self.outer = inner, outer
        self.held = int(criterion.targets.held[target])
        self.sign = float(np.sign(outer.u - inner.u))
        self.u, self.done, self.count = np.nan, False, 0
        self._try(self._guess())

    def where(self) -> np.ndarray:
        return self.corrector.trial

    def receive(self, move: NewtonMove | None) -> None:
        outcome = self.corrector.receive(move)
        if outcome is None:
            return
        self.count += 1
        if outcome:
            point = self.corrector.point()
            lack = self.level - point.minimum
            if abs(lack) < _NEAR and point.slope * self.sign > 0:
                self.u, self.done = point.u + self.sign * self._distance(point), True
                return
            if lack > 0:
                self.inner = point
            else:
                self.outer = point
            self._try(self._guess())
        else:
            # Closer to where the curve is known.
            self._try(self.inner.u + (self.corrector.base[self.held] - self.inner.u) / 2)
        self.done = self.count > _PATIENCE

    def _try(self, u: float) -> None:
        self.corrector = Corrector(self.criterion, self.target, self._between(u))

    def _distance(self, point: CurvePoint) -> float:
        """From a point outwards to the level, by the curve's slope and curvature there."""
        lack, rise = self.level - point.minimum, max(point.slope * self.sign, 0.0)
        if lack >= 0:
            return quadratic_root(point.curvature / 2, rise, lack)
        return -quadratic_root(-point.curvature / 2, rise, -lack)

    def _guess(self) -> float:
        """From the end of the bracket that is nearer in the criterion."""
        near = min(self.inner, self.outer, key=lambda point: abs(self.level - point.minimum))
        u = near.u + self.sign * self._distance(near)
        inside = (u - self.inner.u) * (u - self.outer.u) < 0
        # Where the curve bends too much for that, halves are certain.
        return u if inside and self.count % 4 < 3 else (self.inner.u + self.outer.u) / 2

    def _between(self, u: float) -> np.ndarray:
        """The other coordinates at u: a cubic, or a line where the ends do not fit together."""
        a, b = self.inner, self.outer
        width, rise = b.u - a.u, b.x - a.x
        t = (u - a.u) / width
        first, second = width * a.tangent - rise, rise - width * b.tangent
        room = np.abs(width) * (np.abs(a.tangent) + np.abs(b.tangent)) + 1e-12
        if (np.abs(first - second) <= room).all():
            x = a.x + t * rise + t * (1 - t) * ((1 - t) * first + t * second)
        else:
            near = a if t < 0.5 else b
            x = near.x + (u - near.u) * near.tangent
        x[self.held] = u
        return x
