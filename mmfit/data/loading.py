"""From an analysis to its Dataset: read or simulate, fix the rows, diagnose the design."""

import pandas as pd

from mmfit.data.checks import check_models
from mmfit.data.diagnosis import (
    Columns,
    DesignDiagnosis,
    Structure,
    diagnose_factors,
    disconnected_notes,
)
from mmfit.data.labels import reuse_notes
from mmfit.data.reading import read_table
from mmfit.data.records import Dataset, SourceRecord
from mmfit.data.rows import prepare_rows
from mmfit.data.simulation import simulate
from mmfit.errors import MmfitError
from mmfit.formula import parse
from mmfit.spec import Analysis, SimulatedData
from mmfit.spec.label_columns import spelled_columns


def load_dataset(analysis: Analysis) -> Dataset:
    """Read or simulate the data of an analysis, the same rows for all of its candidates.

    Raises
    ------
    DataError
        A file that cannot be read, columns that are not there, rows that cannot be used: see
        ``read_table`` and ``prepare_rows``.
    DataError, DesignError, FormulaError
        A simulation or candidates that these rows cannot support: see ``check_models``.
    """
    source, record = _source(analysis)
    frame, rows = prepare_rows(source, analysis)
    built = check_models(frame, analysis)
    frame = frame.reset_index(drop=True)
    return Dataset(frame, record, rows, diagnose(frame, analysis), built)


def diagnose(frame: pd.DataFrame, analysis: Analysis) -> DesignDiagnosis:
    """Describe how the grouping factors of all candidates lie to each other in these rows."""
    structures = tuple(_structure(model.formula) for model in analysis.specs.values())
    factors = _factors(analysis)
    records, pairs = diagnose_factors(frame, factors)
    singles = dict.fromkeys(column for columns in factors.values() for column in columns)
    declared = (column for column in analysis.data.categorical if column in frame.columns)
    data = analysis.data
    known = data.simulate.factors if isinstance(data, SimulatedData) else None
    reused = reuse_notes(frame, tuple(dict.fromkeys((*singles, *declared))), structures, known)
    return DesignDiagnosis(records, pairs, (*reused, *disconnected_notes(pairs)))


def _source(analysis: Analysis) -> tuple[pd.DataFrame, SourceRecord]:
    data = analysis.data
    if isinstance(data, SimulatedData):
        try:
            frame = simulate(data.simulate)
        except MmfitError as error:
            raise type(error)(f"{analysis.path}: data.simulate: {error}") from None
        return frame, SourceRecord("simulation", seed=data.simulate.seed)
    table = read_table(data.file, data.sha256, spelled_columns(analysis))
    return table.frame, SourceRecord("file", file=table.file, sha256=table.sha256)


def _structure(formula: str) -> Structure:
    return tuple(dict.fromkeys(bar.grouping.columns for bar in parse(formula).random))


def _factors(analysis: Analysis) -> dict[str, Columns]:
    """Every grouping factor once, whatever the order in which its columns are written."""
    known: set[frozenset[str]] = set()
    factors: dict[str, Columns] = {}
    for model in analysis.specs.values():
        for bar in parse(model.formula).random:
            columns = frozenset(bar.grouping.columns)
            if columns not in known:
                known.add(columns)
                factors[bar.grouping.name] = bar.grouping.columns
    return factors
