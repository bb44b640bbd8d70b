"""The table of fixed effects: t tests and Wald intervals."""

import numpy as np
import pandas as pd

from mmfit.common.arguments import check_level
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.precision.degrees_of_freedom import (
    unidentified_coefficients,
    unidentified_note,
)
from mmfit.inference.precision.t_tests import t_columns


def tidy(model: FittedModel, df: str = "satterthwaite", level: float = 0.95) -> pd.DataFrame:
    """One row per fixed effect, in the model's order.

    Columns: term, estimate, std_error, df, statistic (t), p_value (two-sided), conf_low,
    conf_high (Wald, with the same t distribution). ``df`` is ``satterthwaite``, ``kenward-roger``
    (standard errors from the adjusted covariance), ``residual`` (n - p) or
    ``normal``; ``level`` the coverage of the intervals. A coefficient whose variance depends on
    variance parameters that no data of this design tell has its estimate alone. ``attrs["note"]``
    says so, and what a reader must know of the method (a singular fit); ``""`` where nothing is.

    Raises
    ------
    MmfitError
        For an unknown ``df`` or a level outside (0, 1); for ``kenward-roger`` with a fit by ML.
    """
    fit = model.fit
    check_level(level)
    known = model.precision(df)
    each = np.eye(len(fit.fixef))
    tests = t_columns(fit.fixef, known.std_error(each), known.df(each), level)
    table = pd.DataFrame({"term": list(fit.fixed_names)} | tests)
    lost = unidentified_coefficients(fit)
    unidentified = unidentified_note([fit.fixed_names[k] for k in np.flatnonzero(lost)])
    table.attrs["note"] = " ".join(note for note in (unidentified, known.note) if note)
    return table
