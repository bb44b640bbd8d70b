import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from mmfit.cli import reads
from mmfit.digest import CODE, TEMPLATES, environment_digest, package_digest
from mmfit.errors import MmfitError
from mmfit.report.provenance import SOFTWARE
from mmfit.spec import check_config, check_data_files, load_analyses

# Every analysis is checked whole, here, before any job exists.
try:
    CONFIG = check_config(config)
    ANALYSES = {analysis.name: analysis for analysis in load_analyses(CONFIG.analyses)}
    check_data_files(ANALYSES.values())
except MmfitError as error:
    raise WorkflowError(f"Nothing was run, because of this:\n{error}") from None

RESULTS = CONFIG.results

# Snakemake does not see edits of the package, nor other versions of numpy and its kin. As a value
# of `params` these digests let what computes run again; touching a file changes neither.
PACKAGE = package_digest(CODE) + environment_digest()
PRESENTATION = package_digest(TEMPLATES) + environment_digest(SOFTWARE)


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


def analysis_file(wildcards):
    return ANALYSES[wildcards.analysis].path


def fits(wildcards):
    """Both fits of every candidate of an analysis."""
    return [
        f"{RESULTS}/{wildcards.analysis}/fits/{model}.{criterion}.json"
        for model in ANALYSES[wildcards.analysis].candidate_names
        for criterion in ("REML", "ML")
    ]


def more_memory(megabytes):
    """Twice the memory at each further attempt."""
    return lambda wildcards, attempt: megabytes * 2 ** (attempt - 1)


def more_time(minutes):
    """Twice the time at each further attempt."""
    return lambda wildcards, attempt: minutes * 2 ** (attempt - 1)
