"""F tests of single fixed terms dropped from the model."""

import numpy as np
import pandas as pd

from mmfit.errors import MmfitError
from mmfit.formula.matrices import FixedTerm, ModelMatrices
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.f_tests import Hypothesis, f_table, run_test
from mmfit.inference.fixed_effects.hypotheses import TermSpans, tested_terms


def droppable_terms(matrices: ModelMatrices) -> list[FixedTerm]:
    """The fixed terms that no other contains (R's ``drop.scope``); never the intercept."""
    terms = tested_terms(matrices)
    return [t for t in terms if not any(set(t.variables) < set(o.variables) for o in terms)]


def drop1(model: FittedModel, df: str = "satterthwaite") -> pd.DataFrame:
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
    fit, matrices = model.fit, model.matrices
    if matrices.design is None:
        raise MmfitError("drop1 needs matrices that were built from a formula")
    known = model.precision(df)
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

    As type II, but with all other terms eliminated: see :class:`.hypotheses.TermSpans`.
    """
    terms = droppable_terms(matrices)
    if not terms or not matrices.X.shape[1]:
        return {}
    spans = TermSpans.of(matrices)
    everything = matrices.fixed_terms
    return {t.name: spans.rows([o for o in everything if o is not t], t) for t in terms}
