"""The family of covariance matrices that a random part can give, and when one contains another.

A random part with terms k gives the covariances  sum_k C_k(Psi_k),  Psi_k positive semidefinite,
    C_k(Psi)[i, j] = m_ki' Psi m_kj  where rows i and j share their level of term k, else 0.
This is a convex cone, so a family lies inside another one as soon as each of its terms does.
Nothing here looks at a name.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.formula.identifiability import dimensions
from mmfit.formula.matrices import ModelMatrices
from mmfit.selection.relations.embedding import Embedding, embed_term
from mmfit.selection.relations.term_coordinates import FamilyTerm, family_term


@dataclass(frozen=True, slots=True)
class CovarianceFamily:
    """The covariances that a random part can give.

    Attributes
    ----------
    terms : tuple of FamilyTerm, without those that the other terms contain.
    redundant : tuple of str, labels of the terms left out for that reason.
    parameters : int, covariance parameters as the model counts them (lme4's thetas).
    dimension : int, dimension of the family, sigma^2 not counted.
    told : int, the same of what the fixed part leaves of it: less where a fixed effect takes up
        what a random one adds, as in ``g + (1 | g)``.
    """

    terms: tuple[FamilyTerm, ...]
    redundant: tuple[str, ...]
    parameters: int
    dimension: int
    told: int

    @property
    def regular(self) -> bool:
        """Whether the kept terms' covariance parameters are all identified."""
        return self.told == sum(t.rank * (t.rank + 1) // 2 for t in self.terms)


def covariance_family(matrices: ModelMatrices) -> CovarianceFamily:
    """The family of a model's random part, freed of terms that say nothing new."""
    terms = [family_term(term, i) for i, term in enumerate(matrices.random)]
    redundant = []
    for term in reversed(tuple(terms)):
        rest = tuple(t for t in terms if t is not term)
        if rest and embed_term(term, rest) is not None:
            terms = list(rest)
            redundant.append(term.label)
    kept = tuple(terms)
    told, dimension = dimensions(matrices.X, [matrices.random[t.position] for t in kept])
    counts = (len(term.effects) for term in matrices.random)
    return CovarianceFamily(
        terms=kept,
        redundant=tuple(reversed(redundant)),
        parameters=sum(q * (q + 1) // 2 for q in counts),
        dimension=dimension,
        told=told,
    )


def embed_family(inner: CovarianceFamily, outer: CovarianceFamily) -> tuple[Embedding | None, ...]:
    """For each term of ``inner``, its embedding into ``outer``, or None where none is found.

    ``inner`` is contained in ``outer`` if no entry is None.
    """
    return tuple(embed_term(term, outer.terms) for term in inner.terms)


def image(embeddings, inner, outer, covariances) -> tuple[np.ndarray, ...]:
    """The covariances Phi_j of ``outer`` (whitened) that equal ``covariances`` of ``inner``.

    ``covariances`` holds one (r, r) array per term of ``inner``, in whitened coordinates.
    """
    result = [np.zeros((t.rank, t.rank)) for t in outer.terms]
    for embedding, psi in zip(embeddings, covariances, strict=True):
        for place, array in zip(embedding.targets, embedding.maps, strict=True):
            result[place] += np.einsum("abij,ij->ab", array, psi)
    return tuple((phi + phi.T) / 2 for phi in result)
