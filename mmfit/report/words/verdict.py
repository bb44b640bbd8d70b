"""The first paragraph of the report: what was decided, on what grounds, and what to beware of."""

from mmfit.report.records import ReportInput
from mmfit.report.words.fits import interval_texts, singular_words, unidentified_words
from mmfit.report.words.numbers import column, fixed, listed, p_phrase, plural
from mmfit.selection.records import Ranking, Selection, SelectionStep
from mmfit.spec.search import SELECTED

MOST_EFFECTS = 3


def verdict(report: ReportInput) -> tuple[str, ...]:
    """The chosen model, the tests that decided, and whether AIC and BIC agree."""
    chosen = report.chosen
    number = len(report.candidates)
    texts = [_opening(report)]
    decisions = decision_words(report.selection)
    if decisions:
        texts.append(decisions)
    effects = _effects(report)
    if effects:
        texts.append(effects)
    if number > 1:
        texts.append(ranking_words(report.selection.rankings, chosen.name))
    return tuple(texts)


def _opening(report: ReportInput) -> str:
    """What the chosen model is, of how many, or of which search."""
    chosen, asked = report.chosen, report.analysis.selection
    where = (
        f"for {chosen.matrices.response}, fitted to {plural(chosen.matrices.nobs, 'observation')}."
    )
    if asked.search is not None and chosen.name == SELECTED:
        ways = {"lrt": "likelihood-ratio tests", "caic": "the conditional AIC"}
        by = ways.get(asked.criterion, asked.criterion.upper())
        article = "an" if asked.search == "exhaustive" else "a"
        found = f"is what {article} {asked.search} search by {by} ends with"
        return f"{chosen.name} {found} {where}{_stability_words(report)}"
    number = len(report.candidates)
    among = "the only candidate" if number == 1 else f"chosen among {number} candidates"
    return f"{chosen.name} is {among} {where}{_stability_words(report)}"


def _stability_words(report: ReportInput) -> str:
    """How often the audit chose the same model again; empty without an audit."""
    stability = report.tables["stability"]
    models = stability[stability["kind"] == "model"]
    again = models[models["chosen"]]
    if not len(again):
        return ""
    row = again.iloc[0]
    total = round(row["count"] / row["frequency"]) if row["frequency"] > 0 else 0
    if not total:
        return " Repeated on new data, the selection never ended with it."
    return (
        f" Repeated on {plural(total, 'new data set')}, the selection ended with the same model in "
        f"{100 * row['frequency']:.0f}% of them."
    )


def alerts(report: ReportInput) -> tuple[str, ...]:
    """What is wrong with the chosen model's fit, what a search does, which fits have failed."""
    texts = []
    if report.analysis.selection.search is not None:
        text = (
            "The tests and intervals below take the model as given. It was searched for in the "
            "same data, which makes p-values smaller and intervals narrower than they should be."
        )
        if len(report.tables["after_selection"]):
            text += " The table of coefficients with the selection counted has others."
        texts.append(text)
    unknown = unidentified_words(report.chosen.reported)
    texts += [f"{report.chosen.name}: {text}" for text in unknown]
    singular = singular_words(report.chosen.reported)
    if singular is not None:
        texts.append(f"{report.chosen.name}: {singular}")
    failed = [
        f"{candidate.name} ({fit.criterion})"
        for candidate in report.candidates
        for fit in candidate.fits.values()
        if not fit.converged
    ]
    if failed:
        texts.append(
            f"Not converged: {listed(failed)}. Their numbers are no optimum and no test uses them."
        )
    return tuple(texts)


def decision_words(selection: Selection) -> str:
    """Every comparison on the way with its grounds; empty where there was none."""
    decisions = [_decision(step) for step in selection.steps if step.method is not None]
    return f"On the way: {'; '.join(decisions)} (α = {selection.alpha:g})." if decisions else ""


def _decision(step: SelectionStep) -> str:
    """``m2 rather than m1 (REML, χ² = 25.93, p < 0.001)``."""
    other = step.null if step.decision == step.alternative else step.alternative
    if step.method == "test":
        kind = " by the plain χ²" if step.p_value_kind == "plain" else ""
        grounds = f"{step.criterion}, χ² = {fixed(step.chisq, 2)}, {p_phrase(step.p_value)}{kind}"
    else:
        grounds = f"neither contains the other; AIC, {step.criterion}"
    return f"{step.decision} rather than {other} ({grounds})"


def _effects(report: ReportInput) -> str:
    """The slopes of a small fixed part with their intervals; larger ones stand in the table."""
    table = report.tables["coefficients"]
    rows = table[(table["model"] == report.chosen.name) & (table["term"] != "(Intercept)")]
    if not 1 <= len(rows) <= MOST_EFFECTS:
        return ""
    intervals = interval_texts(rows)
    estimates = column(rows["estimate"].tolist(), 4)
    parts = [
        f"{term} {estimate} (95% interval {interval}, {p_phrase(p)})"
        for term, estimate, interval, p in zip(
            rows["term"], estimates, intervals, rows["p_value"], strict=True
        )
    ]
    return f"Estimates: {'; '.join(parts)}."


def ranking_words(rankings: tuple[Ranking, ...], chosen: str) -> str:
    """Whether the information criteria put the chosen model first."""
    agreeing, others = [], []
    for ranking in rankings:
        best = [model.model for model in ranking.models if model.rank == 1]
        if chosen in best:
            agreeing.append(ranking.measure)
        else:
            others.append(f"{ranking.measure} prefers {listed(best)}")
    if not others:
        return f"{listed(agreeing)} rank it first too."
    if agreeing:
        others.insert(0, f"{listed(agreeing)} ranks it first too")
    return f"{'; '.join(others)}."
