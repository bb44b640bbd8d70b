"""The figure of docs/size.md."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.size_studies import GROUPS, TESTS, Test
from benchmarks.size_tables import Measured, error, rate

_BROWN, _BLUE, _BAND = "#b5793a", "#1f5a99", "#dfe9f3"
_COLUMNS = 3
_TICKS = (1, 2, 5, 10, 20)


def draw(measured: Measured, path: Path) -> None:
    """Rejection at 5% by groups, a panel per kind of test, a dot per cell."""
    import matplotlib
    from matplotlib.figure import Figure

    tests = [test for test in TESTS if any(cell.test is test for cell, _ in measured)]
    rows = -(-len(tests) // _COLUMNS)
    settings = {"svg.hashsalt": "mmfit", "svg.fonttype": "path", "font.size": 8}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(8.6, 1.95 * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        for axes, test in zip(panels.flat, tests, strict=False):
            _panel(axes, test, [pair for pair in measured if pair[0].test is test])
        for axes in panels.flat[len(tests) :]:
            axes.set_visible(False)
        figure.supxlabel("Groups", fontsize=9)
        figure.supylabel("Rejected at the nominal 5%, per cent", fontsize=9)
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None}, facecolor="white")


def _panel(axes, test: Test, measured: Measured) -> None:
    plain, label = ("normal", "normal") if test.tested else ("chi2", "plain χ²")
    decides = "Satterthwaite" if test.tested else "auto"
    half = np.array([_half(measured, groups) for groups in GROUPS])
    places = np.arange(len(GROUPS))
    axes.fill_between(places, 5 - half, 5 + half, color=_BAND, linewidth=0)
    axes.axhline(5, color="#9aa3ac", linewidth=0.7)
    for method, name, colour, shift in (
        (plain, label, _BROWN, -0.13),
        ("auto", decides, _BLUE, 0.13),
    ):
        _dots(axes, measured, method, name, colour, shift)
    axes.set_yscale("log")
    axes.set_ylim(0.7, 40)
    axes.set_yticks(_TICKS, [str(tick) for tick in _TICKS])
    axes.minorticks_off()
    axes.set_xticks(places, [str(groups) for groups in GROUPS])
    axes.set_title(test.title, loc="left", fontsize=8)
    axes.legend(frameon=False, fontsize=7, loc="upper right", handletextpad=0.1, borderpad=0)
    axes.spines[["top", "right"]].set_visible(False)


def _dots(axes, measured: Measured, method: str, name: str, colour: str, shift: float) -> None:
    at = [GROUPS.index(cell.groups) + shift for cell, _ in measured]
    rates = np.array([100 * rate(record, method) for _, record in measured])
    axes.plot(at, np.maximum(rates, 0.7), "o", color=colour, markersize=2.6, alpha=0.75, mew=0)
    middle = [
        np.median([100 * rate(record, method) for cell, record in measured if cell.groups == m])
        for m in _present(measured)
    ]
    where = [GROUPS.index(m) + shift for m in _present(measured)]
    axes.plot(where, middle, "-", color=colour, linewidth=1.1, label=name)


def _present(measured: Measured) -> Sequence[int]:
    return [groups for groups in GROUPS if any(cell.groups == groups for cell, _ in measured)]


def _half(measured: Measured, groups: int) -> float:
    errors = [error(record, "auto") for cell, record in measured if cell.groups == groups]
    return 196 * max(errors) if errors else 0.0
