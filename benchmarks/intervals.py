"""Time confidence intervals beside lme4's ``confint``, in turn, one thread each.

usage: python -m benchmarks.intervals [--repeats N] [--large]

Given the fit: what is timed is everything from the fit to the table of intervals. ``--large`` adds
models of 10^5 rows, by mmfit alone (lme4 would take the better part of an hour).
"""

import argparse
import gc
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

import mmfit
from benchmarks.machine import machine
from benchmarks.peers import ROOT, Engine, EngineError, Process

REPLICATES = 999


@dataclass(frozen=True, slots=True)
class Case:
    """A model and how its intervals are computed; ``peer``: how often lme4 is asked."""

    name: str
    formula: str
    data: pd.DataFrame
    method: str = "profile"
    peer: int = 3


def cases() -> tuple[Case, ...]:
    """Small models, which lme4 can follow."""
    sleep = pd.read_csv(ROOT / "config" / "data" / "sleepstudy.csv")
    slope = "Reaction ~ Days + (Days | Subject)"
    crossed = _simulated(600, 25, 18)
    return (
        Case("random slope", slope, sleep),
        Case("random slope", slope, sleep, "bootstrap", 1),
        Case("crossed", "y ~ x + (x | s) + (1 | i)", crossed, peer=1),
        Case("three effects", "y ~ x + z + (x + z | s)", crossed, peer=1),
    )


def large_cases() -> tuple[Case, ...]:
    """Models of 10^5 rows."""
    data = _simulated(100_000, 2_000, 500)
    return (
        Case("crossed, 10^5 rows", "y ~ x + (x | s) + (1 | i)", data, peer=0),
        Case("one factor, 10^5 rows", "y ~ x + z + (x + z | s)", data, peer=0),
    )


def _simulated(rows: int, subjects: int, items: int) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    s, i = rng.integers(0, subjects, rows), rng.integers(0, items, rows)
    x, z = rng.normal(size=(2, rows))
    b = rng.normal(size=(subjects, 3)) * [1, 0.5, 0.5]
    y = 1 + x + b[s, 0] + b[s, 1] * x + b[s, 2] * z + rng.normal(size=items)[i]
    labels = {"s": [f"s{k}" for k in s], "i": [f"i{k}" for k in i]}
    return pd.DataFrame({"y": y + rng.normal(size=rows), "x": x, "z": z, **labels})


def _own_seconds(case: Case, data: pd.DataFrame) -> float:
    fit = mmfit.lmer(case.formula, data)
    gc.collect()
    start = time.perf_counter()
    fit.confint(case.method, replicates=REPLICATES)
    return time.perf_counter() - start


def _peer(stack: ExitStack) -> Process | None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    script = str(Path(__file__).parent / "intervals_peer.R")
    try:
        return stack.enter_context(Process(Engine("lme4", (rscript, "--vanilla", script))))
    except EngineError:
        return None


def _measure(case: Case, peer: Process | None, repeats: int) -> str:
    """One line: medians and their ratio."""
    own, other = [], []
    with tempfile.TemporaryDirectory() as folder:
        if peer and case.peer:
            file = Path(folder) / "data.csv"
            case.data.to_csv(file, index=False)
            peer.ask("load", file)
        # The first call loads modules.
        warm = case.peer > 0 and _own_seconds(case, case.data)
        for turn in range(repeats if warm else 1):
            own.append(_own_seconds(case, case.data))
            if peer and turn < case.peer:
                words = (case.method, case.formula, REPLICATES)
                other.append(float(peer.ask(*words)["seconds"]))
    line = f"{case.name}, {case.method}: mmfit {median(own):.3g} s"
    if other:
        line += f", lme4 {median(other):.3g} s, {median(other) / median(own):.0f} times"
    return line


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="turns of each case")
    parser.add_argument("--large", action="store_true", help="also models of 10^5 rows")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        peer = _peer(stack)
        print(machine(), peer.versions if peer else "lme4 is missing", flush=True)
        for case in cases() + (large_cases() if arguments.large else ()):
            print(_measure(case, peer, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
