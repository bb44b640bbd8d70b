"""What a page is made of, as plain text: sections, tables, figures. HTML is made of them later."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A column: ``kind`` is text, number, code or prose (wide, wraps)."""

    label: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of the page.

    Attributes
    ----------
    caption : str, what the table shows.
    columns : tuple of PageColumn; the first column names its row.
    rows : tuple of tuples of str, each as long as ``columns``.
    marked : frozenset of int, rows to set off (the chosen model).
    notes : tuple of str, below the table.
    """

    caption: str
    columns: tuple[PageColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def table(
    caption: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    marked: Sequence[int] = (),
    notes: Sequence[str] = (),
) -> PageTable:
    """A ``PageTable`` from ``(label, kind)`` pairs and rows of text.

    Raises ValueError where a row has not one text per column.
    """
    heads = tuple(PageColumn(*column) for column in columns)
    lines = tuple(tuple(row) for row in rows)
    for line in lines:
        if len(line) != len(heads):
            raise ValueError(f"{caption}: {len(line)} cells for {len(heads)} columns: {line}")
    return PageTable(caption, heads, lines, frozenset(marked), tuple(notes))


def rows_of(columns: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Rows from columns of equal length."""
    return list(zip(*columns, strict=True))


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing: ``svg`` to be shown as it is, ``caption`` plain text; ``wide`` over the page."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Text, warnings, tables and figures of one section, in this order."""

    paragraphs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[PageTable, ...] = ()
    figures: tuple[Figure, ...] = ()
