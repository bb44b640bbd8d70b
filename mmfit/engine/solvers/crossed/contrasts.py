"""Effects that sum to zero over the levels of their factor: L - 1 contrasts per effect.

With U (L, L - 1) the columns but the first of the reflection that turns the first axis to the
direction of ones, an effect's columns Z become Z U.
"""

from itertools import pairwise

import numpy as np

from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.system.whitened_system import Group


class Contrasts:
    """The contrasts of all effects of the remainder, T of them.

    Attributes
    ----------
    columns : RemainderColumns, with a column per level;  pieces : per group and effect (slice), the
        places of its contrasts.
    """

    def __init__(self, columns: RemainderColumns):
        self.columns, self.pieces = columns, _places(columns)

    def of(self, M: np.ndarray) -> np.ndarray:
        """M U along the last axis, from a column per level to one less per effect.

        U (L, L - 1) has orthonormal columns that sum to zero, those of a reflection of the first
        axis to the direction of ones.
        """
        parts = []
        for pieces in self.columns.effects:
            for piece in pieces:
                v = _reflection(piece.stop - piece.start)
                part = M[..., piece]
                parts.append((part - (part @ v)[..., None] * v)[..., 1:])
        return np.concatenate(parts, axis=-1)

    def effects(self, groups: list[Group], b: np.ndarray) -> np.ndarray:
        """(f, n): Z_c b for b (T, f), with the rows of the groups."""
        out = np.zeros((b.shape[1], len(groups[0].codes)))
        for group, pieces in zip(groups, self.pieces, strict=True):
            for column, piece in zip(group.columns, pieces, strict=True):
                effects = np.zeros((b.shape[1], group.levels))
                effects[:, 1:] = b[piece].T
                v = _reflection(group.levels)
                effects -= (effects @ v)[:, None] * v
                out += effects[:, group.codes] * column
        return out

    def scaled(self, M: np.ndarray, lams, back: bool = False) -> np.ndarray:
        """M G (or M G') for M (f, T), G with the Lambda of every contrast."""
        out = np.zeros(M.shape)
        for lam, pieces in zip(lams, self.pieces, strict=True):
            for i, left in enumerate(pieces):
                for j, right in enumerate(pieces):
                    value = lam[j, i] if back else lam[i, j]
                    if value:
                        out[:, right] += value * M[:, left]
        return out


def _places(columns: RemainderColumns) -> list[list[slice]]:
    """Per group and effect, the places of its contrasts."""
    out, start = [], 0
    for levels, pieces in zip(columns.levels, columns.effects, strict=True):
        bounds = start + (levels - 1) * np.arange(len(pieces) + 1)
        out.append([slice(int(a), int(b)) for a, b in pairwise(bounds)])
        start = int(bounds[-1])
    return out


def _reflection(levels: int) -> np.ndarray:
    """(L,): v such that I - vv' turns the first axis to the direction of ones."""
    v = np.full(levels, 1 / np.sqrt(levels))
    v[0] -= 1.0
    length = np.sqrt(v @ v)
    return v * (np.sqrt(2.0) / length) if length > 0 else v
