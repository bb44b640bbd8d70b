"""Confidence intervals for the parameters of a fitted model."""

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_level
from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.coefficients import tidy
from mmfit.inference.intervals.bootstrap_intervals import (
    BootstrapDraws,
    bootstrap_draws,
    draw_intervals,
    draw_notes,
)
from mmfit.inference.intervals.parameters import fixed_parameters, unidentified_parameters
from mmfit.inference.intervals.profile import profile_likelihood
from mmfit.inference.precision.degrees_of_freedom import unidentified_note

METHODS = ("profile", "wald", "bootstrap")
# A bracket for each end is enough; the ends themselves are searched for.
_STEPS = 4


def confint(
    model: FittedModel,
    *,
    method: str = "profile",
    level: float = 0.95,
    replicates: int = 999,
    seed: int = 1,
    df: str = "normal",
    kind: str = "percentile",
) -> pd.DataFrame:
    """Intervals: parameter, conf_low, conf_high, named and ordered as by lme4's ``confint``.

    - ``profile``: likelihood-ratio intervals of all parameters from the profiled ML criterion
      (whatever the model was fitted by, as in lme4).
    - ``wald``: estimate and standard error, fixed effects only: those of standard deviations and
      correlations are too skewed for it. By default with the normal quantile, as in lme4, which
      is too short where there are few levels; ``df`` is ``normal`` or one of the methods of
      :func:`mmfit.inference.tidy`, which then gives t intervals, the same as tidy's.
    - ``bootstrap``: ``replicates`` responses drawn from the fit and fitted again by its own
      criterion; ``kind`` is ``percentile``, ``basic`` or ``normal`` (Davison & Hinkley 1997,
      chapter 5), of all parameters. Replicate i has the i-th stream spawned from ``seed``.

    ``attrs`` of the table says more: ``notes`` (profile, bootstrap), and ``failed``, the number of
    replicates that did not converge and are left out (bootstrap).

    Raises
    ------
    MmfitError
        For an unknown method, a level outside (0, 1), a fit that has not converged, or too few
        replicates for the level.
    """
    fit = model.fit
    if method not in METHODS:
        raise MmfitError(f"method={method!r} is not known; choose one of {', '.join(METHODS)}")
    check_level(level)
    if method == "wald":
        table = tidy(model, df=df, level=level).assign(parameter=fixed_parameters(fit))
        return table[["parameter", "conf_low", "conf_high"]]
    if method == "profile":
        profile = profile_likelihood(model, level=level, steps=_STEPS)
        table = profile.interval(level)[["parameter", "conf_low", "conf_high"]]
        table.attrs["notes"] = profile.notes
        return table
    return _bootstrap_intervals(fit, bootstrap_draws(model, replicates, seed), level, kind)


def _bootstrap_intervals(fit: Fit, draws: BootstrapDraws, level: float, kind: str) -> pd.DataFrame:
    unidentified = unidentified_parameters(fit)
    ends = np.where(unidentified[:, None], np.nan, draw_intervals(draws, level, kind))
    table = pd.DataFrame(
        {
            "parameter": np.array(draws.parameters, dtype=object),
            "conf_low": ends[:, 0],
            "conf_high": ends[:, 1],
        }
    )
    hidden = unidentified_note(
        [n for n, lost in zip(draws.parameters, unidentified, strict=True) if lost]
    )
    table.attrs["notes"] = [*draw_notes(draws, ends), *([hidden] if hidden else [])]
    table.attrs["failed"] = draws.failed
    return table
