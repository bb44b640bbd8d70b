"""What the report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmfit.errors import ComparisonError
from mmfit.selection.records import Candidate, Comparison
from mmfit.tables.frames import empty_tables

if TYPE_CHECKING:
    import pandas as pd

    from mmfit.data import Dataset
    from mmfit.selection.records import Selection
    from mmfit.spec import Analysis
    from mmfit.tables.residuals import Residuals


@dataclass(frozen=True, slots=True)
class ReportInput:
    """One analysis with everything that was computed for it.

    Attributes
    ----------
    analysis : Analysis, the validated YAML.
    dataset : Dataset, the rows used, and what became of the others.
    candidates : tuple of Candidate in the order of the YAML, each with its REML and ML fit.
    comparisons : tuple of Comparison, valid and refused pairs.
    selection : Selection, the steps and the model chosen.
    tables : DataFrame by name (``intervals``, ``null_distributions``, ...): all tables as their
        files hold them; columns and their kinds as in ``mmfit.tables.schema``. Those that were not
        asked for have no row.
    residuals : of the chosen model's reported fit, for the plots; None for none.
    """

    analysis: "Analysis"
    dataset: "Dataset"
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    selection: "Selection"
    tables: "Mapping[str, pd.DataFrame]" = field(default_factory=empty_tables)
    residuals: "Residuals | None" = None

    @property
    def chosen(self) -> Candidate:
        """The candidate that the selection ended with.

        Raises
        ------
        ComparisonError : the selection names a model that is not among the candidates.
        """
        for candidate in self.candidates:
            if candidate.name == self.selection.chosen:
                return candidate
        names = ", ".join(candidate.name for candidate in self.candidates)
        raise ComparisonError(
            f"the selection chose {self.selection.chosen!r}, which is not among the candidates "
            f"({names}): run the selection again"
        )
