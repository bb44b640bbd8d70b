"""Drawings of the grouping structure: trees for nested factors, grids for crossed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfit.formula.grouping_factors import GroupingFactor, chains, crossed_pairs
from mmfit.report.blocks import Figure
from mmfit.report.figures import svg
from mmfit.report.words.numbers import count, listed, plural

MOST_LEAVES = 26
MOST_GRIDS = 3
MOST_ROWS, MOST_COLUMNS = 30, 60
# Sizes in points: a line and a column of a tree, what stands above and left of a drawing.
_ROW, _COLUMN, _HEADING, _MARGIN = 15.0, 128.0, 20.0, 84.0
_SHADES = (0.18, 0.36, 0.56, 0.78, 1.0)


@dataclass(frozen=True, slots=True)
class Node:
    """One level in a tree: its label, its rows, what lies inside it; ``hidden`` more not drawn."""

    label: str
    rows: int
    children: tuple["Node", ...]
    hidden: int


def structure_figures(factors: Sequence[GroupingFactor], nobs: int) -> tuple[Figure, ...]:
    """A tree per chain of nested factors and a grid per crossed pair.

    A factor that is nested in nothing, holds nothing and is crossed with another one is in the
    grids already and gets no tree of its own.
    """
    pairs = crossed_pairs(factors)
    crossed = {grouping.name for pair in pairs for grouping in pair}
    figures = [
        tree_figure(chain, nobs, f"tree-{index}")
        for index, chain in enumerate(chains(factors), 1)
        if len(chain) > 1 or chain[0].name not in crossed
    ]
    figures += [
        grid_figure(coarse, fine, f"grid-{index}")
        for index, (coarse, fine) in enumerate(pairs[:MOST_GRIDS], 1)
    ]
    return tuple(figures)


def tree_figure(chain: Sequence[GroupingFactor], nobs: int, key: str) -> Figure:
    """A tree, outermost factor left, a column per factor, at most ``MOST_LEAVES`` lines."""
    root = Node("all rows", nobs, *_children(chain, 0, np.arange(nobs), _caps(chain)))
    lines = max(_lines(root), 1)
    names = [grouping.name for grouping in chain]
    sizes = [f"{plural(len(g.levels), 'level')} of {g.name}" for g in chain]
    with svg.canvas((len(chain) + 1) * _COLUMN, lines * _ROW + _HEADING) as (figure, axes):
        for depth, grouping in enumerate(chain, 1):
            heading = f"{_short(grouping.name)} ({count(len(grouping.levels))})"
            _text(axes, depth * _COLUMN - 4, 6, heading, weight="bold")
        nodes: list[tuple[float, float]] = []
        _draw(axes, root, 0, _HEADING, nodes)
        axes.plot(*zip(*nodes, strict=True), "o", color=svg.ACCENT, markersize=4.5)
        title = f"Tree of {listed(names)}"
        description = f"{plural(nobs, 'row')}: {listed(sizes)}."
        drawn = svg.inline(figure, key, title, description, natural=True)
    caption = (
        f"{' in '.join(reversed(names))}: {listed(sizes)}; the number of rows after each name."
    )
    if len(chain) > 1:
        caption = f"Nested: {caption}"
    if _hides(root):
        caption += " Levels marked … are not drawn."
    return Figure(drawn, caption)


def grid_figure(coarse: GroupingFactor, fine: GroupingFactor, key: str) -> Figure:
    """Which combinations of two crossed factors hold rows; many levels are put into blocks."""
    met = coarse.partition.meet(fine.partition)
    i, j, counts = met.first, met.second, met.counts
    high, wide = len(coarse.levels), len(fine.levels)
    steps = -(-high // MOST_ROWS), -(-wide // MOST_COLUMNS)
    cells = np.zeros((-(-high // steps[0]), -(-wide // steps[1])), dtype=np.int64)
    np.add.at(cells, (i // steps[0], j // steps[1]), counts)
    caption = _grid_caption(coarse, fine, steps, counts)
    size = min(18.0, 420.0 / cells.shape[1])
    below = 0 if steps[1] > 1 else 6 * max(len(_short(level, 9)) for level in fine.levels)
    shape = cells.shape[1] * size + _MARGIN + 12, cells.shape[0] * size + _HEADING + below + 8
    with svg.canvas(*shape) as (figure, axes):
        _cells(axes, cells, size)
        _margins(axes, (coarse, fine), steps, cells.shape, size)
        title = f"Grid of {coarse.name} by {fine.name}"
        drawn = svg.inline(figure, key, title, caption, natural=True)
    return Figure(drawn, caption)


def _grid_caption(coarse: GroupingFactor, fine: GroupingFactor, steps, counts: np.ndarray) -> str:
    possible = len(coarse.levels) * len(fine.levels)
    amount = (
        f"all {count(possible)} combinations occur"
        if len(counts) == possible
        else f"{count(len(counts))} of {count(possible)} combinations occur"
    )
    low, top = int(counts.min()), int(counts.max())
    each = f"{plural(low, 'row')} each" if low == top else f"{count(low)} to {count(top)} rows each"
    caption = f"Crossed: {coarse.name} by {fine.name}; {amount}, {each}."
    blocks = steps[0] * steps[1] > 1
    if low != top or blocks:
        caption += " Darker cells hold more rows."
    if blocks:
        caption += f" A cell stands for up to {count(steps[0])} × {count(steps[1])} levels."
    return caption


def _caps(chain: Sequence[GroupingFactor]) -> list[int]:
    """Most children drawn per node at each depth; the widest is cut until the tree is small."""
    widest = []
    for depth, grouping in enumerate(chain):
        if depth == 0:
            widest.append(len(grouping.levels))
        else:
            met = chain[depth - 1].partition.meet(grouping.partition)
            widest.append(int(np.bincount(met.first).max()))
    caps = [min(width, MOST_LEAVES) for width in widest]
    while np.prod(caps) > MOST_LEAVES and max(caps) > 2:
        caps[caps.index(max(caps))] -= 1
    return caps


def _children(chain, depth, rows, caps) -> tuple[tuple[Node, ...], int]:
    """Nodes of the factor at ``depth`` among ``rows``, and how many are left out."""
    if depth == len(chain):
        return (), 0
    codes = chain[depth].codes[rows]
    present, sizes = np.unique(codes, return_counts=True)
    shown = present[: caps[depth]] if len(present) > caps[depth] else present
    nodes = []
    for code, size in zip(shown, sizes, strict=False):
        inner = _children(chain, depth + 1, rows[codes == code], caps)
        nodes.append(Node(chain[depth].levels[code], int(size), *inner))
    return tuple(nodes), len(present) - len(shown)


def _lines(node: Node) -> int:
    """How many lines a subtree takes."""
    return max(sum(_lines(child) for child in node.children) + (node.hidden > 0), 1)


def _draw(axes, node: Node, depth: int, y: float, nodes: list[tuple[float, float]]) -> None:
    """A subtree whose first line is at ``y``; its points are appended to ``nodes``."""
    x = depth * _COLUMN + 4
    nodes.append((x, y))
    end = _text(axes, x + 7, y, _short(node.label))
    end = _text(axes, end + 4, y, count(node.rows), fontsize=7.5)
    below, lines = y, []
    for child in node.children:
        lines.append(below)
        _draw(axes, child, depth + 1, below, nodes)
        below += _lines(child) * _ROW
    if node.hidden:
        lines.append(below)
        _text(axes, x + _COLUMN, below, f"… {count(node.hidden)} more", fontsize=7.5)
    if lines:
        _branches(axes, (end + 5, y), x + _COLUMN - 5, lines)


def _branches(axes, start: tuple[float, float], end: float, lines: Sequence[float]) -> None:
    """From the end of a node's label to each child: one trunk, a twig per child."""
    turn = max(start[0], end - 18)
    x, y = [start[0], end], [start[1], start[1]]
    if len(lines) > 1:
        x += [np.nan, turn, turn]
        y += [np.nan, start[1], lines[-1]]
    for line in lines[1:]:
        x += [np.nan, turn, end]
        y += [np.nan, line, line]
    axes.plot(x, y, color=svg.MUTED, linewidth=0.7, zorder=1)


def _cells(axes, cells: np.ndarray, size: float) -> None:
    """A square per cell that holds rows, one series per shade, in a frame."""
    filled = cells[cells > 0]
    low, top = int(filled.min()), int(filled.max())
    share = np.ones(cells.shape) if low == top else (cells - low + 1) / (top - low + 1)
    shade = np.ceil(share * len(_SHADES)).astype(int) - 1
    for index, alpha in enumerate(_SHADES):
        rows, columns = np.nonzero((cells > 0) & (shade == index))
        if len(rows):
            x, y = _MARGIN + (columns + 0.5) * size, _HEADING + (rows + 0.5) * size
            square = {"markersize": 0.88 * size, "markeredgewidth": 0, "alpha": alpha}
            axes.plot(x, y, "s", color=svg.ACCENT, **square)
    right, bottom = _MARGIN + cells.shape[1] * size, _HEADING + cells.shape[0] * size
    x, y = [_MARGIN, right, right, _MARGIN, _MARGIN], [_HEADING, _HEADING, bottom, bottom, _HEADING]
    axes.plot(x, y, color=svg.MUTED, linewidth=0.5)


def _margins(
    axes, factors: tuple[GroupingFactor, GroupingFactor], steps, shape, size: float
) -> None:
    """Names of the factors, and of their levels where each has a row or column of its own."""
    coarse, fine = factors
    _text(axes, _MARGIN - 8, 6, _short(coarse.name), weight="bold", ha="right")
    _text(axes, _MARGIN, 6, _short(fine.name), weight="bold")
    every = max(1, int(np.ceil(11 / size)))
    small = {"fontsize": 7.5, "ha": "right"}
    if steps[0] == 1:
        for i in range(0, shape[0], every):
            y = _HEADING + (i + 0.5) * size
            _text(axes, _MARGIN - 6, y, _short(coarse.levels[i], 14), **small)
    if steps[1] == 1:
        top = _HEADING + shape[0] * size + 5
        for j in range(0, shape[1], every):
            x = _MARGIN + (j + 0.5) * size
            upright = {**small, "ha": "center", "va": "top", "rotation": 90}
            _text(axes, x, top, _short(fine.levels[j], 9), **upright)


def _text(axes, x: float, y: float, text: str, **style: Any) -> float:
    """Write ``text`` and return where it ends, in points."""
    style = {"va": "center", "fontsize": 8.5} | style
    return svg.text_end(axes, axes.text(x, y, text, **style))


def _hides(node: Node) -> bool:
    return node.hidden > 0 or any(_hides(child) for child in node.children)


def _short(text: str, length: int = 16) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
