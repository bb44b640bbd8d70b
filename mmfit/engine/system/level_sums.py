"""Sums over the rows of each level of a grouping factor: the only work that grows with n."""

import numpy as np

# A whitened column of a model matrix: a number where it is constant, else (n,) values.
Column = float | np.ndarray

# From this many responses on, sums are products with a sparse indicator matrix.
_MANY = 8


class LevelSums:
    """Sums by level of one factor of products of two columns.

    Columns are recognised by identity, or as constants, so that no sum over the rows is formed
    twice; a factor that contains a finer one adds up the finer one's sums where these are known.
    """

    def __init__(
        self,
        codes: np.ndarray,
        levels: int,
        finer: "LevelSums | None" = None,
        parent: np.ndarray | None = None,
    ):
        """``codes``: (n,) level of each row;  ``parent``: level of each level of ``finer``."""
        self.codes, self.levels = codes, levels
        self.finer, self.parent = finer, parent
        self.known: dict[tuple[int, int], tuple[np.ndarray, Column, Column]] = {}

    def products(self, left: tuple[Column, ...], right: tuple[Column, ...]) -> np.ndarray:
        """(len(left), len(right), levels): per level the sum over its rows of left_a right_b."""
        out = np.empty((len(left), len(right), self.levels))
        for a, u in enumerate(left):
            for b, v in enumerate(right):
                np.multiply(self._sum(u, v), _constant(u) * _constant(v), out=out[a, b])
        return out

    def product(self, u: Column, v: Column) -> np.ndarray:
        """(levels,): the sum by level of u v, for columns that are not asked for again."""
        total = self._row_sum(u, v)
        scale = _constant(u) * _constant(v)
        return total if scale == 1.0 else total * scale

    def _sum(self, u: Column, v: Column) -> np.ndarray:
        """Sum by level of the product, constants left out."""
        first, second = sorted((_key(u), _key(v)))
        key = first, second
        if key not in self.known:
            if self.finer is not None and key in self.finer.known:
                total = np.bincount(self.parent, self.finer.known[key][0], self.levels)
            else:
                total = self._row_sum(u, v)
            # The columns are held, so that their identities stay theirs.
            self.known[key] = total, u, v
        return self.known[key][0]

    def _row_sum(self, u: Column, v: Column) -> np.ndarray:
        if isinstance(u, float):
            if isinstance(v, float):
                return np.bincount(self.codes, minlength=self.levels)
            return np.bincount(self.codes, v, self.levels)
        return np.bincount(self.codes, u if isinstance(v, float) else u * v, self.levels)


def _constant(column: Column) -> float:
    return column if isinstance(column, float) else 1.0


def _key(column: Column) -> int:
    return 0 if isinstance(column, float) else id(column)


def level_products(
    codes: np.ndarray, levels: int, left: tuple[Column, ...], right: tuple[Column, ...]
) -> np.ndarray:
    """(len(left), len(right), levels): per level the sum over its rows of left_a right_b."""
    return LevelSums(codes, levels).products(left, right)


def response_products(
    sums: LevelSums,
    columns: tuple[Column, ...],
    Y: np.ndarray,
    rows: tuple[np.ndarray, ...] | None = None,
) -> np.ndarray:
    """(q, levels, B): per level the sum over its rows of column_a y_b, for responses Y (B, n).

    ``rows`` are those of Y as they are known to a finer factor's sums.
    """
    B = len(Y)
    if B < _MANY:
        products = sums.products(columns, tuple(Y) if rows is None else rows)
        return np.ascontiguousarray(products.transpose(0, 2, 1))
    # Here, because a model with one response can do without its import.
    import scipy.sparse as sp

    # Sparse, since the digits of a dense product depend on the number of responses.
    n = len(sums.codes)
    shape = n, sums.levels
    indicator = sp.csr_array((np.ones(n), sums.codes, np.arange(n + 1)), shape=shape).T
    out, across = np.empty((len(columns), sums.levels, B)), np.ascontiguousarray(Y.T)
    for a, column in enumerate(columns):
        scaled = across if isinstance(column, float) else across * column[:, None]
        out[a] = indicator @ scaled
        if isinstance(column, float):
            out[a] *= column
    return out
