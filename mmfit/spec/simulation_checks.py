"""Whether the parameters of a simulation fit the model that they belong to."""

from collections.abc import Iterator

import numpy as np

from mmfit.errors import MmfitError
from mmfit.expression import variables
from mmfit.formula import Formula, build_matrices, parse
from mmfit.formula.matrices import ModelMatrices, RandomTerm
from mmfit.spec.base import VARIABLE
from mmfit.spec.distributions import Covariate, Sequence
from mmfit.spec.problems import KeyPath, Problem, did_you_mean, listing
from mmfit.spec.simulation import RandomEffects, Simulation

_HERE = ("data", "simulate")
_MOST_ROWS = 50_000_000


def check_parameters(simulation: Simulation) -> Iterator[Problem]:
    """Replicates, size, response, and the coefficients against the model's matrices.

    The design must have passed ``checks.check_design``.
    """
    if simulation.replicates > 1:
        yield Problem(
            (*_HERE, "replicates"),
            f"found {simulation.replicates}",
            "only 1 is allowed so far: simulation studies of several data sets are not offered yet",
        )
    rows = full_rows(simulation)
    if rows * simulation.fraction > _MOST_ROWS:
        yield Problem(
            (*_HERE, "design"),
            f"the design has {rows:,} rows",
            f"at most {_MOST_ROWS:,} are allowed: fewer levels, or a smaller per_cell",
        )
    for name, effects in simulation.random.items():
        yield from check_correlation((*_HERE, "random", name, "correlation"), effects)
    yield from _check_model(simulation)


def full_rows(simulation: Simulation) -> int:
    """Rows of the design before ``fraction``: the levels multiply, nested or crossed."""
    rows = simulation.per_cell
    for factor in simulation.factors.values():
        rows *= factor.levels
    return rows


def check_correlation(path: KeyPath, effects: RandomEffects) -> Iterator[Problem]:
    """A correlation matrix is square, symmetric, of ones and [-1, 1], positive semidefinite."""
    if effects.correlation is None:
        return
    q = len(effects.sd)
    lengths = [len(row) for row in effects.correlation]
    if lengths != [q] * q:
        sizes = f"{len(lengths)} rows of " + ", ".join(str(n) for n in dict.fromkeys(lengths))
        yield Problem(path, f"found {sizes} numbers", f"{q} rows of {q} are needed, one per sd")
        return
    matrix = np.array(effects.correlation)
    for i in range(q):
        if matrix[i, i] != 1:
            place = f"row {i + 1}, column {i + 1}"
            yield Problem(path, f"found {matrix[i, i]:g} in {place}", "the diagonal is 1")
        for j in range(i):
            place = f"row {i + 1}, column {j + 1}"
            if matrix[i, j] != matrix[j, i]:
                yield Problem(
                    path,
                    f"found {matrix[i, j]:g} in {place}, but {matrix[j, i]:g} across the diagonal",
                    "a correlation matrix is symmetric",
                )
            elif abs(matrix[i, j]) > 1:
                yield Problem(path, f"found {matrix[i, j]:g} in {place}", "-1 to 1 is allowed")
    proper = np.array_equal(matrix, matrix.T) and (np.diag(matrix) == 1).all()
    smallest = np.linalg.eigvalsh(matrix)[0] if proper and (abs(matrix) <= 1).all() else 0.0
    if smallest < -1e-10:
        yield Problem(
            path,
            f"the matrix is not positive definite (smallest eigenvalue {smallest:.3g})",
            "the correlations must be possible together",
        )


def _check_model(simulation: Simulation) -> Iterator[Problem]:
    path = (*_HERE, "formula")
    formula = parse(simulation.formula)
    columns = [*simulation.design, *simulation.covariates]
    if not VARIABLE.fullmatch(formula.response) or formula.response in columns:
        yield Problem(
            path,
            f"the response is {formula.response!r}",
            "the name of a new column is allowed: it is what is simulated",
        )
        return
    unknown = [n for n in formula.variables if n not in columns and n != formula.response]
    for name in unknown:
        yield Problem(
            path,
            f"the design has no column {name!r}{did_you_mean(name, columns)}",
            f"factors and covariates: {listing(columns)}",
        )
    if unknown:
        return
    if full_rows(simulation) * simulation.fraction > _MOST_ROWS:
        return
    try:
        matrices = build_matrices(formula, skeleton(simulation, formula))
    except MmfitError as error:
        yield Problem(path, str(error), "a model of the simulated columns is needed")
        return
    yield from _check_fixed(simulation, matrices)
    yield from _check_random(simulation, matrices)


def skeleton(simulation: Simulation, formula: Formula) -> "pandas.DataFrame":  # noqa: F821
    """A small frame with all columns, from which the names of the model's effects follow.

    Factors that only group have a few levels here, those with effects of their own have all.
    Every combination stands more often than a level can have random effects, as a model must not
    have more of these than rows.
    """
    import pandas as pd

    parts = (formula.fixed, *(bar.terms for bar in formula.random))
    named = {n for part in parts for v in part.variables for n in variables(v.expression)}
    counts = {
        name: count if name in named else min(count, 4)
        for name, count in level_counts(simulation).items()
    }
    distinct = max([12, *counts.values()])
    copies = 2 + sum(map(_columns_of, simulation.covariates.values()))
    copies += max((len(effects.sd) for effects in simulation.random.values()), default=0)
    rows = distinct * copies
    index = np.repeat(np.arange(distinct), copies)
    rng = np.random.default_rng(0)
    columns = {
        name: pd.Categorical.from_codes(index % count, [str(i + 1) for i in range(count)])
        for name, count in counts.items()
    }
    for name, covariate in simulation.covariates.items():
        if isinstance(covariate, Sequence):
            columns[name] = covariate.values(np.arange(rows))
        elif covariate.distribution == "categorical":
            labels = sorted(covariate.levels)
            columns[name] = pd.Categorical.from_codes(index % len(labels), labels)
        else:
            columns[name] = covariate.draw(rng, rows)
    columns[formula.response] = rng.standard_normal(rows)
    return pd.DataFrame(columns)


def _columns_of(covariate: Covariate) -> int:
    """Columns that a covariate takes in a model matrix, at most."""
    return len(getattr(covariate, "levels", ())) or 1


def level_counts(simulation: Simulation) -> dict[str, int]:
    """Number of levels of each factor over the whole data set."""
    factors = simulation.factors
    counts = {}
    for name, factor in factors.items():
        count, parent = factor.levels, factor.within
        while parent is not None and factor.labels == "unique":
            count *= factors[parent].levels
            parent = factors[parent].within
        counts[name] = count
    return counts


def _check_fixed(simulation: Simulation, matrices: ModelMatrices) -> Iterator[Problem]:
    names = matrices.all_fixed_names
    for name in simulation.fixed:
        if name not in names:
            yield Problem(
                (*_HERE, "fixed", name),
                f"the formula has no fixed effect {name!r}{did_you_mean(name, names)}",
                f"fixed effects: {listing(names)}",
            )
        elif names.count(name) > 1:
            yield Problem(
                (*_HERE, "fixed", name),
                f"{names.count(name)} fixed effects of the formula are called {name!r}",
                "rename a variable or a level, so that each has a name of its own",
            )
    missing = [name for name in names if name not in simulation.fixed]
    if missing:
        yield Problem(
            (*_HERE, "fixed"),
            f"no value for {listing(missing)}",
            "every fixed effect of the formula needs one",
        )


def factor_set(name: str) -> frozenset[str]:
    """``region:clinic`` and ``clinic:region`` name the same grouping factor."""
    return frozenset(part.strip() for part in name.split(":"))


def terms_by_grouping(matrices: ModelMatrices) -> dict[frozenset[str], list[RandomTerm]]:
    """The random terms of each grouping factor, in the order of the model."""
    terms: dict[frozenset[str], list[RandomTerm]] = {}
    for term in matrices.random:
        terms.setdefault(frozenset(term.factors), []).append(term)
    return terms


def _check_random(simulation: Simulation, matrices: ModelMatrices) -> Iterator[Problem]:
    terms = terms_by_grouping(matrices)
    names = [group[0].grouping for group in terms.values()]
    seen: dict[frozenset[str], str] = {}
    for name, effects in simulation.random.items():
        path = (*_HERE, "random", name)
        group = terms.get(factor_set(name))
        first = seen.setdefault(factor_set(name), name)
        if group is None:
            yield Problem(
                path,
                f"the formula has no grouping factor {name!r}{did_you_mean(name, names)}",
                f"grouping factors: {listing(names)}",
            )
        elif first != name:
            yield Problem(path, f"{first!r} is the same grouping factor", "each is allowed once")
        else:
            yield from _check_effects(path, effects, group)
    missing = [group[0].grouping for key, group in terms.items() if key not in seen]
    if missing:
        yield Problem(
            (*_HERE, "random"),
            f"no standard deviations for {listing(missing)}",
            "every grouping factor of the formula needs them",
        )


def _check_effects(
    path: KeyPath, effects: RandomEffects, terms: list[RandomTerm]
) -> Iterator[Problem]:
    names = [name for term in terms for name in term.effects]
    if len(effects.sd) != len(names):
        yield Problem(
            (*path, "sd"),
            f"found {len(effects.sd)} numbers",
            f"{len(names)} are needed, for {listing(names)}",
        )
        return
    rows = effects.correlation or ()
    if [len(row) for row in rows] != [len(names)] * len(names):
        return
    block = np.repeat(np.arange(len(terms)), [len(term.effects) for term in terms])
    if (np.array(rows)[block[:, None] != block] != 0).any():
        yield Problem(
            (*path, "correlation"),
            "a correlation between effects that the formula keeps apart (`||` or separate terms)",
            "0 is allowed there",
        )
