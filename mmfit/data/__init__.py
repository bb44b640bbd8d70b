"""The data of an analysis: read or simulated, rows fixed for all candidates, design diagnosed."""

from mmfit.data.checks import candidate_matrices
from mmfit.data.diagnosis import DesignDiagnosis, DesignNote, FactorRecord, PairRecord
from mmfit.data.loading import diagnose, load_dataset
from mmfit.data.records import Dataset, MissingCount, RowReport, SourceRecord
from mmfit.data.simulation import simulate
from mmfit.data.storage import (
    read_dataset,
    read_design,
    read_rows,
    write_dataset,
    write_design,
    write_rows,
)

__all__ = [
    "Dataset",
    "DesignDiagnosis",
    "DesignNote",
    "FactorRecord",
    "MissingCount",
    "PairRecord",
    "RowReport",
    "SourceRecord",
    "candidate_matrices",
    "diagnose",
    "load_dataset",
    "read_dataset",
    "read_design",
    "read_rows",
    "simulate",
    "write_dataset",
    "write_design",
    "write_rows",
]
