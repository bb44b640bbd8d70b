"""F tests of single fixed terms dropped from the model."""

import numpy as np
import pandas as pd

from mmfit.engine.records import Fit
from mmfit.errors import MmfitError
from mmfit.formula import full_dummy_matrix
from mmfit.formula.matrices import FixedTerm, ModelMatrices
from mmfit.inference.fixed_effects.degrees_of_freedom import Precision, precision
from mmfit.inference.fixed_effects.f_tests import Hypothesis, f_table, run_test
from mmfit.inference.fixed_effects.hypotheses import fixed_root, tested_terms

# The remaining terms lie in the span of X, so the sines of X's angles with them are 0 or 1.
_OUTSIDE = 0.5
# Singular values of the remaining columns, scaled to unit length, below this share are zero.
_DEPENDENT = 1e-10


def droppable_terms(matrices: ModelMatrices) -> list[FixedTerm]:
    """The fixed terms that no other contains (R's ``drop.scope``); never the intercept."""
    terms = tested_terms(matrices)
    return [t for t in terms if not any(set(t.variables) < set(o.variables) for o in terms)]


def drop1(fit: Fit, matrices: ModelMatrices, df: str | Precision = "satterthwaite") -> pd.DataFrame:
    """F test of each fixed term that can be dropped with marginality respected.

    Columns term, sum_sq, mean_sq, num_df, den_df, statistic (F), p_value, as lmerTest's ``drop1``.
    The hypothesis is that the mean lies in the span of the formula without the term, so that it
    does not depend on how factors are coded, nor on which columns a rank-deficient X lost. A term
    whose removal leaves the span as it is, is left out and named in ``attrs["note"]``.

    Raises
    ------
    MmfitError
        For an unknown method, for Kenward and Roger's method with a fit by ML, or for matrices
        built without a design.
    """
    if matrices.design is None:
        raise MmfitError("drop1 needs matrices that were built from a formula")
    known = precision(fit, df, matrices)
    rows, same = [], []
    for term, L in dropped_spans(matrices).items():
        if len(L):
            test = run_test(known, Hypothesis(L, np.zeros(len(L))))
            rows.append((term, *test.row(fit.sigma)))
        else:
            same.append(term)
    notes = [known.note]
    if same:
        notes.insert(0, f"Without {', '.join(same)} the model would be the same: not tested.")
    return f_table(rows, " ".join(note for note in notes if note))


def dropped_spans(matrices: ModelMatrices) -> dict[str, np.ndarray]:
    """Term label -> L (q, p): X beta lies in the span without the term if and only if L beta = 0.

    The span of a formula is that of its full-dummy matrix. With Q an orthonormal basis of X's
    columns, X = Q R, the rows of L = U'R are those directions U of Q that are perpendicular to the
    remaining terms, canonical in the sense of ``f_tests.canonical``.
    """
    terms = droppable_terms(matrices)
    if not terms or not matrices.X.shape[1]:
        return {}
    coded = full_dummy_matrix(matrices.design)
    root = fixed_root(matrices)
    D = coded.matrix
    norms = np.sqrt(np.einsum("ij,ij->j", D, D))
    used = norms > 0
    Q = np.linalg.solve(root.T, matrices.X.T).T
    # products of n-long columns are needed but once: a triangular factor of [D Q] has them all
    R = np.linalg.qr(np.hstack([D[:, used] / norms[used], Q]), mode="r")
    place = np.cumsum(used) - 1
    columns = dict(zip((t.name for t in matrices.fixed_terms), coded.term_columns, strict=True))
    out, count = {}, int(used.sum())
    for term in terms:
        others = [
            place[c] for name, own in columns.items() if name != term.name for c in own if used[c]
        ]
        out[term.name] = _outside(R[:, count:], R[:, others]) @ root
    return out


def _outside(Q: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(q, p) orthonormal combinations of Q's orthonormal columns, perpendicular to ``others``."""
    left, values, _ = np.linalg.svd(others, full_matrices=False)
    basis = left[:, values > _DEPENDENT * values.max(initial=0.0)]
    rest = Q - basis @ (basis.T @ Q)
    rest = rest - basis @ (basis.T @ rest)
    _, sines, rows = np.linalg.svd(rest, full_matrices=False)
    return rows[sines > _OUTSIDE]
