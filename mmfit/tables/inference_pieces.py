"""The questions that an analysis asks of one model, in the order of the tables.

By the REML fit, as the tables of coefficients are; but the profile is that of the ML fit, and the
conditional AIC is, too, so that models with other fixed parts can be compared by it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd

from mmfit import inference
from mmfit.expression import variables
from mmfit.expression.labels import require_distinct
from mmfit.formula.names import column_names
from mmfit.inference.intervals.parameters import estimates, fixed_parameters, parameters
from mmfit.inference.marginal.predictors import label_text
from mmfit.selection.pair_tests.ranova import ranova
from mmfit.selection.records import Candidate, NullSettings
from mmfit.spec import BootstrapSpec, InferenceSpec, PredictionSpec

Rows = Mapping[str, pd.DataFrame]

CURVES = 0.99
"""Coverage that the profile curves reach, or that of the intervals where this is larger."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What an analysis asks for.

    Attributes
    ----------
    inference : InferenceSpec.
    bootstrap : BootstrapSpec, of bootstrap intervals, and of tests of random terms that need it.
    df : str, method for the degrees of freedom.
    new_rows : DataFrame or None, the rows to predict.
    searched : bool, whether the model called ``mmfit.spec.SELECTED`` is that of a search.
    """

    inference: InferenceSpec
    bootstrap: BootstrapSpec
    df: str
    new_rows: pd.DataFrame | None = None
    searched: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One question asked of one model: answered, or refused as a whole.

    Attributes
    ----------
    table : str, the table that it fills (the first one, if several).
    what : str, the question in words, for the note where it is refused; empty where the table says
        it already.
    answer : function without arguments, to the rows by table: every column but ``model``; others
        than the table's are passed over.
    named : str, what the analysis asks for by name, with its key; empty for what is asked of every
        model alike. Pieces with the same text belong together.
    """

    table: str
    what: str
    answer: Callable[[], Rows]
    named: str = ""


def pieces(candidate: Candidate, wanted: Wanted) -> Iterator[Piece]:
    """Everything that is asked of the model."""
    asked, fit = wanted.inference, candidate.reported

    def piece(table: str, what: str, answer: Callable[..., Rows], *args: Any) -> Piece:
        return Piece(table, what, partial(answer, candidate, wanted, *args))

    yield piece("coefficients", "", coefficient_notes)
    for method in asked.intervals:
        yield piece("intervals", f"{method} intervals", _INTERVALS[method])
    if asked.term_tests:
        yield piece("term_tests", "", term_tests)
    if asked.random_term_tests and fit.terms:
        yield piece("random_term_tests", "", random_term_tests)
    if asked.measures:
        yield piece("measures", "R squared", r_squared)
        yield piece("measures", "intraclass correlation", intraclass)
        yield piece("measures", "conditional AIC", conditional_aic)
    for factor in _factors(candidate, asked.means):
        named = "" if asked.means == "all" else f"inference.means: means by {factor}"
        for part in (
            piece("means", f"means by {factor}", means, factor),
            piece("contrasts", f"differences by {factor}", contrasts, factor),
        ):
            yield replace(part, named=named)
    for covariate, by in asked.slopes.items():
        within = f" by {':'.join(by)}" if by else ""
        part = piece("slopes", f"slope of {covariate}", slopes, covariate, by)
        yield replace(part, named=f"inference.slopes: slope of {covariate}{within}")
    if asked.influence and fit.terms:
        yield piece("influence", "", influence)
    if asked.diagnosis:
        yield piece("diagnosis", "", diagnosis)
    if asked.predictions is not None:
        part = piece("predictions", "predictions", predictions)
        yield replace(part, named=f"inference.predictions: {asked.predictions.file}")


def coefficient_notes(candidate: Candidate, wanted: Wanted) -> Rows:
    """What must be said of ``coefficients.csv``, ``anova.csv`` and ``random_effects.csv``."""
    model = candidate.reported_model
    said = inference.tidy(model, df=wanted.df).attrs["note"]
    notes = [("coefficients", said)] if said else []
    for kind in (1, 2, 3):
        note = inference.anova(model, kind, wanted.df).attrs["note"]
        notes += [("anova", f"type {kind}: {note}")] if note else []
    modes = inference.random_effects(model)
    unidentified = int(modes["std_error"].isna().sum())
    if unidentified:
        text = "conditional modes, or their variances, follow by covariances that no data tell."
        notes.append(("random_effects", f"{unidentified} of {len(modes)} {text}"))
    return {"inference_notes": pd.DataFrame(notes, columns=["table", "text"])}


def profile_intervals(candidate: Candidate, wanted: Wanted) -> Rows:
    """Likelihood intervals of all parameters, and the curves that they are read off."""
    level = wanted.inference.level
    profile = inference.profile_likelihood(candidate.model("ML"), level=max(level, CURVES))
    intervals = profile.interval(level).assign(method="profile", level=level)
    intervals.attrs["notes"] = list(profile.notes)
    return {"intervals": intervals, "profiles": profile.curves}


def wald_intervals(candidate: Candidate, wanted: Wanted) -> Rows:
    """Wald intervals of the fixed effects, with the degrees of freedom of the analysis."""
    level = wanted.inference.level
    table = inference.tidy(candidate.reported_model, df=wanted.df, level=level)
    table = table.assign(parameter=fixed_parameters(candidate.reported))
    return {"intervals": table.assign(method="wald", level=level)}


def bootstrap_intervals(candidate: Candidate, wanted: Wanted) -> Rows:
    """Percentile intervals of all parameters over data sets simulated from the fit."""
    level, settings = wanted.inference.level, wanted.bootstrap
    fit = candidate.reported
    table = inference.confint(
        candidate.reported_model,
        method="bootstrap",
        level=level,
        replicates=settings.replicates,
        seed=settings.seed,
    )
    known = dict(zip((p.name for p in parameters(fit)), estimates(fit), strict=True))
    found = [known[name] for name in table["parameter"]]
    return {"intervals": table.assign(method="bootstrap", level=level, estimate=found)}


_INTERVALS = {
    "profile": profile_intervals,
    "wald": wald_intervals,
    "bootstrap": bootstrap_intervals,
}


def term_tests(candidate: Candidate, wanted: Wanted) -> Rows:
    """F tests of the fixed terms that can be dropped."""
    return {"term_tests": inference.drop1(candidate.reported_model, df=wanted.df)}


def random_term_tests(candidate: Candidate, wanted: Wanted) -> Rows:
    """Likelihood-ratio tests of the random terms."""
    settings = NullSettings.of("auto", wanted.bootstrap)
    return {"random_term_tests": ranova(candidate.reported_model, settings)}


def r_squared(candidate: Candidate, wanted: Wanted) -> Rows:
    """Marginal and conditional R squared."""
    found = inference.r_squared(candidate.reported_model)
    values = [("r2_marginal", found.marginal), ("r2_conditional", found.conditional)]
    return _measures(values, found.note)


def intraclass(candidate: Candidate, wanted: Wanted) -> Rows:
    """Intraclass correlations, the adjusted one also by grouping factor."""
    found = inference.icc(candidate.reported_model)
    values = [("icc_adjusted", found.adjusted), ("icc_unadjusted", found.unadjusted)]
    groups = [None, None, *found.by_group.index]
    values += [("icc", value) for value in found.by_group]
    return _measures(values, found.note, groups)


def conditional_aic(candidate: Candidate, wanted: Wanted) -> Rows:
    """Conditional AIC of the ML fit, its degrees of freedom and its log-likelihood."""
    found = inference.conditional_aic(candidate.model("ML"))
    values = [("caic", found.caic), ("caic_df", found.df), ("caic_log_lik", found.log_lik)]
    return _measures(values, found.note)


def _measures(
    values: list[tuple[str, float]], note: str, groups: Sequence[str | None] | None = None
) -> Rows:
    frame = pd.DataFrame(values, columns=["measure", "value"])
    return {"measures": frame.assign(group=groups or [None] * len(values), note=note)}


def means(candidate: Candidate, wanted: Wanted, factor: str) -> Rows:
    """Marginal means by the levels of a factor, or by the cells of several."""
    table = inference.means(
        candidate.reported_model,
        factor,
        df=wanted.df,
        level=wanted.inference.level,
    )
    return {"means": _labelled(table, "estimate").assign(factor=factor)}


def contrasts(candidate: Candidate, wanted: Wanted, factor: str) -> Rows:
    """Differences between all pairs of marginal means."""
    adjust = wanted.inference.adjust
    table = inference.contrasts(
        candidate.reported_model,
        factor,
        adjust=adjust,
        df=wanted.df,
        level=wanted.inference.level,
    )
    within = _labelled(table, "contrast")
    names = [
        contrast if level is None else f"{contrast} ({level})"
        for contrast, level in zip(within["contrast"], within["level"], strict=True)
    ]
    return {"contrasts": within.assign(contrast=names, factor=factor, adjust=adjust)}


def slopes(candidate: Candidate, wanted: Wanted, covariate: str, by: tuple[str, ...]) -> Rows:
    """Slopes of a covariate by the levels of factors, or the overall one."""
    table = inference.slopes(
        candidate.reported_model,
        covariate,
        by,
        df=wanted.df,
        level=wanted.inference.level,
    )
    return {"slopes": _labelled(table, "estimate").assign(covariate=covariate, by=":".join(by))}


def influence(candidate: Candidate, wanted: Wanted) -> Rows:
    """What leaving out each level of each grouping factor changes, fixed effect by fixed effect."""
    found = inference.influence(candidate.reported_model)
    return {"influence": found.coefficients.merge(found.groups, on=["group", "level"], how="left")}


def diagnosis(candidate: Candidate, wanted: Wanted) -> Rows:
    """Convergence, singular directions and residual checks."""
    return {"diagnosis": inference.diagnose(candidate.reported_model).checks}


def predictions(candidate: Candidate, wanted: Wanted) -> Rows:
    """Predictions for the new rows, numbered from 1 as in their file.

    A row in which a variable of the model is missing has no prediction.
    """
    asked, rows = wanted.inference.predictions, wanted.new_rows
    used = [name for name in _predictors(candidate, asked) if name in rows]
    complete = rows[used].notna().all(axis=1)
    table = inference.predict(
        candidate.reported_model,
        rows[complete],
        random_effects=asked.random_effects,
        std_error=True,
        interval=asked.interval,
        level=wanted.inference.level,
    )
    notes = list(table.attrs["notes"])
    table = table.set_axis(rows.index[complete]).reindex(rows.index)
    absent = int((~complete).sum())
    if absent:
        said = f"{absent} of {len(rows)} rows lack a variable of the model and have no prediction"
        notes.append(f"{said}.")
    table.attrs["notes"] = notes
    return {"predictions": table.assign(row=table.index)}


def _predictors(candidate: Candidate, asked: PredictionSpec) -> list[str]:
    """The columns of the data that a prediction takes."""
    design = candidate.matrices.design
    formula, whole = design.formula, asked.interval == "prediction"
    names, further = list(formula.fixed_variables), list(design.offsets)
    if asked.random_effects:
        response = variables(formula.response_expression)
        names += [v for v in formula.variables if v not in response]
    elif whole:
        # A new response of the population varies by the effects left of the bars.
        further += [variable for bar in formula.random for variable in bar.terms.variables]
    if whole and design.weights is not None:
        further.append(design.weights)
    names += column_names(*(variable.expression.root for variable in further))
    return list(dict.fromkeys(names))


def _factors(candidate: Candidate, asked: str | Sequence[str]) -> Sequence[str]:
    """The factors to take means by: those asked for, or every factor of the fixed part."""
    if asked != "all":
        return asked
    return inference.mean_factors(candidate.matrices)


def _labelled(table: pd.DataFrame, first: str) -> pd.DataFrame:
    """The columns before ``first``, which hold levels, as one: ``level``, ``a:b`` for two."""
    names = list(table.columns[: table.columns.get_loc(first)])
    columns = [[label_text(label) for label in table[name]] for name in names]
    cells = list(zip(*columns, strict=True))
    distinct = list(dict.fromkeys(cells))
    require_distinct([":".join(parts) for parts in distinct], distinct)
    return table.assign(level=[":".join(parts) for parts in cells] or [None] * len(table))
