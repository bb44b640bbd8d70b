"""Proof by construction that a random term lies inside a family of covariance matrices.

A completely positive map Psi -> (Phi_j) is found with C(Psi) = sum_j C_j(Phi_j) for every Psi (the
notation of ``families``). All that is solved and checked is per level, from cross-products, so that
the cost grows with the number of rows, never with its square.
"""

from dataclasses import dataclass

import numpy as np

from mmfit.formula.partition import Partition
from mmfit.selection.relations.spans import column_span, columns_inside
from mmfit.selection.relations.term_coordinates import FamilyTerm, by_partition

# Squared distances of covariance blocks come from cross-products, which leaves sqrt(EPS) of the
# block's size; whatever differs by more than 1e-6 is different.
COVARIANCE_TOLERANCE = 1e-6

# Singular values of small matrices in whitened coordinates below this share of the largest one
# are zero; for matrices of squares the share is squared, but rounding leaves 1e-12 at best.
SPECTRUM_TOLERANCE = 1e-9
SQUARED_SPECTRUM_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Embedding:
    """How a term gives covariances of another family: Phi_j = sum_il maps_j[a, b, i, l] Psi[i, l].

    ``targets`` are places in the outer family's ``terms``; ``maps`` has one (r_j, r_j, r, r) array
    for each of them.
    """

    targets: tuple[int, ...]
    maps: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """Terms on one partition, in a joint orthonormal basis.

    The basis keeps columns that are nearly the same (1 and a year) apart: what tells their
    covariances apart is then first order in their difference, and not lost in cross-products.

    Attributes
    ----------
    codes : (n,) intp array;  levels : int.
    basis : (n, r) array B, B'B = n I.
    mixing : (r, Q) array A: the terms' columns side by side are B A.
    owner : (Q,) intp array, the term of each column.
    gram : (levels, r, r) array, B_l'B_l.
    root, inverse_root : (r^2, r^2) arrays, square root (and its pseudo-inverse) of
        sum_l G_l (x) G_l, so that sum_l ||B_l C B_l'||^2 = ||root vec C||^2.
    """

    codes: np.ndarray
    levels: int
    basis: np.ndarray
    mixing: np.ndarray
    owner: np.ndarray
    gram: np.ndarray
    root: np.ndarray
    inverse_root: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Places in vec Phi that may differ from zero: both columns of one term."""
        return np.flatnonzero((self.owner[:, None] == self.owner[None, :]).ravel())


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
    groups = by_partition(outer)
    attempts = [(place,) for places in groups for place in places]
    attempts += [places for places in groups if len(places) > 1]
    for places in attempts:
        maps = _embed_by_solving(term, tuple(outer[i] for i in places))
        if maps is not None:
            return Embedding(places, maps)
    return None


def _group(terms: tuple[FamilyTerm, ...]) -> _Group:
    model = np.column_stack([t.model for t in terms])
    n = len(model)
    basis = column_span(model).orthonormal() * np.sqrt(n)
    codes, levels = terms[0].codes, terms[0].levels
    gram = _level_products(basis, basis, codes, levels)
    r = basis.shape[1]
    flat = gram.reshape(levels, r * r)
    normal = (flat.T @ flat).reshape(r, r, r, r).transpose(0, 2, 1, 3).reshape(r * r, r * r)
    values, vectors = np.linalg.eigh(normal)
    kept = values > SQUARED_SPECTRUM_TOLERANCE * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return _Group(
        codes=codes,
        levels=levels,
        basis=basis,
        mixing=basis.T @ model / n,
        owner=np.repeat(np.arange(len(terms)), [t.rank for t in terms]),
        gram=gram,
        root=(vectors * np.sqrt(values)) @ vectors.T,
        inverse_root=(vectors / np.sqrt(values)) @ vectors.T,
    )


def _embed_by_span(term: FamilyTerm, target: FamilyTerm) -> np.ndarray | None:
    """M_k = M_j A gives C_k(Psi) = C_j(A Psi A')."""
    if term.rank > target.rank or not columns_inside(term.model, column_span(target.model)).all():
        return None
    A = target.model.T @ term.model / len(term.model)
    return np.einsum("ai,bj->abij", A, A)


def _embed_by_solving(
    term: FamilyTerm, terms: tuple[FamilyTerm, ...]
) -> tuple[np.ndarray, ...] | None:
    """Solve  M_l Phi M_l' = sum_s M_s Psi M_s'  for one Phi, block diagonal by term of ``terms``.

    l runs over the levels of the terms' partition, s over the levels of ``term`` inside l. The
    map Psi -> Phi is found by least squares (least norm where the data leave it open), verified
    level by level, and accepted if it is completely positive (Choi's matrix is semidefinite),
    which makes Phi a covariance matrix for every covariance matrix Psi.
    """
    parents = _parents(term, terms[0])
    if parents is None:
        return None
    group = _group(terms)
    rows = term.support
    model, basis, codes = term.model[rows], group.basis[rows], term.codes[rows]
    solution = _least_squares(group, _level_products(basis, model, codes, term.levels))
    fitted = np.einsum("ra,abij,sb->rsij", group.mixing, solution, group.mixing, optimize=True)
    if not _holds(fitted, group.gram, basis, model, codes, parents):
        return None
    # Once more without the mean of each level of the term. A year varies little around its mean;
    # what it adds to an intercept would be lost beside the mean's square.
    inner, centred = _centred(basis, codes, term.levels), _centred(model, codes, term.levels)
    if np.linalg.norm(centred) > SPECTRUM_TOLERANCE * np.linalg.norm(model):
        gram = _level_products(inner, inner, group.codes[rows], group.levels)
        if not _holds(fitted, gram, inner, centred, codes, parents):
            return None
    Q, q = len(group.owner), term.rank
    choi = np.linalg.eigvalsh(solution.transpose(0, 2, 1, 3).reshape(Q * q, Q * q))
    if choi[0] < -COVARIANCE_TOLERANCE * choi[-1]:
        return None
    blocks = (np.flatnonzero(group.owner == j) for j in range(len(terms)))
    return tuple(solution[np.ix_(block, block)] for block in blocks)


def _parents(term: FamilyTerm, coarse: FamilyTerm) -> np.ndarray | None:
    """The level of ``coarse`` around each level of ``term`` (rows with effects only), or None."""
    inner, outer = Partition(term.codes, term.levels), Partition(coarse.codes, coarse.levels)
    return inner.of_rows(term.support).parents(outer.of_rows(term.support))


def _level_products(A: np.ndarray, B: np.ndarray, codes: np.ndarray, levels: int) -> np.ndarray:
    """A_l'B_l for every level l: (levels, columns of A, columns of B)."""
    out = np.empty((levels, A.shape[1], B.shape[1]))
    for a in range(A.shape[1]):
        for b in range(B.shape[1]):
            out[:, a, b] = np.bincount(codes, A[:, a] * B[:, b], minlength=levels)
    return out


def _centred(columns: np.ndarray, codes: np.ndarray, levels: int) -> np.ndarray:
    """Columns without their mean in each level."""
    counts = np.maximum(np.bincount(codes, minlength=levels), 1)
    sums = np.column_stack([np.bincount(codes, c, minlength=levels) for c in columns.T])
    return columns - (sums / counts[:, None])[codes]


def _least_squares(group: _Group, cross: np.ndarray) -> np.ndarray:
    """(Q, Q, q, q) array T: Phi = T[:, :, i, j] solves the equations for Psi = e_i e_j'.

    ``cross`` is (sublevels, r, q): B_s'M_s.
    """
    Q = len(group.owner)
    r, q = cross.shape[1:]
    flat = cross.reshape(len(cross), r * q)
    right = (flat.T @ flat).reshape(r, q, r, q).transpose(0, 2, 1, 3).reshape(r * r, q * q)
    left = (group.root @ np.kron(group.mixing, group.mixing))[:, group.inside]
    found = np.linalg.lstsq(left, group.inverse_root @ right, rcond=SPECTRUM_TOLERANCE)[0]
    solution = np.zeros((Q * Q, q * q))
    solution[group.inside] = found
    return solution.reshape(Q, Q, q, q)


def _holds(fitted, gram, basis, model, codes, parents) -> bool:
    """Whether ||B_l C B_l' - sum_s M_s Psi M_s'|| vanishes for all Psi = e_i e_j' and levels l.

    ``fitted`` is (r, r, q, q): C = A Phi A' for each Psi. ``gram`` is (levels, r, r); ``basis``,
    ``model`` and ``codes`` are those of the rows on which the term has effects.
    """
    q, levels = model.shape[1], len(gram)
    cross = _level_products(basis, model, codes, len(parents))
    own = _level_products(model, model, codes, len(parents))
    used = parents >= 0
    parents, cross, own = parents[used], cross[used], own[used]
    size = np.bincount(parents, np.einsum("sii->s", own) ** 2, minlength=levels)
    size = np.maximum(size, size.mean())
    for i in range(q):
        for j in range(q):
            C = fitted[:, :, i, j]
            square = np.einsum("ab,lbd,cd,lac->l", C, gram, C, gram, optimize=True)
            both = np.einsum("ab,sa,sb->s", C, cross[:, :, i], cross[:, :, j], optimize=True)
            target = own[:, i, i] * own[:, j, j]
            squared = square + np.bincount(parents, target - 2 * both, minlength=levels)
            if np.any(squared > COVARIANCE_TOLERANCE**2 * size):
                return False
    return True
