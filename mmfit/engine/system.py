"""The whitened least-squares system that every solver starts from, and the way back from it.

Raw columns make the criterion ill conditioned (days since 1900, prices in thousands). Before any
cross-product is formed, X and each random term's model matrix are therefore replaced by
orthonormal bases of the same spans, and y by its scaled residual from X. An unstructured
covariance stays unstructured under such a change of basis; since the change is lower triangular,
Lambda stays lower triangular too, and theta maps back linearly.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from mmfit.errors import DesignError
from mmfit.formula.matrices import ModelMatrices, RandomTerm

# Below this ratio of pivots a term's columns are treated as dependent and only rescaled.
_DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True)
class TermBlock:
    """Where one random term lies in its group.

    Attributes
    ----------
    group : int, index of the group.
    offset : int, first row of the term's block in the group's Lambda;  size : int, q.
    transform : (q, q) lower triangular T with Z = Z_white T, so Lambda = T^-1 Lambda_white.
    """

    group: int
    offset: int
    size: int
    transform: np.ndarray

    @property
    def place(self) -> slice:
        """The term's rows and columns in the group's Lambda."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True, slots=True)
class Group:
    """All random terms on one partition of the rows, side by side.

    Attributes
    ----------
    codes : (n,) intp, level of each row;  levels : int.
    model : (n, q) whitened and weighted model matrix.
    """

    codes: np.ndarray
    levels: int
    model: np.ndarray

    @property
    def size(self) -> int:
        return self.model.shape[1]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which entry of which group's Lambda each theta is (lme4's order: terms, column-major).

    Attributes
    ----------
    sizes : tuple of int, q per group.
    group, row, column, term : (k,) intp arrays.
    """

    sizes: tuple[int, ...]
    group: np.ndarray
    row: np.ndarray
    column: np.ndarray
    term: np.ndarray

    def __len__(self) -> int:
        return len(self.group)

    def lambdas(self, theta: np.ndarray) -> list[np.ndarray]:
        """The lower triangular Lambda of each group."""
        blocks = [np.zeros((q, q)) for q in self.sizes]
        for value, g, r, c in zip(theta, self.group, self.row, self.column, strict=True):
            blocks[g][r, c] = value
        return blocks

    def theta(self, lambdas: list[np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`lambdas`."""
        return np.array(
            [lambdas[g][r, c] for g, r, c in zip(self.group, self.row, self.column, strict=True)]
        )


@dataclass(frozen=True, slots=True)
class System:
    """Whitened y, X, Z and what is needed to come back to the user's units.

    Attributes
    ----------
    y : (n,) residual of the weighted y from X, scaled to mean square 1.
    X : (n, p) with X'X = n I;  x_factor : (p, p) upper triangular R with X_user = X R.
    beta_start : (p,) least-squares coefficients in the user's units;  scale : float, unit of y.
    groups : tuple of Group;  terms : tuple of TermBlock;  layout : Layout.
    log_weights : float, sum of the logarithms of the prior weights.
    """

    y: np.ndarray
    X: np.ndarray
    x_factor: np.ndarray
    beta_start: np.ndarray
    scale: float
    groups: tuple[Group, ...]
    terms: tuple[TermBlock, ...]
    layout: Layout
    log_weights: float

    @property
    def nobs(self) -> int:
        return len(self.y)

    @property
    def nfixed(self) -> int:
        return self.X.shape[1]

    def criterion_constant(self, reml: bool) -> float:
        """What the user's units add to -2 log (restricted) likelihood of the whitened system."""
        nu = self.nobs - self.nfixed if reml else self.nobs
        constant = 2 * nu * np.log(self.scale) - self.log_weights
        if reml:
            constant += 2 * np.log(np.abs(np.diag(self.x_factor))).sum()
        return float(constant)

    def theta_jacobian(self) -> np.ndarray:
        """(k, k) matrix of d theta_user / d theta_white."""
        jacobian = np.zeros((len(self.layout),) * 2)
        for t, block in enumerate(self.terms):
            inverse = solve_triangular(block.transform, np.eye(block.size), lower=True)
            index = np.flatnonzero(self.layout.term == t)
            row = self.layout.row[index] - block.offset
            column = self.layout.column[index] - block.offset
            same = column[:, None] == column[None, :]
            jacobian[np.ix_(index, index)] = inverse[np.ix_(row, row)] * same
        return jacobian


def build_system(matrices: ModelMatrices) -> System:
    """Whiten a model's matrices.

    Raises
    ------
    DesignError
        When the fixed effects leave no degrees of freedom, or fit the response exactly.
    """
    n, p = matrices.X.shape
    if n <= p:
        raise DesignError(
            f"{matrices.formula}: {n} rows cannot identify {p} fixed effects and a residual "
            "variance; a model needs more rows than fixed effects"
        )
    root = None if matrices.weights is None else np.sqrt(matrices.weights)
    X, factor = _whiten_fixed(_weighted(matrices.X, root))
    y = matrices.y if matrices.offset is None else matrices.y - matrices.offset
    y_white, beta, scale = _residual(_weighted(y, root), X, factor, matrices)
    groups, terms = _build_groups(matrices.random, root)
    return System(
        y=y_white,
        X=X,
        x_factor=factor,
        beta_start=beta,
        scale=scale,
        groups=groups,
        terms=terms,
        layout=_layout(groups, terms),
        log_weights=0.0 if root is None else float(np.log(matrices.weights).sum()),
    )


def _weighted(values: np.ndarray, root: np.ndarray | None) -> np.ndarray:
    if root is None:
        return values
    return values * (root if values.ndim == 1 else root[:, None])


def _whiten_fixed(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, p = X.shape
    if p == 0:
        return X, np.zeros((0, 0))
    # Columns are scaled first: Householder QR is only as good as its columns are balanced.
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    Q, R = np.linalg.qr(X / norms)
    return Q * np.sqrt(n), R * norms / np.sqrt(n)


def _residual(y, X, factor, matrices) -> tuple[np.ndarray, np.ndarray, float]:
    n = len(y)
    total = np.sqrt(y @ y / n)
    coefficients = X.T @ y / n
    residual = y - X @ coefficients
    # A second projection removes what cancellation left of X in the residual.
    correction = X.T @ residual / n
    residual = residual - X @ correction
    scale = float(np.sqrt(residual @ residual / n))
    if not scale > 1e-13 * total:
        raise DesignError(
            f"{matrices.formula}: the fixed effects fit {matrices.response!r} exactly, so there is "
            "no variance left to estimate; check the response and the fixed part"
        )
    beta = solve_triangular(factor, coefficients + correction) if len(factor) else coefficients
    return residual / scale, beta, scale


def _build_groups(random: tuple[RandomTerm, ...], root) -> tuple[tuple, tuple]:
    """Merge the terms that share a partition; whiten each term's columns."""
    members: list[list[int]] = []
    for index, term in enumerate(random):
        for group in members:
            first = random[group[0]]
            if len(first.levels) == len(term.levels) and np.array_equal(first.codes, term.codes):
                group.append(index)
                break
        else:
            members.append([index])
    groups, blocks = [], {}
    for g, indices in enumerate(members):
        models, offset = [], 0
        for index in indices:
            model, transform = _whiten_term(_weighted(random[index].model, root))
            blocks[index] = TermBlock(g, offset, model.shape[1], transform)
            models.append(model)
            offset += model.shape[1]
        first = random[indices[0]]
        groups.append(Group(first.codes, len(first.levels), np.hstack(models)))
    return tuple(groups), tuple(blocks[index] for index in range(len(random)))


def _whiten_term(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Z_white, T) with M = Z_white T, T lower triangular with a positive diagonal."""
    n, q = M.shape
    scale = np.sqrt(np.einsum("ij,ij->j", M, M) / n)
    scale[scale == 0] = 1.0
    if q == 1:
        return M / scale, np.diag(scale)
    # QR of the columns in reverse order gives the lower triangular factor.
    Q, R = np.linalg.qr((M / scale)[:, ::-1])
    sign = np.where(np.diag(R) < 0, -1.0, 1.0)
    R = R * sign[:, None] / np.sqrt(n)
    pivots = np.diag(R)
    if pivots.min() < _DEPENDENT * pivots.max():
        return M / scale, np.diag(scale)
    return (Q * sign * np.sqrt(n))[:, ::-1], R[::-1, ::-1] * scale


def _layout(groups, terms) -> Layout:
    entries = [
        (block.group, block.offset + row, block.offset + column, t)
        for t, block in enumerate(terms)
        for column in range(block.size)
        for row in range(column, block.size)
    ]
    table = np.array(entries, dtype=np.intp).reshape(-1, 4)
    return Layout(tuple(group.size for group in groups), *(table[:, i].copy() for i in range(4)))
