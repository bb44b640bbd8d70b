"""results/index.html: every analysis with what was decided, and the way to its report."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfit.common.files import write_text
from mmfit.errors import MmfitError
from mmfit.report.html.render import render
from mmfit.report.words.verdict import decision_words, ranking_words
from mmfit.selection.records import Selection
from mmfit.selection.serialize import selection_from_json


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A line of the index.

    Attributes
    ----------
    name, title : str, of the analysis;  path : str, its file.
    remark : str, why these results do not hold any more; "" where they do.
    data : str, where the data come from.
    candidates : int.
    chosen, formula : str, name and formula of the chosen model.
    singular : bool, whether its REML fit, which the report shows, is singular.
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
    remark: str = ""


def index_entry(folder: str | Path, remark: str = "") -> IndexEntry:
    """The line of one analysis, from its results alone: they say what they were made from.

    Raises
    ------
    MmfitError : results that are not there or not those of this version.
    """
    folder = Path(folder)
    try:
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        selection = selection_from_json((folder / "selection.json").read_text(encoding="utf-8"))
        models = _models(folder / "tables" / "models.csv")
        return _entry(folder.name, provenance, selection, models, remark)
    except FileNotFoundError as error:
        raise MmfitError(
            f"{error.filename}: not there; run the analysis {folder.name!r} first"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise MmfitError(
            f"{folder}: not results of this version of mmfit ({error}); "
            f"run the analysis {folder.name!r} again"
        ) from None


def _entry(
    name: str,
    provenance: dict[str, Any],
    selection: Selection,
    models: list[dict[str, str]],
    remark: str,
) -> IndexEntry:
    analysis, data = provenance["analysis"], provenance["data"]
    formulas = {row["model"]: row["formula"] for row in models}
    several = len(formulas) > 1
    rankings = ranking_words(selection.rankings, selection.chosen) if several else ""
    return IndexEntry(
        name=name,
        title=analysis["title"],
        path=analysis["file"],
        data=f"simulated, seed {data['seed']}" if "simulated" in data else data["file"],
        candidates=len(formulas),
        chosen=selection.chosen,
        formula=formulas[selection.chosen],
        singular=_is_singular(models, selection.chosen),
        grounds=tuple(text for text in (decision_words(selection), rankings) if text),
        remark=remark,
    )


def _is_singular(models: list[dict[str, str]], name: str) -> bool:
    """Whether the REML fit of a model is; ``models``: the rows of models.csv."""
    wanted = {"model": name, "criterion": "REML", "singular": "true"}
    return any(all(row[key] == value for key, value in wanted.items()) for row in models)


def _models(path: Path) -> list[dict[str, str]]:
    """The rows of models.csv."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_index(root: str | Path, analyses: Iterable[Sequence[str]]) -> None:
    """Write ``root/index.html`` over the results that lie in folders of ``root``.

    Parameters
    ----------
    root : the folder of the results.
    analyses : (name, remark) of each: its folder, and why its results do not hold any more, or "".
        Those with a remark that cannot be read are left out.

    Raises
    ------
    MmfitError : an analysis without a remark has not been run yet.
    """
    entries = []
    for name, remark in analyses:
        try:
            entries.append(index_entry(Path(root) / name, remark))
        except MmfitError:
            if not remark:
                raise
    write_text(Path(root) / "index.html", render_index(entries))


def render_index(entries: Sequence[IndexEntry]) -> str:
    """The page as HTML text."""
    return render("index.html", title="Model selection for linear mixed models", entries=entries)
