"""Hypothesis matrices row for row as lmerTest 3.1-3 makes them.

The hypotheses are those of :mod:`hypotheses`; only the basis differs. Satterthwaite's denominator
of several rows depends on it in lmerTest (``contestMD`` takes the eigenvectors of L V L'), so the
same numbers need the same rows up to a rotation.
"""

from dataclasses import replace

import numpy as np

from mmfit.formula import full_dummy_matrix
from mmfit.formula.contrasts import ContrastChoice, make_contrast
from mmfit.formula.matrices import FixedTerm, ModelMatrices
from mmfit.formula.model_matrix import CodedMatrix, model_matrix
from mmfit.formula.rank import independent_columns
from mmfit.inference.hypotheses import (
    check_type,
    containing,
    doolittle,
    eliminated,
    fixed_root,
    kept_columns,
    tested_terms,
)

# lmerTest's own: rows whose absolute sum is below this are no hypothesis.
_EMPTY = 1e-8


def lmertest_hypotheses(matrices: ModelMatrices, type: int = 3) -> dict[str, np.ndarray]:
    """Term label -> L (q, p), as lmerTest's ``get_contrasts_type1``, ``2_unfolded`` and ``3``.

    Rows may be linearly dependent where cells are missing.

    Raises
    ------
    MmfitError
        For a type other than 1, 2, 3, or for matrices built without a design.
    """
    check_type(matrices, type)
    terms = tested_terms(matrices)
    if type == 1 or len(terms) <= 1 or matrices.X.shape[1] <= 1:
        return {term.name: _doolittle_rows(matrices, term, 1) for term in terms}
    if type == 3:
        return _type_three(matrices, terms)
    p = matrices.X.shape[1]
    return {
        term.name: _doolittle_rows(matrices, term, 2)
        if containing(matrices, term)
        else np.eye(p)[kept_columns(matrices, term)]
        for term in terms
    }


def _doolittle_rows(matrices: ModelMatrices, term: FixedTerm, type: int) -> np.ndarray:
    """With ones on the diagonal."""
    own = list(kept_columns(matrices, term))
    first = [c for t in eliminated(matrices, term, type) for c in kept_columns(matrices, t)]
    rows = doolittle(fixed_root(matrices), first, own)
    return rows / rows[np.arange(len(own)), own][:, None]


def _type_three(matrices: ModelMatrices, terms: list[FixedTerm]) -> dict[str, np.ndarray]:
    """lmerTest's ``extract_contrasts_type3``.

    The columns of a treatment-coded X are some of those of the full-dummy matrix D. G = X^+ D
    carries coefficients of D to those of X; the rows of G that belong to a term are made orthogonal
    to those of the terms that contain it, and are then read at the columns of X.
    """
    full, treated = full_dummy_matrix(matrices.design), _treatment_matrix(matrices)
    kept = independent_columns(treated.distinct)
    X = treated.matrix[:, kept]
    place = {name: k for k, name in enumerate(full.names)}
    at = [place[treated.names[k]] for k in kept]
    G = _least_squares(X, full.matrix)
    columns = _by_term(matrices, treated, kept)
    for term in sorted(terms, key=lambda t: -len(t.variables)):
        higher = [c for t in containing(matrices, term) for c in columns[t.name]]
        if higher:
            own = columns[term.name]
            G[own] -= G[own] @ np.linalg.pinv(G[higher]) @ G[higher]
    to_user = _least_squares(X, matrices.X)
    rows = {term.name: G[columns[term.name]][:, at] for term in terms}
    return {name: L[np.abs(L).sum(axis=1) > _EMPTY] @ to_user for name, L in rows.items()}


def _treatment_matrix(matrices: ModelMatrices) -> CodedMatrix:
    """The model matrix with treatment contrasts for every factor."""
    design, variables = matrices.design, []
    for coded in design.fixed:
        coding = coded.coding
        if coding.levels is not None:
            contrast = make_contrast(
                ContrastChoice("treatment"), coding.levels, coding.variable.label
            )
            coded = replace(coded, coding=replace(coding, contrast=contrast))
        variables.append(coded)
    return model_matrix(design.formula.fixed, variables, design.rows)


def _by_term(matrices: ModelMatrices, coded: CodedMatrix, kept: np.ndarray) -> dict[str, list[int]]:
    """Term label -> its columns among the ``kept`` ones."""
    position = {int(column): k for k, column in enumerate(kept)}
    return {
        term.name: [position[c] for c in own if c in position]
        for term, own in zip(matrices.fixed_terms, coded.term_columns, strict=True)
    }


def _least_squares(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """X^+ Y for an X of full column rank."""
    Q, R = np.linalg.qr(X)
    return np.linalg.solve(R, Q.T @ Y)
