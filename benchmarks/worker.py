"""What the Python processes of the benchmarks share: the protocol, the clock, the memory.

A command is one line of words separated by tabs; the answer is one line of ``key=value`` pairs
separated by tabs, numbers of a list by commas. The first line, unasked, tells the versions. A
process that fails ends, with its traceback on standard error; its caller starts another.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Answer = Mapping[str, Any]


def serve(versions: str, commands: Mapping[str, Callable[..., Answer]]) -> None:
    """Answer the commands on standard input until it ends."""
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answers.write(f"versions={versions}\n")
    for line in sys.stdin:
        command, *words = line.rstrip("\n").split("\t")
        answer = commands[command](*words)
        answers.write("\t".join(f"{key}={_text(value)}" for key, value in answer.items()) + "\n")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if hasattr(value, "__iter__"):
        return ",".join(repr(float(item)) for item in value)
    return repr(float(value))


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What ``work`` returns, elapsed seconds, and the CPU seconds of all threads."""
    cpu, start = time.process_time(), time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    return result, seconds, time.process_time() - cpu


def collect() -> Answer:
    """Clear away garbage, before a turn and outside its time."""
    gc.collect()
    return {}


def reset_peak() -> Answer:
    """Let the peak of resident memory be what is resident now; the level in MB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return {"level": _status("VmRSS")}


def peak() -> Answer:
    """The peak of resident memory since :func:`reset_peak`, in MB."""
    return {"peak": _status("VmHWM")}


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)
