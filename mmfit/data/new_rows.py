"""The rows that an analysis wants predicted: read, derived and coded as its data are."""

import pandas as pd

from mmfit.data.reading import read_table
from mmfit.data.rows import code_factors, derived
from mmfit.expression import variables
from mmfit.spec import Analysis


def read_new_rows(analysis: Analysis, used: pd.DataFrame) -> pd.DataFrame | None:
    """The rows of ``inference.predictions.file``, in its order; None where nothing is predicted.

    ``derive`` of the data applies; ``where`` does not, since every row is wanted. A column that is
    a factor among the rows ``used`` by the fits is one here, even if its few labels are numbers.
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
    frame = read_table(wanted.file).frame
    frame = frame.set_axis(pd.RangeIndex(1, len(frame) + 1))
    for name, text in analysis.data.derive.items():
        if all(column in frame for column in variables(text)):
            frame = frame.assign(**{name: derived(frame, name, text, wanted.file)})
    factors = tuple(c for c in used if isinstance(used[c].dtype, pd.CategoricalDtype))
    return code_factors(frame, factors, [], wanted.file)
