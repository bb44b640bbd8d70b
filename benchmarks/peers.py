"""The engines' processes: one thread each, a command in and an answer out."""

import importlib.util
import os
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECONDS = 900.0
INTERPRETER = "MMFIT_BENCH_PEERS"

_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "RAYON_NUM_THREADS",
    ),
    "1",
)


class EngineError(RuntimeError):
    """An engine that ended, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A name and the command that starts the process."""

    name: str
    command: tuple[str, ...]


class Process:
    """A running engine; started again, without data, when it is asked after a failure.

    Attributes
    ----------
    engine : Engine;  versions : str, the engine's own words.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self.engine.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | _ONE_THREAD,
        )
        self.versions = self._read(SECONDS)["versions"]

    def _read(self, seconds: float) -> dict[str, str]:
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            self._process.communicate()
            reason = "ended without an answer" if ready else f"no answer within {seconds:.0f} s"
            raise EngineError(reason)
        return dict(pair.split("=", 1) for pair in line.rstrip("\n").split("\t") if pair)

    def ask(self, *words: object, seconds: float = SECONDS) -> dict[str, str]:
        """The answer to one command.

        Raises
        ------
        EngineError
            When the process ends or does not answer; a new one is started at the next command.
        """
        if self._process.poll() is not None:
            self._start()
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._read(seconds)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.communicate()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def engines() -> tuple[list[Engine], list[str]]:
    """mmfit and the peers that are installed; and a sentence for each that is not."""
    found = [Engine("mmfit", (sys.executable, "-m", "benchmarks.mmfit_worker"))]
    missing = []
    rscript = shutil.which("Rscript")
    if rscript and _runs(rscript, "-e", "library(lme4); library(lmerTest)"):
        peer = str(Path(__file__).parent / "lme4_peer.R")
        found.append(Engine("lme4", (rscript, "--vanilla", peer)))
    else:
        missing.append("lme4 and lmerTest are not installed (or Rscript is not on the path).")
    python = os.environ.get(INTERPRETER) or sys.executable
    place = f"the interpreter that {INTERPRETER} names"
    if python == sys.executable:
        place = f"this environment ({INTERPRETER} can name another)"
    for name in ("mixedlm", "statsmodels"):
        if _imports(python, name):
            found.append(Engine(name, (python, "-m", "benchmarks.python_peer", name)))
        else:
            missing.append(f"{name} is not installed in {place}.")
    return found, missing


def _runs(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _imports(python: str, name: str) -> bool:
    if python == sys.executable:
        return importlib.util.find_spec(name) is not None
    return _runs(python, "-c", f"import {name}")
