"""search.csv and stability.csv: columns fixed here, rows in the order of the records."""

from dataclasses import asdict

import pandas as pd

from mmfit.selection.search.records import STEP_FIELDS, SearchPath
from mmfit.selection.search.stability_records import Stability

STABILITY = ("kind", "model", "chosen", "count", "frequency", "mc_low", "mc_high")
_INTEGERS = {"step", "df", "count"}
_FLOATS = {"chisq", "p_value", "aic", "bic", "caic", "frequency", "mc_low", "mc_high"}


def search_table(path: SearchPath | None) -> pd.DataFrame:
    """A row per candidate that a search looked at; no rows without a search.

    Columns as the fields of ``mmfit.selection.search.records.SearchStep``.
    """
    return _table([asdict(step) for step in path.steps] if path else [], STEP_FIELDS)


def stability_table(stability: Stability | None) -> pd.DataFrame:
    """A row per model chosen, per term and per failure; no rows without an audit.

    Columns as the fields of ``mmfit.selection.search.stability_records.StabilityRow``.
    """
    return _table([asdict(row) for row in stability.rows] if stability else [], STABILITY)


def _table(records: list[dict], columns: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {name: pd.Series([r[name] for r in records], dtype=object) for name in columns}
    )
    kinds = {name: "Int64" for name in columns if name in _INTEGERS}
    return frame.astype(kinds | {name: float for name in columns if name in _FLOATS})
