"""RESULTS.md from the raw numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.growth import CURVES

Record = Mapping[str, Any]

_MANY = "Response by response beside lme4's refits, mended as said above:"
# Differences of resident memory below this many MB are noise.
MEGABYTES = 1.0
_PEERS = ("lme4", "mixedlm", "statsmodels")
_NONE = "–"
_INTRODUCTION = """# Benchmarks

Every engine is a process of its own with one thread (BLAS, OpenMP, Rayon), which reads the same
binary data. Within one run they are timed in turn, each with its defaults, by REML; reading the
data is not timed. Seconds are medians of elapsed time; a ratio is the peer's seconds divided by
mmfit's, so above 1 mmfit is faster. The goals were set before the engine was written. The raw
numbers, with CPU seconds and every repeat, are in [results.json](results.json); how to run them is
in the [README](README.md)."""
_BLOCKS = (
    (
        "fit",
        "Formula to result",
        "`mmfit.lmer`, `lme4::lmer`, `mixedlm.lmer`; statsmodels has no formula for crossed or "
        "nested factors, and is timed on one factor. lme4 leaves out the derivatives at the end of "
        "its search (`calc.derivs = FALSE`) in every case with 10,000 rows or 10 variance "
        "parameters, as its default has been since 1.1-38; elsewhere it computes them.",
    ),
    (
        "matrices",
        "Prepared matrices",
        "`mmfit.engine.fit_model(matrices)` beside `mkLmerDevfun`, `optimizeLmer` and `mkMerMod` "
        "on what `lFormula` has prepared.",
    ),
    (
        "table",
        "Satterthwaite tables",
        "Given a fit, whose lazy parts have not been computed: `fit.tidy()` beside "
        "`as_lmerModLmerTest` and `coef(summary())`, and mixedlm's `pvalues_with_ddf`. In the "
        "rows named *whole* the fit is counted too.",
    ),
    (
        "many",
        "Many responses",
        "1000 responses drawn from the fit: one call of `mmfit.lmer_many` beside a loop of "
        "`lme4::refit`. Before 1.1-33 that told a refit by REML that there is one fixed effect, "
        "however many there are, and minimised another criterion (sleepstudy refitted to its own "
        "response: 1751.95 for 1743.63); an older lme4 is timed with that mended.",
    ),
)
_CAPTIONS = {
    "rows": "Against rows, the numbers of levels fixed: an evaluation's cost does not depend on "
    "n; what grows is the one pass over the rows.",
    "levels": "Against the numbers of levels, the rows fixed.",
    "thetas": "Against the order of one unstructured covariance.",
    "responses": "Against the number of responses on one design.",
}


def results_page(results: Record, drawn: Sequence[Path]) -> str:
    """The page.

    Parameters
    ----------
    results : as ``results.py`` keeps them.
    drawn : the figures' files, in the page's folder ``figures``.
    """
    cases = results["cases"]
    parts = [_INTRODUCTION, *_environment(results), *_goals(cases)]
    for mode, title, text in _BLOCKS:
        chosen = {
            name: case for name, case in cases.items() if case["mode"] == mode and not case["heavy"]
        }
        if chosen:
            parts += [f"## {title}", text, _times(chosen)]
    beside = {name: case for name, case in cases.items() if not case["heavy"]}
    if beside:
        parts += _criteria(beside) + _freedom(beside) + _memory(beside)
    parts += _heavy({name: case for name, case in cases.items() if case["heavy"]})
    parts += _figures(results["growth"], drawn)
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _environment(results: Record) -> list[str]:
    environment = results["environment"]
    measured = [*results["cases"].values(), *results["growth"].values()]
    commits = sorted({record["commit"] for record in measured if record["commit"]})
    lines = [f"- machine: {environment['machine']}"]
    lines += [f"- {words}" for words in environment["versions"].values()]
    lines += [f"- {sentence}" for sentence in environment["missing"]]
    if commits:
        later = " (+: with later changes)" if any(name.endswith("+") for name in commits) else ""
        lines.append(f"- commit of mmfit: {', '.join(commits)}{later}")
    if environment["quick"]:
        lines.append("- a quick run, each case timed once: not for comparison")
    return ["\n".join(lines)]


def _goals(cases: Mapping[str, Record]) -> list[str]:
    """How many of the goals were met, and which were not."""
    verdicts = {}
    for label, case in cases.items():
        for name, goal in case["goals"].items():
            ours, theirs = (_spent(case, engine, False) for engine in ("mmfit", name))
            if ours and theirs:
                verdicts[f"{label} beside {name}"] = (theirs / ours, goal)
    if not verdicts:
        return []
    unmet = [
        f"{label} ({_ratio(ratio)} for {goal:g}×)"
        for label, (ratio, goal) in verdicts.items()
        if ratio < goal
    ]
    text = f"Goals met: {len(verdicts) - len(unmet)} of {len(verdicts)}."
    return [f"{text} Not met: {'; '.join(unmet)}." if unmet else text]


def _engine(case: Record, name: str) -> Record:
    return case["engines"].get(name, {})


def _spent(case: Record, name: str, whole: bool, unit: str = "seconds") -> float | None:
    """Median seconds of an engine, with the fit's when ``whole``; None where it has none."""
    record = _engine(case, name)
    if "failed" in record or unit not in record:
        return None
    values = record[unit]
    if whole:
        values = [a + b for a, b in zip(values, record[f"fit_{unit}"], strict=True)]
    return median(values)


def _times(cases: Mapping[str, Record]) -> str:
    peers = [name for name in _PEERS if any(name in case["engines"] for case in cases.values())]
    heads = ["case", "mmfit s"]
    for name in peers:
        heads += [f"{name} s", "ratio", "goal"] if name != "statsmodels" else [f"{name} s", "ratio"]
    rows = []
    for label, case in cases.items():
        rows.append(_time_row(_named(label, case), case, peers, whole=False))
        if case["mode"] == "table":
            rows.append(_time_row(f"{label}, whole", case, peers, whole=True))
    return _table(heads, rows)


def _named(label: str, case: Record) -> str:
    formula = case["formula"].replace("|", "\\|")
    return f"{label}: `{formula}`, {case['rows']:,} rows"


def _time_row(label: str, case: Record, peers: Sequence[str], *, whole: bool) -> list[str]:
    ours = _spent(case, "mmfit", whole)
    row = [label, _seconds(case, "mmfit", whole)]
    for name in peers:
        theirs = _spent(case, name, whole)
        ratio = theirs / ours if theirs and ours else None
        row += [_seconds(case, name, whole), _ratio(ratio)]
        if name != "statsmodels":
            row.append(_goal(None if whole else case["goals"].get(name), ratio))
    return row


def _seconds(case: Record, name: str, whole: bool) -> str:
    """Elapsed seconds; CPU seconds beside them where an engine used more than one core."""
    failed = _engine(case, name).get("failed")
    if failed:
        return failed
    elapsed, cpu = _spent(case, name, whole), _spent(case, name, whole, "cpu")
    if elapsed is None:
        return _NONE
    busy = cpu is not None and cpu > 1.2 * elapsed and cpu - elapsed > 0.05
    return f"{_digits(elapsed)} (CPU {_digits(cpu)})" if busy else _digits(elapsed)


def _digits(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    size = abs(value)
    places = next(
        (p for p, least in ((0, 100), (1, 10), (2, 1), (3, 0.1), (4, 0.01)) if size >= least), 5
    )
    return f"{value:,.{places}f}"


def _ratio(value: float | None) -> str:
    return _NONE if value is None else f"{_digits(value)}×"


def _goal(goal: float | None, ratio: float | None) -> str:
    if goal is None:
        return _NONE
    if ratio is None:
        return f"≥ {goal:g}×"
    return f"≥ {goal:g}×, {'met' if ratio >= goal else '**not met**'}"


def _gap(ours: float | None, theirs: float | None) -> str:
    return _NONE if ours is None or theirs is None else f"{ours - theirs:.1e}"


def _criteria(cases: Mapping[str, Record]) -> list[str]:
    heads = [
        "case",
        "evaluations mmfit / lme4",
        "− lme4, default",
        "− lme4, tight",
        "− lme4's function at mmfit's θ",
        "− mixedlm",
        "− statsmodels",
    ]
    rows, many = [], []
    for label, case in cases.items():
        checks, ours = case["checks"], _engine(case, "mmfit").get("objective")
        if case["mode"] == "many":
            if "responses" in checks:
                many.append(
                    f"- {label}: from {checks['lowest']:.1e} to {checks['highest']:.1e} over "
                    f"{checks['responses']:,} responses, {checks['above']} of them above 1e-7"
                )
            continue
        counts = [_engine(case, name).get("evaluations") for name in ("mmfit", "lme4")]
        values = (
            _engine(case, "lme4").get("objective"),
            checks.get("tight"),
            checks.get("at_ours"),
            *(_engine(case, name).get("objective") for name in ("mixedlm", "statsmodels")),
        )
        evaluations = " / ".join(_NONE if n is None else f"{n:.0f}" for n in counts)
        rows.append([label, evaluations, *(_gap(ours, value) for value in values)])
    text = (
        "mmfit's −2 log restricted likelihood less the peer's: negative means that mmfit got "
        "lower. *Tight*: lme4 restarted from its own θ with tolerances near rounding. Where that "
        "would take minutes, lme4's own criterion at mmfit's θ stands for it."
    )
    parts = ["## Criterion", text, _table(heads, rows)]
    if many:
        parts += [_MANY, "\n".join(many)]
    return parts


def _freedom(cases: Mapping[str, Record]) -> list[str]:
    sentences = []
    for label, case in cases.items():
        ours, theirs = (_engine(case, name).get("df") for name in ("mmfit", "lme4"))
        if ours and theirs:
            worst = max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True))
            sentences.append(f"- {label}: {worst:.1e}")
    if not sentences:
        return []
    text = "Largest relative difference of Satterthwaite's degrees of freedom from lmerTest's:"
    return [text, "\n".join(sentences)]


def _memory(cases: Mapping[str, Record]) -> list[str]:
    names = ("mmfit", *_PEERS)
    rows = []
    for label, case in cases.items():
        found = {name: _engine(case, name).get("memory") for name in names}
        row = [label, *(_megabytes(found[name]) for name in names)]
        if found["mmfit"] and found["lme4"]:
            row.append(f"{_less(found, _peak)} / {_less(found, _above)}")
        else:
            row.append(_NONE)
        rows.append(row)
    text = (
        "Peak resident memory in MB of a fresh process that loads the engine and the data and "
        "then fits once; in brackets how far the peak lies above what was resident before the fit. "
        f"Differences below {MEGABYTES:g} MB count as none."
    )
    heads = ["case", *names, "not above lme4: peak / fit alone"]
    return ["## Memory", text, _table(heads, rows)]


def _above(memory: Mapping[str, float]) -> float:
    return memory["peak"] - memory["level"]


def _peak(memory: Mapping[str, float]) -> float:
    return memory["peak"]


def _less(found: Mapping[str, Any], measure: Callable) -> str:
    less = measure(found["mmfit"]) <= measure(found["lme4"]) + MEGABYTES
    return "yes" if less else "**no**"


def _megabytes(memory: Mapping[str, float] | None) -> str:
    return f"{memory['peak']:,.0f} ({_above(memory):,.1f})" if memory else _NONE


def _heavy(cases: Mapping[str, Record]) -> list[str]:
    if not cases:
        return []
    rows = [
        [
            _named(label, case),
            _seconds(case, "mmfit", False),
            f"{_engine(case, 'mmfit').get('evaluations', float('nan')):.0f}",
            _megabytes(_engine(case, "mmfit").get("memory")),
        ]
        for label, case in cases.items()
    ]
    heads = ["case", "mmfit s", "evaluations", "peak MB (above the data)"]
    return ["## Without a peer", _table(heads, rows)]


def _figures(growth: Record, drawn: Sequence[Path]) -> list[str]:
    if not drawn:
        return []
    text = (
        "Each point is a fresh process. lme4 is drawn at the points where it takes seconds. "
        "Memory is the peak above what was resident before the fit, at least 0.1 MB."
    )
    parts = ["## Growth", text]
    for path in drawn:
        caption = _CAPTIONS[path.stem]
        parts += [caption, f"![Time and memory against {path.stem}](figures/{path.name})"]
        parts += [
            _slope(curve.name, growth) for curve in CURVES if curve.figure == path.stem == "rows"
        ]
    return [part for part in parts if part]


def _slope(name: str, growth: Record) -> str:
    """How the evaluation's cost changes from the fewest rows to the most."""
    points = growth.get(name, {}).get("points", ())
    points = [point for point in points if "derivatives" in point["mmfit"]]
    if len(points) < 2:
        return ""
    first, last = points[0], points[-1]
    costs = [1000 * point["mmfit"]["derivatives"] for point in (first, last)]
    return (
        f"{name}: one evaluation with all derivatives takes {_digits(costs[0])} ms at "
        f"{first['x']:,} rows and {_digits(costs[1])} ms at {last['x']:,}."
    )
