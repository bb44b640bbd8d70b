"""The stages: each reads the files of those before it, computes, and writes its own.

Each computes everything that it writes before it writes the first file, so that a failure leaves
nothing of the stage behind. In the workflow each stage is a process of its own, so what only some
stages need is imported by those.
"""

from dataclasses import replace
from types import MappingProxyType

from mmfit.common.digests import file_digest
from mmfit.common.files import write_text
from mmfit.data import (
    candidate_matrices,
    diagnose,
    load_dataset,
    read_dataset,
    read_rows,
    write_design,
    write_rows,
)
from mmfit.data.records import Dataset
from mmfit.engine import fit_both, fit_to_json
from mmfit.errors import StaleError, naming
from mmfit.selection.records import NullSettings, Selection
from mmfit.selection.serialize import selection_to_json
from mmfit.spec import Analysis
from mmfit.stages import inputs
from mmfit.stages.jobs import Job
from mmfit.stages.paths import CRITERIA, ResultFiles


def data(analysis: Analysis, files: ResultFiles) -> None:
    """data.parquet."""
    write_rows(load_dataset(analysis), files.folder)


def design(analysis: Analysis, files: ResultFiles) -> None:
    """design.json, from data.parquet."""
    frame, source, rows = read_rows(files.folder)
    write_design(Dataset(frame, source, rows, diagnose(frame, analysis)), files.folder)


def fit(analysis: Analysis, files: ResultFiles, model: str) -> None:
    """fits/<model>.REML.json, fits/<model>.ML.json."""
    frame, _, _ = read_rows(files.folder)
    with naming(f"the model {model!r}"):
        fits = fit_both(candidate_matrices(frame, analysis.models[model]))
    texts = {files.fit(model, criterion): fit_to_json(fits[criterion]) for criterion in CRITERIA}
    for path, text in texts.items():
        write_text(path, text)


def bootstrap(analysis: Analysis, files: ResultFiles, chunk: int) -> None:
    """bootstrap/chunk.<chunk>.json: that part of the bootstrap replicates of all tests."""
    from mmfit.selection.pair_tests.bootstrap_chunks import bootstrap_chunk, chunk_to_json

    candidates = inputs.candidates(analysis, files)
    settings, own = _null_settings(analysis)
    chunks = analysis.bootstrap.chunks
    found = bootstrap_chunk(candidates, analysis.comparisons, settings, chunk, chunks, own)
    write_text(files.chunk(chunk), chunk_to_json(found))


def compare(analysis: Analysis, files: ResultFiles) -> None:
    """tables/comparisons.csv, tables/null_distributions.csv."""
    from mmfit.selection import compare_all
    from mmfit.tables.comparison_tables import comparison_tables
    from mmfit.tables.frames import write_tables

    candidates = inputs.candidates(analysis, files)
    settings, own = _null_settings(analysis)
    comparisons = compare_all(
        candidates,
        pairs=analysis.comparisons,
        settings=settings,
        per_pair=own,
        statistics=inputs.statistics(analysis, files),
    )
    write_tables(files.tables, "compare", comparison_tables(comparisons))


def select(analysis: Analysis, files: ResultFiles) -> None:
    """selection.json."""
    if analysis.selection.search is None:
        chosen = _selected(analysis, files)
    else:
        from mmfit.selection.search.searched_selection import searched_selection
        from mmfit.spec import SELECTED
        from mmfit.stages.search_stage import read_search

        candidates = inputs.candidates(analysis, files)
        chosen = searched_selection(
            candidates, read_search(files), analysis.selection.alpha, SELECTED
        )
    write_text(files.selection, selection_to_json(chosen))


def _selected(analysis: Analysis, files: ResultFiles) -> Selection:
    """The selection among the models of the file."""
    from mmfit.selection import select_model

    return select_model(
        inputs.candidates(analysis, files),
        inputs.comparisons(files),
        alpha=analysis.selection.alpha,
        settings=_null_settings(analysis)[0],
    )


def search(analysis: Analysis, files: ResultFiles) -> None:
    """tables/search.csv, tables/stability.csv; with a search also search.json and its fits."""
    from mmfit.stages import search_stage

    search_stage.search(analysis, files)


def tables(analysis: Analysis, files: ResultFiles) -> None:
    """The tables of the fits under tables/."""
    from mmfit.tables.frames import write_tables
    from mmfit.tables.model_tables import model_tables

    computed = model_tables(inputs.candidates(analysis, files), analysis.df)
    write_tables(files.tables, "tables", computed)


def inference(analysis: Analysis, files: ResultFiles) -> None:
    """The tables of the inference under tables/: what the analysis asks of every model."""
    from mmfit.data.new_rows import read_new_rows
    from mmfit.tables.frames import write_tables
    from mmfit.tables.inference_pieces import Wanted
    from mmfit.tables.inference_tables import inference_tables

    frame, _, _ = read_rows(files.folder)
    new_rows = read_new_rows(analysis, frame)
    searched = analysis.selection.search is not None
    wanted = Wanted(analysis.inference, analysis.bootstrap, analysis.df, new_rows, searched)
    computed = inference_tables(inputs.candidates(analysis, files), wanted)
    write_tables(files.tables, "inference", computed)


def report(analysis: Analysis, files: ResultFiles) -> None:
    """report.html, provenance.json."""
    from mmfit.report.html.render import write_report
    from mmfit.report.provenance import write_provenance
    from mmfit.report.records import ReportInput
    from mmfit.tables.residuals import residuals

    dataset = read_dataset(files.folder)
    _refuse_other_data(analysis, dataset, files)
    content = ReportInput(
        analysis=inputs.completed(analysis, files),
        dataset=dataset,
        candidates=inputs.candidates(analysis, files),
        comparisons=inputs.comparisons(files),
        selection=inputs.selection(files),
        tables=inputs.tables(files),
    )
    write_report(files.report, replace(content, residuals=residuals(content.chosen)))
    write_provenance(files.provenance, analysis, dataset)


def _refuse_other_data(analysis: Analysis, dataset: Dataset, files: ResultFiles) -> None:
    """The rows must have been read of the bytes that lie there: records are made beside reading."""
    read = dataset.source.sha256
    if read is not None and file_digest(analysis.data.file) != read:
        raise StaleError(
            f"{files.folder}: the rows were read from other contents of {analysis.data.file}; "
            "`mmfit data` makes them anew, `mmfit run` makes all"
        )


STAGES = MappingProxyType(
    {
        "data": data,
        "design": design,
        "compare": compare,
        "select": select,
        "search": search,
        "tables": tables,
        "inference": inference,
        "report": report,
    }
)


def perform(job: Job, analysis: Analysis, files: ResultFiles) -> None:
    """Do the stage of a job."""
    if job.stage == "fit":
        fit(analysis, files, job.part)
    elif job.stage == "bootstrap":
        bootstrap(analysis, files, int(job.part))
    else:
        STAGES[job.stage](analysis, files)


def _null_settings(
    analysis: Analysis,
) -> tuple[NullSettings, dict[tuple[str, str], NullSettings]]:
    """How null distributions are found: of all pairs, and of those that differ."""
    asked = analysis.bootstrap

    def settings(method: str) -> NullSettings:
        return NullSettings(method, asked.replicates, asked.seed, asked.stop, beside=True)

    own = {pair: settings(method) for pair, method in analysis.pair_methods.items()}
    return settings(analysis.null_distribution), own
