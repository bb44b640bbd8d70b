"""What is asked of the innermost grouping factor, whose levels never see each other.

With Z = Q T' by level (:mod:`mmfit.engine.solvers.levels.basis`) and c = Q'R, a level enters only
through T and the products c_a c_b'. Levels of equal T form a class; each lies in one level of the
next coarser factor, its parent. All arrays have the components first and (classes or levels, A)
last; symmetric matrices are packed where that is said, entries a <= b in the order of
``np.triu_indices``, so that P = q (q + 1) / 2 and W = m (m + 1) / 2.
"""

from typing import Protocol

import numpy as np

from mmfit.engine.covariance.directions import Directions


class PooledLevels(Protocol):
    """Sums over the levels of one factor, for any weights by class.

    Attributes
    ----------
    T : (q, q, C, 1), Z = Q T' by class;  counts : (C, 1), levels in each class.
    level_class : (L,) intp, class of each level.
    S : (q, q, C, 1), Z'Z = T T' by class.
    """

    T: np.ndarray
    counts: np.ndarray
    level_class: np.ndarray

    @property
    def S(self) -> np.ndarray: ...

    def gather(self, weights: np.ndarray, members: np.ndarray | None) -> np.ndarray:
        """(..., W, parents, A): sum over a parent's levels of c'M c, packed.

        ``weights`` (..., P, C, A) holds M, symmetric, by class, packed;  ``members``: responses, or
        None for all.
        """

    def congruences(
        self, G: np.ndarray, directions: Directions, members: np.ndarray | None
    ) -> np.ndarray:
        """(k, W, A): the sum over all levels of c'G'E_e G c, packed, for G (q, q, C, A).

        At the top only, where there is one parent.
        """

    def inner_products(self, weights: np.ndarray, members: np.ndarray | None = None) -> np.ndarray:
        """(q, q, C, A): by class the sum of c M c' for symmetric M (m, m).

        ``weights`` (W, A) packs M with every entry off the diagonal counted for both of its places.
        At the top only.
        """
