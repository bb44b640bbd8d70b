"""What the stages read of those before them; that it is there and current has been checked."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from mmfit.data import candidate_matrices, read_rows
from mmfit.engine import fit_from_json
from mmfit.errors import naming
from mmfit.selection.records import Candidate, Comparison, Selection
from mmfit.selection.serialize import selection_from_json
from mmfit.spec import SELECTED, Analysis, ModelSpec
from mmfit.stages.paths import CRITERIA, ResultFiles


def completed(analysis: Analysis, files: ResultFiles) -> Analysis:
    """The analysis with the model that its search ended with, if there is a search."""
    if analysis.selection.search is None:
        return analysis
    fit = fit_from_json(files.fit(SELECTED, "REML").read_text(encoding="utf-8"))
    return analysis.with_selected(fit.formula)


def candidates(analysis: Analysis, files: ResultFiles) -> tuple[Candidate, ...]:
    """Every model with its matrices and both fits, in order."""
    frame, _, _ = read_rows(files.folder)
    models = completed(analysis, files).models
    return tuple(_candidate(spec, files, frame, model) for model, spec in models.items())


def _candidate(spec: ModelSpec, files: ResultFiles, frame: pd.DataFrame, model: str) -> Candidate:
    fits = {
        criterion: fit_from_json(files.fit(model, criterion).read_text(encoding="utf-8"))
        for criterion in CRITERIA
    }
    with naming(f"the model {model!r}"):
        return Candidate(model, candidate_matrices(frame, spec), MappingProxyType(fits))


def statistics(analysis: Analysis, files: ResultFiles) -> Mapping[tuple[str, str], np.ndarray]:
    """The statistics of all chunks; none where the comparison does it all by itself."""
    from mmfit.selection.pair_tests.bootstrap_chunks import chunk_from_json, join_chunks

    chunks = analysis.bootstrap.chunks
    if chunks == 1:
        return {}
    texts = (files.chunk(chunk).read_text(encoding="utf-8") for chunk in range(chunks))
    return join_chunks([chunk_from_json(text) for text in texts])


def tables(files: ResultFiles) -> Mapping[str, pd.DataFrame]:
    """All tables of other stages, by name."""
    from mmfit.tables.frames import read_tables

    return read_tables(files.tables)


def comparisons(files: ResultFiles) -> tuple[Comparison, ...]:
    """What the comparison found."""
    from mmfit.tables.comparison_tables import read_comparisons

    return read_comparisons(files.tables)


def selection(files: ResultFiles) -> Selection:
    """What was chosen, and how."""
    return selection_from_json(files.selection.read_text(encoding="utf-8"))
