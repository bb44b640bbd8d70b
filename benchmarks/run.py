"""Time mmfit beside lme4, mixedlm and statsmodels: in turn within one run, one thread each.

usage: python -m benchmarks.run [--only TEXT] [--heavy] [--figures] [--quick] [--page] [--output F]
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES
from benchmarks.figures import draw
from benchmarks.growth import CURVES, measure_point
from benchmarks.machine import commit, machine
from benchmarks.memory import small_model, warm
from benchmarks.page import results_page
from benchmarks.peers import Engine, Process, engines
from benchmarks.readme import update_readme
from benchmarks.results import begin, read_results, write_results
from benchmarks.store import Store
from benchmarks.timing import quick, time_case

PAGE = Path(__file__).parent / "RESULTS.md"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases and curves whose name contains this text")
    parser.add_argument("--heavy", action="store_true", help="also the cases without a peer")
    parser.add_argument("--figures", action="store_true", help="also the growth curves")
    parser.add_argument("--quick", action="store_true", help="one repeat; the two first points")
    parser.add_argument("--page", action="store_true", help="only make the page and figures anew")
    parser.add_argument(
        "--output", type=Path, default=PAGE, help="the page; the numbers go to its folder"
    )
    return parser.parse_args()


def _run(arguments: argparse.Namespace, numbers: Path) -> None:
    found, missing = engines()
    for sentence in missing:
        print(sentence)
    with Store() as store, ExitStack() as stack:
        processes = {engine.name: stack.enter_context(Process(engine)) for engine in found}
        environment = {
            "machine": machine(),
            "versions": {name: process.versions for name, process in processes.items()},
            "missing": missing,
            "quick": arguments.quick,
        }
        for words in environment["versions"].values():
            print(words)
        results = begin(numbers, environment)
        small = small_model(store)
        for process in processes.values():
            warm(process, small)
        for case in CASES:
            if arguments.only in case.name and (arguments.heavy or not case.heavy):
                case = quick(case) if arguments.quick else case
                record = time_case(case, processes, store, small)
                results["cases"][case.name] = record | {"commit": commit()}
                write_results(numbers, results)
                _say(case.name, record)
    if arguments.figures:
        _grow(arguments, {engine.name: engine for engine in found}, results, numbers)


def _grow(arguments, found: dict[str, Engine], results: dict[str, Any], numbers: Path) -> None:
    for curve in CURVES:
        if arguments.only not in curve.name:
            continue
        points = curve.points[:2] if arguments.quick else curve.points
        with Store() as store:
            small = small_model(store)
            records = [measure_point(point, found, store, small) for point in points]
        results["growth"][curve.name] = {"commit": commit(), "points": records}
        write_results(numbers, results)
        print(f"curve: {curve.name}", flush=True)


def _say(name: str, record: dict[str, Any]) -> None:
    parts = [
        f"{engine} {answer.get('failed') or '{:.4g} s'.format(min(answer['seconds']))}"
        for engine, answer in record["engines"].items()
    ]
    print(f"{name}: {', '.join(parts)}", flush=True)


def main() -> None:
    arguments = _arguments()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    numbers = arguments.output.with_name("results.json")
    if not arguments.page:
        _run(arguments, numbers)
    results = read_results(numbers)
    drawn = draw(results["growth"], arguments.output.with_name("figures"))
    arguments.output.write_text(results_page(results, drawn), encoding="utf-8")
    if arguments.output == PAGE and not arguments.quick:
        update_readme(results)


if __name__ == "__main__":
    main()
