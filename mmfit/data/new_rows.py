"""The rows that an analysis wants predicted: read, derived and coded as its data are."""

import re

import pandas as pd

from mmfit.data.reading import read_table
from mmfit.data.rows import code_factors, with_derived
from mmfit.expression import variables
from mmfit.expression.columns import Columns
from mmfit.expression.labels import text_column
from mmfit.spec import Analysis
from mmfit.spec.label_columns import label_columns, pure_labels, spelled_columns


def read_new_rows(analysis: Analysis, used: pd.DataFrame) -> pd.DataFrame | None:
    """The rows of ``inference.predictions.file``, in its order; None where nothing is predicted.

    ``derive`` of the data applies; ``where`` does not, since every row is wanted. A column that is
    a factor among the rows ``used`` by the fits is one here, even if its few labels are numbers.
    Labels are the texts of the file, as they are among the data; ``1.0`` is taken for ``1`` (and
    the other way round) only where whole numbers are all that the data have.
    What is derived from columns that the file lacks (the response, as a rule) is left out.

    Raises
    ------
    DataError
        A file that cannot be read as a table (see ``read_table``), or a derived column without a
        value in some row.
    """
    wanted = analysis.inference.predictions
    if wanted is None:
        return None
    spelled = spelled_columns(analysis)
    frame = read_table(wanted.file, spelled=spelled).frame
    frame = frame.set_axis(pd.RangeIndex(1, len(frame) + 1))
    for name, text in analysis.data.derive.items():
        if all(column in frame for column in variables(text)):
            frame = with_derived(frame, name, text, pure_labels(analysis), wanted.file)
    factors = tuple(c for c in used if isinstance(used[c].dtype, pd.CategoricalDtype))
    frame = code_factors(frame, factors, spelled, [], wanted.file)
    for column in label_columns(analysis):
        if column in frame and column in used:
            frame = _spelled_alike(frame, used, column)
    return frame


def _spelled_alike(frame: pd.DataFrame, used: pd.DataFrame, column: str) -> pd.DataFrame:
    """The frame, whole numbers that were written as floats (1.0) in the spelling of the data.

    A table in which one was missing has all of them so. Other spellings are other labels: a new
    clinic ``1.10`` is not the clinic ``1.1``.
    """
    known = set(Columns(used).factor(column).levels)
    endings = ("", ".0")
    whole = (all(re.fullmatch(rf"-?\d+{re.escape(e)}", label) for label in known) for e in endings)
    added = next((ending for ending, found in zip(endings, whole, strict=True) if found), None)
    if added is None:
        return frame
    factor = Columns(frame).factor(column)
    levels = [re.sub(r"^(-?\d+)(\.0)?$", rf"\g<1>{added}", label) for label in factor.levels]
    levels = [new if new in known else old for new, old in zip(levels, factor.levels, strict=True)]
    if tuple(levels) == tuple(factor.levels):
        return frame
    texts = pd.Categorical(pd.array([*levels, None], dtype=object)[factor.codes])
    numeric = not isinstance(frame[column].dtype, pd.CategoricalDtype)
    return frame.assign(**{text_column(column) if numeric else column: texts})
