"""The tables of the inference: for every model, what the analysis asks for.

What cannot be computed for a model stops nothing: its rows are missing, and a note says why. But
what is asked for by name and refused by every model is a mistake in the analysis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mmfit.errors import AbsentError, ComputationError, DataError, FormulaError, MmfitError
from mmfit.selection.records import Candidate
from mmfit.spec import SELECTED
from mmfit.tables.frames import frame_of, stacked
from mmfit.tables.inference_pieces import Piece, Wanted, pieces
from mmfit.tables.schema import tables_of

Answered = Mapping[str, pd.DataFrame] | MmfitError


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """A piece and the name of the model that it is asked of."""

    model: str
    piece: Piece


def inference_tables(candidates: Sequence[Candidate], wanted: Wanted) -> Mapping[str, pd.DataFrame]:
    """Every table of the inference by name, as in ``mmfit.tables.schema``.

    Rows stand in the order of the candidates; within a model in the order of the analysis.

    Raises
    ------
    DataError
        Where no model can answer what is asked for by name: predictions, slopes, listed means.
    """
    questions = [_Question(c.name, piece) for c in candidates for piece in pieces(c, wanted)]
    # First what may be a mistake: it is told before anything takes long.
    early = {k: _answer(q.piece) for k, q in enumerate(questions) if q.piece.named}
    _check_named([(questions[k], answer) for k, answer in early.items()], wanted.searched)
    parts: dict[str, list[pd.DataFrame]] = {table.name: [] for table in tables_of("inference")}
    for k, question in enumerate(questions):
        answer = early[k] if k in early else _answer(question.piece)
        for name, rows in _rows(question.piece, answer):
            parts[name].append(frame_of(name, rows.assign(model=question.model)))
    return {name: stacked(name, frames) for name, frames in parts.items()}


def _answer(piece: Piece) -> Answered:
    try:
        return piece.answer()
    except MmfitError as error:
        return error


def _check_named(answered: Sequence[tuple[_Question, Answered]], searched: bool) -> None:
    """Raise DataError where every model refuses what is asked for by name.

    It is no mistake where a computation failed, nor where a search has dropped the variable.
    """
    reasons: dict[str, dict[str, str]] = {}
    excused = set()
    for question, answer in answered:
        named, model = question.piece.named, question.model
        dropped = searched and model == SELECTED and isinstance(answer, AbsentError)
        if not isinstance(answer, MmfitError) or isinstance(answer, ComputationError) or dropped:
            excused.add(named)
        else:
            reasons.setdefault(named, {})[model] = _reason(answer)
    told = [
        f"{named}: no model can answer this: {_each(said)}"
        for named, said in reasons.items()
        if named not in excused
    ]
    if told:
        raise DataError("\n".join(told))


def _reason(error: MmfitError) -> str:
    """The message in one line: without the caret below the place in a formula."""
    return error.reason if isinstance(error, FormulaError) else str(error)


def _each(reasons: Mapping[str, str]) -> str:
    """The reasons by model; one that is the same for all stands alone."""
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{model}: {reason}" for model, reason in reasons.items())


def _rows(piece: Piece, answer: Answered) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each table, then the notes; a note alone where the question is refused."""
    if isinstance(answer, MmfitError):
        return [_notes(piece.what, piece.table, [str(answer)])]
    notes = [
        _notes(piece.what, name, [*rows.attrs.get("notes", ()), rows.attrs.get("note")])
        for name, rows in answer.items()
    ]
    return [*answer.items(), *notes]


def _notes(what: str, table: str, notes: Sequence[str | None]) -> tuple[str, pd.DataFrame]:
    texts = [f"{what}: {note}" if what else note for note in notes if note]
    return "inference_notes", pd.DataFrame({"table": [table] * len(texts), "text": texts})
