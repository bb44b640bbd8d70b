"""A Dataset on disk: ``data.parquet`` and ``design.json``, the same bytes for the same data."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from mmfit.common.files import replacing, write_text
from mmfit.data.diagnosis import DesignDiagnosis, DesignNote, FactorRecord, PairRecord
from mmfit.data.records import Dataset, MissingCount, RowReport, SourceRecord
from mmfit.errors import DataError

DATA_FILE = "data.parquet"
DESIGN_FILE = "design.json"
_METADATA = b"mmfit"

Rows = tuple[pd.DataFrame, SourceRecord, RowReport]
"""The rows used, where they came from, and what became of the others."""


def write_dataset(dataset: Dataset, folder: str | Path) -> None:
    """Write ``data.parquet`` and ``design.json`` to a folder, each whole or not at all.

    Raises OSError when the folder cannot be written.
    """
    design = _design_text(dataset)
    write_rows(dataset, folder)
    write_text(Path(folder) / DESIGN_FILE, design)


def write_rows(dataset: Dataset, folder: str | Path) -> Rows:
    """Write ``data.parquet`` alone; the rows are given back as :func:`read_rows` reads them.

    Raises OSError when the folder cannot be written.
    """
    table = pa.Table.from_pandas(dataset.frame, preserve_index=False)
    # In place of pandas' own metadata, which hold the versions of its makers, those of the rows:
    # with them the design can be diagnosed anew from this file alone.
    rows = {"source": asdict(dataset.source), "rows": asdict(dataset.row_report)}
    table = table.replace_schema_metadata({_METADATA: json.dumps(rows, allow_nan=False)})
    with replacing(Path(folder) / DATA_FILE) as temporary:
        pa.parquet.write_table(table, temporary, compression="zstd")
    return _rows_of(table)


def write_design(dataset: Dataset, folder: str | Path) -> None:
    """Write ``design.json`` alone.

    Raises OSError when the folder cannot be written.
    """
    write_text(Path(folder) / DESIGN_FILE, _design_text(dataset))


def _design_text(dataset: Dataset) -> str:
    record = design_record(dataset)
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def design_record(dataset: Dataset) -> dict[str, Any]:
    """The content of ``design.json``."""
    return {
        "source": asdict(dataset.source),
        "rows": {**asdict(dataset.row_report), "in_words": list(dataset.row_report.sentences())},
        "factors": [asdict(factor) for factor in dataset.design.factors],
        "pairs": [asdict(pair) for pair in dataset.design.pairs],
        "notes": [asdict(note) for note in dataset.design.notes],
        "warnings": list(dataset.warnings),
    }


def read_rows(folder: str | Path) -> Rows:
    """Read ``data.parquet``: the rows used, where they came from, and what became of the others.

    Raises
    ------
    DataError
        If the file is not there or not one of ``write_dataset``.
    """
    folder = Path(folder)
    try:
        return _rows_of(pa.parquet.read_table(folder / DATA_FILE))
    except FileNotFoundError:
        raise _absent(folder / DATA_FILE) from None
    except (pa.ArrowInvalid, OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from None


def read_dataset(folder: str | Path) -> Dataset:
    """Read what ``write_dataset`` wrote.

    Raises
    ------
    DataError
        If the files are not there or not those of a dataset.
    """
    return Dataset(*read_rows(folder), read_design(folder))


def read_design(folder: str | Path) -> DesignDiagnosis:
    """Read ``design.json``: how the grouping factors lie to each other.

    Raises
    ------
    DataError
        If the file is not there or not one of ``write_dataset``.
    """
    folder = Path(folder)
    try:
        return _design(json.loads((folder / DESIGN_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise _absent(folder / DESIGN_FILE) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from None


def _absent(path: Path) -> DataError:
    return DataError(f"{path}: no such file; run `mmfit data` first")


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder}: not a dataset of mmfit ({error}); run `mmfit data`")


def _rows_of(table: pa.Table) -> Rows:
    record = json.loads(table.schema.metadata[_METADATA])
    frame = pd.DataFrame({name: _column(table[name]) for name in table.column_names})
    return frame, SourceRecord(**record["source"]), _row_report(record["rows"])


def _column(values: pa.ChunkedArray) -> pd.Series:
    return values.combine_chunks().to_pandas()


def _row_report(record: dict[str, Any]) -> RowReport:
    return RowReport(
        **{**record, "missing": tuple(MissingCount(**item) for item in record["missing"])}
    )


def _design(record: dict[str, Any]) -> DesignDiagnosis:
    return DesignDiagnosis(
        tuple(FactorRecord(**_tuples(item)) for item in record["factors"]),
        tuple(PairRecord(**item) for item in record["pairs"]),
        tuple(DesignNote(**_tuples(item)) for item in record["notes"]),
    )


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in record.items()}
