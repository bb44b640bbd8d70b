"""The stages: each takes the results of those before it, computes, and writes its own.

Where those results come from, the session knows. Each stage computes everything that it writes
before it writes the first file, so that a failure leaves nothing of the stage behind. In the
workflow each is a process of its own, so what only some stages need is imported by those.
"""

from dataclasses import replace
from types import MappingProxyType

from mmfit.common.digests import file_digest
from mmfit.common.files import write_text
from mmfit.data import diagnose, load_dataset, write_design, write_rows
from mmfit.data.records import Dataset
from mmfit.engine import fit_both
from mmfit.errors import StaleError, naming
from mmfit.selection.records import Selection
from mmfit.selection.serialize import selection_to_json
from mmfit.spec import Analysis
from mmfit.stages.jobs import Job
from mmfit.stages.paths import ResultFiles
from mmfit.stages.session import Session


def data(session: Session) -> None:
    """data.parquet."""
    dataset = load_dataset(session.analysis)
    session.rows = write_rows(dataset, session.files.folder)
    # Models that were built on the same columns need not be built again.
    if dataset.frame.dtypes.equals(session.rows[0].dtypes):
        models = session.analysis.models
        session.built = {model: dataset.built[f"models.{model}"] for model in models}


def design(session: Session) -> None:
    """design.json, from data.parquet."""
    session.design = diagnose(session.rows[0], session.analysis)
    write_design(session.dataset, session.files.folder)


def fit(session: Session, model: str) -> None:
    """fits/<model>.REML.json, fits/<model>.ML.json."""
    system = session.system(model)
    with naming(f"the model {model!r}"):
        fits = fit_both(system.matrices, system.prepared)
    session.write_fits(model, fits)


def bootstrap(session: Session, chunk: int) -> None:
    """bootstrap/chunk.<chunk>.json: that part of the bootstrap replicates of all tests."""
    from mmfit.selection.pair_tests.bootstrap_chunks import bootstrap_chunk

    analysis, (settings, own) = session.analysis, session.null_settings
    chunks = analysis.bootstrap.chunks
    found = bootstrap_chunk(
        session.candidates, analysis.comparisons, settings, chunk, chunks, own, session.relations
    )
    session.write_chunk(chunk, found)


def compare(session: Session) -> None:
    """tables/comparisons.csv, tables/null_distributions.csv."""
    from mmfit.selection import compare_all
    from mmfit.tables.comparison_tables import comparison_tables

    settings, own = session.null_settings
    comparisons = compare_all(
        session.candidates,
        pairs=session.analysis.comparisons,
        settings=settings,
        per_pair=own,
        replicates=session.replicates,
        relations=session.relations,
    )
    session.write_tables("compare", comparison_tables(comparisons))


def select(session: Session) -> None:
    """selection.json."""
    if session.analysis.selection.search is None:
        chosen = _selected(session)
    else:
        from mmfit.selection.search.searched_selection import searched_selection
        from mmfit.spec import SELECTED

        alpha = session.analysis.selection.alpha
        chosen = searched_selection(
            session.candidates, session.search, alpha, SELECTED, session.relations
        )
    write_text(session.files.selection, selection_to_json(chosen))
    session.selection = chosen


def _selected(session: Session) -> Selection:
    """The selection among the models of the file."""
    from mmfit.selection import select_model

    return select_model(
        session.candidates,
        session.comparisons,
        alpha=session.analysis.selection.alpha,
        settings=session.null_settings[0],
        relations=session.relations,
    )


def search(session: Session) -> None:
    """The tables of search and audit under tables/; with a search also search.json and its fits."""
    from mmfit.stages import search_stage

    search_stage.search(session)


def tables(session: Session) -> None:
    """The tables of the fits under tables/."""
    from mmfit.tables.model_tables import model_tables

    session.write_tables("tables", model_tables(session.candidates, session.analysis.df))


def inference(session: Session) -> None:
    """The tables of the inference under tables/: what the analysis asks of every model."""
    from mmfit.data.new_rows import read_new_rows
    from mmfit.tables.inference_pieces import Wanted
    from mmfit.tables.inference_tables import inference_tables

    analysis = session.analysis
    new_rows = read_new_rows(analysis, session.rows[0])
    searched = analysis.selection.search is not None
    wanted = Wanted(analysis.inference, analysis.bootstrap, analysis.df, new_rows, searched)
    session.write_tables("inference", inference_tables(session.candidates, wanted))


def report(session: Session) -> None:
    """report.html, provenance.json."""
    from mmfit.report.html.render import write_report
    from mmfit.report.provenance import write_provenance
    from mmfit.report.records import ReportInput
    from mmfit.tables.residuals import residuals

    analysis, files, dataset = session.analysis, session.files, session.dataset
    _refuse_other_data(analysis, dataset, files)
    content = ReportInput(
        analysis=session.completed,
        dataset=dataset,
        candidates=session.candidates,
        comparisons=session.comparisons,
        selection=session.selection,
        tables=session.tables,
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


def perform(job: Job, session: Session) -> None:
    """Do the stage of a job."""
    if job.stage == "fit":
        fit(session, job.part)
    elif job.stage == "bootstrap":
        bootstrap(session, int(job.part))
    else:
        STAGES[job.stage](session)
