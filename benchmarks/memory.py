"""Peak resident memory of one fit, in a process that has done nothing else."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.cases import CASES
from benchmarks.peers import Engine, Process
from benchmarks.store import Store
from benchmarks.tables import write_matrix


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: resident before the fit (imports and data), and the peak during it."""

    level: float
    peak: float

    def record(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Small:
    """A model that every engine fits in milliseconds: data on disk, formula, and two responses."""

    folder: Path
    formula: str
    responses: Path


def small_model(store: Store) -> Small:
    """The sleepstudy, with its own response twice."""
    data = CASES[0].data
    responses = store.folder / "small.responses"
    write_matrix(responses, np.column_stack([data.make()["Reaction"]] * 2))
    return Small(store.path(data), CASES[0].formula, responses)


def warm(process: Process, small: Small, mode: str = "fit") -> None:
    """The command on a small model, so that all of the engine's code is loaded."""
    process.ask("load", small.folder)
    words = (mode, small.formula)
    if mode == "many":
        words = (*words, small.responses, small.responses.with_suffix(f".{process.engine.name}"))
    process.ask(*words)


def measure(engine: Engine, small: Small, folder: Path, command: tuple) -> Memory:
    """Load the data, set the peak back to what is then resident, run ``command``, read the peak.

    Parameters
    ----------
    small : the model that loads the engine's code.
    folder : the data;  command : words, as for :meth:`Process.ask`.

    Raises
    ------
    EngineError
        When the engine ends or does not answer in time.
    """
    with Process(engine) as process:
        warm(process, small, command[0])
        process.ask("load", folder)
        level = float(process.ask("reset")["level"])
        process.ask(*command)
        return Memory(level, float(process.ask("peak")["peak"]))
