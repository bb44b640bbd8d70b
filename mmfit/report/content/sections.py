"""The sections before the chosen model: candidates, comparisons, selection."""

from collections.abc import Sequence

from mmfit.report.blocks import PageTable, rows_of, table
from mmfit.report.content.null_section import distribution_text
from mmfit.report.records import ReportInput
from mmfit.report.words.laws import deciding_sentence, grounds_of
from mmfit.report.words.numbers import column, count, fixed, p_text, plural, typeset_powers
from mmfit.selection.records import Comparison, Ranking, Selection


def candidates_table(report: ReportInput) -> PageTable:
    """Every candidate with both criteria and the state of its fits; the chosen one marked."""
    reml = [candidate.reported for candidate in report.candidates]
    ml = [candidate.fit_by("ML") for candidate in report.candidates]
    texts = [
        [candidate.name for candidate in report.candidates],
        [candidate.matrices.formula for candidate in report.candidates],
        [str(fit.npar) for fit in reml],
        [fixed(fit.objective, 2) for fit in reml],
        [fixed(fit.objective, 2) for fit in ml],
        column([fit.sigma for fit in reml], 4),
        [state_words(candidate.fits.values()) for candidate in report.candidates],
    ]
    heads = [
        ("Model", "code"),
        ("Formula", "code"),
        ("Parameters", "number"),
        ("REML criterion", "number"),
        ("−2 log-likelihood (ML)", "number"),
        ("Residual std. dev.", "number"),
        ("Fits", "text"),
    ]
    return table("Candidate models", heads, rows_of(texts), marked=[_place(report)])


def state_words(fits) -> str:
    """``regular``, or what is wrong with one or both of the fits of a model."""
    states = []
    for fit in fits:
        if not fit.converged:
            states.append(f"{fit.criterion} not converged")
        elif fit.singular:
            states.append(f"{fit.criterion} singular")
    return ", ".join(states) or "regular"


def candidate_notes(report: ReportInput) -> list[str]:
    """Which columns of the fixed part were left out, and which covariances the data do not tell."""
    dropped = [
        f"{candidate.name}: the fixed part is rank deficient; left out: "
        f"{', '.join(candidate.matrices.dropped)}."
        for candidate in report.candidates
        if candidate.matrices.dropped
    ]
    records = [
        (candidate.name, record)
        for candidate in report.candidates
        for record in candidate.reported.unidentified
    ]
    return dropped + [f"{name}: {record.text}." for name, record in records]


def comparison_tables(comparisons: Sequence[Comparison]) -> list[PageTable]:
    """Likelihood-ratio tests of the valid pairs; the other pairs with their reasons, no number."""
    valid = [comparison for comparison in comparisons if comparison.valid]
    refused = [comparison for comparison in comparisons if not comparison.valid]
    tables = []
    if valid:
        tables.append(_tests_table(valid))
    if refused:
        rows = [(c.null, c.alternative, "refused", _because(c)) for c in refused]
        heads = [("Model", "code"), ("Model", "code"), ("Test", "text"), ("Reason", "prose")]
        tables.append(table("Pairs that no likelihood-ratio test can compare", heads, rows))
    return tables


def _tests_table(valid: Sequence[Comparison]) -> PageTable:
    texts = [
        [comparison.null for comparison in valid],
        [comparison.alternative for comparison in valid],
        [comparison.criterion for comparison in valid],
        [fixed(comparison.chisq, 3) for comparison in valid],
        [str(comparison.df) for comparison in valid],
        [p_text(comparison.p_value_chi2) for comparison in valid],
        [p_text(comparison.p_value) for comparison in valid],
        [distribution_text(comparison.null_distribution) for comparison in valid],
        [_because(comparison) for comparison in valid],
    ]
    heads = [
        ("Null", "code"),
        ("Alternative", "code"),
        ("Fits", "text"),
        ("χ²", "number"),
        ("df", "number"),
        ("p (plain χ²)", "number"),
        ("p (decides)", "number"),
        ("Null distribution", "text"),
        ("Why", "prose"),
    ]
    return table("Likelihood-ratio tests", heads, rows_of(texts))


def comparison_paragraphs(comparisons: Sequence[Comparison]) -> list[str]:
    """How many pairs were tested, and how the two p-values differ."""
    if not comparisons:
        return ["There is one candidate, and so nothing to compare."]
    decided = [grounds_of(pair.decided_by) for pair in comparisons if pair.valid]
    total = len(comparisons)
    texts = [f"{count(len(decided))} of {plural(total, 'pair')} can be tested by likelihood ratio."]
    if decided:
        texts.append(
            f"{deciding_sentence(decided)} The plain p-value takes χ² with as many degrees of "
            "freedom as there are parameters between the models: where few groups carry a fixed "
            "effect it is too small, and where the smaller model puts a variance at zero, the edge "
            "of its range, too large. The next table has all p-values side by side."
        )
    return texts


def steps_words(selection: Selection) -> list[str]:
    """The steps of the selection, in words, in the order taken."""
    return [_typeset(step.text) for step in selection.steps]


def _typeset(text: str) -> str:
    """Chi-squares and powers of ten as they are printed."""
    text = typeset_powers(text, before="p = |chi-square: |95%: | to ")
    return distribution_text(text).replace("chi-square", "χ²")


def ranking_table(ranking: Ranking, chosen: str) -> PageTable:
    """Candidates by AIC or BIC, best first."""
    models = ranking.models
    texts = [
        [str(model.rank) for model in models],
        [model.model for model in models],
        [fixed(model.value, 2) for model in models],
        [fixed(model.delta, 2) for model in models],
        [fixed(model.weight, 3) for model in models],
        ["singular" if model.singular else "" for model in models],
    ]
    heads = [
        ("Rank", "text"),
        ("Model", "code"),
        (ranking.measure, "number"),
        ("Difference", "number"),
        ("Weight", "number"),
        ("", "text"),
    ]
    marked = [index for index, model in enumerate(models) if model.model == chosen]
    caption = f"Ranking by {ranking.measure} ({ranking.criterion} fits)"
    return table(caption, heads, rows_of(texts), marked, notes=(ranking.text,))


def _because(comparison: Comparison) -> str:
    """Reason and note, unaltered, because they may begin with the name of a model."""
    return "; ".join(text for text in (comparison.reason, comparison.note) if text)


def _place(report: ReportInput) -> int:
    return [candidate.name for candidate in report.candidates].index(report.selection.chosen)
