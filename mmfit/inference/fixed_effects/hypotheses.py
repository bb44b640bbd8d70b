"""The hypotheses of types I, II and III about a model's fixed terms, as matrices L with L beta = 0.

Types I and II are about spans: the projection of the mean on the span of the tested term and of
those that it is adjusted for lies in the span of the latter. These are for type I the preceding
terms, for type II all that do not contain the tested one (the hypotheses of Goodnight's Doolittle
rows for columns of full rank). The span of terms is that of their full-dummy columns, so that
neither contrasts, nor a missing intercept, nor the columns that a rank-deficient X lost matter.
Type III: SAS's definition on the full-dummy coding, so that the user's contrasts do not matter: of
all estimable functions without coefficients on terms that do not contain the tested one, those
orthogonal to the functions of the containing terms alone (Goodnight 1976, SAS report R-101;
Kuznetsova, Brockhoff & Christensen 2017, section 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmfit.errors import MmfitError
from mmfit.formula import full_dummy_matrix
from mmfit.formula.matrices import FixedTerm, ModelMatrices
from mmfit.formula.model_matrix import CodedMatrix
from mmfit.formula.rank import independent_columns

TYPES = (1, 2, 3)
# Singular values below this share of the largest are zero: columns are scaled to unit length. A
# covariate 10^6 of its standard deviations away from zero still counts beside the intercept.
_RANK = 1e-8
# The share of a column that lies outside of X's span, beyond what a fit takes for rounding.
_OUTSIDE = 1e-3


def fixed_root(matrices: ModelMatrices) -> np.ndarray:
    """(p, p) upper triangular R with R'R = X'X."""
    X = matrices.X
    if not X.shape[1]:
        return np.zeros((0, 0))
    norms = np.sqrt(np.einsum("ij,ij->j", X, X))
    return np.linalg.qr(X / norms, mode="r") * norms


def term_hypotheses(matrices: ModelMatrices, type: int = 3) -> dict[str, np.ndarray]:
    """Term label -> L (q, p); q is 0 for a term that adds nothing.

    The intercept is not tested. p counts the coefficients that the fit kept.

    Raises
    ------
    MmfitError
        For a type other than 1, 2, 3, or for matrices built without a design.
    """
    check_type(matrices, type)
    terms = tested_terms(matrices)
    if type == 3:
        return _type_three(matrices, terms)
    spans = TermSpans.of(matrices)
    return {term.name: spans.rows(eliminated(matrices, term, type), term) for term in terms}


@dataclass(frozen=True, slots=True)
class TermSpans:
    """The spans of the fixed terms within that of X = QR, Q orthonormal.

    Attributes
    ----------
    factor : (p, p), R;  coordinates : by name of term, (p, w), Q'D of its columns D.
    """

    factor: np.ndarray
    coordinates: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, matrices: ModelMatrices) -> TermSpans:
        """Of a model built from a formula; D are full-dummy columns.

        Where these lie outside of X's span, because a contrast matrix of the user's has fewer
        columns than its factor has differences, D are the term's own columns of X.
        """
        X = matrices.X
        norms = np.sqrt(np.einsum("ij,ij->j", X, X))
        Q, R = np.linalg.qr(X / norms)
        R = R * norms
        coded = full_dummy_matrix(matrices.design)
        whole = Q.T @ coded.matrix
        length = np.einsum("ij,ij->j", coded.matrix, coded.matrix)
        inside = np.einsum("ij,ij->j", whole, whole) >= (1 - _OUTSIDE**2) * length
        out = {}
        for term, own in zip(matrices.fixed_terms, coded.term_columns, strict=True):
            places = kept_columns(matrices, term)
            out[term.name] = whole[:, list(own)] if inside.all() else R[:, places]
        return cls(R, out)

    def rows(self, first: Sequence[FixedTerm], term: FixedTerm) -> np.ndarray:
        """(q, p) L with L beta = 0 where the mean has nothing of ``term`` beyond ``first``."""
        before = [self.coordinates[t.name] for t in first]
        columns = np.hstack([*before, self.coordinates[term.name]])
        kept = independent_columns(columns)
        new = kept >= columns.shape[1] - self.coordinates[term.name].shape[1]
        basis = np.linalg.qr(columns[:, kept])[0]
        return basis[:, new].T @ self.factor


def check_type(matrices: ModelMatrices, type: int) -> None:
    """Raise MmfitError for an unknown type, or for matrices built without a design."""
    if type not in TYPES:
        raise MmfitError(f"type={type!r} is not known; choose 1, 2 or 3")
    if matrices.design is None:
        raise MmfitError("term hypotheses need matrices that were built from a formula")


def tested_terms(matrices: ModelMatrices) -> list[FixedTerm]:
    """The fixed terms but the intercept."""
    return [term for term in matrices.fixed_terms if term.variables]


def missing_cells(coded: CodedMatrix) -> tuple[str, ...]:
    """Names of the columns of a full-dummy matrix that no row has: combinations without data."""
    empty = ~coded.distinct.any(axis=0)
    return tuple(name for name, bare in zip(coded.names, empty, strict=True) if bare)


def eliminated(matrices: ModelMatrices, term: FixedTerm, type: int) -> list[FixedTerm]:
    """The terms that a type I or II test of ``term`` adjusts for."""
    everything = matrices.fixed_terms
    if type == 1:
        return list(everything[: everything.index(term)])
    held = containing(matrices, term)
    return [t for t in everything if t is not term and t not in held]


def containing(matrices: ModelMatrices, term: FixedTerm) -> list[FixedTerm]:
    """The terms that contain ``term`` in SAS's sense."""
    factors = frozenset(matrices.design.factor_levels)
    return [t for t in matrices.fixed_terms if _contains(t, term, factors)]


def kept_columns(matrices: ModelMatrices, term: FixedTerm) -> np.ndarray:
    """The columns of X, of those that were kept, that belong to a term; by place, not by name."""
    place = {column: k for k, column in enumerate(matrices.design.kept.tolist())}
    return np.array([place[c] for c in term.columns if c in place], dtype=np.intp)


def _contains(outer: FixedTerm, inner: FixedTerm, factors: frozenset[str]) -> bool:
    """SAS's containment: the same covariates, and all of the inner term's factors and more."""
    outer_factors, inner_factors = (factors & set(t.variables) for t in (outer, inner))
    outer_numbers, inner_numbers = (set(t.variables) - factors for t in (outer, inner))
    return outer_numbers == inner_numbers and inner_factors < outer_factors


def doolittle(root: np.ndarray, first: list[int], own: list[int]) -> np.ndarray:
    """Rows ``own`` of X'X = root'root, scaled, after columns ``first`` and each other's are gone.

    They are the rows of the triangular factor of X with its columns in the order first, own, rest.
    """
    p = len(root)
    rest = [c for c in range(p) if c not in {*first, *own}]
    order = [*first, *own, *rest]
    R = np.linalg.qr(root[:, order], mode="r")
    rows = np.zeros((len(own), p))
    rows[:, order] = R[len(first) : len(first) + len(own)]
    return rows


def _type_three(matrices: ModelMatrices, terms: list[FixedTerm]) -> Mapping[str, np.ndarray]:
    if not terms:
        return {}
    coded = full_dummy_matrix(matrices.design)
    basis, to_kept = _estimable(coded.matrix, matrices.X)
    columns = dict(zip((t.name for t in matrices.fixed_terms), coded.term_columns, strict=True))
    out = {}
    for term in terms:
        free = {term.name, *(t.name for t in containing(matrices, term))}
        others = [c for name, place in columns.items() if name not in free for c in place]
        own = list(columns[term.name])
        functions = _null_rows(basis, others) @ basis
        higher = _null_rows(basis, [*others, *own]) @ basis
        L = _orthogonal_part(functions, higher)
        out[term.name] = L @ to_kept
    return out


def _estimable(D: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that span those of D, and D^+ X, which carries a function of D's coefficients to X's.

    The two matrices have the same column space, so D beta_D = X beta for beta_D = D^+ X beta.
    """
    k = D.shape[1]
    norms = np.sqrt(np.einsum("ij,ij->j", D, D))
    scale = np.where(norms > 0, norms, 1.0)
    R = np.linalg.qr(np.hstack([D / scale, X]), mode="r")
    left, values, rows = np.linalg.svd(R[:, :k], full_matrices=False)
    rank = int((values > _RANK * values[0]).sum())
    image = left[:, :rank].T @ R[:, k:] / values[:rank, None]
    # by the norms, which are zero for combinations without data: rounding there would count as rank
    return rows[:rank] * norms, (rows[:rank].T @ image) / scale[:, None]


def _null_rows(basis: np.ndarray, columns: list[int]) -> np.ndarray:
    """Orthonormal combinations of the basis that vanish on the given columns."""
    if not columns:
        return np.eye(len(basis))
    part = basis[:, columns]
    scale = np.sqrt(np.einsum("ij,ij->j", part, part))
    scale[scale == 0] = 1.0
    _, values, rows = np.linalg.svd((part / scale).T)
    rank = int((values > _RANK * max(values[0], 1e-300)).sum())
    return rows[rank:]


def _orthogonal_part(functions: np.ndarray, higher: np.ndarray) -> np.ndarray:
    """Rows of the span of ``functions`` that are orthogonal to all of ``higher``."""
    if len(higher) == 0 or len(functions) == 0:
        return functions
    _, values, rows = np.linalg.svd(higher @ functions.T)
    rank = int((values > _RANK * values[0]).sum())
    return rows[rank:] @ functions
