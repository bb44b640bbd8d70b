"""Hypothesis matrices row for row as lmerTest 3.1-3 makes them.

The hypotheses are those of :mod:`hypotheses` and only the basis differs, with these exceptions:
types II and III without an intercept, which depend on contrasts in lmerTest; type II where X lost
columns, which depends on their order; and types II and III of a term contained in one that lmerTest
does not recognise as containing it (see ``_held``). Satterthwaite's denominator of several rows
depends on the basis in lmerTest (``contestMD`` takes the eigenvectors of L V L'), so the same
numbers need the same rows up to a rotation.
"""

from dataclasses import replace

import numpy as np

from mmfit.formula import full_dummy_matrix
from mmfit.formula.contrasts import ContrastChoice, make_contrast
from mmfit.formula.matrices import FixedTerm, ModelMatrices
from mmfit.formula.model_matrix import CodedMatrix, model_matrix
from mmfit.formula.rank import independent_columns
from mmfit.inference.fixed_effects.hypotheses import (
    check_type,
    doolittle,
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
        if _held(matrices, term)
        else np.eye(p)[kept_columns(matrices, term)]
        for term in terms
    }


def _held(matrices: ModelMatrices, term: FixedTerm) -> list[FixedTerm]:
    """The terms that contain ``term`` by lmerTest's ``term_contain``.

    It sees only those variables of a term that R codes by contrasts, so that f is not contained in
    f:h where h has no term of its own (h nested in f); and it takes a variable of several columns,
    such as poly(x, 2), for a factor. SAS's definition, as in :mod:`hypotheses`, knows neither.
    """
    formula, width = matrices.design.formula.fixed, {}
    for coded in matrices.design.fixed:
        coding = coded.coding
        width[coding.variable.label] = 0 if coding.levels is not None else len(coding.suffixes)
    seen = {}
    for members, flags, name in zip(
        formula.members, formula.contrasted, formula.labels, strict=True
    ):
        labels = [formula.variables[k].label for k in members]
        seen[name] = {label for label, flag in zip(labels, flags, strict=True) if flag}
    inner = seen[term.name]
    numbers = {label for label in inner if width[label] == 1}
    return [
        t
        for t in tested_terms(matrices)
        if inner < seen[t.name] and {v for v in seen[t.name] if width[v] == 1} == numbers
    ]


def _doolittle_rows(matrices: ModelMatrices, term: FixedTerm, type: int) -> np.ndarray:
    """With ones on the diagonal."""
    own = list(kept_columns(matrices, term))
    terms = matrices.fixed_terms
    if type == 1:
        before = terms[: terms.index(term)]
    else:
        beside = [term, *_held(matrices, term)]
        before = [t for t in terms if t not in beside]
    first = [c for t in before for c in kept_columns(matrices, t)]
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
    # By what they hold: two columns may have one name.
    place = {column.tobytes(): k for k, column in enumerate(full.matrix.T)}
    at = [place[column.tobytes()] for column in X.T]
    G = _least_squares(X, full.matrix)
    columns = _by_term(matrices, treated, kept)
    for term in sorted(terms, key=lambda t: -len(t.variables)):
        higher = [c for t in _held(matrices, term) for c in columns[t.name]]
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
