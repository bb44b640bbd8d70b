"""AIC and BIC of all candidates, best first."""

from collections.abc import Sequence

import numpy as np

from mmfit.selection.records import Candidate, RankedModel, Ranking
from mmfit.selection.relations.relations import Relations
from mmfit.selection.relations.structure import EQUAL

# Values that differ by less than this are the same: optima are known to about 1e-6.
TIE = 1e-6


def rank_candidates(
    candidates: Sequence[Candidate], relations: Relations[str]
) -> tuple[Ranking, ...]:
    """Rankings of models of the same data by AIC and by BIC, each with its weights.

    By REML, in the basis of the first one's X, where all X span the same space; by ML otherwise.
    """
    names = [candidate.name for candidate in candidates]
    same = all(relations.fixed(names[0], other) == EQUAL for other in names[1:])
    criterion = "REML" if same else "ML"
    text = (
        "REML fits: the fixed parts are the same"
        if same
        else "ML fits: REML criteria of different fixed parts cannot be compared"
    )
    fits = [candidate.fit_by(criterion) for candidate in candidates]
    shifts = np.zeros(len(names))
    if same:
        reference = relations.structure(names[0])
        shifts[:] = [reference.basis_constant(relations.structure(name)) for name in names]
    rankings = []
    for measure in ("AIC", "BIC"):
        raw = [fit.aic if measure == "AIC" else fit.bic for fit in fits]
        values = np.array(raw, dtype=float) + shifts
        models = _ranked(names, values, [f.singular for f in fits])
        rankings.append(Ranking(measure, criterion, text, models))
    return tuple(rankings)


def _ranked(names, values: np.ndarray, singular) -> tuple[RankedModel, ...]:
    delta = values - values.min()
    relative = np.exp(-delta / 2)
    weights = relative / relative.sum()
    models, rank, previous = [], 0, -np.inf
    for place, i in enumerate(np.argsort(values, kind="stable"), start=1):
        if values[i] - previous > TIE:
            rank, previous = place, values[i]
        models.append(
            RankedModel(
                model=names[i],
                rank=rank,
                value=float(values[i]),
                delta=float(delta[i]),
                weight=float(weights[i]),
                singular=bool(singular[i]),
            )
        )
    return tuple(models)
