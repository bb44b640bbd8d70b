"""How stable a selection is, and its coefficients with the selection counted."""

import pandas as pd

from mmfit.report.blocks import PageTable, rows_of, table
from mmfit.report.words.fits import interval_texts
from mmfit.report.words.numbers import column, count, fixed, p_text

MOST_ROWS = 30
_MEANING = (
    "On the left the model is taken as given; on the right its selection is counted: among all "
    "data sets in which the selection reports the coefficient, the intervals cover the value that "
    "it has in the richest model in 95%, and p is below 0.05 in 5% where that value is 0."
)
_PARTS = (
    "The richest model has all that the selection could keep: where that is an interaction which "
    "the chosen model lacks, or a covariate, a coefficient is there the one at its reference level "
    "or at zero, another quantity with a longer interval."
)
_JUST_KEPT = (
    "A coefficient had to come out large to stand here. One that was only just kept has a large p "
    "on the right: that it passed the bound it had to pass says little. It is no evidence that "
    "there is no effect."
)


def stability_table(stability: pd.DataFrame) -> PageTable | None:
    """How often each model was chosen again, and each term kept; None without an audit."""
    if not len(stability):
        return None
    part = stability.head(MOST_ROWS)
    texts = [
        [str(value) for value in part["kind"]],
        [str(value) for value in part["model"]],
        ["yes" if chosen else "" for chosen in part["chosen"]],
        [count(int(value)) for value in part["count"]],
        [fixed(value, 3) for value in part["frequency"]],
        [
            f"{fixed(low, 2)} to {fixed(high, 2)}"
            for low, high in zip(part["mc_low"], part["mc_high"], strict=True)
        ],
    ]
    heads = [("", "text"), ("Model or term", "code"), ("Chosen here", "text")]
    heads += [("Times", "number"), ("Frequency", "number"), ("95% interval", "number")]
    notes = []
    if len(stability) > MOST_ROWS:
        notes.append(f"The first {count(MOST_ROWS)} of {count(len(stability))} rows.")
    marked = [i for i, chosen in enumerate(part["chosen"]) if chosen]
    return table("The selection repeated on new data", heads, rows_of(texts), marked, notes)


def after_selection_table(after: pd.DataFrame) -> PageTable | None:
    """The chosen model's coefficients, naive beside selection-inclusive; None without an audit."""
    if not len(after):
        return None
    counted = after[["conf_low_selection", "conf_high_selection"]]
    texts = [
        [str(term) for term in after["term"]],
        column(after["estimate"].tolist(), 4),
        interval_texts(after),
        [p_text(p) for p in after["p_value"]],
        [fixed(share, 2) for share in after["frequency"]],
        column(after["estimate_selection"].tolist(), 4),
        interval_texts(counted.set_axis(["conf_low", "conf_high"], axis=1)),
        [p_text(p) for p in after["p_value_selection"]],
    ]
    heads = [("", "code"), ("Estimate", "number"), ("95% interval", "number"), ("p", "number")]
    heads += [("Reported in", "number"), ("Estimate, selection counted", "number")]
    heads += [("95% interval, selection counted", "number"), ("p, selection counted", "number")]
    notes = [_MEANING, _PARTS, _JUST_KEPT, *_notes(after)]
    return table("Coefficients with the selection counted", heads, rows_of(texts), notes=notes)


def _notes(after: pd.DataFrame) -> list[str]:
    """Each note once, behind the terms that it is about."""
    terms: dict[str, list[str]] = {}
    for term, note in zip(after["term"], after["note"], strict=True):
        if note is not None:
            terms.setdefault(note, []).append(term)
    return [f"{', '.join(names)}: {note.rstrip('.')}." for note, names in terms.items()]
