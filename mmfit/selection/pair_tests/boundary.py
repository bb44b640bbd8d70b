"""Which null distribution a comparison has: where in the alternative's range the null lies.

The null's covariances, embedded into the alternative, give each of its terms a covariance Phi_j of
rank r_j out of q_j. The alternative may move Phi_j in directions D with N'DN positive semidefinite,
N spanning the null space of Phi_j: a cone of semidefinite matrices of order q_j - r_j, all other
directions being free (the tangent cone; Shapiro 1988; Baey, Cournede & Kuhn 2019, Comput. Stat.
Data Anal. 135: 107-122). Orders 0, one order 1, and two orders 1 have closed forms; the weights of
all others are simulated.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine import variance_information
from mmfit.engine.records import Fit
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.null_distributions.mixtures import (
    ChiBarSquare,
    cone,
    efficient_information,
    estimate_correlation,
    half_space,
    plain,
    wedge,
)
from mmfit.selection.records import Remark
from mmfit.selection.relations.embedding import SPECTRUM_TOLERANCE
from mmfit.selection.relations.families import image
from mmfit.selection.relations.validity import PairAssessment


@dataclass(frozen=True, slots=True)
class NullLaw:
    """A null distribution, or None, and what must be said about it (or None)."""

    distribution: ChiBarSquare | None
    remark: Remark | None = None

    @property
    def is_mixture(self) -> bool:
        """Whether more than one chi-square comes into it."""
        return self.distribution is not None and len(self.distribution.dfs) > 1


def null_law(pair: PairAssessment, null_fit: Fit, alternative_fit: Fit) -> NullLaw:
    """The large-sample null distribution of a valid pair.

    Both fits must be by ``pair.criterion``; ``alternative_fit`` serves as a template only.
    """
    if null_fit.singular:
        return NullLaw(None, Remark("null_singular", (pair.null.name, null_fit.singular_groups)))
    orders = edge_orders(pair)
    if sum(orders) == 0:
        return NullLaw(plain(pair.df))
    if not pair.alternative.family.regular or pair.null.family.redundant:
        return NullLaw(None, Remark("not_told_apart"))
    if sum(orders) == 1:
        return NullLaw(half_space(pair.df), Remark("one_edge"))
    efficient = _edge_information(pair, orders, null_fit, alternative_fit)
    if not np.isfinite(efficient).all():
        return NullLaw(None, Remark("edges_untold", (sum(orders), max(orders) > 1)))
    if sum(orders) == 2 and max(orders) == 1:
        correlation = estimate_correlation(efficient)
        return NullLaw(wedge(pair.df, correlation), Remark("two_edges", (correlation,)))
    return _simulated(pair, tuple(order for order in orders if order), efficient)


def _simulated(pair: PairAssessment, orders: tuple[int, ...], efficient: np.ndarray) -> NullLaw:
    edges = (sum(orders), max(orders) > 1)
    law = cone(pair.df, orders, efficient)
    if law is None:
        return NullLaw(None, Remark("edges_untold", edges))
    return NullLaw(law, Remark("edges_simulated", (*edges, law.draws, law.weight_error)))


def edge_orders(pair: PairAssessment) -> tuple[int, ...]:
    """Per term of the alternative, the order q_j - r_j of the semidefinite cone at the null.

    The rank of Phi_j is the same for all positive definite covariances of the null, so that of
    identity matrices tells it.
    """
    inner, outer = pair.null.family, pair.alternative.family
    identities = [np.eye(term.rank) for term in inner.terms]
    return tuple(
        phi.shape[0] - _rank(phi) for phi in image(pair.embeddings, inner, outer, identities)
    )


def null_in_alternative(pair: PairAssessment, null_fit: Fit) -> tuple[np.ndarray, ...]:
    """The null's estimated covariances as covariances of the alternative's kept terms (raw units).

    Only for a null without redundant terms, whose covariances would be left out.
    """
    inner, outer = pair.null.family, pair.alternative.family
    whitened = [
        t.to_whitened @ null_fit.terms[t.position].covariance @ t.to_whitened.T for t in inner.terms
    ]
    phis = image(pair.embeddings, inner, outer, whitened)
    return tuple(
        t.from_whitened @ phi @ t.from_whitened.T for t, phi in zip(outer.terms, phis, strict=True)
    )


def _edge_information(pair, orders, null_fit, alternative_fit) -> np.ndarray:
    """Efficient information about the covariances at the edge (vech by term) at the null."""
    matrices, at_null = _alternative_at_null(pair, null_fit, alternative_fit)
    information = variance_information(matrices, at_null).information
    change, interest = _edge_coordinates(pair, orders, null_fit)
    return efficient_information(change.T @ information @ change, np.array(interest))


def _alternative_at_null(pair, null_fit, template) -> tuple[ModelMatrices, Fit]:
    """The alternative's matrices and a record with the null's covariances in its terms.

    ``variance_information`` reads nothing else of it but sigma and the criterion. In units of
    sigma, as the law has none and the fourth power of a unit may leave the range of numbers.
    """
    kept = [t.position for t in pair.alternative.family.terms]
    matrices = pair.alternative.matrices
    covariances = null_in_alternative(pair, null_fit)
    terms = tuple(
        replace(template.terms[place], covariance=covariance / null_fit.sigma**2)
        for place, covariance in zip(kept, covariances, strict=True)
    )
    reduced = replace(matrices, random=tuple(matrices.random[place] for place in kept))
    return reduced, replace(template, terms=terms, sigma=1.0)


def _edge_coordinates(pair, orders, null_fit) -> tuple[np.ndarray, list[int]]:
    """Coordinates in which the covariances at the edge are coordinates of their own.

    Per term Phi = B E B' with B = [N U] orthonormal up to scale, N the null space of Phi at the
    null; the block of E for N is what lies at the edge. Returns K with vech(Phi) = K vech(E)
    over all terms and sigma^2, and the places of those blocks' vech.
    """
    blocks, interest, start = [], [], 0
    phis = null_in_alternative(pair, null_fit)
    for term, phi, order in zip(pair.alternative.family.terms, phis, orders, strict=True):
        to_white, to_raw = term.to_whitened, term.from_whitened
        vectors = np.linalg.eigh(to_white @ phi @ to_white.T)[1]  # ascending: N comes first
        blocks.append(_vech_change(to_raw @ vectors))
        rows = np.triu_indices(term.rank)[1]
        interest += [start + int(k) for k in np.flatnonzero(rows < order)]
        start += blocks[-1].shape[1]
    K = np.zeros((sum(len(block) for block in blocks) + 1, start + 1))
    row = column = 0
    for block in blocks:
        K[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    K[-1, -1] = 1.0
    return K, interest


def _vech_change(B: np.ndarray) -> np.ndarray:
    """K with vech(B E B') = K vech(E), B (q, r); vech stacks the columns of the lower triangle."""
    q, r = B.shape
    across, down = np.triu_indices(q)
    columns = []
    for b, a in zip(*np.triu_indices(r), strict=True):
        E = np.zeros((r, r))
        E[a, b] = E[b, a] = 1.0
        columns.append((B @ E @ B.T)[down, across])
    return np.array(columns).T


def _rank(phi: np.ndarray) -> int:
    values = np.linalg.eigvalsh(phi)
    return int(np.sum(values > SPECTRUM_TOLERANCE * max(values[-1], np.finfo(float).tiny)))
