"""The columns of the remainder by effect, in bases in which Gamma is diagonal; mirror images."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.solvers.crossed.remainder.columns import RemainderColumns
from mmfit.engine.solvers.crossed.remainder.stacked import LARGE

_MIRROR = 96


@dataclass(frozen=True, slots=True)
class EffectColumns:
    """The columns of one effect of one group: one s for all.

    Attributes
    ----------
    place : slice, among all T columns;  s : float;  large : bool, whether s is.
    active : slice, among the columns with s > 0;  rest : slice, among those that are not large;
        empty where the piece does not belong there.
    """

    place: slice
    s: float
    large: bool
    active: slice
    rest: slice


def mirror(M: np.ndarray) -> np.ndarray:
    """Copy the upper triangle of M (T, T) to the lower one, in place, block by block."""
    T = len(M)
    for i in range(0, T, _MIRROR):
        j = min(i + _MIRROR, T)
        block = np.triu(M[i:j, i:j], 1)
        M[i:j, i:j] = np.triu(M[i:j, i:j]) + block.T
        M[j:, i:j] = M[i:j, j:].T
    return M


def across(M: np.ndarray, one: slice, two: slice) -> np.ndarray:
    """The diagonal of a block of an upper triangle."""
    return M[one, two].diagonal() if one.start <= two.start else M[two, one].diagonal()


def positions(pieces: list[EffectColumns]) -> np.ndarray:
    ranges = [np.arange(p.place.start, p.place.stop) for p in pieces]
    return np.concatenate(ranges) if ranges else np.zeros(0, dtype=np.intp)


def effect_columns(lambdas, columns: RemainderColumns, threshold: float = LARGE):
    """(U or None, list of EffectColumns) per group: Lambda = U diag(s) V'."""
    rotations, out, active, rest = [], [], 0, 0
    for g, lam in enumerate(lambdas):
        U, values = None, np.abs(lam[0])
        if len(lam) > 1:
            U, values, _ = np.linalg.svd(lam)
        group = []
        for place, s in zip(columns.effects[g], values, strict=True):
            levels = place.stop - place.start
            then = active + levels * (s > 0)
            still = rest + levels * (not s > threshold)
            ranges = slice(active, then), slice(rest, still)
            group.append(EffectColumns(place, float(s), bool(s > threshold), *ranges))
            active, rest = then, still
        rotations.append(U)
        out.append(group)
    return rotations, out


def turn_rows(M: np.ndarray, rotations: list, pieces: list, back: bool) -> np.ndarray:
    """U'M (or U M, ``back``) for M (T, c); M itself where nothing turns.

    ``rotations`` holds per group its U (q, q) or None, ``pieces`` its effects' columns.
    """
    if all(U is None for U in rotations):
        return M
    out = np.array(M)
    for U, group in zip(rotations, pieces, strict=True):
        if U is None:
            continue
        U = U.T if back else U
        for i, p in enumerate(group):
            out[p.place] = sum(U[k, i] * M[other.place] for k, other in enumerate(group))
    return out
