"""The growth curves as SVG: log-log panels, seconds above, megabytes below; stable bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.growth import CURVES, Curve

_SETTINGS = {
    "svg.hashsalt": "mmfit",
    "svg.fonttype": "path",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.which": "major",
    "grid.linewidth": 0.4,
    "grid.color": "#d5d5d5",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
}
# Series: engine, key of the record, label, colour, marker, line.
_SECONDS = (
    ("lme4", "seconds", "lme4", "#b8432f", "s", "-"),
    ("mmfit", "seconds", "mmfit, formula to result", "#1f5a99", "o", "-"),
    ("mmfit", "pass", "mmfit, the pass over the rows", "#1f5a99", "^", ":"),
    ("mmfit", "derivatives", "mmfit, criterion and derivatives", "#4a9d5b", "D", "--"),
    ("mmfit", "criterion", "mmfit, criterion", "#4a9d5b", "v", ":"),
)
_MEGABYTES = (
    ("lme4", "above", "lme4", "#b8432f", "s", "-"),
    ("mmfit", "above", "mmfit", "#1f5a99", "o", "-"),
)
# What the measurement of resident memory resolves; a smaller peak is drawn there.
_RESOLUTION = 0.1


def draw(growth: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw each figure of which a curve was measured; the files drawn."""
    out = []
    for name in dict.fromkeys(curve.figure for curve in CURVES):
        curves = [c for c in CURVES if c.figure == name and c.name in growth]
        if curves:
            folder.mkdir(exist_ok=True)
            path = folder / f"{name}.svg"
            _figure(curves, growth, path)
            out.append(path)
    return out


def _figure(curves: list[Curve], growth: Mapping[str, Any], path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        width = 1.2 + 3.6 * len(curves)
        figure = Figure(figsize=(width, 6.6), layout="constrained")
        axes = figure.subplots(2, len(curves), squeeze=False, sharey="row", sharex="col")
        handles = {}
        for column, curve in enumerate(curves):
            points = growth[curve.name]["points"]
            handles |= _panel(axes[0, column], points, _SECONDS)
            handles |= _panel(axes[1, column], points, _MEGABYTES, handles)
            axes[0, column].set_title(curve.title)
            axes[1, column].set_xlabel(curve.label)
            _ticks(axes[1, column], [point["x"] for point in points])
        axes[0, 0].set_ylabel("seconds")
        axes[1, 0].set_ylabel("peak memory above the data, MB")
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(curves), 2)
        )
        figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")


def _panel(axes, points: list[Mapping[str, Any]], series, known=()) -> dict[str, Any]:
    """Draw the series that were measured; the handles of those that the legend lacks."""
    handles = {}
    for engine, key, label, colour, marker, line in series:
        xy = [(p["x"], _value(p[engine], key)) for p in points if engine in p]
        xy = [(x, y) for x, y in xy if y is not None]
        if xy:
            (handle,) = axes.plot(
                *zip(*xy, strict=True), color=colour, marker=marker, linestyle=line
            )
            if not (label == "mmfit" and known):
                handles[label] = handle
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter("")
    return handles


def _value(record: Mapping[str, float], key: str) -> float | None:
    if key == "above":
        if "peak" not in record:
            return None
        return max(record["peak"] - record["level"], _RESOLUTION)
    return record.get(key)


def _ticks(axes, values: list[int]) -> None:
    """A tick at each point that was measured."""
    axes.set_xticks(values, [_short(value) for value in values])
    axes.minorticks_off()


def _short(value: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return str(value)
