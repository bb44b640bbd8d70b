"""What the numbers were measured on."""

import os
import platform
import subprocess
from pathlib import Path

from benchmarks.peers import ROOT


def machine() -> str:
    """Processor, cores, memory, system."""
    cores = os.cpu_count()
    return f"{_processor()}, {cores} cores, {_memory()}, {platform.system()} {platform.machine()}"


def _field(path: str, name: str) -> str | None:
    file = Path(path)
    if not file.exists():
        return None
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _processor() -> str:
    model = _field("/proc/cpuinfo", "model name") or platform.processor() or "unknown processor"
    family, number = _field("/proc/cpuinfo", "cpu family"), _field("/proc/cpuinfo", "model")
    return f"{model} (family {family}, model {number})" if family and number else model


def _memory() -> str:
    total = _field("/proc/meminfo", "MemTotal")
    return f"{int(total.split()[0]) / 2**20:.0f} GB" if total else "unknown memory"


def commit() -> str:
    """The commit of the package, with a plus when the package differs from it; "" without git."""
    revision = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "mmfit")
    return f"{revision}+" if revision and changed else revision


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
