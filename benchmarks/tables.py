"""Data on disk for every engine's process: binary columns, so that all read the same bytes.

A folder holds ``columns.tsv`` (name, kind, rows), one little-endian file per column (float64, or
int32 codes from zero), and the labels of a factor as lines of text. R reads it with ``readBin``.
"""

from pathlib import Path

import numpy as np
import pandas as pd

_DOUBLE, _CODE = np.dtype("<f8"), np.dtype("<i4")


def write_table(folder: Path, frame: pd.DataFrame) -> None:
    """Write a frame of float and categorical columns."""
    folder.mkdir(parents=True)
    lines = ["name\tkind\trows"]
    for name, column in frame.items():
        factor = isinstance(column.dtype, pd.CategoricalDtype)
        if factor:
            labels = "".join(f"{label}\n" for label in column.cat.categories)
            (folder / f"{name}.labels").write_text(labels, encoding="utf-8")
            values = column.cat.codes.to_numpy().astype(_CODE)
        else:
            values = column.to_numpy().astype(_DOUBLE)
        values.tofile(folder / f"{name}.bin")
        lines.append(f"{name}\t{'factor' if factor else 'double'}\t{len(frame)}")
    (folder / "columns.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_table(folder: Path) -> pd.DataFrame:
    """The frame that :func:`write_table` wrote."""
    columns = {}
    for line in (folder / "columns.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        name, kind, _ = line.split("\t")
        if kind == "double":
            columns[name] = np.fromfile(folder / f"{name}.bin", _DOUBLE)
            continue
        labels = (folder / f"{name}.labels").read_text(encoding="utf-8").splitlines()
        codes = np.fromfile(folder / f"{name}.bin", _CODE)
        columns[name] = pd.Categorical.from_codes(codes, labels)
    return pd.DataFrame(columns)


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    """An (n, k) matrix of doubles, column after column."""
    np.asarray(matrix, _DOUBLE).T.tofile(path)


def read_matrix(path: Path, rows: int) -> np.ndarray:
    """(rows, k), as :func:`write_matrix` wrote it."""
    return np.fromfile(path, _DOUBLE).reshape(-1, rows).T
