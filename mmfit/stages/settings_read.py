"""What each stage reads of an analysis file, as canonical JSON.

These texts stand in the records of what results were made from
(:mod:`mmfit.stages.content_records`), so that a stage is due when, and only when, its part of the
file has changed. A part missing here would leave old results standing. Keys keep the order of the
file: columns are derived and simulated in it.
"""

import json
from typing import TYPE_CHECKING, Any

from mmfit.formula import parse
from mmfit.spec import Analysis, FileData
from mmfit.spec.label_columns import pure_labels, spelled_columns

if TYPE_CHECKING:
    from pydantic import BaseModel


def data_files(analysis: Analysis) -> list[str]:
    """The files that the data stage reads besides the analysis: none when data are simulated."""
    return [analysis.data.file] if isinstance(analysis.data, FileData) else []


def data(analysis: Analysis) -> str:
    """The data block, and what the models use: which variables, and which of them as labels.

    The variables decide which rows are complete, and of labels the texts are read.
    """
    models = analysis.specs.values()
    return _canonical(
        {
            "data": {**_plain(analysis.data), "labels": _labels(analysis)},
            "variables": sorted({name for model in models for name in model.variables}),
        }
    )


def _labels(analysis: Analysis) -> list[list[str]]:
    return [sorted(spelled_columns(analysis)), sorted(pure_labels(analysis))]


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
    """The pairs, their null distributions; the models in their order. Fits bring the models."""
    return _canonical(
        {
            "models": analysis.candidate_names,
            "comparisons": analysis.comparisons,
            "null_distribution": analysis.null_distribution,
            "pair_methods": [[*pair, method] for pair, method in analysis.pair_methods.items()],
            # In how many jobs the replicates are drawn changes no result.
            "bootstrap": {**_plain(analysis.bootstrap), "chunks": None},
        }
    )


def bootstrap(analysis: Analysis) -> str:
    """What `compare` reads, and how many parts there are."""
    return _canonical([compare(analysis), analysis.bootstrap.chunks])


def search(analysis: Analysis) -> str:
    """The settings of the selection and of the models that are made or fitted anew.

    Without a search, and without an audit of the selection, there is nothing to read.
    """
    asked = analysis.selection
    if asked.search is None and asked.stability is None:
        return _canonical(None)
    audited = {} if asked.search else {name: _plain(m) for name, m in analysis.models.items()}
    # In how many jobs the replicates are drawn changes no result.
    nulls = [analysis.null_distribution, {**_plain(analysis.bootstrap), "chunks": None}]
    if not asked.search:  # which tests other pairs than the declared ones
        nulls.append([[*pair, own] for pair, own in analysis.pair_methods.items()])
    return _canonical([_plain(asked), _generated(analysis), audited, nulls])


def select(analysis: Analysis) -> str:
    """What `compare` reads, and the settings of the selection but for its audit."""
    return _canonical([compare(analysis), {**_plain(analysis.selection), "stability": None}])


def tables(analysis: Analysis) -> str:
    """The models in their order and the method for the degrees of freedom."""
    return _canonical({"models": analysis.candidate_names, "df": analysis.df})


def prediction_files(analysis: Analysis) -> list[str]:
    """The file of rows to predict, if there is one."""
    predictions = analysis.inference.predictions
    return [] if predictions is None else [predictions.file]


def inference(analysis: Analysis) -> str:
    """What is asked of the models, with what settings; how rows to predict are prepared."""
    asked, settings = analysis.inference, analysis.bootstrap
    bootstrapped = asked.random_term_tests or "bootstrap" in asked.intervals
    return _canonical(
        {
            "models": analysis.candidate_names,
            "df": analysis.df,
            "inference": _plain(asked),
            "bootstrap": {**_plain(settings), "chunks": None} if bootstrapped else None,
            "derive": None if asked.predictions is None else analysis.data.derive,
            "labels": None if asked.predictions is None else _labels(analysis),
        }
    )


def report(analysis: Analysis) -> str:
    """Everything, to the byte: the provenance states the analysis file and its checksum."""
    return _canonical({"file": analysis.path, "sha256": analysis.sha256})


def _generated(analysis: Analysis) -> dict[str, Any]:
    """The settings of models that a search makes."""
    return {
        "weights": analysis.weights,
        "offset": analysis.offset,
        "contrasts": analysis.contrasts,
    }


def _plain(record: "BaseModel") -> dict[str, Any]:
    # pydantic warns where no tag says which kind of a union a record is; it has it right.
    return record.model_dump(mode="json", warnings=False)


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
