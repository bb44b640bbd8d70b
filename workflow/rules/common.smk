import re
import shlex
import sys
from pathlib import Path
from urllib.parse import quote

from snakemake.exceptions import WorkflowError

from mmfit.stages.due import INDEX, mark_due
from mmfit.stages.jobs import Job, behind, files_read
from mmfit.stages.paths import CRITERIA, ResultFiles
from mmfit.errors import MmfitError
from mmfit.spec import check_config, check_data_files, load_analyses
from mmfit.tables.schema import tables_of

# Every analysis is checked whole, here, before any job exists.
try:
    CONFIG = check_config(config)
    ANALYSES = {analysis.name: analysis for analysis in load_analyses(CONFIG.analyses)}
    check_data_files(ANALYSES.values())
except MmfitError as error:
    raise WorkflowError(f"Nothing was run, because of this:\n{error}") from None

RESULTS = CONFIG.results

# What is due is found here, by content, once and before any job; see mmfit/stages/due.py. The processes
# that Snakemake starts on other machines read this file too and must leave that as it is.
DUE = f".snakemake/mmfit/of-{quote(RESULTS, safe='')}"
if workflow.is_main_process:
    mark_due(list(ANALYSES.values()), Path(RESULTS), Path(DUE))


wildcard_constraints:
    analysis="|".join(map(re.escape, ANALYSES)),
    model="[^/]+",
    chunk="[0-9]+",


# The `mmfit` of the environment that runs this, active or not. One thread each: the last bits of a
# sum must not depend on how many cores there are.
shell.prefix(
    "set -euo pipefail; "
    f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
    "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1; "
)


# The command of every stage; what differs is in `params.call`.
STAGE = "mmfit {params.call} > {log:q} 2>&1"


def result(path):
    """A file of the analysis that the wildcard names."""
    return f"{RESULTS}/{{analysis}}/{path}"


def call(stage, option="", wildcard=""):
    """The command line of a stage, with an option that a wildcard fills."""

    def line(wildcards):
        words = [stage, ANALYSES[wildcards.analysis].path, "--results", RESULTS]
        words += [option, getattr(wildcards, wildcard)] if option else []
        return shlex.join(map(str, words))

    return line


def needs(minutes, megabytes=2000):
    """Time and memory of a job, twice as much at each further attempt."""
    return {
        "runtime": lambda wildcards, attempt: minutes * 2 ** (attempt - 1),
        "mem_mb": lambda wildcards, attempt: megabytes * 2 ** (attempt - 1),
    }


def fits(wildcards):
    """Both fits of every candidate of an analysis."""
    files = ResultFiles(Path(RESULTS) / wildcards.analysis)
    return [
        str(files.fit(model, criterion))
        for model in ANALYSES[wildcards.analysis].candidate_names
        for criterion in CRITERIA
    ]


def tables_made_by(stage):
    """The tables that a stage writes, by name."""
    return {table.name: result(f"tables/{table.file}") for table in tables_of(stage)}


def books(stage, part=""):
    """What tells whether a job is due, and the records that it checks before it starts."""

    def found(wildcards):
        analysis = ANALYSES[wildcards.analysis]
        job = Job(stage, getattr(wildcards, part) if part else "")
        folder = f"{RESULTS}/{analysis.name}/made"
        records = [f"{folder}/{other.name}.json" for other in behind(analysis, job)]
        return [f"{DUE}/{analysis.name}/{job.name}", *records]

    return found


def files_beside(stage):
    """The files that a stage reads beside the results of others. Their content decides, not their
    age."""
    return lambda wildcards: [
        ancient(file) for file in files_read(ANALYSES[wildcards.analysis], Job(stage))
    ]
