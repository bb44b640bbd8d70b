"""Running jobs: each checks what it reads, makes its results, and enters them in the books."""

from pathlib import Path

from mmfit.common.files import recording, replacing_folder
from mmfit.errors import StaleError
from mmfit.spec import Analysis
from mmfit.stages import stages
from mmfit.stages.content_records import ContentRecords, enter, refuse_edited_package
from mmfit.stages.jobs import REPORT, Job, all_jobs, behind
from mmfit.stages.paths import OURS, ResultFiles
from mmfit.stages.session import Session


def make(job: Job, session: Session, alone: bool = True) -> None:
    """Make the results of one job anew and enter them; ``alone`` where no others follow that are
    refused together with this one.

    The session may have what jobs before made in this process; their files are checked all the
    same.

    Raises
    ------
    StaleError
        What it reads was made from something else than what is there now, or that changed
        meanwhile.
    MmfitError
        As the stage raises it.
    """
    analysis, files = session.analysis, session.files
    books = ContentRecords(analysis, files)
    # Where the data have changed since they were read, all that is made from them is of one piece;
    # only the report speaks of the file.
    books.refuse_stale(behind(analysis, job), sources=job == REPORT)
    origin = books.origin(job)
    with recording() as written:
        stages.perform(job, session)
    if ContentRecords(analysis, files).origin(job) != origin:
        raise StaleError(
            f"{files.folder}: what `{job.command}` reads has changed while it ran; run it again"
        )
    if alone:
        refuse_edited_package()
    enter(origin, files.folder, job.name, written)


def run(analysis: Analysis, results: Path) -> tuple[str, str]:
    """Every job of one analysis, in a folder of its own; moved into place when all is done.

    Gives the chosen model's name and formula.
    """
    results.mkdir(parents=True, exist_ok=True)
    with replacing_folder(results / analysis.name, OURS) as folder:
        session = Session(analysis, ResultFiles(folder))
        for job in all_jobs(analysis):
            make(job, session, alone=False)
        refuse_edited_package()
    chosen = session.selection.chosen
    return chosen, session.completed.models[chosen].formula
