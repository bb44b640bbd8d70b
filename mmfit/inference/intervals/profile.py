"""Profile likelihood of every parameter of a model, and intervals from it.

The profile of a parameter is the minimum of -2 log likelihood over all others as a function of it;
zeta, the signed root of its increase, is close to a standard normal deviate (Bates & Watts 1988,
chapter 6). The intervals are those of the likelihood-ratio test (Venzon & Moolgavkar 1988). They
stay within the parameter space: a standard deviation's lower end is 0, and a correlation's -1 or 1,
where the criterion does not rise enough before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_level
from mmfit.engine.criterion import CRITERIA
from mmfit.engine.fit import fit_model
from mmfit.engine.records import Fit
from mmfit.errors import ComputationError, MmfitError
from mmfit.inference.distributions import t_quantile
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.intervals.parameters import (
    Parameter,
    estimates,
    parameters,
    unidentified_parameters,
)
from mmfit.inference.intervals.profile_bounds import Crossing
from mmfit.inference.intervals.profile_curve import Curve, make_curves, with_caps
from mmfit.inference.intervals.profile_newton import drive
from mmfit.inference.precision.degrees_of_freedom import unidentified_note

# Steps on either side of a curve, from the minimum to ``level``.
_STEPS = 12
# Beyond the level by this much, so that its own crossing lies inside.
_MARGIN = 1.001
# A criterion lower than the fit's by this much is not rounding.
_LOWER = 1e-5


@dataclass(frozen=True, slots=True)
class Profile:
    """Profile likelihood of the parameters of one model.

    Attributes
    ----------
    level : float, the largest coverage that the curves reach.
    criterion : ``"ML"`` or ``"REML"``, what was profiled.
    parameters : tuple of str, lme4's names in lme4's order.
    estimates : (len(parameters),) array, the maximum of the profiled criterion; NaN for the
        correlation with an effect whose variance is zero.
    curves : DataFrame parameter, value, zeta, deviance_increase; by parameter, value rising.
    notes : tuple of str, what could not be computed and why, a sentence each.
    """

    level: float
    criterion: str
    parameters: tuple[str, ...]
    estimates: np.ndarray
    curves: pd.DataFrame
    notes: tuple[str, ...]
    _curves: tuple[Curve, ...] = field(repr=False, compare=False)
    _unidentified: np.ndarray = field(repr=False, compare=False)

    def interval(self, level: float | None = None) -> pd.DataFrame:
        """parameter, estimate, conf_low, conf_high: by default at the profile's own level.

        The ends are found on the curves by Newton's method, not read off the points; NaN where a
        curve ended before, and for fixed effects whose variance no data tell (see ``notes``).

        Raises
        ------
        MmfitError
            For a level outside (0, 1) or above the profile's.
        """
        level = self.level if level is None else level
        cutoff = _cutoff(level)
        if level > self.level:
            raise MmfitError(
                f"level={level!r} is beyond the profile, which was computed to level "
                f"{self.level!r}; profile with level={level!r}"
            )
        ends = np.where(self._unidentified[:, None], np.nan, curve_bounds(self._curves, cutoff))
        return pd.DataFrame(
            {
                "parameter": list(self.parameters),
                "estimate": self.estimates,
                "conf_low": ends[:, 0],
                "conf_high": ends[:, 1],
            }
        )


def profile_likelihood(
    model: FittedModel, *, level: float = 0.99, criterion: str = "ML", steps: int = _STEPS
) -> Profile:
    """Profile every parameter out to the ends of its interval of coverage ``level``.

    The ML criterion is profiled whatever ``fit`` was fitted by, as lme4 does, since the restricted
    likelihood is none of the fixed effects. ``criterion="REML"`` profiles the restricted
    likelihood, of the variance parameters alone. ``steps`` points lie on either side.

    Raises
    ------
    MmfitError
        For a level outside (0, 1), an unknown criterion, or a fit that has not converged.
    ComputationError
        When a curve leads below the minimum that the fit found.
    """
    reach = _cutoff(level) * _MARGIN
    if criterion not in CRITERIA:
        raise MmfitError(f"criterion={criterion!r} is not known; choose 'ML' or 'REML'")
    if steps < 1:
        raise MmfitError(f"steps={steps!r}: a curve needs at least one step on either side")
    best, prepared = _best_fit(model, criterion)
    wanted = tuple(p for p in parameters(best) if criterion == "ML" or p.kind != "fixed")
    values = estimates(best)[: len(wanted)]
    curves = make_curves(prepared, best, wanted, values, reach, steps)
    drive(curves[0].criterion, [walk for curve in curves for walk in curve.walks])
    _check_lowest(best, curves)
    curves = with_caps(curves)
    return Profile(
        level=level,
        criterion=criterion,
        parameters=tuple(p.name for p in wanted),
        estimates=values,
        curves=_table(curves),
        notes=_notes(curves, wanted, model.fit, criterion),
        _curves=curves,
        _unidentified=unidentified_parameters(model.fit)[: len(wanted)],
    )


def _cutoff(level: float) -> float:
    check_level(level)
    return float(t_quantile(0.5 + level / 2, np.inf))


def _best_fit(model: FittedModel, criterion: str):
    """The fit by the criterion that is profiled, and the prepared system."""
    fit, matrices = model.fit, model.matrices
    prepared = model.prepared
    best = fit
    if fit.criterion != criterion:
        best = fit_model(
            matrices, criterion=CRITERIA[criterion], start=fit.theta, prepared=prepared
        )
    if not best.converged:
        raise MmfitError(
            f"{fit.formula}: there is no profile without a minimum, and the {criterion} fit has "
            f"{best.optimizer.message}"
        )
    return best, prepared


def _check_lowest(best: Fit, curves: tuple[Curve, ...]) -> None:
    for curve in curves:
        for walk in curve.walks:
            lowest = min((point.minimum for point in walk.points), default=np.inf)
            if lowest < best.objective - _LOWER:
                raise ComputationError(
                    f"{best.formula}: the profile of {curve.parameter.name} leads to a deviance of "
                    f"{lowest:.6f}, below the fit's {best.objective:.6f}; the fit is at a local "
                    "minimum, and intervals around it would be wrong"
                )


def _table(curves: tuple[Curve, ...]) -> pd.DataFrame:
    parts = [curve.rows() for curve in curves]
    names = np.repeat([curve.parameter.name for curve in curves], [len(rows) for rows in parts])
    rows = np.concatenate(parts) if parts else np.empty((0, 3))
    return pd.DataFrame(
        {
            "parameter": names.astype(object),
            "value": rows[:, 0],
            "zeta": rows[:, 1],
            "deviance_increase": rows[:, 2],
        }
    )


def _notes(
    curves: tuple[Curve, ...], wanted: tuple[Parameter, ...], fit: Fit, criterion: str
) -> tuple[str, ...]:
    out = [note for curve in curves for note in curve.notes()]
    if criterion == "REML" and fit.fixed_names:
        out.append(
            "The restricted likelihood has no profile for fixed effects; profile by ML for these."
        )
    unidentified = unidentified_parameters(fit)[: len(wanted)]
    hidden = unidentified_note(
        [p.name for p, lost in zip(wanted, unidentified, strict=True) if lost]
    )
    return tuple([*out, hidden] if hidden else out)


def curve_bounds(curves: tuple[Curve, ...], cutoff: float) -> np.ndarray:
    """(len(curves), 2): where each curve's increase reaches ``cutoff`` squared, in its units."""
    ends = np.full((len(curves), 2), np.nan)
    searches: list[tuple[int, int, Crossing]] = []
    for i, curve in enumerate(curves):
        for side in (0, 1):
            known, crossing = curve.end(side, cutoff)
            ends[i, side] = known
            if crossing is not None:
                searches.append((i, side, crossing))
    if searches:
        drive(curves[0].criterion, [crossing for _, _, crossing in searches])
    for i, side, crossing in searches:
        ends[i, side] = curves[i].value(crossing.u)
    return ends
