"""Which columns of a matrix are linearly independent of those before them; reduced bases."""

import numpy as np

# lme4's tolerance (chkRank.drop.cols): the share of a column's length that must be new.
TOLERANCE = 1e-7
# A Cholesky factor of cross-products is good to about 1e-15 in squared length, so that a new share
# above this one is beyond doubt.
_CERTAIN = 1e-3
_FEW_COLUMNS = 4
_LONG = 4096


def independent_columns(matrix: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Indices of the columns that R's pivoted QR keeps.

    A column is dropped where its distance from the span of the columns kept before it is below
    ``tolerance`` times its own length (LINPACK's ``dqrdc2``, limited column pivoting).

    Parameters
    ----------
    matrix : (n, p) float array, finite.

    Returns
    -------
    (rank,) intp array, ascending.
    """
    if matrix.shape[1] == 0:
        return np.arange(0)
    if _certainly_independent(matrix):
        return np.arange(matrix.shape[1])
    return _gram_schmidt(matrix, tolerance)


def _certainly_independent(matrix: np.ndarray) -> bool:
    rows, columns = matrix.shape
    if columns > rows:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        products = _products(matrix)
    lengths = np.sqrt(products.diagonal())
    if not (lengths.min() > 0 and lengths.max() < np.inf):
        return False
    if columns == 1:
        return True
    try:
        factor = np.linalg.cholesky(products / lengths / lengths[:, None])
    except np.linalg.LinAlgError:
        return False
    return bool(factor.diagonal().min() > _CERTAIN)


def _products(matrix: np.ndarray) -> np.ndarray:
    rows, columns = matrix.shape
    if columns > _FEW_COLUMNS or rows < _LONG:
        return matrix.T @ matrix
    # For a few long columns the matrix product of BLAS is several times slower than this, and its
    # scalar product waits for threads of its own, which takes longer still on a busy machine.
    products = np.empty((columns, columns))
    for k, column in enumerate(matrix.T):
        for j, other in enumerate(matrix.T[: k + 1]):
            products[k, j] = products[j, k] = np.einsum("i,i->", column, other)
    return products


def _gram_schmidt(matrix: np.ndarray, tolerance: float) -> np.ndarray:
    """Column by column, orthogonalised twice (Giraud, Langou & Rozloznik 2005)."""
    rows, columns = matrix.shape
    # Scaled to a largest entry of 1, so that no squared length overflows.
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    basis = np.empty((rows, min(rows, columns)), order="F")
    kept: list[int] = []
    for k in range(columns):
        if largest[k] == 0 or len(kept) == rows:
            continue
        column = matrix[:, k] / largest[k]
        length = np.linalg.norm(column)
        span = basis[:, : len(kept)]
        for _ in range(2):
            column = column - span @ (span.T @ column)
        rest = np.linalg.norm(column)
        if rest >= tolerance * length:
            basis[:, len(kept)] = column / rest
            kept.append(k)
    return np.array(kept, dtype=np.intp)


def reduced_echelon(A: np.ndarray) -> np.ndarray:
    """Reduced row echelon form of (d, q) rows of full rank, pivots from the last column backwards.

    The entries of a row should be of one size, since what is small beside the rest is rounding.
    """
    A = A.copy()
    row = 0
    for column in range(A.shape[1] - 1, -1, -1):
        if row == len(A):
            break
        pivot = row + int(np.argmax(np.abs(A[row:, column])))
        if abs(A[pivot, column]) < 1e-6 * np.abs(A[row:]).max():
            continue
        A[[row, pivot]] = A[[pivot, row]]
        A[row] /= A[row, column]
        for other in range(len(A)):
            if other != row:
                A[other] -= A[other, column] * A[row]
        row += 1
    return np.where(np.abs(A) < 1e-10, 0.0, A)
