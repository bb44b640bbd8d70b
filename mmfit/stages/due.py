"""How Snakemake learns what is due: by a file of every job that is new when, and only when, it is.

Snakemake decides by time stamps and by books of its own, which know nothing of ``mmfit run``, of a
file replaced by an older one, or of one edited in place. So each rule has one more input, written
when the workflow is read: newer than any output where the records beside the results
(`mmfit.stages.content_records`) say that they do not hold any more, older than any where they do.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from mmfit.common.files import write_text
from mmfit.spec import Analysis
from mmfit.stages.content_records import ABSENT, ContentRecords, Contents, record_path
from mmfit.stages.index_page import index_due
from mmfit.stages.jobs import all_jobs
from mmfit.stages.paths import ResultFiles

# No analysis has a name that begins with a dot.
INDEX = ".index"


def mark_due(analyses: Sequence[Analysis], results: Path, folder: Path) -> None:
    """Write ``<folder>/<analysis>/<job>`` for every job, and ``<folder>/.index``.

    Each holds in words why its job is due. Raises OSError when the folder cannot be written.
    """
    contents = Contents()
    for analysis in analyses:
        files = ResultFiles(results / analysis.name)
        books = ContentRecords(analysis, files, contents)
        for job in all_jobs(analysis):
            record = record_path(files.folder, job.name)
            _mark(folder / analysis.name / job.name, books.due(job), record)
    _mark(folder / INDEX, index_due(analyses, results, contents), record_path(results, "index"))


def _mark(path: Path, reason: str | None, record: Path) -> None:
    if reason is None:
        if not path.exists() or path.stat().st_mtime != 0:
            write_text(path, "")
            os.utime(path, (0, 0))
        return
    if reason == ABSENT and path.exists() and path.stat().st_mtime != 0:
        # Said already; a job that runs just now must not find its input newer than its output.
        return
    # Snakemake takes a newer file with a known checksum for the same; this line it has never seen.
    write_text(path, f"{reason}\n{time.time_ns()}\n")
    # Where stamps are coarse, or the clock of another machine that wrote the record goes ahead.
    if record.exists() and path.stat().st_mtime <= record.stat().st_mtime:
        later = record.stat().st_mtime + 1
        os.utime(path, (later, later))
