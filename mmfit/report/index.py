"""results/index.html: every analysis with what was decided, and the way to its report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmfit.errors import MmfitError
from mmfit.files import write_text
from mmfit.report.page import render
from mmfit.report.verdict import decision_words, ranking_words
from mmfit.selection.records import Selection
from mmfit.selection.serialize import selection_from_json

if TYPE_CHECKING:
    from mmfit.spec import Analysis


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A line of the index.

    Attributes
    ----------
    name, title : str, of the analysis;  path : str, its file.
    data : str, where the data come from.
    candidates : int.
    chosen, formula : str, name and formula of the chosen model.
    singular : bool, whether its ranking marks it as singular.
    grounds : tuple of str, the decisions on the way, and whether AIC and BIC agree.
    """

    name: str
    title: str
    path: str
    data: str
    candidates: int
    chosen: str
    formula: str
    singular: bool
    grounds: tuple[str, ...]


def index_entry(analysis: "Analysis", selection: Selection) -> IndexEntry:
    """The line of one analysis."""
    simulation = getattr(analysis.data, "simulate", None)
    data = analysis.data.file if simulation is None else f"simulated, seed {simulation.seed}"
    ranked = [model for ranking in selection.rankings for model in ranking.models]
    several = len(analysis.models) > 1
    rankings = ranking_words(selection.rankings, selection.chosen) if several else ""
    return IndexEntry(
        name=analysis.name,
        title=analysis.title,
        path=str(analysis.path),
        data=data,
        candidates=len(analysis.models),
        chosen=selection.chosen,
        formula=analysis.models[selection.chosen].formula,
        singular=any(model.singular for model in ranked if model.model == selection.chosen),
        grounds=tuple(text for text in (decision_words(selection), rankings) if text),
    )


def write_index(root: str | Path, analyses: Sequence["Analysis"]) -> None:
    """Write ``root/index.html`` from the analyses and their ``selection.json`` under ``root``.

    Raises
    ------
    MmfitError : an analysis has no selection yet.
    """
    root = Path(root)
    entries = [index_entry(analysis, _selection(root, analysis.name)) for analysis in analyses]
    write_text(root / "index.html", render_index(entries))


def render_index(entries: Sequence[IndexEntry]) -> str:
    """The page as HTML text."""
    return render("index.html", title="Model selection for linear mixed models", entries=entries)


def _selection(root: Path, name: str) -> Selection:
    path = root / name / "selection.json"
    try:
        return selection_from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MmfitError(f"{path}: not there; run the analysis {name!r} first") from None
