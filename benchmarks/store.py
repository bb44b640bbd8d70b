"""Data sets on disk for the length of a run, written when they are first needed."""

import tempfile
from pathlib import Path

from benchmarks.simulate import DataSet
from benchmarks.tables import write_table


class Store:
    """A temporary folder with one folder per data set; a context manager."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="mmfit-benchmarks-")
        self.folder = Path(self._temporary.name)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self._temporary.cleanup()

    def path(self, data: DataSet) -> Path:
        """The folder of a data set."""
        folder = self.folder / data.name
        if not folder.exists():
            write_table(folder, data.make())
        return folder
