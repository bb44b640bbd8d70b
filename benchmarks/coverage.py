"""How often intervals after a selection cover the true value: the tables of docs/selection.md.

usage: python -m benchmarks.coverage [--datasets N] [--only NAME] [--method M] [--jobs N] [--page]
"""

import argparse
import json
import math
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.coverage_page import PAGE, write_page
from benchmarks.coverage_studies import CoverageStudy, studies
from benchmarks.machine import machine
from mmfit.engine.fit import fit_both
from mmfit.errors import MmfitError
from mmfit.selection import select_model
from mmfit.selection.pair_tests.likelihood_ratio import WITHOUT_BOOTSTRAP
from mmfit.selection.records import Candidate
from mmfit.selection.search.after_search import after_ladder, after_search
from mmfit.selection.search.after_selection_records import AfterSelection, AfterSelectionRow
from mmfit.selection.search.models import Fits
from mmfit.selection.search.source import RowSource
from mmfit.selection.search.stability import METHODS, SearchTask
from mmfit.selection.search.stability_ladder import LadderTask
from mmfit.selection.search.stability_records import Stability

NUMBERS = Path(__file__).parent / "coverage.json"
ALPHA, SAMPLES = 0.05, 100


@dataclass(frozen=True, slots=True)
class Reported:
    """A coefficient of one data set's chosen model, beside its true value."""

    row: AfterSelectionRow
    truth: float

    @property
    def naive(self) -> bool:
        return self.row.conf_low <= self.truth <= self.row.conf_high

    @property
    def ours(self) -> bool:
        return self.row.conf_low_selection <= self.truth <= self.row.conf_high_selection

    @property
    def ratio(self) -> float:
        """The length of the interval by that of the naive one."""
        row = self.row
        own = row.conf_high_selection - row.conf_low_selection
        return own / (row.conf_high - row.conf_low)


def one_selection(study: CoverageStudy, method: str, replicate: int) -> tuple[Reported, ...] | None:
    """The coefficients reported from one data set, but the intercept; None where nothing is."""
    frame = study.data(replicate, method)
    # No samples are repeated: how often coefficients are chosen is not what is measured.
    audit = Stability(method, SAMPLES, replicate, "", ())
    try:
        found = _after_ladder(study, frame, audit) if study.models else _after(study, frame, audit)
    except MmfitError:
        return None
    rows = [row for row in found.rows if row.term != "(Intercept)"]
    return tuple(Reported(row, study.truth.get(row.term, 0.0)) for row in rows)


def _after(study: CoverageStudy, frame, audit: Stability) -> AfterSelection:
    source = RowSource(frame)
    task = SearchTask(source, study.maximal, study.minimal, study.search, study.criterion, ALPHA)
    models = task.models()
    return after_search(task, models, task.run(Fits(models)), audit)


def _after_ladder(study: CoverageStudy, frame, audit: Stability) -> AfterSelection:
    source, candidates = RowSource(frame), []
    for name, formula in study.models.items():
        matrices = source.build(formula)
        candidates.append(Candidate(name, matrices, fit_both(matrices)))
    task = LadderTask(candidates, ALPHA)
    chosen = select_model(candidates, alpha=ALPHA, settings=WITHOUT_BOOTSTRAP).chosen
    return after_ladder(task, chosen, audit)


def summary(found: Iterable[tuple[Reported, ...] | None]) -> dict[str, Any]:
    """Coverages and lengths over all data sets, and by true value."""
    found = list(found)
    every = [one for rows in found if rows for one in rows]
    usable = [one for one in every if one.row.conf_low_selection is not None]
    truths = sorted({one.truth for one in usable})
    return {
        "datasets": len(found),
        "failed": sum(rows is None for rows in found),
        "missing": len(every) - len(usable),
        **_rates(usable),
        "by_truth": {str(t): _rates([o for o in usable if o.truth == t]) for t in truths},
    }


def _rates(members: list[Reported]) -> dict[str, Any]:
    if not members:
        return {"reported": 0}
    ratios = [one.ratio for one in members]
    finite = [ratio for ratio in ratios if math.isfinite(ratio)]
    return {
        "reported": len(members),
        "naive": fmean(one.naive for one in members),
        "selection": fmean(one.ours for one in members),
        "length_ratio": fmean(finite),
        "length_ratio_median": median(ratios),
        "unbounded": len(ratios) - len(finite),
        "naive_below_alpha": fmean(one.row.p_value < ALPHA for one in members),
        "selection_below_alpha": fmean(one.row.p_value_selection < ALPHA for one in members),
    }


def measure(study: CoverageStudy, method: str, datasets: int, jobs: int) -> dict[str, Any]:
    """The summary of a study; the same whatever the number of jobs."""
    begin = time.perf_counter()
    work = partial(one_selection, study, method)
    if jobs == 1:
        found = [work(i) for i in range(datasets)]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            found = list(pool.map(work, range(datasets), chunksize=8))
    seconds = (time.perf_counter() - begin) * jobs / datasets
    return {"title": study.title, **summary(found), "seconds": round(seconds, 2)}


def main() -> None:
    """Measure what was asked for, keep the numbers, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=1000, help="data sets per study")
    parser.add_argument("--only", default="", help="studies whose name contains this text")
    parser.add_argument("--method", default="", choices=["", *METHODS], help="one of the methods")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--page", action="store_true", help="only make the page anew")
    arguments = parser.parse_args()
    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {"studies": {}}
    for study in studies():
        for method in METHODS:
            if arguments.page or arguments.only not in study.name:
                continue
            if arguments.method in ("", method):
                record = measure(study, method, arguments.datasets, arguments.jobs)
                numbers["machine"] = machine()
                numbers["studies"].setdefault(study.name, {})[method] = record
                NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
                print(study.name, method, json.dumps(record), flush=True)
    order = [study.name for study in studies() if study.name in numbers["studies"]]
    write_page({name: numbers["studies"][name] for name in order})
    print(PAGE)


if __name__ == "__main__":
    main()
