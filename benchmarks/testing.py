"""Time Kenward-Roger's table and a bootstrap test beside pbkrtest and lme4, one thread each.

usage: python -m benchmarks.testing [--repeats N]

Given the fits, in turn, one thread, medians. Without Rscript and the packages, mmfit alone.
"""

import argparse
import gc
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

import mmfit
from benchmarks.machine import machine
from benchmarks.peers import ROOT, Engine, EngineError, Process

DATA = ROOT / "config" / "data" / "sleepstudy.csv"
NULL = "Reaction ~ Days + (1 | Subject)"
MODEL = "Reaction ~ Days + (Days | Subject)"
REPLICATES = 999


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed: ``prepare`` fits and returns the work; the peer's command and its turns."""

    name: str
    prepare: Callable[[], Callable[[], object]]
    command: tuple[str, ...]
    most: int


def cases(data: pd.DataFrame) -> tuple[Case, ...]:
    """Every turn begins with fits that have computed nothing of it yet."""

    def table() -> Callable[[], object]:
        fit = mmfit.lmer(MODEL, data)
        return lambda: fit.tidy(df="kenward-roger")

    def bootstrap() -> Callable[[], object]:
        null, model = mmfit.lmer(NULL, data), mmfit.lmer(MODEL, data)
        return lambda: mmfit.compare(null, model, "bootstrap", replicates=REPLICATES)

    return (
        Case("Kenward-Roger's table", table, ("kenward-roger", MODEL), 9),
        Case(
            f"likelihood-ratio test, {REPLICATES} bootstrap replicates",
            bootstrap,
            ("bootstrap", NULL, MODEL, str(REPLICATES)),
            3,
        ),
    )


def _seconds(prepare: Callable[[], Callable[[], object]]) -> float:
    work = prepare()
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peer(stack: ExitStack) -> Process | None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    script = str(Path(__file__).parent / "testing_peer.R")
    try:
        process = stack.enter_context(Process(Engine("R", (rscript, "--vanilla", script))))
    except EngineError:
        return None
    process.ask("load", DATA)
    return process


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="turns of each case")
    repeats = parser.parse_args().repeats
    data = pd.read_csv(DATA)
    with ExitStack() as stack:
        peer = _peer(stack)
        print(machine(), peer.versions if peer else "R with lme4, lmerTest and pbkrtest is missing")
        for case in cases(data):
            # The first call loads modules.
            _seconds(case.prepare)
            own, other = [], []
            for turn in range(repeats):
                own.append(_seconds(case.prepare))
                if peer and turn < case.most:
                    other.append(float(peer.ask(*case.command)["seconds"]))
            line = f"{case.name}: mmfit {median(own):.3g} s"
            if other:
                line += f", R {median(other):.3g} s, ratio {median(other) / median(own):.3g}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
