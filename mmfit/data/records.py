"""What the data stage hands on: the rows, and what became of the others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from mmfit.data.diagnosis import DesignDiagnosis
from mmfit.formula import ModelMatrices


@dataclass(frozen=True, slots=True)
class MissingCount:
    """Rows in which one column was missing; a row may count for several columns."""

    column: str
    rows: int


@dataclass(frozen=True, slots=True)
class RowReport:
    """From the rows read to the rows used.

    Attributes
    ----------
    read : int, rows of the file or of the simulation.
    where : str or None, the condition that rows had to meet.
    excluded : int, rows for which ``where`` did not hold (or could not be decided).
    incomplete : int, rows left out because a variable of some candidate was missing.
    missing : tuple of MissingCount, for the variables that were missing anywhere among the rows
        that ``where`` left.
    kept : int, rows used, the same for all candidates; read = kept + excluded + incomplete.
    """

    read: int
    where: str | None
    excluded: int
    incomplete: int
    missing: tuple[MissingCount, ...]
    kept: int

    @property
    def dropped(self) -> int:
        """Rows not used, for any reason."""
        return self.read - self.kept

    def sentences(self) -> tuple[str, ...]:
        """The same in words, a sentence per reason."""
        said = [f"{self.read} rows were read and {self.kept} are used."]
        if self.excluded:
            said.append(f"{self.excluded} did not meet the condition {self.where}.")
        if self.incomplete:
            columns = ", ".join(f"{m.column} ({m.rows})" for m in self.missing)
            said.append(f"{self.incomplete} had missing values: {columns}.")
        return tuple(said)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """Where the rows came from.

    Attributes
    ----------
    kind : ``"file"`` or ``"simulation"``.
    file, sha256 : str or None, the data file and the checksum of its bytes.
    seed : int or None, of a simulation.
    """

    kind: str
    file: str | None = None
    sha256: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The rows that all candidates are fitted to.

    Attributes
    ----------
    frame : DataFrame; factors are categoricals with text labels, no variable of a candidate is
        missing, all columns of the source and the derived ones are there. A column of numbers whose
        texts are labels has these in a column beside it (``mmfit.expression.labels.text_column``).
    source : SourceRecord.
    row_report : RowReport.
    design : DesignDiagnosis, how the grouping factors lie to each other.
    built : ModelMatrices by the place of the model in the analysis file, of those that were built
        on these rows to see that they can be.
    """

    frame: pd.DataFrame
    source: SourceRecord
    row_report: RowReport
    design: DesignDiagnosis
    built: Mapping[str, ModelMatrices] = field(default_factory=dict, repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the results must know about the design, a sentence or two each."""
        return tuple(note.message for note in self.design.notes)
