"""matplotlib figures as inline SVG: no outside references, the page's colours, stable bytes."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

# Colours that only mark a role: the page's style sheet says what they look like, light and dark.
INK = "#0a0b0c"
MUTED = "#7a7b7c"
ACCENT = "#1a2b3c"
_ROLES = {INK: "var(--figure-ink)", MUTED: "var(--figure-muted)", ACCENT: "var(--figure-accent)"}

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mmfit",
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.0,
    "axes.unicode_minus": True,
    "path.simplify": False,
    "text.parse_math": False,
}


@contextmanager
def drawing(
    width: float = 4.4, height: float = 3.2, grid: tuple[int, int] = (1, 1)
) -> Iterator[tuple]:
    """A figure of ``width`` × ``height`` inches and its axes, in the style of the report.

    With a ``grid`` of more than one cell (rows, columns), an array of axes.

    The figure belongs to no window system and to no global state; it is gone with the block.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(*grid)


@contextmanager
def canvas(width: float, height: float) -> Iterator[tuple]:
    """A figure of ``width`` × ``height`` points and axes that fill it, in points from its top left
    corner, without ticks or frame.
    """
    with drawing(width / 72, height / 72) as (figure, axes):
        figure.set_layout_engine("none")
        axes.set_position((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, width), ylim=(height, 0))
        yield figure, axes


def text_end(axes, text) -> float:
    """Where a text ends, in the coordinates of the axes."""
    return float(
        axes.transData.inverted().transform(text.get_window_extent().corners())[:, 0].max()
    )


def inline(figure, key: str, title: str, description: str, *, natural: bool = False) -> str:
    """The figure as an ``<svg>`` element for HTML.

    Parameters
    ----------
    key : a name that no other figure of the page has; ids inside the SVG begin with it.
    title, description : read out in place of the drawing.
    natural : whether it keeps its size, to scroll in its box on a narrow screen.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for wrapper in (r"<!--.*?-->", r"<metadata>.*?</metadata>", r"<style.*?</style>"):
        text = re.sub(wrapper, "", text, flags=re.DOTALL)
    text = _shared_style(re.sub(r"<[^>]+>", _tidy_tag, text))
    text = re.sub(r"\s*\n\s*", "\n", _own_ids(text, key))
    frame = re.search(r'viewBox="[^"]*"', text).group()
    if natural:
        width, height = (96 * inches for inches in figure.get_size_inches())
        frame += f' width="{width:.0f}" height="{height:.0f}" class="structure"'
    body = text[text.index(">") + 1 :]
    return f"{_opening(frame, key, title, description)}{body.strip()}\n"


def _opening(frame: str, key: str, title: str, description: str) -> str:
    """The opening ``<svg>`` tag with the texts for those who do not see the drawing."""
    return (
        f'<svg {frame} role="img" aria-labelledby="{key}-title {key}-desc" '
        f'id="{key}"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(description)}</desc>'
    )


def _tidy_tag(match: re.Match) -> str:
    """One tag: two decimals (a hundredth of a point), the page's colours, plain links."""
    tag = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", match[0])
    for marker, role in _ROLES.items():
        tag = tag.replace(marker, role)
    return tag.replace("xlink:href=", "href=")


def _shared_style(text: str) -> str:
    """Markers of one series state their style once, on their group, and not each."""
    first, further = r'\s*<use [^>]*style="([^"]*)"/>', r'\s*<use [^>]*style="\3"/>'
    series = rf'<g( clip-path="[^"]*")?>({first}(?:{further})+)'

    def lift(match: re.Match) -> str:
        style = f' style="{match[3]}"'
        return f"<g{match[1] or ''}{style}>{match[2].replace(style, '')}"

    return re.sub(series, lift, text)


def _own_ids(text: str, key: str) -> str:
    """Keep only the ids that something refers to, made unique to this figure."""
    used = set(re.findall(r'(?:href="#|url\(#)([\w.-]+)', text))

    def rename(match: re.Match) -> str:
        return f' id="{key}-{match[1]}"' if match[1] in used else ""

    text = re.sub(r' id="([^"]*)"', rename, text)
    return re.sub(r'(href="#|url\(#)([\w.-]+)', rf"\g<1>{key}-\2", text)
