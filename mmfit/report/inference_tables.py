"""The tables of the inference: for every model, what the analysis asks for.

What cannot be computed for a model stops nothing: its rows are missing, and a note says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from mmfit.errors import MmfitError
from mmfit.report.csvfile import write_csv
from mmfit.report.inference_columns import INFERENCE, as_written, frame_of
from mmfit.report.inference_pieces import Piece, Wanted, pieces
from mmfit.selection.records import Candidate


def inference_tables(candidates: Sequence[Candidate], wanted: Wanted) -> Mapping[str, pd.DataFrame]:
    """Every table of the inference by name, as in ``mmfit.report.inference_columns``.

    Rows stand in the order of the candidates; within a model in the order of the analysis.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in INFERENCE}
    for candidate in candidates:
        for piece in pieces(candidate, wanted):
            for name, rows in _answers(piece):
                parts[name].append(frame_of(name, rows.assign(model=candidate.name)))
    return {name: _stacked(name, frames) for name, frames in parts.items()}


def write_inference(folder: str | Path, candidates: Sequence[Candidate], wanted: Wanted) -> None:
    """Write all tables of the inference into ``folder`` (``results/<analysis>/tables``).

    All are computed before the first is written, so that a failure leaves none behind.
    """
    tables = inference_tables(candidates, wanted)
    for name, table in tables.items():
        write_csv(Path(folder) / f"{name}.csv", as_written(name, table))


def _answers(piece: Piece) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each table, then the notes; a note alone where the question is refused."""
    try:
        answers = piece.answer()
    except MmfitError as error:
        yield _notes(piece.what, piece.table, [str(error)])
        return
    yield from answers.items()
    for name, rows in answers.items():
        yield _notes(piece.what, name, [*rows.attrs.get("notes", ()), rows.attrs.get("note")])


def _notes(what: str, table: str, notes: Sequence[str | None]) -> tuple[str, pd.DataFrame]:
    texts = [f"{what}: {note}" if what else note for note in notes if note]
    return "inference_notes", pd.DataFrame({"table": [table] * len(texts), "text": texts})


def _stacked(name: str, frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return frame_of(name, {column: [] for column in INFERENCE[name]})
    return pd.concat(filled, ignore_index=True)
