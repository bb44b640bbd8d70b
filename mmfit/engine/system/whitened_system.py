"""The whitened least-squares system that every solver starts from, and the way back from it.

Raw columns make the criterion ill conditioned (days since 1900, prices in thousands). Before any
cross-product is formed, X and each random term's model matrix are therefore replaced by
orthonormal bases of the same spans, and each response by its scaled residual from X. An
unstructured covariance stays unstructured under such a change of basis; since the change is lower
triangular, Lambda stays lower triangular too, and theta maps back linearly.

A system holds one or many responses on one design; what is n long is stored row by row (one
contiguous row per column of a matrix).
"""

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from mmfit.engine.covariance.layout import Layout, TermBlock, build_layout
from mmfit.engine.covariance.unstructured import unstructured
from mmfit.engine.criterion import Criterion
from mmfit.engine.system.level_sums import Column
from mmfit.engine.system.orthonormal import orthonormal_rows
from mmfit.errors import DesignError
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.formula.partition import Partition

# A projection of a residual on X below this share of the response is rounding. (In a batch it is
# taken off in any case, so that no response's digits depend on another's.)
_LEFT = 1e-15
# Below this ratio of pivots a term's columns are treated as dependent and only rescaled.
_DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True)
class Group:
    """All random terms on one partition of the rows, side by side.

    Attributes
    ----------
    codes : (n,) intp, level of each row;  levels : int.
    columns : tuple over the q effects of float (a constant column) or (n,) array: the whitened
        and weighted model matrix.
    """

    codes: np.ndarray
    levels: int
    columns: tuple[Column, ...]

    @property
    def size(self) -> int:
        return len(self.columns)

    @property
    def partition(self) -> Partition:
        return Partition(self.codes, self.levels)


@dataclass(frozen=True, slots=True)
class System:
    """Whitened responses, X, Z and what is needed to come back to the user's units.

    Attributes
    ----------
    nobs : int, n.
    X : (p, n), transposed, with XX' = n I;  x_factor : (p, p) upper triangular R, X_user = X'R.
    columns : tuple of the p rows of X, constant ones as float.
    y : (B, n) residuals of the weighted responses from X, each scaled to mean square 1.
    beta_start : (B, p) least-squares coefficients in the user's units.
    scale : (B,) units of y.
    groups : tuple of Group;  terms : tuple of TermBlock;  layout : Layout.
    log_weights : float, sum of the logarithms of the prior weights.
    """

    nobs: int
    X: np.ndarray
    x_factor: np.ndarray
    columns: tuple[Column, ...]
    y: np.ndarray
    beta_start: np.ndarray
    scale: np.ndarray
    groups: tuple[Group, ...]
    terms: tuple[TermBlock, ...]
    layout: Layout
    log_weights: float

    @property
    def nfixed(self) -> int:
        return len(self.X)

    def without_rows(self) -> "System":
        """The same without what is n long, which the solvers need but once."""
        empty = np.empty(0, dtype=np.intp)
        groups = tuple(Group(empty, g.levels, (1.0,) * g.size) for g in self.groups)
        return replace(self, X=self.X[:, :0], columns=(), y=self.y[:, :0], groups=groups)

    def criterion_constant(self, criterion: Criterion) -> np.ndarray:
        """(B,) what the user's units add to -2 log (restricted) likelihood."""
        nu = criterion.nu(self.nobs, self.nfixed)
        constant = 2 * nu * np.log(self.scale) - self.log_weights
        return constant + criterion.basis_constant(self.x_factor)

    def back(self) -> np.ndarray:
        """(p, p) upper triangular R^-1: coefficients of X from those of the whitened X."""
        return np.linalg.inv(self.x_factor) if self.nfixed else np.zeros((0, 0))

    def theta_jacobian(self) -> np.ndarray:
        """(k, k) matrix of d theta_user / d theta_white."""
        out = np.zeros((len(self.layout), len(self.layout)))
        for block in self.terms:
            out[block.thetas, block.thetas] = block.structure.change_of_basis(block.inverse)
        return out


def build_system(matrices: ModelMatrices, responses: np.ndarray | None = None) -> System:
    """Whiten a model's matrices; ``responses`` (B, n) stand in for the model's own response.

    Raises
    ------
    DesignError
        When the fixed effects leave no degrees of freedom, or fit a response exactly.
    """
    n, p = matrices.X.shape
    if n <= p:
        raise DesignError(
            f"{matrices.formula}: {n} rows cannot identify {p} fixed effects and a residual "
            "variance; a model needs more rows than fixed effects"
        )
    root = None if matrices.weights is None else np.sqrt(matrices.weights)
    X, factor = _whiten_fixed(_weighted(np.ascontiguousarray(matrices.X.T), root))
    Y = matrices.y[None] if responses is None else responses
    if matrices.offset is not None:
        Y = Y - matrices.offset
    y, beta, scale, exact = _residuals(_weighted(Y, root), X, factor)
    if exact.any():
        raise DesignError(
            f"{matrices.formula}: the fixed effects fit {matrices.response!r} exactly, so there is "
            "no variance left to estimate; check the response and the fixed part"
        )
    groups, terms = _build_groups(matrices.random, root)
    return System(
        nobs=n,
        X=X,
        x_factor=factor,
        columns=tuple(float(row[0]) if _is_constant(row) else row for row in X),
        y=y,
        beta_start=beta,
        scale=scale,
        groups=groups,
        terms=terms,
        layout=build_layout(tuple(group.size for group in groups), terms),
        log_weights=0.0 if root is None else float(np.log(matrices.weights).sum()),
    )


def _weighted(rows: np.ndarray, root: np.ndarray | None) -> np.ndarray:
    return rows if root is None else rows * root


def _whiten_fixed(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(X):
        return X, np.zeros((0, 0))
    root = np.sqrt(X.shape[1])
    Q, R = orthonormal_rows(X, root)
    return Q, R / root


def _residuals(Y, X, factor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scaled residuals, coefficients, scales, and which responses X fits exactly."""
    n = Y.shape[1]
    total = np.sqrt(np.einsum("bn,bn->b", Y, Y) / n)
    coefficients = _by_response(Y, X) / n
    residual = coefficients @ X
    np.subtract(Y, residual, out=residual)
    # A second projection removes what cancellation left of X in the residual.
    correction = _by_response(residual, X) / n
    if len(Y) > 1 or (np.abs(correction) > _LEFT * total).any():
        residual -= correction @ X
    scale = np.sqrt(np.einsum("bn,bn->b", residual, residual) / n)
    exact = ~(scale > 1e-13 * total)
    beta = coefficients + correction
    if len(factor):
        beta = beta @ np.linalg.inv(factor).T
    residual /= np.where(exact, 1.0, scale)[:, None]
    return residual, beta, scale, exact


def _by_response(Y: np.ndarray, X: np.ndarray) -> np.ndarray:
    """YX' for rows of responses, whose digits must not depend on their neighbours."""
    return Y @ X.T if len(Y) == 1 else np.einsum("bn,pn->bp", Y, X)


def fitted_exactly(matrices: ModelMatrices, responses: np.ndarray) -> np.ndarray:
    """(B,) bool: which of the responses (B, n) the fixed effects fit without a residual."""
    root = None if matrices.weights is None else np.sqrt(matrices.weights)
    X, factor = _whiten_fixed(_weighted(np.ascontiguousarray(matrices.X.T), root))
    Y = responses if matrices.offset is None else responses - matrices.offset
    return _residuals(_weighted(Y, root), X, factor)[3]


def _build_groups(random: tuple[RandomTerm, ...], root) -> tuple[tuple, tuple]:
    """Merge the terms that share a partition; whiten each term's columns."""
    members: list[list[int]] = []
    for index, term in enumerate(random):
        for group in members:
            first = random[group[0]]
            if len(first.levels) == len(term.levels) and (
                first.codes is term.codes or np.array_equal(first.codes, term.codes)
            ):
                group.append(index)
                break
        else:
            members.append([index])
    structures = [unstructured(len(term.effects)) for term in random]
    starts = list(accumulate((structure.count for structure in structures), initial=0))
    groups, blocks = [], {}
    for g, indices in enumerate(members):
        columns: list[Column] = []
        for index in indices:
            white, transform = _whiten_term(random[index], root)
            begin = starts[index]
            blocks[index] = TermBlock(
                group=g,
                offset=len(columns),
                structure=structures[index],
                thetas=slice(begin, begin + structures[index].count),
                transform=transform,
                inverse=np.linalg.inv(transform),
            )
            columns.extend(white)
        first = random[indices[0]]
        groups.append(Group(first.codes, len(first.levels), tuple(columns)))
    return tuple(groups), tuple(blocks[index] for index in range(len(random)))


def _whiten_term(term: RandomTerm, root) -> tuple[list[Column], np.ndarray]:
    """(columns of Z_white, T), model = Z_white T, T lower triangular with a positive diagonal."""
    model = term.model
    n, q = model.shape
    if q == 1 and root is None and (term.constant[0] or _is_constant(model[:, 0])):
        value = float(model[0, 0])
        return [float(np.sign(value))], np.array([[abs(value) if value else 1.0]])
    M = _weighted(np.ascontiguousarray(model.T), root)
    scale = np.sqrt(np.einsum("qn,qn->q", M, M) / n)
    scale[scale == 0] = 1.0
    if q > 1 and n >= q:
        # Orthonormal columns in reverse order give the lower triangular factor.
        Q, R = orthonormal_rows((M / scale[:, None])[::-1], np.sqrt(n))
        R = R / np.sqrt(n)
        pivots = np.diag(R)
        if pivots.min() > _DEPENDENT * pivots.max():
            return list(Q[::-1]), R[::-1, ::-1] * scale
    return list(M / scale[:, None]), np.diag(scale)


def _is_constant(column: np.ndarray) -> bool:
    first = column[0]
    return bool(column[-1] == first and column[len(column) // 2] == first) and bool(
        (column == first).all()
    )
