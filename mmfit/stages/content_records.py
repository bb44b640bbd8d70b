"""What results were made from: a record beside them, compared by content with what is there now.

One rule for the workflow and for ``mmfit run``: a job is current when everything that its record
holds is still so; else it is due. Time stamps play no part. Each record holds the checksums of the
records of what the job read, so that the one of the report vouches for everything before it.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfit.common.digests import (
    CODE,
    NUMERICAL,
    SOFTWARE,
    TEMPLATES,
    file_digest,
    package_digest,
    versions,
)
from mmfit.common.files import write_text
from mmfit.common.json_records import plain, to_json
from mmfit.errors import StaleError
from mmfit.spec import Analysis
from mmfit.stages import jobs
from mmfit.stages.jobs import REPORT, Job
from mmfit.stages.paths import ResultFiles

FORMAT = 1
ABSENT = "no such file"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a job's results depend on.

    Attributes
    ----------
    job : str, its name.
    reads : what it reads of the analysis file, keys in the order of the file.
    files : dict from path to SHA-256: the other files that it reads; None where one is not there.
    after : dict from job to SHA-256: the records of the jobs whose results it reads.
    package : str, SHA-256 over mmfit's own files.
    software : dict from package to version.
    """

    job: str
    reads: Any
    files: Mapping[str, str | None]
    after: Mapping[str, str | None]
    package: str
    software: Mapping[str, str]


class Contents:
    """Checksums of files, each read once: what stood there at one time, for all that ask."""

    def __init__(self) -> None:
        self._files: dict[Path, str | None] = {}

    def of(self, path: str | Path) -> str | None:
        """SHA-256 of a file; None where it cannot be read."""
        path = Path(path)
        if path not in self._files:
            try:
                self._files[path] = file_digest(path)
            except OSError:
                self._files[path] = None
        return self._files[path]


@functools.cache
def tools(shown: bool) -> dict[str, Any]:
    """``package`` and ``software`` of an `Origin`, as this process has them; ``shown``: those of
    what is drawn and laid out."""
    if shown:
        return {"package": package_digest(CODE, TEMPLATES), "software": versions(SOFTWARE)}
    return {"package": package_digest(CODE), "software": versions(NUMERICAL)}


def refuse_edited_package() -> None:
    """Refuse what has been made while the package was being edited.

    Raises StaleError: nobody can say of which state the modules were that this process read.
    """
    if package_digest(CODE) != tools(shown=False)["package"]:
        raise StaleError("the package mmfit has changed while this ran; run it again")


class ContentRecords:
    """The records of one analysis, seen at one time.

    Parameters
    ----------
    analysis : Analysis, as its file says it.
    files : ResultFiles, where its results lie.
    contents : Contents, shared with others where their files are the same.
    """

    def __init__(self, analysis: Analysis, files: ResultFiles, contents: Contents | None = None):
        self.analysis, self.files = analysis, files
        self._contents = contents or Contents()
        self._parts: dict[str, Any] = {}

    def origin(self, job: Job, sources: bool = True) -> Origin:
        """What the job's results would be made from now; without ``sources`` see :meth:`due`."""
        after = {
            other.name: self._contents.of(record_path(self.files.folder, other.name))
            for other in jobs.needed(self.analysis, job)
        }
        # They may be large: not read where nobody asks.
        read = jobs.files_read(self.analysis, job) if sources else ()
        return Origin(
            job=job.name,
            reads=self._part(job),
            files={p: self._contents.of(p) for p in read},
            after=after,
            **tools(shown=job == REPORT),
        )

    def due(self, job: Job, sources: bool = True) -> str | None:
        """Why the job's results do not hold any more, in words; None where they do.

        Without ``sources`` the files that the job read beside the results of others (the data) are
        not looked at: where they have changed in the meantime, everything is still of one piece.
        """
        origin = self.origin(job, sources)
        return difference(origin, self.files.folder, job.name, self._contents, sources)

    def refuse_stale(self, read: Iterable[Job], sources: bool = True) -> None:
        """Refuse results to read that do not hold any more, or are not of one piece.

        Raises
        ------
        StaleError
            Naming what is stale, why, and the command that makes it anew.
        """
        for job in read:
            reason = self.due(job, sources)
            if reason is not None:
                raise StaleError(
                    f"{record_path(self.files.folder, job.name)}: {reason}; `{job.command}` makes "
                    "it anew, `mmfit run` and `make run` make all that is due"
                )

    def _part(self, job: Job) -> Any:
        # All chunks of a bootstrap read the same.
        key = job.name if job.stage == "fit" else job.stage
        if key not in self._parts:
            self._parts[key] = json.loads(jobs.part_read(self.analysis, job))
        return self._parts[key]


def enter(origin: Origin, folder: Path, name: str, outputs: Iterable[Path]) -> None:
    """Write the record of a job whose ``outputs`` have just been made below ``folder``."""
    sums = {path.relative_to(folder).as_posix(): file_digest(path) for path in outputs}
    record = {"format": FORMAT, **plain(origin), "outputs": dict(sorted(sums.items()))}
    write_text(record_path(folder, name), to_json(record))


def record_path(folder: Path, name: str) -> Path:
    """Where the record of a job lies."""
    return folder / "made" / f"{name}.json"


def difference(
    origin: Origin, folder: Path, name: str, contents: Contents, sources: bool = True
) -> str | None:
    """How the record of a job differs from ``origin`` and from its outputs, in words."""
    path = record_path(folder, name)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        outputs = record["outputs"].items()
        same = record["format"] == FORMAT
    except FileNotFoundError:
        return ABSENT
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        same = False
    if not same:
        return "not a record that this version of mmfit wrote"
    found = _differing(record, plain(origin), sources)
    if found is not None:
        return found
    for file, digest in outputs:
        if contents.of(folder / file) is None:
            return f"{folder / file} is not there any more"
        if contents.of(folder / file) != digest:
            return f"{folder / file} is not as it was written"
    return None


def _differing(record: dict[str, Any], origin: dict[str, Any], sources: bool) -> str | None:
    words = {
        "job": "not the record of this job",
        "reads": "the analysis file asks for something else now",
        "package": "made by another state of the package mmfit",
        "software": "made with other versions of Python or its packages",
        "files": "made from other contents of {}",
        "after": "made from other results of {}",
    }
    for key, text in words.items():
        if key == "files" and not sources:
            continue
        # As text, because the order of keys counts.
        if json.dumps(record.get(key)) != json.dumps(origin[key]):
            return text.format(_changed(record.get(key), origin[key]))
    return None


def _changed(before: object, now: object) -> str:
    """The entries that are not the same in two mappings."""
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return "something else"
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return ", ".join(names) or "the same in another order"
