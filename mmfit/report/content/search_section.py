"""The path of a search and how stable its outcome is."""

import pandas as pd

from mmfit.report.blocks import PageTable, rows_of, table
from mmfit.report.words.numbers import count, fixed

MOST_ROWS = 30


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
