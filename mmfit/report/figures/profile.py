"""Profile likelihood drawn: how fast the deviance rises as each parameter leaves its estimate."""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mmfit.report.blocks import Figure
from mmfit.report.figures import svg
from mmfit.report.words.numbers import count, plural

# More panels than this make the page long and say little; the table holds all of them.
MOST_PANELS = 12
_COLUMNS = 3


def profile_figure(curves: pd.DataFrame, level: float, key: str) -> Figure:
    """One panel per parameter: the absolute signed root of the rise in deviance, and the cut.

    Parameters
    ----------
    curves : parameter, value, zeta, as in ``profiles.csv``, of one model.
    level : coverage of the intervals, whose normal quantile is the cut.
    """
    names = list(dict.fromkeys(curves["parameter"]))
    shown = names[:MOST_PANELS]
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    cut = float(ndtri(0.5 + level / 2))
    with svg.drawing(width=3.0 * columns, height=2.1 * rows, grid=(rows, columns)) as (
        figure,
        all_axes,
    ):
        panels = np.atleast_1d(all_axes).ravel()
        for axes, name in zip(panels, shown, strict=False):
            _panel(axes, curves[curves["parameter"] == name], name, cut)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        markup = svg.inline(
            figure,
            key,
            "Profile likelihood of the parameters",
            f"{plural(len(shown), 'panel')}; straight arms mean that the likelihood is as good as "
            "normal in that parameter.",
        )
    caption = (
        "Square root of the rise in deviance (ML) against each parameter, all others at their "
        f"best; the {100 * level:g}% interval lies where the curve is below the line. Straight "
        "arms of equal slope are what a Wald interval assumes."
    )
    if len(shown) < len(names):
        caption += f" The first {count(len(shown))} of {count(len(names))} parameters are drawn."
    return Figure(markup, caption, wide=columns > 1)


def _panel(axes, curve: pd.DataFrame, name: str, cut: float) -> None:
    ordered = curve.sort_values("value", kind="stable")
    value, height = ordered["value"].to_numpy(), ordered["zeta"].abs().to_numpy()
    axes.axhline(cut, color=svg.MUTED, linewidth=0.6)
    axes.plot(value, height, color=svg.ACCENT)
    axes.set_ylim(0, max(cut * 1.35, 1.0))
    inside = value[height <= cut * 1.35]
    if len(inside) > 1 and inside[-1] > inside[0]:
        axes.set_xlim(inside[0], inside[-1])
    axes.set_xlabel(_short(name))
    axes.locator_params(axis="x", nbins=4)
    axes.locator_params(axis="y", nbins=3)


def _short(text: str, length: int = 30) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
