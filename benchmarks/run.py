"""Time mmfit beside lme4: in turn within one run, one BLAS thread each, medians and ratios.

usage: python -m benchmarks.run [--only TEXT] [--output benchmarks/RESULTS.md]
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy
import pandas as pd
import scipy
import scipy.linalg  # its BLAS must be loaded before it can be held to one thread
from threadpoolctl import threadpool_limits

import mmfit
from benchmarks.cases import CASES, Case

PEER = Path(__file__).parent / "lme4_peer.R"


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds and the criterion of both engines on one case (None without R)."""

    case: Case
    mmfit_seconds: float
    mmfit_criterion: float
    evaluations: int
    lme4_seconds: float | None
    lme4_criterion: float | None


class Lme4:
    """A running R process that fits on request."""

    def __init__(self):
        one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            ["Rscript", "--vanilla", str(PEER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | one_thread,
        )
        _, lme4, *language = self.process.stdout.readline().split()
        self.version = f"lme4 {lme4}, R {'.'.join(language)}"

    def ask(self, line: str) -> list[str]:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def _unpacked(case: Case, folder: Path) -> Path:
    """R reads the same bytes, uncompressed where they are compressed."""
    path = folder / f"{case.data}.csv"
    if not path.exists():
        pd.read_csv(case.path).to_csv(path, index=False)
    return path


def time_case(case: Case, lme4: Lme4 | None, folder: Path) -> Timing:
    """Fit in turn; reading the data is not timed, building the model matrices is."""
    data = pd.read_csv(case.path)
    for column in case.categorical:
        data[column] = data[column].astype("category")
    if lme4:
        lme4.ask(f"load {_unpacked(case, folder)} {','.join(case.categorical)}")
    ours, theirs, criterion = [], [], None
    for _ in range(case.repeats):
        start = time.perf_counter()
        fit = mmfit.lmer(case.formula, data)
        ours.append(time.perf_counter() - start)
        if lme4:
            seconds, criterion = lme4.ask(f"fit REML {case.formula}")
            theirs.append(float(seconds))
    return Timing(
        case,
        statistics.median(ours),
        fit.objective,
        fit.optimizer.evaluations,
        statistics.median(theirs) if theirs else None,
        float(criterion) if criterion else None,
    )


def results_page(timings: list[Timing], versions: str) -> str:
    """RESULTS.md."""
    lines = [
        "# Benchmarks",
        "",
        "Formula to result (`mmfit.lmer`, `lme4::lmer`, both with their defaults, REML), in turn",
        "within one run, one BLAS thread each, median seconds. The criterion is -2 log restricted",
        "likelihood less lme4's: negative means that mmfit got lower.",
        "",
        f"{versions}",
        "",
        "| case | mmfit s | lme4 s | lme4 / mmfit | evaluations | criterion - lme4's |",
        "|---|---|---|---|---|---|",
    ]
    for t in timings:
        formula = t.case.formula.replace("|", "\\|")
        ours = f"| {t.case.name}: `{formula}` | {t.mmfit_seconds:.4f} "
        if t.lme4_seconds is None:
            lines.append(f"{ours}| | | {t.evaluations} | |")
            continue
        ratio = t.lme4_seconds / t.mmfit_seconds
        gap = t.mmfit_criterion - t.lme4_criterion
        lines.append(f"{ours}| {t.lme4_seconds:.4f} | {ratio:.1f} | {t.evaluations} | {gap:.1e} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    parser.add_argument("--output", default=str(Path(__file__).parent / "RESULTS.md"))
    arguments = parser.parse_args()
    lme4 = Lme4() if shutil.which("Rscript") else None
    folder = Path(arguments.output).parent / ".data"
    folder.mkdir(exist_ok=True)
    with threadpool_limits(1):
        timings = [time_case(case, lme4, folder) for case in CASES if arguments.only in case.name]
    versions = (
        f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"numpy {numpy.__version__}, scipy {scipy.__version__}, mmfit {mmfit.__version__}"
    )
    if lme4:
        versions += f"; {lme4.version}"
        lme4.close()
    page = results_page(timings, versions + ".")
    Path(arguments.output).write_text(page)
    print(page)


if __name__ == "__main__":
    main()
