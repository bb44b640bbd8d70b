"""The parameters of a model as lme4's ``confint(fit, oldNames = FALSE)`` names and orders them.

Term by term the lower triangle of the correlation matrix column by column, standard deviations on
its diagonal; then the residual standard deviation; then the fixed effects.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine.records import Fit
from mmfit.formula.names import distinct
from mmfit.inference.precision.degrees_of_freedom import unidentified_coefficients


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes
    ----------
    name : str, e.g. ``sd_Days|Subject``, ``cor_Days.(Intercept)|Subject``, ``sigma``, ``Days``.
    kind : ``sd``, ``cor``, ``sigma`` or ``fixed``.
    index : int, its random term or its fixed effect.
    row, column : int, which effects of the term; equal for a standard deviation.
    """

    name: str
    kind: str
    index: int = -1
    row: int = -1
    column: int = -1


def parameters(fit: Fit) -> tuple[Parameter, ...]:
    """All parameters of a fit, in lme4's order; names are unique.

    Where two have one name (a factor ``time`` of level ``2`` beside a covariate ``time2``), the
    second is ``time2 [2]``.
    """
    out: list[Parameter] = []
    for t, term in enumerate(fit.terms):
        for column, first in enumerate(term.effects):
            out.append(Parameter(f"sd_{first}|{term.grouping}", "sd", t, column, column))
            out.extend(
                Parameter(f"cor_{second}.{first}|{term.grouping}", "cor", t, row, column)
                for row, second in enumerate(term.effects)
                if row > column
            )
    out.append(Parameter("sigma", "sigma"))
    out.extend(Parameter(name, "fixed", j) for j, name in enumerate(fit.fixed_names))
    names = distinct([p.name for p in out])
    return tuple(replace(p, name=name) for p, name in zip(out, names, strict=True))


def fixed_parameters(fit: Fit) -> list[str]:
    """The names of the fixed effects among the parameters."""
    return [p.name for p in parameters(fit) if p.kind == "fixed"]


def unidentified_parameters(fit: Fit) -> np.ndarray:
    """(P,) bool: the parameters that are fixed effects whose variance no data tell."""
    out = np.zeros(len(parameters(fit)), dtype=bool)
    out[len(out) - len(fit.fixef) :] = unidentified_coefficients(fit)
    return out


def parameter_values(
    wanted: tuple[Parameter, ...],
    covariances: tuple[np.ndarray, ...],
    sigma: np.ndarray,
    fixef: np.ndarray,
) -> np.ndarray:
    """(B, len(wanted)) values at covariances (B, q, q) per term, sigma (B,) and fixef (B, p).

    Standard deviations and fixed effects are in their own units; a correlation with an effect of
    variance zero is NaN.
    """
    out = np.empty((len(sigma), len(wanted)))
    for i, parameter in enumerate(wanted):
        if parameter.kind == "sigma":
            out[:, i] = sigma
        elif parameter.kind == "fixed":
            out[:, i] = fixef[:, parameter.index]
        else:
            out[:, i] = _of_term(covariances[parameter.index], parameter.row, parameter.column)
    return out


def estimates(fit: Fit) -> np.ndarray:
    """(len(parameters(fit)),) the estimates of :func:`parameters`."""
    return parameter_values(
        parameters(fit),
        tuple(term.covariance[None] for term in fit.terms),
        np.array([fit.sigma]),
        fit.fixef[None],
    )[0]


def _of_term(covariance: np.ndarray, row: int, column: int) -> np.ndarray:
    if row == column:
        return np.sqrt(covariance[:, row, row])
    scale = np.sqrt(covariance[:, row, row] * covariance[:, column, column])
    value = covariance[:, row, column] / np.where(scale > 0, scale, 1.0)
    return np.where(scale > 0, np.clip(value, -1.0, 1.0), np.nan)
