"""The tables of the stage ``tables``: what was estimated, one function per table.

Rows stand in the order of the candidates (that of the YAML), within a model in lme4's order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType

import numpy as np
import pandas as pd

from mmfit.formula.unidentified import unidentified_text
from mmfit.inference import FittedModel, anova, random_effects, tidy, varcorr
from mmfit.selection.records import Candidate
from mmfit.tables.frames import Frames, frame_of, frame_of_rows, stacked
from mmfit.tables.residuals import residuals
from mmfit.tables.schema import LEVEL, TABLES

ANOVA_TYPES = (1, 2, 3)
QUARTILES = (0, 0.25, 0.5, 0.75, 1)


def models_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """A row per model and criterion; ``deviance`` is -2 log-likelihood or the REML criterion."""
    rows = [
        {
            "model": candidate.name,
            "formula": fit.formula,
            "criterion": fit.criterion,
            "npar": fit.npar,
            "nobs": fit.nobs,
            "log_lik": fit.log_lik,
            "deviance": fit.objective,
            "aic": fit.aic,
            "bic": fit.bic,
            "sigma": fit.sigma,
            "singular": fit.singular,
            "converged": fit.converged,
            "unidentified": unidentified_text(fit.unidentified),
        }
        for candidate in candidates
        for fit in candidate.fits.values()
    ]
    return frame_of_rows("models", rows)


def coefficients_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """Fixed effects of the REML fits with t tests and 95% Wald intervals.

    ``df`` names the method for the degrees of freedom, as in the analysis file.
    """
    return _by_model(
        "coefficients",
        ((c, tidy(c.reported_model, df=df, level=LEVEL)) for c in candidates),
    )


def variance_components_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """Variances and covariances of the REML fits (see ``mmfit.inference.varcorr``).

    ``note`` says of an entry why the data do not tell it.
    """
    return _by_model(
        "variance_components", ((c, _noted_varcorr(c.reported_model)) for c in candidates)
    )


def _noted_varcorr(model: FittedModel) -> pd.DataFrame:
    table = varcorr(model)
    told = {one: record.text for record in model.fit.unidentified for one in record.parameters}
    names = zip(table["group"], table["term_1"], table["term_2"].fillna(""), strict=True)
    return table.assign(note=[told.get(name, "") for name in names])


def random_effects_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """Conditional modes of the REML fits (see ``mmfit.inference.random_effects``)."""
    return _by_model(
        "random_effects",
        ((c, random_effects(c.reported_model, LEVEL)) for c in candidates),
    )


def anova_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """F tests of types I, II and III of the fixed terms of the REML fits."""
    return _by_model(
        "anova",
        (
            (c, anova(c.reported_model, type=type_, df=df).assign(type=type_))
            for c in candidates
            for type_ in ANOVA_TYPES
        ),
    )


def residual_quantiles_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """Minimum, quartiles (R's type 7) and maximum of the scaled residuals of the REML fits."""
    names = TABLES["residual_quantiles"].header[1:]
    rows = [
        {"model": candidate.name}
        | dict(zip(names, np.quantile(residuals(candidate).scaled, QUARTILES), strict=True))
        for candidate in candidates
    ]
    return frame_of_rows("residual_quantiles", rows)


def fixed_correlation_table(candidates: Sequence[Candidate], df: str) -> pd.DataFrame:
    """Covariances and correlations of the fixed effects of the REML fits, each pair once.

    Missing where no data tell a coefficient's variance.
    """
    rows = []
    for candidate in candidates:
        fit = candidate.reported
        hidden = fit.uncertainty.confounding
        told = (
            np.ones(len(fit.fixef)) if hidden is None else ~hidden.concerns(np.eye(len(fit.fixef)))
        )
        vcov = np.where(np.outer(told, told), fit.vcov, np.nan)
        sd = np.sqrt(np.diag(vcov))
        for i, j in combinations(range(len(sd)), 2):
            covariance = float(vcov[i, j])
            names = fit.fixed_names[i], fit.fixed_names[j]
            values = (candidate.name, *names, covariance, covariance / (sd[i] * sd[j]))
            rows.append(dict(zip(TABLES["fixed_correlation"].header, values, strict=True)))
    return frame_of_rows("fixed_correlation", rows)


COMPUTED: Mapping[str, Callable[[Sequence[Candidate], str], pd.DataFrame]] = MappingProxyType(
    {
        "models": models_table,
        "coefficients": coefficients_table,
        "variance_components": variance_components_table,
        "random_effects": random_effects_table,
        "anova": anova_table,
        "residual_quantiles": residual_quantiles_table,
        "fixed_correlation": fixed_correlation_table,
    }
)
"""What makes each table of the stage, from the candidates and the method for the df."""


def model_tables(candidates: Sequence[Candidate], df: str) -> Frames:
    """Every table of the stage ``tables`` by name."""
    return {name: table(candidates, df) for name, table in COMPUTED.items()}


def _by_model(name: str, parts: Iterable[tuple[Candidate, pd.DataFrame]]) -> pd.DataFrame:
    return stacked(
        name, [frame_of(name, part.assign(model=candidate.name)) for candidate, part in parts]
    )
