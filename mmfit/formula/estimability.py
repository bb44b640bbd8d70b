"""Which linear functions of the coefficients the rows of a model matrix determine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmfit.formula.rank import independent_columns

# A function is estimable where its distance from the row space is below this share of its size.
_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True)
class Estimability:
    """The row space of a model matrix, by its independent columns X and the others, XM.

    A function (a, b) of the coefficients of both is estimable where b = aM (Searle 1971, Linear
    Models, section 5.4); its value is then a'beta, beta being fitted without the other columns.

    Attributes
    ----------
    kept, others : intp arrays, the independent columns (r) and the rest (c - r).
    lengths : (c,), of the columns;  M : (r, c - r), of the columns scaled to unit length.
    """

    kept: np.ndarray
    others: np.ndarray
    lengths: np.ndarray
    M: np.ndarray

    @classmethod
    def of(cls, matrix: np.ndarray, kept: np.ndarray | None = None) -> Estimability:
        """Of a model matrix (n, c); ``kept`` its independent columns where they are known."""
        kept = independent_columns(matrix) if kept is None else np.asarray(kept, dtype=np.intp)
        others = np.setdiff1d(np.arange(matrix.shape[1]), kept)
        lengths = np.sqrt(np.einsum("ij,ij->j", matrix, matrix))
        lengths[lengths == 0] = 1.0
        r = len(kept)
        R = np.linalg.qr((matrix / lengths)[:, np.concatenate([kept, others])], "r")
        return cls(kept, others, lengths, np.linalg.solve(R[:r, :r], R[:r, r:]))

    def holds(self, functions: np.ndarray) -> np.ndarray:
        """(m,) bool: which of the functions (m, c) of all coefficients are estimable."""
        if not len(self.others):
            return np.ones(len(functions), dtype=bool)
        a = functions[:, self.kept] / self.lengths[self.kept]
        b = functions[:, self.others] / self.lengths[self.others]
        size = np.abs(b) + np.abs(a) @ np.abs(self.M)
        size += np.abs(a).max(axis=1, initial=0.0)[:, None]
        return (np.abs(b - a @ self.M) <= _TOLERANCE * size).all(axis=1)
