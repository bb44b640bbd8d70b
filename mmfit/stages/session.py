"""What the stages of one process share: what they have made, and else what the files hold.

A stage that runs alone reads the files of those before it. Where several run in one process, each
hands on what it has made; nothing is read back. Both give the same, because files hold the records
without loss. That the files are there and current is checked before, by
:mod:`mmfit.stages.content_records`.
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from mmfit.common.files import write_text
from mmfit.data import Dataset, candidate_matrices, read_design, read_rows
from mmfit.data.storage import Rows
from mmfit.engine import Fit, fit_from_json, fit_to_json
from mmfit.errors import naming
from mmfit.formula import ModelMatrices
from mmfit.inference.fitted_model import ModelSystem
from mmfit.selection.records import Candidate, Comparison, Selection
from mmfit.selection.serialize import selection_from_json
from mmfit.spec import SELECTED, Analysis
from mmfit.stages.paths import CRITERIA, ResultFiles

if TYPE_CHECKING:
    import pandas as pd

    from mmfit.selection.pair_tests.bootstrap_chunks import Drawn
    from mmfit.selection.records import NullSettings
    from mmfit.selection.relations.relations import Relations
    from mmfit.selection.search.records import SearchPath


class Session:
    """The results of one analysis, as far as there are any, for the stages of one process.

    Attributes
    ----------
    analysis : Analysis, as its file says it;  files : ResultFiles.
    built : ModelMatrices by model, of those that were built on these rows already.
    rows, design, search, selection : what the stages made, or the files hold; a stage sets what it
        has made.
    """

    def __init__(self, analysis: Analysis, files: ResultFiles):
        self.analysis, self.files = analysis, files
        self.built: dict[str, ModelMatrices] = {}
        self._systems: dict[str, ModelSystem] = {}
        self._candidates: dict[str, Candidate] = {}
        self._fits: dict[str, Mapping[str, Fit]] = {}
        self._chunks: dict[int, Drawn] = {}
        self._tables: dict[str, pd.DataFrame] = {}

    @cached_property
    def rows(self) -> Rows:
        return read_rows(self.files.folder)

    @cached_property
    def design(self):
        return read_design(self.files.folder)

    @property
    def dataset(self) -> Dataset:
        """The rows with how their factors lie to each other."""
        return Dataset(*self.rows, self.design)

    @cached_property
    def search(self) -> "SearchPath":
        """The search that was made."""
        from mmfit.selection.search.records import search_from_json

        return search_from_json(self.files.search.read_text(encoding="utf-8"))

    @cached_property
    def selection(self) -> Selection:
        """What was chosen, and how."""
        return selection_from_json(self.files.selection.read_text(encoding="utf-8"))

    @property
    def completed(self) -> Analysis:
        """The analysis with the model that its search ended with, if there is a search."""
        if self.analysis.selection.search is None:
            return self.analysis
        return self.analysis.with_selected(self._fits_of(SELECTED)["REML"].formula)

    def system(self, model: str) -> ModelSystem:
        """The matrices of a model and what follows from them."""
        if model not in self._systems:
            with naming(f"the model {model!r}"):
                matrices = self.built.get(model)
                if matrices is None:
                    known = self.completed if model == SELECTED else self.analysis
                    matrices = candidate_matrices(self.rows[0], known.models[model])
            self._systems[model] = ModelSystem(matrices)
        return self._systems[model]

    def write_fits(self, model: str, fits: Mapping[str, Fit]) -> None:
        """fits/<model>.REML.json, fits/<model>.ML.json."""
        texts = {self.files.fit(model, by): fit_to_json(fits[by]) for by in CRITERIA}
        for path, text in texts.items():
            write_text(path, text)
        self._fits[model] = fits

    def _fits_of(self, model: str) -> Mapping[str, Fit]:
        if model not in self._fits:
            paths = {by: self.files.fit(model, by) for by in CRITERIA}
            self._fits[model] = {
                by: fit_from_json(path.read_text(encoding="utf-8")) for by, path in paths.items()
            }
        return self._fits[model]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every model with its matrices and both fits, in order."""
        return tuple(self._candidate(model) for model in self.completed.models)

    @cached_property
    def relations(self) -> "Relations[str]":
        """What the candidates are to each other."""
        from mmfit.selection.pair_tests.compare import by_name, relations_of

        return relations_of(by_name(self.candidates))

    @property
    def null_settings(self) -> "tuple[NullSettings, dict[tuple[str, str], NullSettings]]":
        """How null distributions are found: of all pairs, and of those that differ."""
        from mmfit.selection.records import NullSettings

        analysis = self.analysis
        own = {
            pair: NullSettings.of(method, analysis.bootstrap)
            for pair, method in analysis.pair_methods.items()
        }
        return NullSettings.of(analysis.null_distribution, analysis.bootstrap), own

    def _candidate(self, model: str) -> Candidate:
        if model not in self._candidates:
            fits, system = MappingProxyType(self._fits_of(model)), self.system(model)
            self._candidates[model] = Candidate(model, system.matrices, fits, system)
        return self._candidates[model]

    def write_chunk(self, chunk: int, drawn: "Drawn") -> None:
        """bootstrap/chunk.<chunk>.json."""
        from mmfit.selection.pair_tests.bootstrap_chunks import chunk_to_json

        write_text(self.files.chunk(chunk), chunk_to_json(drawn))
        self._chunks[chunk] = drawn

    @property
    def replicates(self) -> "Drawn":
        """The replicates of all chunks; none where the comparison does it all by itself."""
        from mmfit.selection.pair_tests.bootstrap_chunks import chunk_from_json, join_chunks

        chunks = self.analysis.bootstrap.chunks
        if chunks == 1:
            return {}
        for chunk in set(range(chunks)).difference(self._chunks):
            text = self.files.chunk(chunk).read_text(encoding="utf-8")
            self._chunks[chunk] = chunk_from_json(text)
        return join_chunks([self._chunks[chunk] for chunk in range(chunks)])

    def write_tables(self, stage: str, frames: "Mapping[str, pd.DataFrame]") -> None:
        """The tables of a stage under tables/."""
        from mmfit.tables.frames import write_tables

        self._tables.update(write_tables(self.files.tables, stage, frames))

    @property
    def tables(self) -> "Mapping[str, pd.DataFrame]":
        """All tables of other stages, by name."""
        from mmfit.tables.schema import TABLES

        return self._tables_named(TABLES)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What the comparison found."""
        from mmfit.tables.comparison_tables import comparisons_of
        from mmfit.tables.schema import tables_of

        return comparisons_of(self._tables_named(table.name for table in tables_of("compare")))

    def _tables_named(self, names) -> "Mapping[str, pd.DataFrame]":
        from mmfit.tables.frames import read_tables

        names = tuple(names)
        absent = [name for name in names if name not in self._tables]
        if absent:
            self._tables.update(read_tables(self.files.tables, absent))
        return {name: self._tables[name] for name in names}
