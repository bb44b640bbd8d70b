"""Model matrices and fit records made by hand, for tests of pairs and of the selection."""

from dataclasses import dataclass

import numpy as np

from mmfit.engine.records import Fit, OptimizerRecord, VarianceTerm, VarianceUncertainty
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.selection import Candidate


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar term: named columns of the left-hand side, and the levels of each row."""

    columns: dict
    codes: np.ndarray
    name: str = "g"


def dummies(f):
    return {f"f{k}": (f == k).astype(float) for k in np.unique(f)}


def random_term(bar: Bar) -> RandomTerm:
    model = np.column_stack([np.asarray(c, dtype=float) for c in bar.columns.values()])
    levels, codes = np.unique(bar.codes, return_inverse=True)
    return RandomTerm(
        group=bar.name,
        grouping=bar.name,
        factors=(bar.name,),
        effects=tuple(bar.columns),
        model=model,
        codes=codes.astype(np.intp),
        levels=tuple(str(level) for level in levels),
    )


def matrices(fixed: dict, *bars: Bar, y=None, response="y", **more) -> ModelMatrices:
    X = np.column_stack([np.asarray(c, dtype=float) for c in fixed.values()])
    return ModelMatrices(
        formula=f"{response} ~ {' + '.join(fixed)} + {' + '.join(b.name for b in bars)}",
        response=response,
        y=np.arange(len(X), dtype=float) if y is None else y,
        X=X,
        fixed_names=tuple(fixed),
        dropped=(),
        fixed_terms=(),
        all_fixed_names=tuple(fixed),
        random=tuple(random_term(bar) for bar in bars),
        **more,
    )


def fit_record(
    model: ModelMatrices,
    criterion: str,
    objective: float,
    *,
    singular=False,
    converged=True,
    covariances=None,
    sigma=1.0,
) -> Fit:
    """A Fit with a given criterion; everything that comparisons do not read is zero."""
    sizes = [len(term.effects) for term in model.random]
    covariances = [np.eye(q) for q in sizes] if covariances is None else covariances
    k, p = sum(q * (q + 1) // 2 for q in sizes), model.X.shape[1]
    return Fit(
        formula=model.formula,
        criterion=criterion,
        objective=objective,
        nobs=model.nobs,
        npar=p + k + 1,
        sigma=sigma,
        theta=np.zeros(k),
        fixed_names=model.fixed_names,
        fixef=np.zeros(p),
        vcov=np.eye(p),
        dropped=(),
        terms=tuple(
            VarianceTerm(term.group, term.grouping, term.effects, np.asarray(cov, dtype=float))
            for term, cov in zip(model.random, covariances, strict=True)
        ),
        groups=(),
        singular=singular,
        singular_groups=(model.random[0].group,) if singular else (),
        unidentified=(),
        uncertainty=VarianceUncertainty(np.zeros((k + 1, k + 1)), np.zeros((k + 1, p, p))),
        optimizer=OptimizerRecord(
            solver="nested",
            method="newton",
            evaluations=5,
            start_objective=objective,
            objective=objective,
            gradient_norm=0.0,
            predicted_decrease=0.0,
            curvature=1.0,
            converged=converged,
            message="converged" if converged else "step limit reached",
        ),
    )


def candidate(name: str, model: ModelMatrices, reml=100.0, ml=None, **more) -> Candidate:
    ml = reml if ml is None else ml
    fits = {c: fit_record(model, c, v, **more) for c, v in (("REML", reml), ("ML", ml))}
    return Candidate(name, model, fits)
