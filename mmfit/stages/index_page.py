"""The page over all analyses of a folder of results, and its record."""

import json
from collections.abc import Sequence
from pathlib import Path

from mmfit.common.files import recording
from mmfit.errors import MmfitError
from mmfit.spec import Analysis, load_analysis, load_config
from mmfit.stages.content_records import (
    ContentRecords,
    Contents,
    Origin,
    difference,
    enter,
    record_path,
    tools,
)
from mmfit.stages.jobs import REPORT, all_jobs
from mmfit.stages.paths import ResultFiles

CONFIG = Path("config/config.yaml")


def index(analyses: Sequence[Analysis], results: Path, order: Sequence[str] = ()) -> None:
    """index.html over these analyses and all others that have results beside them.

    Parameters
    ----------
    analyses : those that must be there, whole and current.
    results : the folder that holds the folders of the analyses.
    order : names, in the order in which they come first; the others follow by name.

    Raises
    ------
    StaleError : results of ``analyses`` that do not hold any more.
    """
    from mmfit.report.html.index import write_index

    contents = Contents()
    for analysis in analyses:
        books = ContentRecords(analysis, ResultFiles(results / analysis.name), contents)
        books.refuse_stale(all_jobs(analysis))
    origin = _origin(analyses, results, order, contents)
    with recording() as written:
        write_index(results, origin.reads)
    enter(origin, results, "index", written)


def index_due(analyses: Sequence[Analysis], results: Path, contents: Contents) -> str | None:
    """Why index.html is not that of these analyses any more, in words; None where it is."""
    order = [analysis.name for analysis in analyses]
    origin = _origin(analyses, results, order, contents)
    return difference(origin, results, "index", contents)


def listed_first(analyses: Sequence[Analysis], results: Path) -> list[str]:
    """The order of the index: as the configuration has it where that names these results."""
    names = [analysis.name for analysis in analyses]
    try:
        config = load_config(CONFIG)
    except MmfitError:
        return names
    if Path(config.results).resolve() != results.resolve():
        return names
    return [*dict.fromkeys([*(Path(path).stem for path in config.analyses), *names])]


def _origin(
    analyses: Sequence[Analysis], results: Path, order: Sequence[str], contents: Contents
) -> Origin:
    """What the index is made from; ``reads`` are the analyses in their order, with a remark."""
    remarks = {analysis.name: "" for analysis in analyses}
    for folder in sorted(results.iterdir()) if results.is_dir() else ():
        if folder.name not in remarks and record_path(folder, REPORT.name).is_file():
            remarks[folder.name] = _remark(folder, contents)
    names = [*(name for name in dict.fromkeys(order) if name in remarks), *sorted(remarks)]
    after = {name: contents.of(record_path(results / name, REPORT.name)) for name in remarks}
    return Origin(
        job="index",
        reads=[[name, remarks[name]] for name in dict.fromkeys(names)],
        files={},
        after=dict(sorted(after.items())),
        **tools(shown=True),
    )


def _remark(folder: Path, contents: Contents) -> str:
    """Why the results of an analysis that was not asked for do not hold any more."""
    files = ResultFiles(folder)
    try:
        record = json.loads(files.provenance.read_text(encoding="utf-8"))
        analysis = load_analysis(record["analysis"]["file"])
    except (OSError, ValueError, TypeError, KeyError):
        return "the analysis file cannot be read any more"
    if analysis.name != folder.name:
        return "the analysis file has another name"
    books = ContentRecords(analysis, files, contents)
    found = (books.due(job) for job in all_jobs(analysis))
    return next((reason for reason in found if reason is not None), "")
