"""Where the result files of an analysis lie."""

from dataclasses import dataclass
from pathlib import Path

CRITERIA = ("REML", "ML")

# What runs make in the folder of an analysis; what else lies there (logs) is left as it is.
OURS = (
    "data.parquet",
    "design.json",
    "fits",
    "search.json",
    "bootstrap",
    "selection.json",
    "tables",
    "report.html",
    "provenance.json",
    "made",
)


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """The files under ``<results>/<analysis>/``; the rules under ``workflow/`` name the same ones.

    Attributes
    ----------
    folder : Path, the folder of this analysis; data.parquet and design.json lie in it.
    """

    folder: Path

    def fit(self, model: str, criterion: str) -> Path:
        return self.folder / "fits" / f"{model}.{criterion}.json"

    @property
    def tables(self) -> Path:
        return self.folder / "tables"

    def chunk(self, chunk: int) -> Path:
        return self.folder / "bootstrap" / f"chunk.{chunk}.json"

    @property
    def search(self) -> Path:
        return self.folder / "search.json"

    @property
    def selection(self) -> Path:
        return self.folder / "selection.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def provenance(self) -> Path:
        return self.folder / "provenance.json"
