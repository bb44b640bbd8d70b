"""CSV in one dialect: full double precision, ``\\n``, missing as empty, ``true`` and ``false``."""

import csv
import io
import math
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd

from mmfit.common.files import write_text


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV text, header first, rows in the frame's order, no index.

    Floats are written by ``repr``, the shortest text that reads back to the same double;
    infinities as ``inf``; None, NaN and NA as nothing.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(frame.columns)
    columns = [[_cell(value) for value in frame[name].tolist()] for name in frame.columns]
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue()


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` to ``path`` in one step: the file is whole or not there."""
    write_text(Path(path), csv_text(frame))


def _cell(value) -> str:
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return "" if math.isnan(value) else repr(float(value))
    return str(value)
