"""Fill-reducing orderings: the minimum-degree ordering that scipy's SuperLU brings along."""

import numpy as np
import scipy.sparse as sp


def superlu_ordering(pattern: sp.csc_array) -> np.ndarray:
    """Multiple-minimum-degree order of the columns of a symmetric pattern (Liu 1985), old by new.

    SuperLU gives its ordering away only together with a factorisation. An *incomplete* one of a
    matrix whose off-diagonal entries are all small enough to be dropped has the same ordering
    and costs next to nothing, where a complete one costs more than all that follows here.

    Parameters
    ----------
    pattern : (T, T) sparse array; its values are not read.

    Returns
    -------
    (T,) integers; entry k is the column that is eliminated as the k-th.
    """
    from scipy.sparse.linalg import spilu

    T = pattern.shape[0]
    columns = np.repeat(np.arange(T), np.diff(pattern.indptr))
    rows = pattern.indices
    away = rows != columns
    negligible = np.full(np.count_nonzero(away), 1e-8 / T)
    matrix = sp.csc_array((negligible, (rows[away], columns[away])), shape=(T, T))
    matrix = (matrix + sp.eye_array(T, format="csc")).tocsc()
    factor = spilu(
        matrix,
        drop_tol=0.1,
        fill_factor=1.0,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.argsort(factor.perm_c, kind="stable")
