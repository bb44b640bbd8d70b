"""What each stage reads of an analysis file, as canonical JSON.

The rules pass these texts as ``params``, so that Snakemake reruns a stage when, and only when, its
part of the file has changed. A part missing here would leave old results standing.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmfit.formula import parse
from mmfit.spec import Analysis, FileData

if TYPE_CHECKING:
    from pydantic import BaseModel


def data_files(analysis: Analysis) -> list[str]:
    """The files that the data stage reads besides the analysis: none when data are simulated."""
    return [analysis.data.file] if isinstance(analysis.data, FileData) else []


def data(analysis: Analysis) -> str:
    """The data block, and which variables the models use: they decide which rows are complete."""
    models = analysis.specs.values()
    return _canonical(
        {
            "data": _plain(analysis.data),
            "variables": sorted({name for model in models for name in model.variables}),
        }
    )


def design(analysis: Analysis) -> str:
    """The grouping factors of every model, and which columns are said to be categorical."""
    return _canonical(
        {
            "categorical": analysis.data.categorical,
            "grouping": [
                list(dict.fromkeys(bar.grouping.columns for bar in parse(model.formula).random))
                for model in analysis.specs.values()
            ],
        }
    )


def fit(analysis: Analysis, model: str) -> str:
    """The model's own entry, the defaults of the analysis filled in."""
    return _canonical(_plain(analysis.models[model]))


def compare(analysis: Analysis) -> str:
    """The pairs; the models in their order. The models themselves arrive with their fits."""
    return _canonical({"models": list(analysis.models), "comparisons": analysis.comparisons})


def select(analysis: Analysis) -> str:
    """What `compare` reads, and the settings of the selection."""
    return _canonical([compare(analysis), _plain(analysis.selection)])


def tables(analysis: Analysis) -> str:
    """The models in their order and the method for the degrees of freedom."""
    return _canonical({"models": list(analysis.models), "df": analysis.df})


def report(analysis: Analysis) -> str:
    """Everything, to the byte: the provenance states the checksum of the analysis file."""
    return hashlib.sha256(Path(analysis.path).read_bytes()).hexdigest()


def index(analyses: Iterable[Analysis]) -> str:
    """The analyses in their order, by name and title."""
    return _canonical([(analysis.name, analysis.title) for analysis in analyses])


def _plain(record: "BaseModel") -> dict[str, Any]:
    # pydantic warns where no tag says which kind of a union a record is; it has it right.
    return record.model_dump(mode="json", warnings=False)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
