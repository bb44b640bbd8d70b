"""Sums over the rows of each level of a grouping factor: the only work that grows with n."""

import numpy as np

# A whitened column of a model matrix: a number where it is constant, else (n,) values.
Column = float | np.ndarray


def level_products(
    codes: np.ndarray, levels: int, left: tuple[Column, ...], right: tuple[Column, ...]
) -> np.ndarray:
    """(len(left), len(right), levels): per level the sum over its rows of left_a right_b.

    Columns that occur on both sides are recognised (by identity, or as constants), so that no sum
    over the rows is formed twice.
    """
    known: dict[tuple, np.ndarray] = {}
    out = np.empty((len(left), len(right), levels))
    for a, u in enumerate(left):
        for b, v in enumerate(right):
            key = tuple(sorted((_key(u), _key(v))))
            if key not in known:
                known[key] = _level_sum(codes, levels, u, v)
            scale = (u if isinstance(u, float) else 1.0) * (v if isinstance(v, float) else 1.0)
            np.multiply(known[key], scale, out=out[a, b])
    return out


def _key(column: Column) -> int:
    return 0 if isinstance(column, float) else id(column)


def _level_sum(codes, levels, u: Column, v: Column) -> np.ndarray:
    """Sum by level of the product, constants left out."""
    if isinstance(u, float):
        if isinstance(v, float):
            return np.bincount(codes, minlength=levels)
        return np.bincount(codes, v, levels)
    return np.bincount(codes, u if isinstance(v, float) else u * v, levels)


def response_products(
    codes: np.ndarray, levels: int, columns: tuple[Column, ...], Y: np.ndarray
) -> np.ndarray:
    """(q, levels, B): per level the sum over its rows of column_a y_b, for responses Y (B, n)."""
    B, n = Y.shape
    if B < 8:
        products = level_products(codes, levels, columns, tuple(Y))
        return np.ascontiguousarray(np.moveaxis(products, 1, 2))
    # Here, because a model with one response can do without its import.
    import scipy.sparse as sp

    # Sparse, since the digits of a dense product depend on the number of responses.
    indicator = sp.csr_array((np.ones(n), codes, np.arange(n + 1)), shape=(n, levels)).T
    out = np.empty((len(columns), levels, B))
    for a, column in enumerate(columns):
        scaled = Y if isinstance(column, float) else Y * column
        out[a] = indicator @ scaled.T
        if isinstance(column, float):
            out[a] *= column
    return out
