"""Orderings by CHOLMOD, where scikit-sparse is installed; nothing else in the package needs it."""

import importlib.util

import numpy as np
import scipy.sparse as sp

from mmfit.errors import ComputationError


def available() -> bool:
    """Whether scikit-sparse can be imported; it is not imported by asking."""
    return importlib.util.find_spec("sksparse") is not None


def cholmod_ordering(pattern: sp.csc_array) -> np.ndarray:
    """The best of the orderings that CHOLMOD tries (AMD, METIS, ...), old by new.

    Chen, Davis, Hager & Rajamanickam (2008), ACM Transactions on Mathematical Software 35(3).

    Parameters
    ----------
    pattern : (T, T) sparse array; its values are not read.

    Raises
    ------
    ComputationError : scikit-sparse is not installed.
    """
    if not available():
        raise ComputationError(
            "orderings by CHOLMOD need the package scikit-sparse, which is not installed; "
            "use the ordering 'superlu'"
        )
    from sksparse import cholmod

    T = pattern.shape[0]
    ones = sp.csc_array((np.ones(pattern.nnz), pattern.indices, pattern.indptr), shape=(T, T))
    matrix = sp.csc_matrix(ones + (T + 1) * sp.eye_array(T, format="csc"))
    # scikit-sparse 0.5 has a new interface.
    if hasattr(cholmod, "CholeskyFactor"):
        order = cholmod.CholeskyFactor(matrix, order="best").get_perm()
    else:
        order = cholmod.analyze(matrix, ordering_method="best").P()
    return np.asarray(order, dtype=np.int64)
