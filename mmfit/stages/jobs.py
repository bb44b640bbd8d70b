"""The jobs that an analysis comes to, and which of them read the results of which."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

from mmfit.errors import SpecError
from mmfit.spec import Analysis
from mmfit.stages import settings_read


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a stage.

    Attributes
    ----------
    stage : str, the name of the subcommand.
    part : str, the model of a fit, the number of a chunk of the bootstrap; else "".
    """

    stage: str
    part: str = ""

    @property
    def name(self) -> str:
        """A file name, different for every job of an analysis."""
        return f"{self.stage}.{self.part}" if self.part else self.stage

    @property
    def command(self) -> str:
        """How the user calls it."""
        option = {"fit": f" --model {self.part}", "bootstrap": f" --chunk {self.part}"}
        return f"mmfit {self.stage}{option.get(self.stage, '')}"


DATA, DESIGN, SEARCH = Job("data"), Job("design"), Job("search")
COMPARE, SELECT = Job("compare"), Job("select")
TABLES, INFERENCE, REPORT = Job("tables"), Job("inference"), Job("report")

_READS: "MappingProxyType[str, Callable[[Analysis], str]]" = MappingProxyType(
    {
        stage: getattr(settings_read, stage)
        for stage in (
            "data",
            "design",
            "bootstrap",
            "compare",
            "select",
            "search",
            "tables",
            "inference",
            "report",
        )
    }
)


def all_jobs(analysis: Analysis) -> tuple[Job, ...]:
    """Every job of an analysis, each after those whose results it reads."""
    return tuple(_in_order(analysis))


def _in_order(analysis: Analysis) -> Iterator[Job]:
    yield from (DATA, DESIGN)
    yield from (Job("fit", model) for model in analysis.models)
    # A search makes a candidate; without one, the audit of the selection comes after it.
    searched = analysis.selection.search is not None
    if searched:
        yield SEARCH
    yield from _chunks(analysis)
    yield from (COMPARE, SELECT)
    if not searched:
        yield SEARCH
    yield from (TABLES, INFERENCE, REPORT)


def needed(analysis: Analysis, job: Job) -> tuple[Job, ...]:
    """The jobs whose results this one reads."""
    if job == DATA:
        return ()
    if job == DESIGN or job.stage == "fit":
        return (DATA,)
    fits = (DATA, *(_fit(analysis, model) for model in analysis.candidate_names))
    if job == SEARCH:
        audited = analysis.selection.search is None and analysis.selection.stability is not None
        return (*fits, SELECT) if audited else (DATA,)
    if job == COMPARE:
        return (*fits, *_chunks(analysis))
    if job == SELECT:
        return (*fits, COMPARE)
    if job == REPORT:
        others = (DESIGN, *fits, COMPARE, SELECT, SEARCH, TABLES, INFERENCE)
        return tuple(dict.fromkeys(others))
    return fits


def behind(analysis: Analysis, job: Job) -> tuple[Job, ...]:
    """The jobs that this one's results come from, directly or not, each after what it reads."""
    found: dict[Job, None] = {}

    def visit(job: Job) -> None:
        for other in needed(analysis, job):
            if other not in found:
                visit(other)
                found[other] = None

    visit(job)
    return tuple(found)


def part_read(analysis: Analysis, job: Job) -> str:
    """What the job reads of the analysis file, as canonical JSON."""
    if job.stage == "fit":
        return settings_read.fit(analysis, job.part)
    return _READS[job.stage](analysis)


def files_read(analysis: Analysis, job: Job) -> list[str]:
    """The files that the job reads beside the analysis file and the results of other jobs."""
    if job == DATA:
        return settings_read.data_files(analysis)
    return settings_read.prediction_files(analysis) if job == INFERENCE else []


def job_of(analysis: Analysis, stage: str, part: str = "") -> Job:
    """The job of this stage and part.

    Raises
    ------
    SpecError
        The analysis has no such model or chunk.
    """
    if stage == "fit" and part not in analysis.models:
        names = ", ".join(analysis.models) or "made by the search alone"
        raise SpecError(f"no model is called {part!r}; the models are {names}")
    chunks = analysis.bootstrap.chunks
    if stage == "bootstrap" and not 0 <= int(part) < chunks:
        raise SpecError(
            f"there is no chunk {part}: `bootstrap.chunks` is {chunks}, and they count from 0"
        )
    return Job(stage, part)


def _fit(analysis: Analysis, model: str) -> Job:
    # The search fits what it ends with.
    return Job("fit", model) if model in analysis.models else SEARCH


def _chunks(analysis: Analysis) -> tuple[Job, ...]:
    """The parts of the bootstrap; none where the comparison draws its replicates itself."""
    chunks = analysis.bootstrap.chunks
    return tuple(Job("bootstrap", str(i)) for i in range(chunks if chunks > 1 else 0))
