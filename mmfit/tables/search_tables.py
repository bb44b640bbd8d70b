"""The tables of the stage ``search``: its path, and how stable the selection is."""

from dataclasses import asdict

import pandas as pd

from mmfit.selection.search.after_selection_records import AfterSelection
from mmfit.selection.search.records import SearchPath
from mmfit.selection.search.stability_records import Stability
from mmfit.tables.frames import Frames, as_written, frame_of_rows


def search_tables(
    path: SearchPath | None, stability: Stability | None, after: AfterSelection | None
) -> Frames:
    """The tables of the stage by name; without rows where they are not wanted."""
    return {
        "search": search_table(path),
        "stability": stability_table(stability),
        "after_selection": after_selection_table(after),
    }


def search_table(path: SearchPath | None) -> pd.DataFrame:
    """A row per candidate that a search looked at; no rows without a search.

    Columns as the fields of ``mmfit.selection.search.records.SearchStep``.
    """
    rows = [asdict(step) for step in path.steps] if path else []
    return as_written("search", frame_of_rows("search", rows))


def stability_table(stability: Stability | None) -> pd.DataFrame:
    """A row per model chosen, per term and per failure; no rows without an audit.

    Columns as the fields of ``mmfit.selection.search.stability_records.StabilityRow``.
    """
    rows = [asdict(row) for row in stability.rows] if stability else []
    return as_written("stability", frame_of_rows("stability", rows))


def after_selection_table(after: AfterSelection | None) -> pd.DataFrame:
    """The coefficients of the chosen model with the selection counted.

    Columns as the fields of
    ``mmfit.selection.search.after_selection_records.AfterSelectionRow``.
    """
    rows = [asdict(row) for row in after.rows] if after else []
    return as_written("after_selection", frame_of_rows("after_selection", rows))
