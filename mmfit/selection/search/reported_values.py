"""For which values of an estimate a selection reports the coefficient, all else being equal.

b is the coefficient's estimate in the richest model, S the covariance of all its estimates. What
the other estimates say beyond b, and the residuals, are independent of b; holding them fixed, data
in which the estimate is b + z are y + Xd z, d = S_j / S_jj. So the selection is repeated along a
line of responses, and the values at which its model has the coefficient are the event that the
coefficient's law must be conditioned on, exactly and without a law of the selection (Liu, Markovic
& Tibshirani 2018, arXiv:1801.09037, for the coefficient of the full model given that its variable
is selected). Along the line residuals are those of the richest model throughout, and with them
whatever is decided by REML with the richest fixed part.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmfit.selection.search.truncated_t import TruncatedT, reach_of

# Places on the line per reach of the law to either side; the ends of intervals are found to within
# this share of a standard error, by parts of what lies between two places.
_PER_REACH = 16
_EXACT, _PARTS = 1e-3, 8
Reported = Callable[[np.ndarray], np.ndarray]
"""From (B,) values of the estimate, in standard errors, to (B,) bool."""


@dataclass(frozen=True, slots=True)
class ReportedValues:
    """Where on the line the coefficient is reported.

    Attributes
    ----------
    law : TruncatedT, the law of the estimate there; None where it is not reported at the observed
        value, by a repetition that does without some of the selection's tests.
    selections : int, how often the selection was made.
    observed : bool, whether it is reported at the observed value.
    """

    law: TruncatedT | None
    selections: int
    observed: bool


def reported_values(value: float, df: float, reported: Reported) -> ReportedValues:
    """Look along the line at which values the coefficient is reported.

    Parameters
    ----------
    value : the observed estimate;  df : of its t law;  reported : repeats the selection.
    """
    places = _places(value, df)
    found = np.asarray(reported(places))
    observed = bool(found[np.flatnonzero(places == value)[0]])
    while True:
        changes = np.flatnonzero(found[1:] != found[:-1])
        wide = changes[np.diff(places)[changes] > _EXACT]
        if not len(wide):
            break
        shares = np.arange(1, _PARTS) / _PARTS
        new = (places[wide, None] + np.diff(places)[wide, None] * shares).ravel()
        places, found = np.append(places, new), np.append(found, reported(new))
        order = np.argsort(places, kind="stable")
        places, found = places[order], found[order]
    law = TruncatedT(*_intervals(places, found), df) if observed else None
    return ReportedValues(law, len(places), observed)


def _places(value: float, df: float) -> np.ndarray:
    """Where the selection is repeated first: about the observed value, and about 0 (in standard
    errors), which the p-value is of."""
    reach = reach_of(df)
    step = reach / _PER_REACH
    zones = [(value - reach, value + reach), (-reach, reach)]
    steps = [
        np.arange(np.floor((a - value) / step), np.ceil((b - value) / step) + 1) for a, b in zones
    ]
    return value + np.unique(np.concatenate(steps)) * step


def _intervals(places: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs of True, ended halfway between places; the last ones go on for ever."""
    edges = np.flatnonzero(found[1:] != found[:-1])
    ends = np.concatenate([[-np.inf], (places[edges] + places[edges + 1]) / 2, [np.inf]])
    inside = found[np.concatenate([[0], edges + 1])]
    return ends[:-1][inside], ends[1:][inside]
