"""The stages: each reads the files of those before it, computes, and writes its own.

Each computes everything that it writes before it writes the first file, so that a failure leaves
nothing of the stage behind. In the workflow each stage is a process of its own, so what only some
stages need is imported by those.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from mmfit.cli.paths import CRITERIA, ResultFiles
from mmfit.data import (
    candidate_matrices,
    diagnose,
    load_dataset,
    read_dataset,
    read_rows,
    write_dataset,
    write_design,
)
from mmfit.data.records import Dataset
from mmfit.engine import fit_both, fit_from_json, fit_to_json
from mmfit.errors import DataError, SpecError, naming
from mmfit.files import write_text
from mmfit.selection.records import Candidate, Comparison, Selection
from mmfit.selection.serialize import selection_from_json, selection_to_json
from mmfit.spec import Analysis


def data(analysis: Analysis, files: ResultFiles) -> None:
    """data.parquet, design.json."""
    write_dataset(load_dataset(analysis), files.folder)


def design(analysis: Analysis, files: ResultFiles) -> None:
    """design.json, from data.parquet."""
    frame, source, rows = read_rows(files.folder)
    write_design(Dataset(frame, source, rows, diagnose(frame, analysis)), files.folder)


def fit(analysis: Analysis, files: ResultFiles, model: str) -> None:
    """fits/<model>.REML.json, fits/<model>.ML.json."""
    if model not in analysis.models:
        raise SpecError(
            f"no model is called {model!r}; the models are {', '.join(analysis.models)}"
        )
    frame, _, _ = read_rows(files.folder)
    with naming(f"the model {model!r}"):
        fits = fit_both(candidate_matrices(frame, analysis.models[model]))
    texts = {files.fit(model, criterion): fit_to_json(fits[criterion]) for criterion in CRITERIA}
    for path, text in texts.items():
        write_text(path, text)


def compare(analysis: Analysis, files: ResultFiles) -> None:
    """tables/comparisons.csv."""
    from mmfit.report.tables import write_comparisons
    from mmfit.selection import compare_all

    candidates = _candidates(analysis, files)
    write_comparisons(files.tables, compare_all(candidates, pairs=analysis.comparisons))


def select(analysis: Analysis, files: ResultFiles) -> None:
    """selection.json."""
    from mmfit.selection import select_model

    candidates = _candidates(analysis, files)
    selection = select_model(candidates, _comparisons(files), alpha=analysis.selection.alpha)
    write_text(files.selection, selection_to_json(selection))


def tables(analysis: Analysis, files: ResultFiles) -> None:
    """The tables of the fits under tables/."""
    from mmfit.report.tables import write_tables

    write_tables(files.tables, _candidates(analysis, files), analysis.df)


def report(analysis: Analysis, files: ResultFiles) -> None:
    """report.html, provenance.json."""
    from mmfit.report.page import write_report
    from mmfit.report.provenance import write_provenance
    from mmfit.report.records import ReportInput

    dataset = read_dataset(files.folder)
    content = ReportInput(
        analysis=analysis,
        dataset=dataset,
        candidates=_candidates(analysis, files),
        comparisons=_comparisons(files),
        selection=_selection(files),
    )
    write_report(files.report, content)
    write_provenance(files.provenance, analysis, dataset)


STAGES = MappingProxyType(
    {
        "data": data,
        "design": design,
        "compare": compare,
        "select": select,
        "tables": tables,
        "report": report,
    }
)


def index(analyses: Sequence[Analysis], results: Path) -> None:
    """index.html over these analyses."""
    from mmfit.report.index import write_index

    write_index(results, analyses)


def run(analysis: Analysis, results: Path) -> Selection:
    """All stages of one analysis, in a folder of their own; moved into place when all is done."""
    results.mkdir(parents=True, exist_ok=True)
    staging = ResultFiles(results / f".{analysis.name}.{os.getpid()}")
    try:
        data(analysis, staging)
        for model in analysis.models:
            fit(analysis, staging, model)
        for stage in (compare, select, tables, report):
            stage(analysis, staging)
        selection = _selection(staging)
        _move(staging.folder, results / analysis.name)
    finally:
        shutil.rmtree(staging.folder, ignore_errors=True)
    return selection


def _move(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            final = target / path.relative_to(source)
            final.parent.mkdir(parents=True, exist_ok=True)
            path.replace(final)


def _candidates(analysis: Analysis, files: ResultFiles) -> tuple[Candidate, ...]:
    frame, _, _ = read_rows(files.folder)
    return tuple(_candidate(analysis, files, frame, model) for model in analysis.models)


def _candidate(
    analysis: Analysis, files: ResultFiles, frame: pd.DataFrame, model: str
) -> Candidate:
    with _needing(f"fit --model {model}"):
        fits = {
            criterion: fit_from_json(files.fit(model, criterion).read_text(encoding="utf-8"))
            for criterion in CRITERIA
        }
    with naming(f"the model {model!r}"):
        return Candidate(
            model, candidate_matrices(frame, analysis.models[model]), MappingProxyType(fits)
        )


def _comparisons(files: ResultFiles) -> tuple[Comparison, ...]:
    from mmfit.report.reading import read_comparisons

    with _needing("compare"):
        return read_comparisons(files.tables)


def _selection(files: ResultFiles) -> Selection:
    with _needing("select"):
        return selection_from_json(files.selection.read_text(encoding="utf-8"))


@contextlib.contextmanager
def _needing(stage: str) -> Iterator[None]:
    """Say which stage makes a file that is not there."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename}: no such file; `mmfit {stage}` makes it, `mmfit run` makes all"
        ) from None
