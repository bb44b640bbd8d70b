"""Products of the columns of a chain, level by level."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Products:
    """Per level, products of q rows with d columns and with y.

    Attributes
    ----------
    design : (q, d, levels);  responses : (q, levels, B).
    """

    design: np.ndarray
    responses: np.ndarray

    def of(self, members: np.ndarray | None) -> np.ndarray:
        """(q, d + 1, levels, A), for the responses ``members``, or all."""
        y = self.responses if members is None else np.take(self.responses, members, axis=-1)
        q, d, levels = self.design.shape
        out = np.empty((q, d + 1, levels, y.shape[-1]))
        out[:, :d] = self.design[..., None]
        out[:, d] = y
        return out

    def sorted(self, order: np.ndarray) -> "Products":
        return Products(self.design[..., order], self.responses[:, order])
