"""How often each test rejects a true null hypothesis: numbers, figure and tables of docs/size.md.

usage: python -m benchmarks.size [--only NAME] [--datasets N] [--anew] [--page]
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.size_studies import Cell, power_cells, size_cells
from benchmarks.size_tables import may_be_chance

AGAIN = 2
"""Times as many other data sets, on which cells are measured again that may be high by chance."""
NUMBERS = Path(__file__).parent / "size.json"


def cells() -> tuple[Cell, ...]:
    """All cells, in the order of the file."""
    return (*size_cells(), *power_cells())


def read_numbers() -> dict[str, Any]:
    """What has been measured."""
    if NUMBERS.exists():
        return json.loads(NUMBERS.read_text())
    return {"machine": {}, "agreement": {}, "cells": {}}


def write_numbers(numbers: dict[str, Any]) -> None:
    """One cell a line, in the order of the study."""
    found = numbers["cells"]
    order = [cell.name for cell in cells() if cell.name in found]
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in order)
    head = [f" {json.dumps(key)}: {json.dumps(numbers[key])}" for key in ("machine", "agreement")]
    text = "{\n" + ",\n".join([*head, f' "cells": {{\n{rows}\n }}']) + "\n}\n"
    partial = NUMBERS.with_suffix(".partial")
    partial.write_text(text)
    os.replace(partial, NUMBERS)


def run(only: str, datasets: int | None, anew: bool) -> None:
    """Measure the cells whose name contains ``only`` and that are not there yet."""
    from benchmarks.size_measure import agreement, measure

    numbers = read_numbers()
    wanted = [cell for cell in cells() if only in cell.name]
    for i, cell in enumerate(wanted, 1):
        count = datasets or cell.datasets
        record = {} if anew else dict(numbers["cells"].get(cell.name, {}))
        if record.get("datasets") != count:
            record = measure(cell, range(count))
        if cell.is_null and may_be_chance(record) and "again" not in record:
            record["again"] = measure(cell, range(count, (1 + AGAIN) * count))
        if record == numbers["cells"].get(cell.name):
            continue
        numbers["machine"] = machine()
        numbers["cells"][cell.name] = record
        write_numbers(numbers)
        at_5 = {method: round(100 * rates[1], 2) for method, rates in record["rejected"].items()}
        print(f"{i}/{len(wanted)}", cell.name, record["seconds"], at_5, flush=True)
    if not only and (anew or not numbers["agreement"]):
        numbers["agreement"] = agreement()
        write_numbers(numbers)
        print(numbers["agreement"], flush=True)


def main() -> None:
    """Measure what was asked for, keep the numbers, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, help="data sets per cell, instead of each its own")
    parser.add_argument("--only", default="", help="cells whose name contains this text")
    parser.add_argument("--anew", action="store_true", help="also what has been measured")
    parser.add_argument("--page", action="store_true", help="only make page and figures anew")
    arguments = parser.parse_args()
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    if not arguments.page:
        with threadpool_limits(1):
            run(arguments.only, arguments.datasets, arguments.anew)
    from benchmarks.size_page import PAGE, write_page

    write_page(read_numbers())
    print(PAGE)


if __name__ == "__main__":
    main()
