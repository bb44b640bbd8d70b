"""Drawings of the grouping structure: trees for nested factors, grids for crossed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from mmfit.formula.partition import Grouping, chains, crossed_pairs, groupings, incidence
from mmfit.report.blocks import Figure
from mmfit.report.figures.svg import opening
from mmfit.report.words.numbers import count, listed, plural
from mmfit.selection.records import Candidate

MOST_LEAVES = 26
MOST_GRIDS = 3
MOST_ROWS, MOST_COLUMNS = 30, 60
# Sizes in px; the width of a character is that of the page's 12 px text, roughly.
_ROW, _COLUMN, _CHARACTER = 20, 168, 6.8
_SHADES = (0.18, 0.36, 0.56, 0.78, 1.0)


@dataclass(frozen=True, slots=True)
class Node:
    """One level in a tree: its label, its rows, what lies inside it; ``hidden`` more not drawn."""

    label: str
    rows: int
    children: tuple["Node", ...]
    hidden: int


def structure_figures(all_groupings: Sequence[Grouping], nobs: int) -> tuple[Figure, ...]:
    """A tree per chain of nested factors and a grid per crossed pair.

    A factor that is nested in nothing, holds nothing and is crossed with another one is in the
    grids already and gets no tree of its own.
    """
    pairs = crossed_pairs(all_groupings)
    crossed = {grouping.name for pair in pairs for grouping in pair}
    figures = [
        tree_figure(chain, nobs, f"tree-{index}")
        for index, chain in enumerate(chains(all_groupings), 1)
        if len(chain) > 1 or chain[0].name not in crossed
    ]
    figures += [
        grid_figure(coarse, fine, f"grid-{index}")
        for index, (coarse, fine) in enumerate(pairs[:MOST_GRIDS], 1)
    ]
    return tuple(figures)


def tree_figure(chain: Sequence[Grouping], nobs: int, key: str) -> Figure:
    """A tree, outermost factor left, a column per factor, at most ``MOST_LEAVES`` lines."""
    caps = _caps(chain)
    root = Node("all rows", nobs, *_children(chain, 0, np.arange(nobs), caps))
    parts: list[str] = []
    lines = _draw(root, 0, 0, parts)
    for depth, grouping in enumerate(chain, 1):
        heading = f"{_short(grouping.name)} ({count(len(grouping.levels))})"
        parts.append(_text(depth * _COLUMN, -14, heading, "heading"))
    width = (len(chain) + 1) * _COLUMN + 40
    names = [grouping.name for grouping in chain]
    title = f"Tree of {listed(names)}"
    sizes = [f"{plural(len(g.levels), 'level')} of {g.name}" for g in chain]
    view_box = _frame(-6, -30, width, lines * _ROW + 36)
    head = opening(view_box, key, title, f"{plural(nobs, 'row')}: {listed(sizes)}.")
    order = " in ".join(reversed(names))
    caption = f"{order}: {listed(sizes)}; the number of rows after each name."
    if len(chain) > 1:
        caption = f"Nested: {caption}"
    if _hides(root):
        caption += " Levels marked … are not drawn."
    return Figure(f"{head}{''.join(parts)}</svg>\n", caption)


def grid_figure(coarse: Grouping, fine: Grouping, key: str) -> Figure:
    """Which combinations of two crossed factors hold rows; many levels are put into blocks."""
    i, j, counts = incidence(coarse, fine)
    high, wide = len(coarse.levels), len(fine.levels)
    step_i, step_j = -(-high // MOST_ROWS), -(-wide // MOST_COLUMNS)
    rows, columns = -(-high // step_i), -(-wide // step_j)
    cells = np.zeros((rows, columns), dtype=np.int64)
    np.add.at(cells, (i // step_i, j // step_j), counts)
    size = min(24.0, 560.0 / columns)
    parts = [*_cells(cells, size), *_margins(coarse, fine, (step_i, step_j), (rows, columns), size)]
    possible = high * wide
    amount = (
        f"all {count(possible)} combinations occur"
        if len(counts) == possible
        else f"{count(len(counts))} of {count(possible)} combinations occur"
    )
    low, top = int(counts.min()), int(counts.max())
    each = f"{plural(low, 'row')} each" if low == top else f"{count(low)} to {count(top)} rows each"
    caption = f"Crossed: {coarse.name} by {fine.name}; {amount}, {each}."
    if low != top or step_i * step_j > 1:
        caption += " Darker cells hold more rows."
    if step_i * step_j > 1:
        caption += f" A cell stands for up to {count(step_i)} × {count(step_j)} levels."
    labels = 0 if step_j > 1 else max(len(_short(level, 9)) for level in fine.levels)
    view_box = _frame(-110, -22, columns * size + 132, rows * size + 32 + 6.5 * labels)
    head = opening(view_box, key, f"Grid of {coarse.name} by {fine.name}", caption)
    return Figure(f"{head}{''.join(parts)}</svg>\n", caption)


def _caps(chain: Sequence[Grouping]) -> list[int]:
    """Most children drawn per node at each depth; the widest is cut until the tree is small."""
    widest = []
    for depth, grouping in enumerate(chain):
        if depth == 0:
            widest.append(len(grouping.levels))
        else:
            outer, _, _ = incidence(chain[depth - 1], grouping)
            widest.append(int(np.bincount(outer).max()))
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


def _draw(node: Node, depth: int, line: int, parts: list[str]) -> int:
    """Append the markup of a subtree whose first line is ``line``; the number of lines it takes."""
    x, y = depth * _COLUMN, line * _ROW
    parts.append(f'<circle cx="{x}" cy="{y}" r="3" class="node"/>')
    parts.append(_text(x + 8, y + 4, _short(node.label), "label", f" {count(node.rows)}"))
    used, lines = 0, []
    for child in node.children:
        lines.append(line + used)
        used += _draw(child, depth + 1, line + used, parts)
    if node.hidden:
        lines.append(line + used)
        y_last = lines[-1] * _ROW + 4
        parts.append(_text(x + _COLUMN - 4, y_last, f"… {count(node.hidden)} more", "count"))
        used += 1
    if lines:
        start = x + 14 + _CHARACTER * len(f"{_short(node.label)} {count(node.rows)}")
        parts.append(_branches(start, y, x + _COLUMN - 6, [one * _ROW for one in lines]))
    return max(used, 1)


def _branches(start: float, y: int, end: int, children: list[int]) -> str:
    """From the end of a node's label to each child: one trunk, a twig per child."""
    turn = end - 24
    path = f"M{min(start, turn):.0f} {y}H{end}"
    if len(children) > 1:
        twigs = "".join(f"M{turn} {child}H{end}" for child in children[1:])
        path += f"M{turn} {y}V{children[-1]}{twigs}"
    return f'<path d="{path}" class="edge"/>'


def _cells(cells: np.ndarray, size: float) -> list[str]:
    """One path per shade, a square per cell that holds rows."""
    filled = cells[cells > 0]
    low, top = int(filled.min()), int(filled.max())
    share = np.ones(cells.shape) if low == top else (cells - low + 1) / (top - low + 1)
    shade = np.ceil(share * len(_SHADES)).astype(int) - 1
    side = round(size * 0.88, 2)
    parts = []
    for index, opacity in enumerate(_SHADES):
        squares = np.argwhere((cells > 0) & (shade == index))
        if len(squares):
            path = "".join(
                f"M{j * size:.2f} {i * size:.2f}h{side}v{side}h-{side}z" for i, j in squares
            )
            parts.append(f'<path d="{path}" class="cell" fill-opacity="{opacity}"/>')
    edge = f"{cells.shape[1] * size:.2f}", f"{cells.shape[0] * size:.2f}"
    parts.append(f'<rect x="-2" y="-2" width="{edge[0]}" height="{edge[1]}" class="frame"/>')
    return parts


def _margins(coarse, fine, steps, shape, size) -> list[str]:
    """Names of the factors, and of their levels where each has a row or column of its own."""
    parts = [
        _text(-8, -10, _short(coarse.name), "heading end"),
        _text(0, -10, _short(fine.name), "heading"),
    ]
    every = max(1, int(np.ceil(14 / size)))
    if steps[0] == 1:
        for i in range(0, shape[0], every):
            parts.append(_text(-8, (i + 0.5) * size + 3, _short(coarse.levels[i], 14), "tick end"))
    if steps[1] == 1:
        bottom = shape[0] * size + 4
        for j in range(0, shape[1], every):
            x = (j + 0.5) * size
            parts.append(
                f'<text transform="translate({x + 3:.2f} {bottom:.2f}) rotate(-90)" '
                f'class="tick end">{escape(_short(fine.levels[j], 9))}</text>'
            )
    return parts


def _frame(left: int, top: int, width: float, height: float) -> str:
    """The drawing at its natural size; on a narrow screen it scrolls in its box."""
    return (
        f'viewBox="{left} {top} {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" class="structure"'
    )


def _text(x: float, y: float, text: str, kind: str, after: str = "") -> str:
    tail = f'<tspan class="count">{escape(after)}</tspan>' if after else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(text)}{tail}</text>'


def _hides(node: Node) -> bool:
    return node.hidden > 0 or any(_hides(child) for child in node.children)


def _short(text: str, length: int = 16) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def structure_of(candidates: Sequence[Candidate]) -> tuple[Figure, ...]:
    """The drawings for the grouping factors that the candidates use."""
    return structure_figures(groupings(candidates), candidates[0].matrices.nobs)
