"""The family of covariance matrices that a random part can give, and when one contains another.

A random part with terms k gives the covariances  sum_k C_k(Psi_k),  Psi_k positive semidefinite,
    C_k(Psi)[i, j] = m_ki' Psi m_kj  where rows i and j share their level of term k, else 0.
This is a convex cone, so a family lies inside another one as soon as each of its terms does. That
a term does is proved by construction: a completely positive map Psi -> (Phi_j) is found with
C_k(Psi) = sum_j C_j(Phi_j) for every Psi. Nothing here looks at a name.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.selection.spans import basis_change, column_span, columns_inside

# Squared distances of covariance blocks come from cross-products, which leaves sqrt(EPS) of the
# block's size; whatever differs by more than 1e-6 is different.
COVARIANCE_TOLERANCE = 1e-6

# Eigenvalues and singular values of small matrices in whitened coordinates: below this share of
# the largest one they are zero.
SPECTRUM_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class FamilyTerm:
    """One random term in whitened coordinates.

    Attributes
    ----------
    position : int, the term's place in ``ModelMatrices.random``.
    label : str, as one would write it, e.g. ``(1 + Days | Subject)``.
    codes : (n,) intp array, levels numbered by first appearance: equal arrays, equal partitions.
    levels : int, number of levels.
    model : (n, r) array with model'model = n I, same span as the raw model matrix.
    support : (n,) bool array, rows on which the term has any effect.
    to_whitened : (r, q) array W: raw model = model W, hence Psi = W Psi_raw W'.
    from_whitened : (q, r) array B: model = raw model B, hence Psi_raw = B Psi B'.
    """

    position: int
    label: str
    codes: np.ndarray
    levels: int
    model: np.ndarray
    support: np.ndarray
    to_whitened: np.ndarray
    from_whitened: np.ndarray

    @property
    def rank(self) -> int:
        return self.model.shape[1]


@dataclass(frozen=True, slots=True)
class Embedding:
    """How a term gives covariances of another family: Phi_j = sum_il maps_j[a, b, i, l] Psi[i, l].

    ``targets`` are places in the outer family's ``terms``; ``maps`` has one (r_j, r_j, r, r) array
    for each of them.
    """

    targets: tuple[int, ...]
    maps: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class CovarianceFamily:
    """The covariances that a random part can give.

    Attributes
    ----------
    terms : tuple of FamilyTerm, without those that the other terms contain.
    redundant : tuple of str, labels of the terms left out for that reason.
    parameters : int, covariance parameters as the model counts them (lme4's thetas).
    dimension : int, dimension of the family, sigma^2 not counted.
    """

    terms: tuple[FamilyTerm, ...]
    redundant: tuple[str, ...]
    parameters: int
    dimension: int

    @property
    def regular(self) -> bool:
        """Whether the kept terms' covariance parameters are all identified."""
        return self.dimension == sum(t.rank * (t.rank + 1) // 2 for t in self.terms)


def covariance_family(matrices: ModelMatrices) -> CovarianceFamily:
    """The family of a model's random part, freed of terms that say nothing new."""
    terms = [_family_term(term, i) for i, term in enumerate(matrices.random)]
    redundant = []
    for term in reversed(tuple(terms)):
        rest = tuple(t for t in terms if t is not term)
        if rest and embed_term(term, rest) is not None:
            terms = list(rest)
            redundant.append(term.label)
    kept = tuple(terms)
    counts = (len(term.effects) for term in matrices.random)
    return CovarianceFamily(
        terms=kept,
        redundant=tuple(reversed(redundant)),
        parameters=sum(q * (q + 1) // 2 for q in counts),
        dimension=sum(_dimension(kept, places) for places in _by_partition(kept)),
    )


def embed_family(inner: CovarianceFamily, outer: CovarianceFamily) -> tuple[Embedding | None, ...]:
    """For each term of ``inner``, its embedding into ``outer``, or None where none is found.

    ``inner`` is contained in ``outer`` if no entry is None.
    """
    return tuple(embed_term(term, outer.terms) for term in inner.terms)


def embed_term(term: FamilyTerm, outer: tuple[FamilyTerm, ...]) -> Embedding | None:
    """Prove C(Psi) to be a covariance of ``outer`` for every Psi, or return None.

    First a term on the same partition that spans the effects; then a single term on a coarser
    partition; then all terms on one coarser partition together.
    """
    for place, target in enumerate(outer):
        if np.array_equal(term.codes, target.codes):
            found = _embed_by_span(term, target)
            if found is not None:
                return Embedding((place,), (found,))
    groups = _by_partition(outer)
    attempts = [(place,) for places in groups for place in places]
    attempts += [places for places in groups if len(places) > 1]
    for places in attempts:
        maps = _embed_by_solving(term, tuple(outer[i] for i in places))
        if maps is not None:
            return Embedding(places, maps)
    return None


def image(embeddings, inner, outer, covariances) -> tuple[np.ndarray, ...]:
    """The covariances Phi_j of ``outer`` (whitened) that equal ``covariances`` of ``inner``.

    ``covariances`` holds one (r, r) array per term of ``inner``, in whitened coordinates.
    """
    result = [np.zeros((t.rank, t.rank)) for t in outer.terms]
    for embedding, psi in zip(embeddings, covariances, strict=True):
        for place, array in zip(embedding.targets, embedding.maps, strict=True):
            result[place] += np.einsum("abij,ij->ab", array, psi)
    return tuple((phi + phi.T) / 2 for phi in result)


def term_label(term: RandomTerm) -> str:
    """The term as one would write it: ``(1 + Days | Subject)``, ``(0 + Days | Subject)``."""
    effects = ["1" if name == "(Intercept)" else name for name in term.effects]
    if "1" not in effects:
        effects.insert(0, "0")
    return f"({' + '.join(effects)} | {term.grouping})"


def canonical_codes(codes: np.ndarray) -> tuple[np.ndarray, int]:
    """Levels numbered by first appearance, and their number."""
    codes = np.asarray(codes)
    n = len(codes)
    first = np.full(int(codes.max()) + 1, n)
    first[codes[::-1]] = np.arange(n)[::-1]  # of repeated indices the last assignment stays
    occurring = np.flatnonzero(first < n)
    number = np.empty(len(first), dtype=np.intp)
    number[occurring[np.argsort(first[occurring])]] = np.arange(len(occurring))
    return number[codes], len(occurring)


def _family_term(term: RandomTerm, position: int) -> FamilyTerm:
    model = np.asarray(term.model, dtype=float)
    codes, levels = canonical_codes(term.codes)
    support = np.any(model != 0, axis=1)
    basis = column_span(model).orthonormal()
    to_basis, from_basis = basis_change(model, basis)
    root = np.sqrt(len(model))
    return FamilyTerm(
        position=position,
        label=term_label(term),
        codes=codes,
        levels=levels,
        model=np.where(support[:, None], basis, 0.0) * root,
        support=support,
        to_whitened=to_basis / root,
        from_whitened=from_basis * root,
    )


def _by_partition(terms: tuple[FamilyTerm, ...]) -> tuple[tuple[int, ...], ...]:
    """Places of the terms that share a partition, in order of appearance."""
    groups: list[list[int]] = []
    for place, term in enumerate(terms):
        for group in groups:
            if np.array_equal(terms[group[0]].codes, term.codes):
                group.append(place)
                break
        else:
            groups.append([place])
    return tuple(tuple(group) for group in groups)


def _embed_by_span(term: FamilyTerm, target: FamilyTerm) -> np.ndarray | None:
    """M_k = M_j A gives C_k(Psi) = C_j(A Psi A')."""
    if term.rank > target.rank or not columns_inside(term.model, column_span(target.model)).all():
        return None
    A = target.model.T @ term.model / len(term.model)
    return np.einsum("ai,bj->abij", A, A)


def _embed_by_solving(
    term: FamilyTerm, group: tuple[FamilyTerm, ...]
) -> tuple[np.ndarray, ...] | None:
    """Solve  M_l Phi M_l' = sum_s M_s Psi M_s'  for one Phi, block diagonal by term of ``group``.

    l runs over the levels of the group's partition, s over the levels of ``term`` inside l. The
    map Psi -> Phi is found by least squares (least norm where the data leave it open), verified
    level by level, and accepted if it is completely positive (Choi's matrix is semidefinite),
    which makes Phi a covariance matrix for every covariance matrix Psi.
    """
    parents = _parents(term, group[0])
    if parents is None:
        return None
    model = np.column_stack([t.model for t in group])
    owner = np.repeat(np.arange(len(group)), [t.rank for t in group])
    gram = _level_products(model, model, group[0].codes, group[0].levels)
    rows = term.support
    cross = _level_products(model[rows], term.model[rows], term.codes[rows], term.levels)
    own = _level_products(term.model[rows], term.model[rows], term.codes[rows], term.levels)
    solution = _least_squares(gram, cross, owner)
    if not _holds_in_every_level(solution, gram, cross, own, parents):
        return None
    Q, q = cross.shape[1:]
    choi = np.linalg.eigvalsh(solution.transpose(0, 2, 1, 3).reshape(Q * q, Q * q))
    if choi[0] < -COVARIANCE_TOLERANCE * choi[-1]:
        return None
    blocks = (np.flatnonzero(owner == j) for j in range(len(group)))
    return tuple(solution[np.ix_(block, block)] for block in blocks)


def _parents(term: FamilyTerm, coarse: FamilyTerm) -> np.ndarray | None:
    """The level of ``coarse`` around each level of ``term`` (rows with effects only), or None."""
    parents = np.full(term.levels, -1, dtype=np.intp)
    fine, outer = term.codes[term.support], coarse.codes[term.support]
    parents[fine] = outer
    return parents if np.array_equal(parents[fine], outer) else None


def _level_products(A: np.ndarray, B: np.ndarray, codes: np.ndarray, levels: int) -> np.ndarray:
    """A_l'B_l for every level l: (levels, columns of A, columns of B)."""
    out = np.empty((levels, A.shape[1], B.shape[1]))
    for a in range(A.shape[1]):
        for b in range(B.shape[1]):
            out[:, a, b] = np.bincount(codes, A[:, a] * B[:, b], minlength=levels)
    return out


def _normal_matrix(gram: np.ndarray) -> np.ndarray:
    """sum_l G_l (x) G_l as a (Q^2, Q^2) array over (a, b), (c, d): sum_l G_l[a, c] G_l[b, d]."""
    Q = gram.shape[1]
    flat = gram.reshape(len(gram), Q * Q)
    return (flat.T @ flat).reshape(Q, Q, Q, Q).transpose(0, 2, 1, 3).reshape(Q * Q, Q * Q)


def _least_squares(gram: np.ndarray, cross: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(Q, Q, q, q) array T: Phi = T[:, :, i, j] solves the equations for Psi = e_i e_j'."""
    Q, q = cross.shape[1:]
    inside = np.flatnonzero((owner[:, None] == owner[None, :]).ravel())
    flat = cross.reshape(len(cross), Q * q)
    right = (flat.T @ flat).reshape(Q, q, Q, q).transpose(0, 2, 1, 3).reshape(Q * Q, q * q)
    left = _normal_matrix(gram)[np.ix_(inside, inside)]
    found = np.linalg.lstsq(left, right[inside], rcond=SPECTRUM_TOLERANCE)[0]
    solution = np.zeros((Q * Q, q * q))
    solution[inside] = found
    return solution.reshape(Q, Q, q, q)


def _holds_in_every_level(solution, gram, cross, own, parents) -> bool:
    """Whether ||M_l Phi M_l' - sum_s M_s Psi M_s'|| vanishes for all Psi = e_i e_j' and all l."""
    q = cross.shape[2]
    used = parents >= 0
    parents, cross, own = parents[used], cross[used], own[used]
    levels = len(gram)
    size = np.bincount(parents, np.einsum("sii->s", own) ** 2, minlength=levels)
    size = np.maximum(size, size.mean())
    for i in range(q):
        for j in range(q):
            phi = solution[:, :, i, j]
            fitted = np.einsum("ab,lbd,cd,lac->l", phi, gram, phi, gram, optimize=True)
            both = np.einsum("ab,sa,sb->s", phi, cross[:, :, i], cross[:, :, j], optimize=True)
            target = own[:, i, i] * own[:, j, j]
            squared = fitted + np.bincount(parents, target - 2 * both, minlength=levels)
            if np.any(squared > COVARIANCE_TOLERANCE**2 * size):
                return False
    return True


def _dimension(terms: tuple[FamilyTerm, ...], places: tuple[int, ...]) -> int:
    """Dimension of the covariances of the terms at ``places``, all on one partition."""
    group = [terms[place] for place in places]
    ranks = [t.rank for t in group]
    model = np.column_stack([t.model for t in group])
    Q = model.shape[1]
    full = sum(r * (r + 1) // 2 for r in ranks)
    if full == 1:
        return 1
    owner = np.repeat(np.arange(len(group)), ranks)
    normal = _normal_matrix(_level_products(model, model, group[0].codes, group[0].levels))
    pairs = [(a, b) for a in range(Q) for b in range(a + 1) if owner[a] == owner[b]]
    basis = np.zeros((len(pairs), Q, Q))
    for p, (a, b) in enumerate(pairs):
        basis[p, a, b] = basis[p, b, a] = 1.0
    flat = basis.reshape(len(pairs), Q * Q)
    values = np.linalg.eigvalsh(flat @ normal @ flat.T)
    return int(np.sum(values > SPECTRUM_TOLERANCE * values[-1]))
