"""The plots of the chosen model: residuals, their quantiles, conditional modes."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mmfit.report.blocks import Figure
from mmfit.report.figures import svg
from mmfit.report.words.numbers import count, fixed

# Up to here every row is a point; beyond, hexagons shaded by the number of rows in them.
MOST_POINTS = 1500
# A quantile plot of more rows draws this many, evenly spaced along its axis: the tails stay whole.
MOST_QUANTILES = 500
# Up to here every level has its own label, then its own line, then the ordered levels are thinned.
MOST_LABELS = 40
MOST_LINES = 400
_SHADES = (0.15, 0.32, 0.5, 0.72, 1.0)


def residual_figure(fitted: np.ndarray, scaled: np.ndarray, response: str, key: str) -> Figure:
    """Scaled residuals against fitted values, both of length n."""
    with svg.drawing() as (figure, axes):
        axes.axhline(0, color=svg.MUTED, linewidth=0.6)
        hexagons = _cloud(axes, fitted, scaled)
        axes.set_xlabel(f"Fitted {response}")
        axes.set_ylabel("Scaled residual")
        title = "Scaled residuals against fitted values"
        description = (
            f"{count(len(scaled))} residuals between {fixed(scaled.min(), 2)} and "
            f"{fixed(scaled.max(), 2)}, fitted values between {fitted.min():.4g} and "
            f"{fitted.max():.4g}."
        )
        markup = svg.inline(figure, key, title, description)
    return Figure(
        markup,
        "Scaled residuals against fitted values (random effects included). "
        "A funnel speaks against a constant residual variance, a bend against the fixed part."
        + (_hexagon_note(len(scaled)) if hexagons else ""),
    )


def quantile_figure(scaled: np.ndarray, key: str) -> Figure:
    """Normal quantile plot of the scaled residuals, (n,) array."""
    ordered = np.sort(scaled)
    n = len(ordered)
    # Blom's positions with R's constants (ppoints): a = 3/8 up to ten values, 1/2 beyond.
    a = 0.375 if n <= 10 else 0.5
    expected = ndtri((np.arange(1, n + 1) - a) / (n + 1 - 2 * a))
    shown = _thinned_by_value(expected, MOST_QUANTILES)
    with svg.drawing() as (figure, axes):
        ends = expected[[0, -1]]
        axes.plot(ends, ends, color=svg.MUTED, linewidth=0.8)
        axes.plot(expected[shown], ordered[shown], "o", color=svg.ACCENT, markersize=2.2)
        axes.set_xlabel("Quantile of the standard normal")
        axes.set_ylabel("Scaled residual")
        markup = svg.inline(
            figure,
            key,
            "Normal quantile plot of the scaled residuals",
            f"The extremes are {fixed(ordered[0], 2)} and {fixed(ordered[-1], 2)}; a normal "
            f"sample of this size reaches about {fixed(ends[0], 2)} and {fixed(ends[1], 2)}.",
        )
    caption = (
        "Normal quantiles of the scaled residuals; the line is where normal residuals would lie."
    )
    if len(shown) < n:
        caption += f" {count(len(shown))} of {count(n)} ordered residuals are drawn."
    return Figure(markup, caption)


def level_figure(
    scaled: np.ndarray, codes: np.ndarray, levels: tuple[str, ...], group: str, key: str
) -> Figure:
    """Median, quartiles and range of the scaled residuals in every level of a grouping factor."""
    order = np.argsort(codes, kind="stable")
    parts = np.split(scaled[order], np.flatnonzero(np.diff(codes[order])) + 1)
    summary = np.array([np.percentile(part, (0, 25, 50, 75, 100)) for part in parts])
    at = np.arange(len(parts))
    with svg.drawing(width=4.4, height=3.2) as (figure, axes):
        axes.axhline(0, color=svg.MUTED, linewidth=0.6)
        _segments(axes, at, summary[:, 0], summary[:, 4], vertical=True, linewidth=0.6)
        _segments(axes, at, summary[:, 1], summary[:, 3], vertical=True, linewidth=3.0)
        axes.plot(at, summary[:, 2], "o", color=svg.INK, markersize=2.6)
        axes.set_xticks(at, [_short(level) for level in levels], rotation=90)
        axes.tick_params(axis="x", length=0, labelsize=6.5)
        axes.set_xlabel(group)
        axes.set_ylabel("Scaled residual")
        markup = svg.inline(
            figure,
            key,
            f"Scaled residuals by {group}",
            f"{count(len(parts))} levels; medians between {fixed(summary[:, 2].min(), 2)} and "
            f"{fixed(summary[:, 2].max(), 2)}.",
        )
    return Figure(
        markup,
        f"Scaled residuals by {group}: range (thin), quartiles (thick), median (dot). "
        "Unequal lengths speak against one residual variance for all.",
    )


@dataclass(frozen=True, slots=True)
class EffectModes:
    """Conditional modes of one effect by the levels of a grouping factor.

    Attributes
    ----------
    grouping, effect : str;  levels : tuple of str, length L.
    estimate, low, high : (L,), the modes and their intervals; NaN where the data do not tell them.
    """

    grouping: str
    effect: str
    levels: tuple[str, ...]
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def caterpillar_figure(modes: EffectModes, level: float, key: str) -> Figure:
    """Conditional modes of one effect with intervals of coverage ``level``, ordered by size."""
    known = np.flatnonzero(~np.isnan(modes.estimate))
    order = known[np.argsort(modes.estimate[known], kind="stable")]
    estimate, low, high = (part[order] for part in (modes.estimate, modes.low, modes.high))
    at = _thinned(len(order), MOST_LINES)
    labelled = len(at) <= MOST_LABELS
    height = max(1.0 + 0.13 * len(at) if labelled else 5.0, 1.6)
    with svg.drawing(width=4.4, height=height) as (figure, axes):
        axes.axvline(0, color=svg.MUTED, linewidth=0.6)
        width = min(1.4, max(0.5, 150 / len(at)))
        _segments(axes, at, low[at], high[at], vertical=False, linewidth=width)
        axes.plot(estimate[at], at, "o", color=svg.INK, markersize=2.6 if labelled else 0.9)
        if labelled:
            axes.set_yticks(at, [_short(modes.levels[k]) for k in order[at]])
            axes.tick_params(axis="y", length=0, labelsize=7)
            axes.set_ylim(-0.8, len(at) - 0.2)
            axes.set_ylabel(modes.grouping)
        else:
            axes.set_ylabel(f"{modes.grouping}: rank among {count(len(order))} levels")
        axes.set_xlabel(f"Conditional mode: {modes.effect}")
        clear = int(np.sum((low > 0) | (high < 0)))
        title = f"Conditional modes of {modes.effect} by {modes.grouping}"
        description = (
            f"{count(len(order))} levels from {estimate.min():.4g} to {estimate.max():.4g}; "
            f"the interval of {count(clear)} leaves out zero."
        )
        drawn = svg.inline(figure, key, title, description)
    return Figure(drawn, _caterpillar_caption(modes, level, clear, len(order), len(at)))


def _caterpillar_caption(
    modes: EffectModes, level: float, clear: int, known: int, shown: int
) -> str:
    caption = (
        f"{modes.effect} by {modes.grouping}: conditional modes with "
        f"{100 * level:g}% intervals, ordered; {count(clear)} of {count(known)} leave out "
        "zero."
    )
    if known < len(modes.levels):
        caption += f" The data tell no mode of {count(len(modes.levels) - known)} levels."
    if shown < known:
        caption += f" Drawn: {count(shown)} levels, evenly spaced in the order."
    return caption


def _cloud(axes, x: np.ndarray, y: np.ndarray) -> bool:
    """Points, or hexagons where there are too many; True for hexagons."""
    if len(x) <= MOST_POINTS:
        axes.plot(x, y, "o", color=svg.ACCENT, markersize=2.2)
        return False
    cells = axes.hexbin(x, y, gridsize=36, mincnt=1, linewidths=0.0)
    counts = np.asarray(cells.get_array())
    centres = cells.get_offsets()
    cells.remove()
    share = np.log(counts) / max(np.log(counts.max()), 1.0)
    shade = np.minimum((share * len(_SHADES)).astype(int), len(_SHADES) - 1)
    for index, alpha in enumerate(_SHADES):
        here = centres[shade == index]
        axes.plot(*here.T, "h", color=svg.ACCENT, alpha=alpha, markersize=5.0, markeredgewidth=0)
    return True


def _segments(axes, at, low, high, *, vertical: bool, linewidth: float) -> None:
    """All intervals as one path (a break after each), which keeps the file small."""
    gap = np.full(len(at), np.nan)
    ends = np.column_stack([low, high, gap]).ravel()
    place = np.repeat(np.asarray(at, dtype=float), 3)
    x, y = (place, ends) if vertical else (ends, place)
    axes.plot(x, y, color=svg.ACCENT, linewidth=linewidth, solid_capstyle="butt")


def _thinned(n: int, most: int) -> np.ndarray:
    """Indices 0 … n-1, or ``most`` of them evenly spaced with both ends."""
    if n <= most:
        return np.arange(n)
    return np.round(np.linspace(0, n - 1, most)).astype(int)


def _thinned_by_value(ordered: np.ndarray, most: int) -> np.ndarray:
    """Indices of at most ``most`` of the ordered values, evenly spaced in value."""
    if len(ordered) <= most:
        return np.arange(len(ordered))
    places = np.linspace(ordered[0], ordered[-1], most)
    nearest = np.minimum(np.searchsorted(ordered, places), len(ordered) - 1)
    return np.unique(np.append(nearest, 0))


def _short(text: str, length: int = 16) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _hexagon_note(rows: int) -> str:
    return f" {count(rows)} rows are drawn as hexagons; darker ones hold more (log scale)."
