"""Which null distribution a comparison has: where in the alternative's range the null lies.

The null's covariances, embedded into the alternative, give each of its terms a covariance Phi_j of
rank r_j out of q_j. The alternative may move Phi_j in directions D with N'DN positive semidefinite,
N spanning the null space of Phi_j: a cone of semidefinite matrices of order q_j - r_j, all other
directions being free (the tangent cone; Shapiro 1988; Baey, Cournede & Kuhn 2019, Comput. Stat.
Data Anal. 135: 107-122). Orders 0, one order 1, and two orders 1 have closed forms.
"""

from dataclasses import dataclass, replace

import numpy as np

from mmfit.engine import variance_information
from mmfit.engine.records import Fit
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.null_distributions import (
    ChiBarSquare,
    efficient_information,
    estimate_correlation,
    half_space,
    plain,
    wedge,
)
from mmfit.selection.embedding import SPECTRUM_TOLERANCE
from mmfit.selection.families import image
from mmfit.selection.validity import PairAssessment


@dataclass(frozen=True, slots=True)
class NullLaw:
    """A null distribution, or None, and what must be said about it (or None)."""

    distribution: ChiBarSquare | None
    note: str | None


def null_law(pair: PairAssessment, null_fit: Fit, alternative_fit: Fit) -> NullLaw:
    """The closed-form null distribution of a valid pair.

    Both fits must be by ``pair.criterion``; ``alternative_fit`` serves as a template only.
    """
    if null_fit.singular:
        return NullLaw(
            None,
            f"the null fit {pair.null.name} is singular ({', '.join(null_fit.singular_groups)}): "
            "what it estimates lies at the edge of its range itself, where no closed form of the "
            "null distribution holds; a parametric bootstrap does",
        )
    orders = edge_orders(pair)
    if sum(orders) == 0:
        return NullLaw(plain(pair.df), None)
    if not pair.alternative.family.regular or pair.null.family.redundant:
        return NullLaw(
            None,
            "covariance parameters of the two models cannot all be told apart, so that where the "
            "null lies in the alternative is not known; a parametric bootstrap is needed",
        )
    if sum(orders) == 1:
        return NullLaw(half_space(pair.df), "the null puts one variance at zero, its edge")
    if sum(orders) == 2 and max(orders) == 1:
        return _two_variances(pair, orders, null_fit, alternative_fit)
    return NullLaw(
        None,
        f"the null puts {sum(orders)} variances at zero"
        f"{'' if max(orders) == 1 else ', of correlated effects'}: the weights of the chi-square "
        "mixture have no closed form and need simulation",
    )


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


def _two_variances(pair, orders, null_fit, alternative_fit) -> NullLaw:
    matrices, at_null = _alternative_at_null(pair, null_fit, alternative_fit)
    information = variance_information(matrices, at_null).information
    change, interest = _edge_coordinates(pair, orders, null_fit)
    efficient = efficient_information(change.T @ information @ change, np.array(interest))
    correlation = estimate_correlation(efficient)
    return NullLaw(
        wedge(pair.df, correlation),
        "the null puts two variances at zero, their edge; "
        f"their estimates correlate by {correlation:.3g} there",
    )


def _alternative_at_null(pair, null_fit, template) -> tuple[ModelMatrices, Fit]:
    """The alternative's matrices and a record with the null's covariances and sigma in its terms.

    ``variance_information`` reads nothing else of it but the criterion.
    """
    kept = [t.position for t in pair.alternative.family.terms]
    matrices = pair.alternative.matrices
    covariances = null_in_alternative(pair, null_fit)
    terms = tuple(
        replace(template.terms[place], covariance=covariance)
        for place, covariance in zip(kept, covariances, strict=True)
    )
    reduced = replace(matrices, random=tuple(matrices.random[place] for place in kept))
    return reduced, replace(template, terms=terms, sigma=null_fit.sigma)


def _edge_coordinates(pair, orders, null_fit) -> tuple[np.ndarray, list[int]]:
    """Coordinates in which the two variances at the edge are coordinates of their own.

    Per term Phi = B E B' with B = [U N] orthonormal up to scale, N the null space of Phi at the
    null; the entry of E for N is the variance at the edge. Returns K with vech(Phi) = K vech(E)
    over all terms and sigma^2, and the places of the two variances.
    """
    blocks, interest, start = [], [], 0
    phis = null_in_alternative(pair, null_fit)
    for term, phi, order in zip(pair.alternative.family.terms, phis, orders, strict=True):
        to_white, to_raw = term.to_whitened, term.from_whitened
        vectors = np.linalg.eigh(to_white @ phi @ to_white.T)[1]  # ascending: N comes first
        blocks.append(_vech_change(to_raw @ vectors))
        if order:
            interest.append(start)
        start += blocks[-1].shape[1]
    K = np.zeros((start + 1, start + 1))
    at = 0
    for block in blocks:
        K[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    K[at, at] = 1.0
    return K, interest


def _vech_change(B: np.ndarray) -> np.ndarray:
    """K with vech(B E B') = K vech(E); vech stacks the columns of the lower triangle."""
    q = len(B)
    lower = [(a, b) for b in range(q) for a in range(b, q)]
    columns = []
    for a, b in lower:
        E = np.zeros((q, q))
        E[a, b] = E[b, a] = 1.0
        full = B @ E @ B.T
        columns.append([full[i, j] for i, j in lower])
    return np.array(columns).T


def _rank(phi: np.ndarray) -> int:
    values = np.linalg.eigvalsh(phi)
    return int(np.sum(values > SPECTRUM_TOLERANCE * max(values[-1], np.finfo(float).tiny)))
