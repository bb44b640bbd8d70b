"""The stages: each reads the files of those before it, computes, and writes its own.

Each stage computes everything that it writes before it writes the first file, so that a failure
leaves nothing of it behind.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

from mmfit.cli.paths import CRITERIA, ResultFiles
from mmfit.data import Dataset, load_dataset, read_dataset, write_dataset
from mmfit.engine import fit_both, fit_from_json, fit_to_json
from mmfit.errors import DataError
from mmfit.files import write_text
from mmfit.formula import build, parse
from mmfit.formula.matrices import ModelMatrices
from mmfit.report import ReportInput, csv_text, index_page, provenance_text, report_page
from mmfit.report import tables as table
from mmfit.selection import (
    Candidate,
    Comparison,
    Selection,
    compare_all,
    select_model,
    selection_from_json,
    selection_to_json,
)
from mmfit.spec import Analysis


def data(analysis: Analysis, files: ResultFiles) -> None:
    """data.parquet, design.json."""
    write_dataset(load_dataset(analysis), files.folder)


def fit(analysis: Analysis, files: ResultFiles, model: str) -> None:
    """fits/<model>.REML.json, fits/<model>.ML.json."""
    dataset = read_dataset(files.folder)
    with _naming(model):
        fits = fit_both(_matrices(analysis, dataset, model))
    texts = {files.fit(model, criterion): fit_to_json(fits[criterion]) for criterion in CRITERIA}
    for path, text in texts.items():
        write_text(path, text)


def compare(analysis: Analysis, files: ResultFiles) -> None:
    """tables/comparisons.csv."""
    candidates = _candidates(analysis, files, read_dataset(files.folder))
    comparisons = compare_all(candidates, pairs=analysis.comparisons)
    write_text(files.table("comparisons"), csv_text(table.comparisons_table(comparisons)))
