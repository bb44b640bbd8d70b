"""The stages: each reads the files of those before it, computes, and writes its own.

Everything that can fail is done before the first file is written.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mmfit.cli.paths import CRITERIA, ResultFiles
from mmfit.data import Dataset, load_dataset, read_dataset, write_dataset
from mmfit.engine import fit_from_json, fit_model, fit_to_json
from mmfit.errors import DataError
from mmfit.files import write_text
from mmfit.formula import build, parse
from mmfit.formula.matrices import ModelMatrices
from mmfit.selection.records import Candidate
from mmfit.spec import Analysis


def data(analysis: Analysis, files: ResultFiles) -> None:
    """data.parquet, design.json."""
    write_dataset(load_dataset(analysis), files.folder)


def fit(analysis: Analysis, files: ResultFiles, model: str) -> None:
    """fits/<model>.REML.json, fits/<model>.ML.json."""
    dataset = read_dataset(files.folder)
    with _naming(model):
        matrices = _matrices(analysis, dataset, model)
        reml = fit_model(matrices)
        ml = fit_model(matrices, reml=False, start=reml.theta)
    for one in (reml, ml):
        write_text(files.fit(model, one.criterion), fit_to_json(one))
