"""Responses that leave no residual variance: then the likelihood has no maximum.

As sigma goes to 0 with the covariances of the random effects held, -2 log L has the limit of
(n - r) log sigma^2 + y'Qy / sigma^2, with r the rank of Z (ML) or of [X Z] (REML) and Q the
projection that is left after [X Z]. It falls without bound where r < n and y lies in the span of
[X Z], and only there, for the model or for one whose random effects are some of its own (the rest
go to zero). This is asked of the data, not of a search: where that ends is rounding.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import scipy.linalg

from mmfit.common.lazy_fields import Later
from mmfit.engine.criterion import Criterion
from mmfit.engine.optimize.optimizer import Optima
from mmfit.engine.records import Fit, GroupModes, VarianceUncertainty
from mmfit.formula.matrices import ModelMatrices, RandomTerm

NO_RESIDUAL = (
    "not converged: the fixed and the random effects fit the response exactly, so there is no "
    "residual variance, and the likelihood grows without bound"
)
# A residual below this share of the response is rounding; as for the fixed effects alone.
_EXACT = 1e-13
# What is left of a column below this share of its length is rounding too.
_DEPENDENT = 1e-10
# Searches that end with more than this residual variance (of that beside the fixed effects) at a
# minimum have not gone where the likelihood is unbounded.
_SUSPECT = 1e-6
# Numbers in the columns of factors that are not nested, and in those of all submodels, above which
# nothing is found (the search then says itself that it has not ended).
_MAX_NUMBERS = 4_000_000
# Responses that are projected together.
_ROWS = 64


def doubtful(matrices: ModelMatrices, optima: Optima, singular: np.ndarray) -> np.ndarray:
    """(B,) bool: of which responses :func:`without_residual` must be asked.

    Those whose search has not ended at a minimum with a residual variance to speak of. Where rows
    are few for the coefficients, a likelihood without bound may have such a minimum too: then the
    ``singular`` (B,) are asked of, and all where there are no more rows than coefficients.
    """
    at = optima.evaluation
    suspect = ~(optima.converged & (at.r2 > _SUSPECT * at.problem.nu))
    n = matrices.nobs
    columns = matrices.X.shape[1] + sum(len(t.levels) * len(t.effects) for t in matrices.random)
    if columns >= n:
        return np.ones_like(suspect)
    return suspect | singular if 2 * columns >= n else suspect


def without_estimates(fit: Fit) -> Fit:
    """The record of a fit whose likelihood has no maximum: nothing is estimated."""
    terms = tuple(replace(term, covariance=_missing(term.covariance)) for term in fit.terms)
    k, p = len(fit.theta), len(fit.fixef)
    uncertainty = VarianceUncertainty(_missing((k + 1, k + 1)), _missing((k + 1, p, p)))
    return replace(
        fit,
        objective=np.nan,
        sigma=np.nan,
        theta=_missing(fit.theta),
        fixef=_missing(fit.fixef),
        vcov=_missing(fit.vcov),
        terms=terms,
        groups=Later(_missing_modes, fit),
        singular=False,
        singular_groups=(),
        uncertainty=uncertainty,
        optimizer=replace(
            fit.optimizer, objective=np.nan, curvature=np.nan, converged=False, message=NO_RESIDUAL
        ),
    )


def _missing(like) -> np.ndarray:
    return np.full(like.shape if isinstance(like, np.ndarray) else like, np.nan)


def _missing_modes(fit: Fit) -> tuple[GroupModes, ...]:
    return tuple(
        replace(group, modes=_missing(group.modes), covariance=_missing(group.covariance))
        for group in fit.groups
    )


def without_residual(
    matrices: ModelMatrices, responses: np.ndarray, criterion: Criterion
) -> np.ndarray:
    """(B,) bool: which of the responses (B, n) leave the criterion without a minimum."""
    found = np.zeros(len(responses), dtype=bool)
    if not matrices.random:
        return found
    root = None if matrices.weights is None else np.sqrt(matrices.weights)
    Y = responses if matrices.offset is None else responses - matrices.offset
    X = matrices.X.T
    if root is not None:
        Y, X = Y * root, X * root
    largest = np.abs(Y).max(axis=1, keepdims=True)
    Y = Y / np.where(largest > 0, largest, 1.0)
    for terms in _submodels(matrices.random):
        span = random_span(terms, root)
        if span is None:
            return found
        whole = span.joined(X)
        if (whole if criterion.integrated(len(X)) else span).rank < matrices.nobs:
            found |= _inside(whole, Y)
        if found.all() or (whole.rank < matrices.nobs and terms is matrices.random):
            # What the whole span does not hold, no part of it does.
            break
    return found


def _inside(span: "Span", Y: np.ndarray) -> np.ndarray:
    """(B,) bool: which of the rows (B, n) lie in the span, a few at a time."""
    left, size = np.empty(len(Y)), np.sqrt(np.einsum("bn,bn->b", Y, Y))
    for begin in range(0, len(Y), _ROWS):
        rest = span.residual(Y[begin : begin + _ROWS])
        left[begin : begin + _ROWS] = np.sqrt(np.einsum("bn,bn->b", rest, rest))
    return left <= _EXACT * size


def _submodels(random: tuple[RandomTerm, ...]) -> Iterator[tuple[RandomTerm, ...]]:
    """The random terms, and then those that are left when some of the effects have no variance."""
    yield random
    effects = [(t, k) for t, term in enumerate(random) for k in range(len(term.effects))]
    if 2 ** len(effects) * len(random[0].codes) > _MAX_NUMBERS:
        return
    for count in range(len(effects) - 1, 0, -1):
        for chosen in combinations(effects, count):
            terms = []
            for t, term in enumerate(random):
                columns = [k for at, k in chosen if at == t]
                if columns:
                    names = tuple(term.effects[k] for k in columns)
                    terms.append(
                        replace(term, model=term.model[:, columns], effects=names, constant=())
                    )
            yield tuple(terms)


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a grouping factor: those of a level are ``columns`` (q, n) in its rows.

    Attributes
    ----------
    codes : (n,) intp, level of each row;  order : (n,), the rows by level;  starts : (levels,).
    """

    codes: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, term: RandomTerm, root: np.ndarray | None) -> "Block":
        """The columns of a random term, its rows scaled by ``root``."""
        columns = term.model.T if root is None else term.model.T * root
        counts = np.bincount(term.codes, minlength=len(term.levels))
        order = np.argsort(term.codes, kind="stable")
        return cls(term.codes, order, np.cumsum(counts) - counts, columns)

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """(B, levels) of rows (B, n)."""
        return np.add.reduceat(rows[:, self.order], self.starts, axis=1)

    def within(self, outer: "Block") -> bool:
        """Whether these levels are nested in those of another block."""
        return bool((outer.codes == outer.codes[self.order[self.starts]][self.codes]).all())

    def wide(self) -> np.ndarray:
        """(levels q, n), every column of every level by itself."""
        levels = np.arange(len(self.starts))
        rows = np.where(self.codes == levels[:, None, None], self.columns, 0.0)
        return rows.reshape(-1, len(self.codes))


@dataclass(frozen=True, slots=True)
class Span:
    """An orthonormal basis of the columns of a design.

    Attributes
    ----------
    blocks : tuple of Block; their columns are, level by level, orthonormal or zero, and orthogonal
        to the blocks before.
    dense : (d, n), orthonormal rows, orthogonal to the blocks.
    rank : int.
    """

    blocks: tuple[Block, ...]
    dense: np.ndarray
    rank: int

    def residual(self, rows: np.ndarray) -> np.ndarray:
        """What is left of each row (B, n) beside the span."""
        rest = np.array(rows, dtype=float)
        # Twice, for what cancellation left.
        for _ in range(2):
            for block in self.blocks:
                for column in block.columns:
                    rest -= column * block.sums(rest * column)[:, block.codes]
            rest -= (rest @ self.dense.T) @ self.dense
        return rest

    def joined(self, rows: np.ndarray) -> "Span":
        """The span of these rows (m, n) too."""
        length = np.sqrt(np.einsum("mn,mn->m", rows, rows))
        rows = rows[length > 0] / length[length > 0, None]
        rest = self.residual(rows)
        if not len(rest):
            return self
        Q, R, _ = scipy.linalg.qr(rest.T, mode="economic", pivoting=True)
        new = Q[:, np.abs(np.diag(R)) > _DEPENDENT].T
        return Span(self.blocks, np.concatenate([self.dense, new]), self.rank + len(new))


def random_span(terms: tuple[RandomTerm, ...], root: np.ndarray | None) -> Span | None:
    """The span of Z, rows scaled by ``root``; None where it would take too much memory."""
    n = len(terms[0].codes) if terms else 0
    span, crossed = Span((), np.zeros((0, n)), 0), []
    for term in sorted(terms, key=lambda term: -len(term.levels)):
        block = Block.of(term, root)
        if all(before.within(block) for before in span.blocks):
            span = _with_block(span, block)
        else:
            crossed.append(block)
    if n * sum(len(b.starts) * len(b.columns) for b in crossed) > _MAX_NUMBERS:
        return None
    return span.joined(np.concatenate([b.wide() for b in crossed])) if crossed else span


def _with_block(span: Span, block: Block) -> Span:
    """A span and a block in whose levels all those of its blocks are nested."""
    basis, rank = [], span.rank
    for column in block.columns:
        known = replace(block, columns=np.array(basis).reshape(len(basis), len(column)))
        rest = replace(span, blocks=(*span.blocks, known)).residual(column[None])
        left, whole = block.sums(rest**2)[0], block.sums(column[None] ** 2)[0]
        new = left > _DEPENDENT**2 * whole
        basis.append(rest[0] * np.where(new, 1 / np.sqrt(np.where(new, left, 1.0)), 0)[block.codes])
        rank += int(new.sum())
    return Span((*span.blocks, replace(block, columns=np.array(basis))), span.dense, rank)
