"""Complete report inputs from hand-made candidates: real spec, real comparisons, real selection."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

from mmfit.data.diagnosis import DesignDiagnosis, DesignNote, diagnose_factors
from mmfit.data.records import Dataset, MissingCount, RowReport, SourceRecord
from mmfit.report.records import ReportInput
from mmfit.selection import Candidate, compare_all, select_model
from mmfit.spec import load_analysis
from mmfit.tables.frames import empty_tables
from mmfit.tables.model_tables import model_tables
from mmfit.tables.residuals import residuals

WARNING = "clinic 1 occurs in every region <b>: nesting was probably meant & not written."


def report_input(
    folder: Path,
    candidates: Sequence[Candidate],
    frame: pd.DataFrame,
    factors: Sequence[str],
    title: str = "A title",
    df: str = "satterthwaite",
) -> ReportInput:
    """An analysis of ``frame`` (written to ``folder``) with these candidates, half of it invented:
    two rows excluded, one incomplete, one warning."""
    source = folder / "data.csv"
    frame.to_csv(source, index=False)
    path = folder / "study.yaml"
    spec = {
        "title": title,
        "data": {"file": str(source), "categorical": list(factors)},
        "models": {c.name: c.matrices.formula for c in candidates},
        "df": df,
    }
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    n = len(frame)
    frame = frame.astype(dict.fromkeys(factors, str)).astype(dict.fromkeys(factors, "category"))
    records, pairs = diagnose_factors(frame, {name: (name,) for name in factors})
    note = DesignNote("reused labels", "warning", tuple(factors), WARNING)
    rows = RowReport(n + 3, "Days >= 0", 2, 1, (MissingCount("Days", 1),), n)
    dataset = Dataset(
        frame,
        SourceRecord("file", str(source), "ab" * 32),
        rows,
        DesignDiagnosis(records, pairs, (note,)),
    )
    comparisons = compare_all(candidates)
    selection = select_model(candidates, comparisons)
    tables = {**empty_tables(), **model_tables(candidates, df)}
    chosen = next(c for c in candidates if c.name == selection.chosen)
    return ReportInput(
        load_analysis(path),
        dataset,
        tuple(candidates),
        comparisons,
        selection,
        tables,
        residuals(chosen),
    )
