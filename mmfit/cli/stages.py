"""The stages: each reads the files of those before it, computes, and writes its own.

Each computes everything that it writes before it writes the first file, so that a failure leaves
nothing of the stage behind. In the workflow each stage is a process of its own, so what only some
stages need is imported by those.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
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
from mmfit.selection.records import Candidate, Comparison, NullSettings, Selection
from mmfit.selection.serialize import selection_from_json, selection_to_json
from mmfit.spec import SELECTED, Analysis, ModelSpec


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


def bootstrap(analysis: Analysis, files: ResultFiles, chunk: int) -> None:
    """bootstrap/chunk.<chunk>.json: that part of the bootstrap replicates of all tests."""
    from mmfit.selection.chunks import bootstrap_chunk, chunk_to_json

    chunks = analysis.bootstrap.chunks
    if not 0 <= chunk < chunks:
        raise SpecError(
            f"there is no chunk {chunk}: `bootstrap.chunks` is {chunks}, and they count from 0"
        )
    candidates = _candidates(analysis, files)
    settings, own = _null_settings(analysis)
    found = bootstrap_chunk(candidates, analysis.comparisons, settings, chunk, chunks, own)
    write_text(files.chunk(chunk), chunk_to_json(found))


def compare(analysis: Analysis, files: ResultFiles) -> None:
    """tables/comparisons.csv, tables/null_distributions.csv."""
    from mmfit.report.tables import write_comparisons
    from mmfit.selection import compare_all

    candidates = _candidates(analysis, files)
    settings, own = _null_settings(analysis)
    comparisons = compare_all(
        candidates,
        pairs=analysis.comparisons,
        settings=settings,
        per_pair=own,
        statistics=_bootstrapped(analysis, files),
    )
    write_comparisons(files.tables, comparisons)


def select(analysis: Analysis, files: ResultFiles) -> None:
    """selection.json."""
    from mmfit.selection import select_model

    selection = select_model(
        _candidates(analysis, files),
        _comparisons(files),
        alpha=analysis.selection.alpha,
        settings=_null_settings(analysis)[0],
    )
    write_text(files.selection, selection_to_json(selection))


def tables(analysis: Analysis, files: ResultFiles) -> None:
    """The tables of the fits under tables/."""
    from mmfit.report.tables import write_tables

    write_tables(files.tables, _candidates(analysis, files), analysis.df)


def inference(analysis: Analysis, files: ResultFiles) -> None:
    """The tables of the inference under tables/: what the analysis asks of every model."""
    from mmfit.data.new_rows import read_new_rows
    from mmfit.report.inference_pieces import Wanted
    from mmfit.report.inference_tables import write_inference

    frame, _, _ = read_rows(files.folder)
    new_rows = read_new_rows(analysis, frame)
    wanted = Wanted(analysis.inference, analysis.bootstrap, analysis.df, new_rows)
    write_inference(files.tables, _candidates(analysis, files), wanted)


def report(analysis: Analysis, files: ResultFiles) -> None:
    """report.html, provenance.json."""
    from mmfit.report.page import write_report
    from mmfit.report.provenance import write_provenance
    from mmfit.report.records import ReportInput

    dataset = read_dataset(files.folder)
    content = ReportInput(
        analysis=completed(analysis, files),
        dataset=dataset,
        candidates=_candidates(analysis, files),
        comparisons=_comparisons(files),
        selection=_selection(files),
        tables=_tables(analysis, files),
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
        "inference": inference,
        "report": report,
    }
)


def index(analyses: Sequence[Analysis], results: Path) -> None:
    """index.html over these analyses."""
    from mmfit.report.index import write_index

    folders = [ResultFiles(results / analysis.name) for analysis in analyses]
    write_index(results, [completed(*pair) for pair in zip(analyses, folders, strict=True)])


def run(analysis: Analysis, results: Path) -> Selection:
    """All stages of one analysis, in a folder of their own; moved into place when all is done."""
    results.mkdir(parents=True, exist_ok=True)
    staging = ResultFiles(results / f".{analysis.name}.{os.getpid()}")
    try:
        data(analysis, staging)
        for model in analysis.models:
            fit(analysis, staging, model)
        if analysis.bootstrap.chunks > 1:
            for chunk in range(analysis.bootstrap.chunks):
                bootstrap(analysis, staging, chunk)
        for stage in (compare, select, tables, inference, report):
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


def completed(analysis: Analysis, files: ResultFiles) -> Analysis:
    """The analysis with the model that its search ended with, if there is a search."""
    if analysis.selection.search is None:
        return analysis
    with _needing("search"):
        fit = fit_from_json(files.fit(SELECTED, "REML").read_text(encoding="utf-8"))
    return analysis.with_selected(fit.formula)


def _candidates(analysis: Analysis, files: ResultFiles) -> tuple[Candidate, ...]:
    frame, _, _ = read_rows(files.folder)
    models = completed(analysis, files).models
    return tuple(_candidate(spec, files, frame, model) for model, spec in models.items())


def _candidate(spec: ModelSpec, files: ResultFiles, frame: pd.DataFrame, model: str) -> Candidate:
    with _needing(f"fit --model {model}"):
        fits = {
            criterion: fit_from_json(files.fit(model, criterion).read_text(encoding="utf-8"))
            for criterion in CRITERIA
        }
    with naming(f"the model {model!r}"):
        return Candidate(model, candidate_matrices(frame, spec), MappingProxyType(fits))


def _null_settings(
    analysis: Analysis,
) -> tuple[NullSettings, dict[tuple[str, str], NullSettings]]:
    """How null distributions are found: of all pairs, and of those that differ."""
    asked = analysis.bootstrap

    def settings(method: str) -> NullSettings:
        return NullSettings(method, asked.replicates, asked.seed, asked.stop)

    own = {pair: settings(method) for pair, method in analysis.pair_methods.items()}
    return settings(analysis.null_distribution), own


def _bootstrapped(analysis: Analysis, files: ResultFiles) -> Mapping[tuple[str, str], np.ndarray]:
    """The statistics of all chunks; none where the comparison does it all by itself."""
    from mmfit.selection.chunks import chunk_from_json, join_chunks

    chunks = analysis.bootstrap.chunks
    if chunks == 1:
        return {}
    parts = []
    for chunk in range(chunks):
        with _needing(f"bootstrap --chunk {chunk}"):
            parts.append(chunk_from_json(files.chunk(chunk).read_text(encoding="utf-8")))
    return join_chunks(parts)


def _tables(analysis: Analysis, files: ResultFiles) -> Mapping[str, pd.DataFrame]:
    """What the report takes from the tables of other stages."""
    from mmfit.report.inference_columns import INFERENCE
    from mmfit.report.reading import read_tables

    with _needing("inference"):
        return read_tables(files.tables, (*INFERENCE, "null_distributions"))


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
