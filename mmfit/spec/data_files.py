"""Whether the data files that analyses name are there, before anything is read of them."""

from collections.abc import Iterable
from pathlib import Path

from mmfit.errors import SpecError
from mmfit.spec.analysis import Analysis, FileData
from mmfit.spec.problems import KeyPath, Problem, did_you_mean, spec_error
from mmfit.spec.source import read_source

DATA_KINDS = (".csv", ".tsv", ".parquet")


def data_kind(path: Path) -> str:
    """The kind of a data file by its name, whether compressed or not: ``.csv`` of ``a.csv.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def data_file_problem(path: str | Path) -> tuple[str, str] | None:
    """What is wrong with a data file as a file, and what is allowed; None if nothing is."""
    file = Path(path)
    if file.is_dir():
        return f"{path} is a directory", "a csv, tsv or parquet file is needed"
    if not file.exists():
        there = file.parent.is_dir()
        names = sorted(p.name for p in file.parent.iterdir()) if there else []
        folder = "" if there else f" (there is no folder {str(file.parent)!r})"
        found = f"no such file: {path}{did_you_mean(file.name, names)}{folder}"
        return found, "paths are relative to the folder in which mmfit runs"
    if data_kind(file) not in DATA_KINDS:
        allowed = "a name that ends in .csv, .tsv or .parquet, with or without .gz, is allowed"
        return f"{path} is of an unknown kind, {file.suffix!r}", allowed
    return None


def check_data_files(analyses: Iterable[Analysis]) -> None:
    """Refuse analyses whose data file, or file of rows to predict, is not there.

    Raises
    ------
    SpecError
        With a problem for each of them, as ``file:line: data.file: found; allowed``.
    """
    problems: list[str] = []
    for analysis in analyses:
        wrong = [
            Problem(path, *found)
            for path, file in _files(analysis).items()
            if (found := data_file_problem(file)) is not None
        ]
        if wrong:
            lines = read_source(analysis.path, "").lines
            problems.extend(spec_error(analysis.path, lines, wrong).problems)
    if problems:
        raise SpecError(problems)


def _files(analysis: Analysis) -> dict[KeyPath, str]:
    """The files that an analysis reads, each by the keys that lead to it."""
    files: dict[KeyPath, str] = {}
    if isinstance(analysis.data, FileData):
        files["data", "file"] = analysis.data.file
    predictions = analysis.inference.predictions
    if predictions is not None:
        files["inference", "predictions", "file"] = predictions.file
    return files
