"""A second numeric backend, SuperLU itself, to check the multifrontal one against.

It orders and analyses anew for every matrix and has no selected inversion.
"""

import numpy as np
import scipy.sparse as sp

from mmfit.errors import ComputationError


class SuperLUFactor:
    """K = LU of a sparse symmetric positive definite K, pivots taken from the diagonal.

    Attributes
    ----------
    log_det : log|K|.
    """

    __slots__ = ("_lu", "log_det")

    def __init__(self, K: sp.csc_array):
        """Factorise K, (T, T) with both triangles.

        Raises
        ------
        ComputationError : K is not positive definite.
        """
        from scipy.sparse.linalg import splu

        failure = ComputationError("the matrix to be factorised is not positive definite")
        try:
            self._lu = splu(
                sp.csc_array(K),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:  # an exactly singular matrix
            raise failure from error
        pivots = self._lu.U.diagonal()
        # A pivot off the diagonal is taken only where that on the diagonal is zero.
        if (pivots <= 0.0).any() or not np.array_equal(self._lu.perm_r, self._lu.perm_c):
            raise failure
        self.log_det = float(np.log(pivots).sum())

    def solve(self, B: np.ndarray) -> np.ndarray:
        """K⁻¹B for right-hand sides (T,) or (T, m)."""
        return self._lu.solve(np.asarray(B, dtype=np.float64))
