"""Growth curves: time and memory against rows, levels, thetas and responses."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.memory import Small, warm
from benchmarks.peers import Engine, EngineError, Process
from benchmarks.simulate import DataSet, crossed, nested, reference, removed, slopes
from benchmarks.store import Store
from benchmarks.timing import Tally

# A point that takes longer than this many seconds is timed once, a shorter one three times more.
QUICK = 5.0
EVALUATIONS = 15


@dataclass(frozen=True, slots=True)
class Point:
    """One model of a curve.

    Attributes
    ----------
    x : int, what grows.
    thetas : int, number of variance parameters of the formula; 0 leaves out the evaluation's cost.
    lme4 : bool, whether lme4 is timed too.
    responses : int, of a curve against responses.
    """

    x: int
    data: DataSet
    formula: str
    thetas: int
    lme4: bool
    responses: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """A name, the figure it is drawn in, the panel's title, the label of what grows, the points."""

    name: str
    figure: str
    title: str
    label: str
    points: tuple[Point, ...]


_NESTED = "y ~ x + (1 | region/clinic/patient)"
_CROSSED = "y ~ x + (x | subj) + (1 | item)"
_SLEEP = "Reaction ~ Days + (Days | Subject)"
_SLEEPSTUDY = reference("sleepstudy", "Subject")
_ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)


def _slopes(q: int) -> Point:
    names = " + ".join(["1", *(f"x{k}" for k in range(1, q))])
    formula = f"y ~ {names} + ({names} | g)"
    return Point(q, slopes(10_000, 500, q - 1), formula, q * (q + 1) // 2, q <= 4)


def _responses(data: DataSet) -> tuple[Point, ...]:
    return tuple(
        Point(k, data, _SLEEP, 0, k <= 100, responses=k) for k in (1, 10, 100, 1_000, 10_000)
    )


CURVES = (
    Curve(
        "rows, nested",
        "rows",
        "nested, 10 / 100 / 1,000 levels",
        "rows",
        tuple(Point(n, nested(n, 10, 100, 1_000), _NESTED, 3, n <= 100_000) for n in _ROWS),
    ),
    Curve(
        "rows, crossed",
        "rows",
        "crossed, 400 × 100 levels in 8,000 pairs, slopes",
        "rows",
        tuple(Point(n, crossed(n, 400, 100, 8_000), _CROSSED, 4, n <= 100_000) for n in _ROWS),
    ),
    Curve(
        "levels, nested",
        "levels",
        "nested, 300,000 rows",
        "patients (100 per clinic, 10 regions)",
        tuple(
            Point(k, nested(300_000, 10, max(k // 100, 10), k), _NESTED, 3, k <= 3_000)
            for k in (1_000, 3_000, 10_000, 30_000, 100_000)
        ),
    ),
    Curve(
        "levels, crossed",
        "levels",
        "crossed, 100,000 rows, slopes",
        "subjects (4 per item)",
        tuple(
            Point(k, crossed(100_000, k, k // 4), _CROSSED, 4, k <= 800)
            for k in (200, 400, 800, 1_600, 3_200, 6_400)
        ),
    ),
    Curve(
        "thetas",
        "thetas",
        "q × q covariance, 500 groups, 10,000 rows",
        "effects q (q(q + 1)/2 thetas)",
        tuple(_slopes(q) for q in range(1, 7)),
    ),
    Curve(
        "responses, balanced",
        "responses",
        "sleepstudy, balanced",
        "responses",
        _responses(_SLEEPSTUDY),
    ),
    Curve(
        "responses, rows removed",
        "responses",
        "sleepstudy, 30 rows removed",
        "responses",
        _responses(removed(_SLEEPSTUDY, 30)),
    ),
)


def measure_point(
    point: Point, engines: Mapping[str, Engine], store: Store, small: Small
) -> dict[str, Any]:
    """Per engine: median seconds, and megabytes before the fit and at its peak."""
    names = [name for name in engines if name == "mmfit" or (name == "lme4" and point.lme4)]
    record: dict[str, Any] = {"x": point.x}
    for name in names:
        try:
            with Process(engines[name]) as process:
                warm(process, small, "many" if point.responses else "fit")
                process.ask("load", store.path(point.data))
                record[name] = _measure(process, name, point, store)
        except EngineError as failure:
            record[name] = {"failed": str(failure)}
    return record


def _measure(process: Process, name: str, point: Point, store: Store) -> dict[str, float]:
    words = _words(process, name, point, store)
    level = float(process.ask("reset")["level"])
    tally = Tally()
    tally.add(process.ask(*words))
    peak = float(process.ask("peak")["peak"])
    for _ in range(3 if tally.spent < QUICK else 0):
        tally.add(process.ask(*words))
    record = {"seconds": median(tally.record["seconds"]), "level": level, "peak": peak}
    if name == "mmfit" and point.thetas:
        answer = process.ask("evaluation", point.formula, point.thetas, EVALUATIONS)
        record |= {key: float(value) for key, value in answer.items()}
    return record


def _words(process: Process, name: str, point: Point, store: Store) -> tuple:
    if not point.responses:
        return ("fit", point.formula)
    path = store.folder / f"{point.data.name}-{point.responses}.responses"
    if name == "mmfit":
        process.ask("simulate", point.formula, point.responses, path)
    return ("many", point.formula, path, path.with_suffix(f".{name}"))
