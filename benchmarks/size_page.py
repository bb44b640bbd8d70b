"""docs/size.md and its figure, from the measured rejection rates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_DOCS = Path(__file__).parent.parent / "docs"
PAGE = _DOCS / "size.md"
FIGURE = _DOCS / "figures" / "size.svg"
_WORDS = {
    "chi2": "plain χ²",
    "chibar2": "mixture of χ²",
    "exact": "exact",
    "bootstrap": "parametric bootstrap",
    "auto": "`auto`",
    "normal": "normal",
    "residual": "n − p",
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
}
_INTRODUCTION = """\
# Size of the tests

How often a test rejects a null hypothesis that is true, at a nominal level of 1, 5 and 10 per
cent. The null of each study is simulated {datasets} times; the 95% Monte Carlo interval of a true
5% is {low:.2f} to {high:.2f} per cent. `python -m benchmarks.size` makes this page.

![Rejection rates at the nominal 5% by test](figures/size.svg)

"""
_CLOSING = """\
The size of the bootstrap is measured with one bootstrap sample per data set, pooled over all data
sets (Giacomini, Politis and White 2013), which makes its Monte Carlo error √2 times as large.
`auto` is what an analysis takes by default.

What to take from it:

- **A variance alone**: the plain χ² rejects half as often as it should, and the mixture is still
  timid with six groups. The exact distribution and the bootstrap keep the level.
- **A slope beside an intercept**: the mixture holds with many groups; with few it errs to the safe
  side, by less than the plain χ². The bootstrap keeps the level in both.
- **A fixed effect by likelihood ratio**: χ² holds with many groups and rejects far too often when
  the effect lies between few. `auto` says so beside the p-value; take the t or F test there, or
  `null_distribution: bootstrap`.
- **t tests**: the normal distribution and n − p degrees of freedom are wrong for a covariate
  between groups or with a varying slope. Satterthwaite and Kenward-Roger keep the level between
  groups. Where slopes vary and one fit in five is singular, Satterthwaite is near it and
  Kenward-Roger, which equals pbkrtest's, errs to the safe side.
"""


def write_page(studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the page and the figure."""
    datasets = min(record["datasets"] for record in studies.values())
    half = 1.96 * np.sqrt(0.05 * 0.95 / datasets)
    numbers = {"low": 5 - 100 * half, "high": 5 + 100 * half}
    text = _INTRODUCTION.format(datasets=f"{datasets:,}", **numbers)
    for record in studies.values():
        text += _table(record)
    FIGURE.parent.mkdir(exist_ok=True)
    _draw(studies, half)
    PAGE.write_text(text + _CLOSING, encoding="utf-8")


def _table(record: Mapping[str, Any]) -> str:
    alphas = next(iter(record["rejected"].values()))
    lines = [
        f"## {record['title']}\n",
        f"| test | {' | '.join(f'nominal {100 * float(a):g}%' for a in alphas)} |",
        f"|---|{'---|' * len(alphas)}",
    ]
    for method, rates in record["rejected"].items():
        cells = " | ".join(f"{100 * rate:.2f}" for rate in rates.values())
        lines.append(f"| {_WORDS[method]} | {cells} |")
    if record["unusable"]:
        lines.append(
            f"\n{record['unusable']} of {record['datasets']:,} data sets are left out because a "
            "fit did not converge."
        )
    return "\n".join(lines) + "\n\n"


def _draw(studies: Mapping[str, Mapping[str, Any]], half: float) -> None:
    """A dot per test and study at the nominal 5%, the Monte Carlo interval of 5% shaded."""
    import matplotlib
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": "mmfit", "svg.fonttype": "path", "font.size": 9}
    rows = [len(record["rejected"]) + 1.2 for record in studies.values()]
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7.6, 0.27 * sum(rows) + 0.6), layout="constrained")
        panels = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows)
        for axes, record in zip(np.atleast_1d(panels), studies.values(), strict=True):
            _panel(axes, record, half)
        axes.set_xlabel("Rejected at the nominal 5%, per cent")
        figure.savefig(FIGURE, metadata={"Date": None, "Creator": None}, facecolor="white")


def _panel(axes, record: Mapping[str, Any], half: float) -> None:
    methods = list(record["rejected"])
    rates = np.array([100 * record["rejected"][method]["0.05"] for method in methods])
    at = -np.arange(len(methods))
    factor = np.array([np.sqrt(2.0) if method == "bootstrap" else 1.0 for method in methods])
    error = 196 * factor * np.sqrt(rates / 100 * (1 - rates / 100) / record["datasets"])
    axes.axvspan(5 - 100 * half, 5 + 100 * half, color="#dfe9f3", linewidth=0)
    axes.axvline(5, color="#9aa3ac", linewidth=0.8)
    inside = np.abs(rates - 5) <= 100 * half * factor
    for ok, colour in ((True, "#1f5a99"), (False, "#b8432f")):
        here = inside == ok
        axes.errorbar(
            rates[here],
            at[here],
            xerr=error[here],
            fmt="o",
            color=colour,
            markersize=4,
            linewidth=1,
        )
    axes.set_yticks(at, [_WORDS[method].strip("`") for method in methods])
    axes.set_ylim(-len(methods) + 0.4, 0.6)
    axes.set_xlim(0, 11)
    axes.set_title(record["title"], loc="left", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
