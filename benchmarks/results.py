"""The raw numbers: one JSON file, added to case by case."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_results(path: Path) -> dict[str, Any]:
    """What the file holds, or results without a number."""
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"environment": {}, "cases": {}, "growth": {}}


def begin(path: Path, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Earlier results that a run may add to: those of the same machine and versions."""
    earlier = read_results(path)
    if earlier["environment"] and earlier["environment"] != environment:
        print(f"{path.name}: of another machine or other versions; begun anew")
        earlier = {"cases": {}, "growth": {}}
    return {
        "environment": dict(environment),
        "cases": earlier["cases"],
        "growth": earlier["growth"],
    }


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write the file; after each case, so that a run that is stopped has not been in vain."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
