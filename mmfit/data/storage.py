"""A Dataset on disk: ``data.parquet`` and ``design.json``, the same bytes for the same data."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from mmfit.common.files import replacing, write_text
from mmfit.common.json_records import plain, record_of, to_json
from mmfit.data.diagnosis import DesignDiagnosis
from mmfit.data.records import Dataset, RowReport, SourceRecord
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
    rows = plain({"source": dataset.source, "rows": dataset.row_report})
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
    return to_json(design_record(dataset))


def design_record(dataset: Dataset) -> dict[str, Any]:
    """The content of ``design.json``."""
    return {
        "source": dataset.source,
        "rows": {**plain(dataset.row_report), "in_words": dataset.row_report.sentences()},
        "factors": dataset.design.factors,
        "pairs": dataset.design.pairs,
        "notes": dataset.design.notes,
        "warnings": dataset.warnings,
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
    except (pa.ArrowInvalid, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
        record = json.loads((folder / DESIGN_FILE).read_text(encoding="utf-8"))
        own = {name: record[name] for name in ("factors", "pairs", "notes")}
        return record_of(own, DesignDiagnosis)
    except FileNotFoundError:
        raise _absent(folder / DESIGN_FILE) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(folder, error) from None


def _absent(path: Path) -> DataError:
    return DataError(f"{path}: no such file; run `mmfit data` first")


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder}: not a dataset of mmfit ({error}); run `mmfit data`")


def _rows_of(table: pa.Table) -> Rows:
    record = json.loads(table.schema.metadata[_METADATA])
    frame = pd.DataFrame({name: _column(table[name]) for name in table.column_names})
    source = record_of(record["source"], SourceRecord)
    return frame, source, record_of(record["rows"], RowReport)


def _column(values: pa.ChunkedArray) -> pd.Series:
    return values.combine_chunks().to_pandas()
