"""Time one case: every engine in turn, then what is not timed (criteria, memory)."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import RESPONSES, Case
from benchmarks.memory import Small, measure
from benchmarks.peers import EngineError, Process
from benchmarks.store import Store
from benchmarks.tables import read_matrix

# An engine that has used this many seconds of one case is not repeated further.
BUDGET = 240.0
# Cases repeated more often than this take milliseconds: a first fit that is not timed is cheap.
LONG = 5
# Such a case is timed this often in every turn, since a turn begins with cold caches.
BURST = 5
# statsmodels is told apart because it may take minutes where the others take less than one.
STATSMODELS_SECONDS = 120.0

# A criterion above lme4's by more than this is counted.
TOLERANCE = 1e-7

_LISTS = ("theta", "df")


class Tally:
    """What one engine answered: a list of seconds, and the last of everything else."""

    def __init__(self):
        self.record: dict[str, Any] = {}

    def add(self, answer: Mapping[str, str]) -> None:
        for key, text in answer.items():
            if key in _LISTS:
                self.record[key] = [float(item) for item in text.split(",")]
            elif key.endswith(("seconds", "cpu")):
                self.record.setdefault(key, []).append(float(text))
            else:
                self.record[key] = float(text)

    @property
    def spent(self) -> float:
        return sum(map(sum, (self.record.get(key, ()) for key in ("seconds", "fit_seconds"))))


@contextmanager
def noted(record: dict[str, Any], key: str = "failed") -> Iterator[None]:
    """An engine's failure becomes part of its record."""
    try:
        yield
    except EngineError as failure:
        record[key] = str(failure)


def time_case(
    case: Case, processes: Mapping[str, Process], store: Store, small: Small
) -> dict[str, Any]:
    """The record of one case: per engine seconds, CPU seconds, criterion, memory; and checks.

    Parameters
    ----------
    processes : engine's name -> its process, mmfit's first.
    small : the model that loads an engine's code before its memory is measured.
    """
    names = [name for name in processes if name == "mmfit" or name in case.peers]
    folder = store.path(case.data)
    words = _words(case, processes["mmfit"], store)
    tallies = {name: Tally() for name in names}
    for name in names:
        with noted(tallies[name].record):
            loaded = processes[name].ask("load", folder)
            if case.repeats > LONG:
                processes[name].ask(*words(name), seconds=_limit(name))
    _in_turn(case, processes, tallies, words)
    record = {
        "mode": case.mode,
        "formula": case.formula,
        "rows": round(float(loaded["rows"])),
        "heavy": case.heavy,
        "goals": dict(case.goals),
        "engines": {name: tally.record for name, tally in tallies.items()},
    }
    record["checks"] = _checks(case, processes, record["engines"], words)
    _memory(record["engines"], processes, small, folder, words)
    return record


def quick(case: Case) -> Case:
    """The case timed once, to see that everything works."""
    return replace(case, repeats=1)


def _limit(name: str) -> float:
    return STATSMODELS_SECONDS if name == "statsmodels" else 900.0


def _words(case: Case, mmfit: Process, store: Store) -> Callable[[str], tuple]:
    """The command for each engine; the responses of ``many`` are drawn once, for all."""
    if case.mode != "many":
        return lambda name: (case.mode, case.formula)
    responses = store.folder / f"{case.data.name}.responses"
    mmfit.ask("load", store.path(case.data))
    mmfit.ask("simulate", case.formula, RESPONSES, responses)
    return lambda name: (case.mode, case.formula, responses, _output(responses, name))


def _output(responses: Path, name: str) -> Path:
    return responses.with_suffix(f".{name}")


def _in_turn(case, processes, tallies, words) -> None:
    for _ in range(case.repeats):
        for name, tally in tallies.items():
            if "failed" in tally.record or tally.spent > BUDGET:
                continue
            with noted(tally.record):
                processes[name].ask("collect")
                for _ in range(BURST if case.repeats > LONG else 1):
                    tally.add(processes[name].ask(*words(name), seconds=_limit(name)))


def _checks(case: Case, processes, engines, words) -> dict[str, float]:
    """lme4's criterion after a tight search, and at mmfit's theta."""
    if "lme4" not in engines or any("failed" in engines[name] for name in ("mmfit", "lme4")):
        return {}
    if case.mode == "many":
        return _many_checks(words)
    lme4, checks = processes["lme4"], {}
    theta = ",".join(map(repr, engines["mmfit"]["theta"]))
    with noted(checks):
        checks["at_ours"] = float(lme4.ask("at", theta)["objective"])
        if case.tight:
            checks["tight"] = float(lme4.ask("tight", case.formula)["objective"])
    return checks


def _many_checks(words) -> dict[str, float]:
    """Response by response against the criteria of the refits."""
    ours, theirs = (read_matrix(words(name)[-1], RESPONSES)[:, 0] for name in ("mmfit", "lme4"))
    gaps = ours - theirs
    return {
        "highest": float(gaps.max()),
        "lowest": float(gaps.min()),
        "above": int(np.sum(gaps > TOLERANCE)),
        "responses": RESPONSES,
    }


def _memory(engines, processes, small, folder, words) -> None:
    for name, record in engines.items():
        if "failed" not in record:
            with noted(record, "memory_failed"):
                memory = measure(processes[name].engine, small, folder, words(name))
                record["memory"] = memory.record()
