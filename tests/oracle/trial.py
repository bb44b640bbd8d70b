"""One random design held against the oracle, under one criterion."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine import Fit, fit_model
from mmfit.engine.criterion import ML, REML
from mmfit.errors import ComputationError, MmfitError
from mmfit.formula import ModelMatrices
from tests.oracle.designs import Design, random_design
from tests.oracle.minimum import Criterion, minimum

# How far above the oracle's minimum a search may end, in -2 log (restricted) likelihood.
ALLOWED = 1e-6


@dataclass(frozen=True, slots=True)
class Trial:
    """How a fit compares with the best of the oracle's starts.

    Attributes
    ----------
    design : Design;  reml : bool.
    outcome : ``refused`` (the design), ``no minimum`` (y lies in the span of X and Z), ``error``,
        ``no estimate`` (the fit says that the random effects leave no residual),
        ``wrong`` (the criterion at the fit's own theta is another), ``above`` (by more than ALLOWED
        above the oracle's minimum, and converged), ``doubted`` (as much, but the fit says that it
        did not converge), ``below`` (lower than the oracle's) or ``same``.
    excess : float, the fit's criterion less the oracle's;  error : float, the fit's criterion less
        the oracle's at the fit's theta.
    saturated : bool, the random effects can fit every residual.
    fit : Fit or None;  message : str, of an error.
    """

    design: Design
    reml: bool
    outcome: str
    excess: float = np.nan
    error: float = np.nan
    saturated: bool = False
    fit: Fit | None = None
    message: str = ""

    def __str__(self) -> str:
        name = "REML" if self.reml else "ML"
        more = f" saturated={self.saturated} {self.message}"
        return (
            f"{self.outcome}: seed {self.design.seed} {name} {self.design.formula} "
            f"{self.design.given} excess {self.excess:.3g} error {self.error:.2g}{more}"
        )


def trials(seeds, most_rows: int = 40):
    """The trials of all seeds, under both criteria."""
    for seed in seeds:
        design = random_design(seed, most_rows=most_rows)
        try:
            matrices = design.matrices()
        except MmfitError as error:
            yield Trial(design, True, "refused", message=str(error))
            continue
        for reml in (True, False):
            yield trial(design, matrices, reml)


def trial(design: Design, matrices: ModelMatrices, reml: bool) -> Trial:
    """Fit, and compare."""
    criterion = Criterion(matrices, reml)
    if not criterion.has_minimum():
        return Trial(design, reml, "no minimum")
    saturated = criterion.saturated
    try:
        fit = fit_model(matrices, criterion=REML if reml else ML)
    except ComputationError as error:
        return Trial(design, reml, "error", saturated=saturated, message=str(error))
    except MmfitError as error:
        return Trial(design, reml, "refused", saturated=saturated, message=str(error))
    if np.isnan(fit.objective):
        return Trial(design, reml, "no estimate", saturated=saturated, fit=fit)
    error = fit.objective - criterion.value(criterion.of_user(fit.theta))
    lowest = minimum(matrices, reml).objective
    excess = fit.objective - lowest
    if not abs(error) <= ALLOWED:
        outcome = "wrong"
    elif excess > ALLOWED:
        outcome = "above" if fit.converged else "doubted"
    else:
        outcome = "below" if excess < -ALLOWED else "same"
    return Trial(design, reml, outcome, excess, error, saturated, fit, fit.optimizer.message)
