"""Where the columns of the factors that are not eliminated lie."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfit.engine.system.whitened_system import Group


@dataclass(frozen=True, slots=True)
class RemainderColumns:
    """Where the columns of the factors that are not eliminated lie: effect by effect.

    Attributes
    ----------
    levels, sizes : tuples of int, L and q of each group;  width : int, T, all columns.
    places : tuple of slice, all columns of each group.
    effects : tuple over the groups of tuples of slice, the columns of each effect.
    """

    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    width: int
    places: tuple[slice, ...]
    effects: tuple[tuple[slice, ...], ...]

    @classmethod
    def of(cls, groups: list[Group]) -> "RemainderColumns":
        effects, start = [], 0
        for group in groups:
            bounds = start + group.levels * np.arange(group.size + 1)
            effects.append(tuple(slice(int(a), int(b)) for a, b in pairwise(bounds)))
            start = int(bounds[-1])
        places = tuple(slice(pieces[0].start, pieces[-1].stop) for pieces in effects)
        levels = tuple(group.levels for group in groups)
        return cls(levels, tuple(group.size for group in groups), start, places, tuple(effects))
