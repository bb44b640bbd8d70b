"""The state of a fit in words and numbers: convergence, singular directions, checks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit
from mmfit.formula.unidentified import Unidentified, unidentified_text
from mmfit.inference.diagnosis.design_checks import curvature_check, design_checks
from mmfit.inference.diagnosis.residual_checks import (
    Check,
    random_effect_checks,
    residual_checks,
    verdict,
)
from mmfit.inference.diagnosis.singular_directions import (
    SingularDirection,
    singular_directions,
    singular_text,
)
from mmfit.inference.fitted_model import FittedModel

__all__ = ["Diagnosis", "SingularDirection", "convergence_text", "diagnose", "singular_text"]

IDENTIFICATION = "identification"
CHECKS = ("check", "value", "p_value", "verdict", "text")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a reader of a fit should know before its estimates are believed.

    Attributes
    ----------
    converged : bool;  convergence : str, how the optimum was found, in one paragraph.
    singular_directions : tuple of SingularDirection, empty for a regular fit.
    unidentified : tuple of Unidentified, covariance parameters that the design does not tell apart.
    checks : DataFrame, a row per check: check, value (statistic), p_value, verdict (``ok`` or
        ``look``), text (a sentence).
    """

    converged: bool
    convergence: str
    singular_directions: tuple[SingularDirection, ...]
    unidentified: tuple[Unidentified, ...]
    checks: pd.DataFrame

    @property
    def text(self) -> tuple[str, ...]:
        """Convergence, what is not identified or singular, and the checks worth a look."""
        singular = tuple(f"Singular: {direction.text}." for direction in self.singular_directions)
        looks = self.checks.loc[self.checks["verdict"] == "look"]
        elsewhere = looks["check"].isin(["convergence", "singularity", IDENTIFICATION])
        told = looks.loc[~elsewhere, "text"]
        unknown = tuple(f"Not identified: {record.text}." for record in self.unidentified)
        return (self.convergence, *unknown, *singular, *told)

    @property
    def to_look_at(self) -> pd.DataFrame:
        """The rows of ``checks`` whose verdict is ``look``."""
        return self.checks[self.checks["verdict"] == "look"].reset_index(drop=True)


def diagnose(model: FittedModel) -> Diagnosis:
    """Convergence in words, the combinations of effects without variance, and standard checks.

    The checks are of the optimum, of identification, of singularity, of the design (levels of the
    grouping factors, rank, scales and collinearity of the fixed part), of curvature of the fixed
    part, of the residuals (normality, outliers, spread against fitted values and by level,
    leverage) and of the
    normality of the random effects; each states its source. Residuals are conditional,
    over sigma, times the root of the prior weight.
    """
    fit = model.fit
    directions = singular_directions(model)
    checks = [_convergence(fit), _identification(fit), *design_checks(model)]
    if not np.isnan(fit.sigma):
        # Without estimates there is nothing else to look at.
        checks.insert(2, _singularity(fit, directions))
        curvature = curvature_check(model)
        checks += [] if curvature is None else [curvature]
        checks += residual_checks(model)
        checks += random_effect_checks(fit)
    return Diagnosis(
        converged=fit.converged,
        convergence=convergence_text(fit),
        singular_directions=directions,
        unidentified=fit.unidentified,
        checks=_frame(checks),
    )


def convergence_text(fit: Fit) -> str:
    """How the optimum was found, in one paragraph, with plain signs and powers (``2.1e-10``)."""
    record = fit.optimizer
    methods = {"newton": "Newton steps", "bfgs": "Newton and BFGS steps"}
    noun = "evaluation" if record.evaluations == 1 else "evaluations"
    state = "converged" if record.converged else "did NOT converge"
    detail = record.detail.rstrip(".")
    if np.isnan(record.objective):
        return f"The {fit.criterion} fit {state}: {detail}."
    return (
        f"The {fit.criterion} fit {state}: {detail}. Structure found in the data: "
        f"{_structure(record.solver)}; "
        f"{methods.get(record.method, record.method)}, {record.evaluations} {noun} of the "
        f"criterion, from {record.start_objective:.4f} at the start to "
        f"{record.objective:.4f}. Largest derivative at the end: "
        f"{record.gradient_norm:.2g}; smallest curvature: {record.curvature:.3g}."
    )


def _structure(solver: str) -> str:
    """What the solver that the engine chose says about the grouping factors."""
    words = {
        "linear": "no grouping factor",
        "single": "one grouping factor, its levels eliminated one by one",
        "nested": "nested grouping factors, eliminated from the innermost outwards",
        "crossed": "crossed grouping factors, the largest eliminated and the rest dense",
        "crossed, chain eliminated": (
            "nested beside crossed grouping factors, two nested ones eliminated and the rest dense"
        ),
        "sparse": "crossed grouping factors, the largest eliminated and the rest sparse",
    }
    return words.get(solver, solver)


def _convergence(fit: Fit) -> Check:
    promised = fit.optimizer.predicted_decrease
    if np.isnan(fit.sigma):
        return Check("convergence", np.nan, np.nan, "look", convergence_text(fit))
    state = "converged" if fit.converged else "did not converge: its numbers are no optimum"
    text = (
        f"The {fit.criterion} fit {state}; a further step promises to lower the criterion by "
        f"{promised:.2g}."
    )
    return Check("convergence", float(promised), np.nan, verdict(not fit.converged), text)


def _identification(fit: Fit) -> Check:
    """Of the covariance parameters, by the rank of their information (see ``identifiability``)."""
    count = sum(len(record.directions) for record in fit.unidentified)
    if not count:
        text = "The design tells all covariance parameters apart."
        if not fit.terms:
            text = "The model has no covariance parameters but the residual variance."
        return Check(IDENTIFICATION, 0.0, np.nan, "ok", text)
    text = unidentified_text(fit.unidentified)
    return Check(IDENTIFICATION, float(count), np.nan, "look", f"{text[0].upper()}{text[1:]}.")


def _singularity(fit: Fit, directions: tuple[SingularDirection, ...]) -> Check:
    if not directions:
        text = "Every combination of random effects has a variance."
        if not fit.terms:
            text = "The model has no random effects."
        return Check("singularity", 0.0, np.nan, "ok", text)
    text = f"{'; '.join(direction.text for direction in directions)}."
    return Check("singularity", float(len(directions)), np.nan, "look", text[0].upper() + text[1:])


def _frame(checks: list[Check]) -> pd.DataFrame:
    return pd.DataFrame({name: [getattr(check, name) for check in checks] for name in CHECKS})
