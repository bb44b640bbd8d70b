"""Which factors of the fixed part are nested in others, and what that means for averages.

As emmeans decides it (Lenth): a factor is nested where each of its levels occurs with one level of
another, or where the formula gives it no term of its own beside the factors that it is crossed with
(``a / b``). Averages over a nested factor go over the levels that occur within each level of the
factors that it is nested in, with equal weights there.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mmfit.expression.columns import Columns
from mmfit.expression.values import FactorValues
from mmfit.formula.design import DesignInfo
from mmfit.formula.names import column_names
from mmfit.formula.partition import Partition
from mmfit.inference.marginal.predictors import Predictor

# A sum of weights that is 1 but for this.
_ROUNDING = 1e-9


def nested_factors(design: DesignInfo, factors: Sequence[Predictor]) -> dict[str, tuple[str, ...]]:
    """Name of a nested factor -> the factors that it is nested in, in order of appearance."""
    if len(factors) < 2:
        return {}
    names = [factor.name for factor in factors]
    in_data = _nested_in_data(design, factors)
    found = {name: set(parents) for name, parents in in_data.items()}
    for name, parents in _nested_in_formula(design, names).items():
        found[name] = found.get(name, set()) | parents
    _with_ancestors(found, names)
    _with_ancestors(in_data, names)
    # Of a factor that would lie in itself the data alone decide.
    chosen = {
        name: in_data.get(name, set()) if name in parents else parents
        for name, parents in found.items()
    }
    return {
        name: tuple(other for other in names if other in chosen[name])
        for name in names
        if chosen.get(name)
    }


def _with_ancestors(found: dict[str, set[str]], names: Sequence[str]) -> None:
    """Add to the parents of each factor theirs."""
    for name in names:
        if name in found:
            found[name] = found[name].union(*(found.get(p, set()) for p in found[name]))


def _nested_in_data(design: DesignInfo, factors: Sequence[Predictor]) -> dict[str, set[str]]:
    groups = {f.name: Partition(data_codes(design, f), len(f.labels)) for f in factors}
    found: dict[str, set[str]] = {}
    for inner in factors:
        for outer in factors:
            # Of two factors with the same partition the first one found is nested in the other.
            if inner is outer or inner.name in found.get(outer.name, ()):
                continue
            if len(inner.labels) < len(outer.labels):
                continue
            if groups[inner.name].is_inside(groups[outer.name]):
                found.setdefault(inner.name, set()).add(outer.name)
    return found


def _nested_in_formula(design: DesignInfo, names: Sequence[str]) -> dict[str, set[str]]:
    terms = design.formula.fixed
    column = {}
    for k, variable in enumerate(terms.variables):
        inner = column_names(variable.expression.root)
        if len(inner) == 1 and inner[0] in names:
            column[k] = inner[0]
    alone = {column[term[0]] for term in terms.members if len(term) == 1 and term[0] in column}
    found: dict[str, set[str]] = {}
    for k, name in column.items():
        if name in alone:
            continue
        holding = [
            (dict(zip(term, flags, strict=True)))
            for term, flags in zip(terms.members, terms.contrasted, strict=True)
            if k in term
        ]
        coded = [term for term in holding if term[k]] or holding
        sets = [
            {column[j] for j, flag in term.items() if not flag and j in column and j != k}
            for term in coded
        ]
        least = [a for a in sets if not any(b < a for b in sets)]
        found[name] = found.get(name, set()).union(*least)
    return {name: parents for name, parents in found.items() if parents}


def data_codes(design: DesignInfo, factor: Predictor) -> np.ndarray:
    """(rows,) the level of a factor in each row of the fit."""
    value = Columns(design.sources, design.categorical).value(factor.name)
    if isinstance(value, FactorValues):
        place = {label: k for k, label in enumerate(factor.labels)}
        return np.array([place[label] for label in value.levels], dtype=np.intp)[value.codes]
    return np.searchsorted(factor.values, value)


def occurring(
    design: DesignInfo,
    known: Sequence[Predictor],
    used: Sequence[Predictor],
    codes: np.ndarray,
    nests: Mapping[str, Sequence[str]],
) -> np.ndarray:
    """(cells,) bool: whether each nested factor's level occurs with its parents' in the cell.

    ``known`` are the predictors with all their levels, ``used`` those that ``codes`` refer to.
    """
    present = np.ones(len(codes), dtype=bool)
    names = [predictor.name for predictor in known]
    for name, parents in nests.items():
        places = [names.index(n) for n in (name, *parents)]
        sizes = [len(known[k].labels) for k in places]
        rows = np.ravel_multi_index([data_codes(design, known[k]) for k in places], sizes)
        full = [
            np.array([known[k].labels.index(label) for label in used[k].labels])[codes[:, k]]
            for k in places
        ]
        present &= np.isin(np.ravel_multi_index(full, sizes), rows)
    return present


def cell_weights(
    codes: np.ndarray,
    names: Sequence[str],
    nests: Mapping[str, Sequence[str]],
    present: np.ndarray,
    kept: Sequence[str],
) -> np.ndarray:
    """(cells,) weights of the cells in averages over all predictors that are not ``kept``.

    Equal ones; a nested factor is averaged first, over its levels that occur. Those of an average
    have the sum 1, also where the same rows have two factors' levels and neither is the outer one.
    """
    weights = present.astype(float)
    for k, name in enumerate(names):
        if name in kept:
            continue
        parents = [names.index(parent) for parent in nests.get(name, ())]
        chosen = codes[present]
        within = np.unique(chosen[:, [*parents, k]], axis=0)[:, :-1]
        outer, counts = np.unique(within, axis=0, return_counts=True)
        sizes = {
            tuple(row): count for row, count in zip(outer.tolist(), counts.tolist(), strict=True)
        }
        weights[present] /= [sizes[tuple(row)] for row in chosen[:, parents].tolist()]
    shown = codes[:, [names.index(name) for name in kept]]
    own = np.unique(shown, axis=0, return_inverse=True)[1].ravel() if shown.size else shown.sum(1)
    total = np.bincount(own, weights)
    wrong = (total > 0) & (np.abs(total - 1) > _ROUNDING)
    return np.where(wrong[own], weights / np.where(wrong, total, 1.0)[own], weights)
