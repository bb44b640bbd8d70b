"""How often each test rejects in one cell.

A bootstrap of some hundred replicates for each of thousands of data sets is dear. Here each data
set has few of its own (``OWN``), and all those of the data sets whose null fits are most like its
own count as its replicates (after Giacomini, Politis & White 2013, Econometric Theory 29: 567-589,
who pool all): a bootstrap sample depends on its data set through the null fit alone. How well that
agrees with replicates of each data set's own is measured too (``agreement``).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.size_draws import Draws
from benchmarks.size_laws import (
    by_counting,
    by_exact,
    by_law,
    by_mean,
    by_tail,
    by_tail_alone,
    check,
)
from benchmarks.size_studies import BY_KIND, Cell, frame, null_cell
from mmfit.engine.criterion import ML, REML
from mmfit.engine.many import fit_many
from mmfit.engine.many_fits import ManyFits
from mmfit.formula.matrices import ModelMatrices
from mmfit.inference.null_distributions.bootstrap import NOISE, ROUNDING
from mmfit.inference.null_distributions.exact_tests import ExactNull
from mmfit.inference.null_distributions.mixtures import ChiBarSquare, half_space, plain
from mmfit.inference.null_distributions.spectra import spectrum

ALPHAS = (0.01, 0.05, 0.10)
DF_METHODS = ("normal", "residual", "satterthwaite", "kenward-roger")
# Bootstrap samples of a data set of its own; replicates that it has with those of its neighbours.
OWN, REPLICATES = 2, 400
# Data sets drawn at a time, and p-values computed at a time: what bounds the memory.
BLOCK, _ROWS = 1000, 2000
_CHECKED = 10
# Data sets that get as many bootstrap samples of their own.
_VERIFIED = 2000


@dataclass(frozen=True, slots=True)
class Drawn:
    """The statistics of N data sets.

    Attributes
    ----------
    statistic : (N,), NaN where a fit did not converge;  singular : (N, terms) bool, the null's.
    place : (N, k), the null's estimated covariances over the residual variance, to find neighbours.
    again : (N, own) statistics of bootstrap samples;  again_singular : (N, own, terms) bool.
    """

    statistic: np.ndarray
    singular: np.ndarray
    place: np.ndarray
    again: np.ndarray
    again_singular: np.ndarray


def measure(cell: Cell, datasets: range) -> dict[str, Any]:
    """Rejection rates of every method, and what else is worth knowing."""
    begin = time.process_time()
    if cell.test.tested:
        p, singular = _t_tests(cell, datasets)
    else:
        p, singular = _ratio_tests(cell, datasets)
    used = len(p["auto"])
    return {
        "datasets": len(datasets),
        "own": 0 if cell.test.tested else OWN,
        "unusable": len(datasets) - used,
        "singular": round(singular, 4),
        "seconds": round(time.process_time() - begin, 1),
        "rejected": {
            method: [round(float((own < alpha).mean()), 5) for alpha in ALPHAS]
            for method, own in p.items()
        },
    }


def _ratio_tests(cell: Cell, datasets: range) -> tuple[dict[str, np.ndarray], float]:
    drawn = statistics(cell, datasets, OWN)
    p, singular = p_values(cell, drawn, neighbours(drawn.place, REPLICATES // OWN))
    if cell.truth:
        true = null_cell(cell.test, cell.groups, cell.balanced, cell.ratio)
        law = np.sort(statistics(true, datasets, 1).statistic)
        law = law[np.isfinite(law)]
        observed = drawn.statistic[np.isfinite(drawn.statistic)]
        reached = len(law) - np.searchsorted(law, observed, side="left")
        p["adjusted"] = (1 + reached) / (1 + len(law))
    return p, singular


def statistics(cell: Cell, datasets: range, own: int, further: bool = False) -> Drawn:
    """Draw data sets and ``own`` bootstrap samples of each; ``further`` as of ``fit_many``."""
    test = cell.test
    null, alternative = cell.matrices(test.null), cell.matrices(test.alternative)
    criterion = REML if test.reml else ML
    parts = []
    for start in range(0, len(datasets), BLOCK):
        draws = Draws(cell, datasets[start : start + BLOCK])
        Y = draws.data()
        fits = fit_many(null, Y, criterion=criterion, further=further)
        first = _ratio(fits, fit_many(alternative, Y, criterion=criterion, further=further))
        from_fits = fits
        if not test.reml and null.random:
            from_fits = fit_many(null, Y, criterion=REML, further=further)
        first = np.where(from_fits.converged, first, np.nan)
        again, flat = [], []
        for _ in range(own):
            Z = draws.again(from_fits)
            fits_again = fit_many(null, Z, criterion=criterion, further=False)
            richer = fit_many(alternative, Z, criterion=criterion, further=False)
            again.append(np.where(from_fits.converged, _ratio(fits_again, richer), np.nan))
            flat.append(fits_again.singular)
        place = _place(from_fits)
        parts.append((first, fits.singular, place, np.array(again).T, np.stack(flat, axis=1)))
    return Drawn(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _ratio(null: ManyFits, alternative: ManyFits) -> np.ndarray:
    """The statistic; NaN where a fit did not converge."""
    statistic = null.objective - alternative.objective
    noise = NOISE + ROUNDING * np.abs(null.objective)
    good = null.converged & alternative.converged & (statistic > -noise)
    return np.where(good, np.where(statistic > noise, statistic, 0.0), np.nan)


def _place(fits: ManyFits) -> np.ndarray:
    relative = [
        (block / fits.sigma[:, None, None] ** 2)[:, *np.tril_indices(block.shape[-1])]
        for block in fits.covariances
    ]
    if not relative:
        return np.zeros((len(fits.sigma), 0))
    return np.nan_to_num(np.concatenate(relative, axis=1))


def neighbours(place: np.ndarray, count: int) -> np.ndarray:
    """(N, count): the data sets whose null fits are the nearest; any, where all are the same."""
    N = len(place)
    near = np.sign(place) * np.log1p(10 * np.abs(place))
    near = near[:, near.std(axis=0) > 1e-9]
    near = near / near.std(axis=0)
    rng = np.random.default_rng(0)
    # Ties, such as of variances estimated as zero, are broken at random.
    near = np.concatenate([near, np.zeros((N, 1))], axis=1)
    near = near + 1e-6 * rng.standard_normal(near.shape)
    return cKDTree(near).query(near, k=count)[1]


def p_values(cell: Cell, drawn: Drawn, near: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """By method, of the data sets with a statistic; and the share with a singular null fit."""
    good = np.flatnonzero(np.isfinite(drawn.statistic))
    observed, df = drawn.statistic[good], _added_parameters(cell)
    p = {"chi2": by_law(plain(df), observed)}
    if cell.test.edge:
        p["chibar2"] = by_law(half_space(df), observed)
    parts = [
        _by_replicates(cell, df, drawn, good[start : start + _ROWS], near)
        for start in range(0, len(good), _ROWS)
    ]
    if "|" not in cell.test.null:
        p["exact"] = by_exact(_exact_law(cell), observed)
    p["bootstrap"], p["calibrated"] = (np.concatenate(part) for part in zip(*parts, strict=True))
    p["auto"] = p.get("exact", p["calibrated"])
    return p, float(drawn.singular[good].any(axis=1).mean())


def _by_replicates(
    cell: Cell, df: int, drawn: Drawn, rows: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """p-values of some of the data sets by the bootstrap and by the calibrated law."""
    observed, singular = drawn.statistic[rows], drawn.singular[rows].any(axis=1)
    replicates = drawn.again[near[rows]].reshape(len(rows), -1)
    alike = (drawn.again_singular[near[rows]] == drawn.singular[rows, None, None]).all(axis=-1)
    alike = alike.reshape(len(rows), -1)
    counted = by_counting(observed, replicates)
    calibrated = np.full(len(rows), np.nan)
    for which, law, edge in _laws(cell, df, singular):
        some = np.flatnonzero(which)
        if not len(some):
            continue
        parts = observed[some], replicates[some]
        if not edge:
            found = by_mean(df, *parts, alike[some])
        else:
            found = by_tail_alone(df, *parts) if law is None else by_tail(law, *parts)
        few = some[:_CHECKED]
        check(law, df, edge, found[:_CHECKED], observed[few], replicates[few], alike[few])
        calibrated[some] = found
    return counted, np.where(np.isfinite(calibrated), calibrated, counted)


def _laws(
    cell: Cell, df: int, singular: np.ndarray
) -> list[tuple[np.ndarray, ChiBarSquare | None, bool]]:
    """Which data sets have which law calibrated (None: no law is known), and whether that is of
    the tail alone."""
    if cell.test.edge:
        return [(singular, None, True), (~singular, half_space(df), True)]
    if cell.test.reml:
        return [(singular, None, True), (~singular, plain(df), False)]
    return [(np.ones_like(singular), plain(df), False)]


def _added_parameters(cell: Cell) -> int:
    def count(matrices: ModelMatrices) -> int:
        sizes = [term.model.shape[1] for term in matrices.random]
        return matrices.X.shape[1] + sum(q * (q + 1) // 2 for q in sizes)

    test = cell.test
    return count(cell.matrices(test.alternative)) - count(cell.matrices(test.null))


def _exact_law(cell: Cell) -> ExactNull:
    matrices = cell.matrices(cell.test.alternative)
    term = matrices.random[0]
    whole = spectrum(matrices.X, term.codes, len(term.levels), term.model[:, 0])
    return ExactNull(whole, 0, REML if cell.test.reml else ML)


def _t_tests(cell: Cell, datasets: range) -> tuple[dict[str, np.ndarray], float]:
    """p-values of the coefficient that is zero, by method for the degrees of freedom."""
    import mmfit

    test, data = cell.test, frame(cell.groups, cell.balanced)
    parts: dict[str, list[np.ndarray]] = {method: [] for method in DF_METHODS}
    flat = []
    for start in range(0, len(datasets), BLOCK):
        Y = Draws(cell, datasets[start : start + BLOCK]).data()
        many = mmfit.lmer_many(test.null, data, Y.T)
        flat.append(many.singular.to_numpy())
        for method in DF_METHODS:
            table = many.tidy(df=method)
            p = table.loc[table["term"] == test.tested, "p_value"].to_numpy()
            parts[method].append(np.where(many.converged.to_numpy(), p, np.nan))
    found = {method: np.concatenate(part) for method, part in parts.items()}
    good = np.isfinite(np.array([*found.values()])).all(axis=0)
    found = {method: p[good] for method, p in found.items()}
    return found | {"auto": found["satterthwaite"]}, float(np.concatenate(flat)[good].mean())


def agreement() -> list[dict[str, Any]]:
    """Two cells once with pooled replicates, once with as many of each data set's own.

    The latter's data are fitted as the package fits a model, with further searches.
    """
    out = []
    for kind in ("between_slopes", "slope"):
        cell = null_cell(BY_KIND[kind], 10, True, 0.1)
        pooled = statistics(cell, range(cell.datasets), OWN)
        own = statistics(cell, range(_VERIFIED), REPLICATES, further=True)
        pooled_p, _ = p_values(cell, pooled, neighbours(pooled.place, REPLICATES // OWN))
        own_p, _ = p_values(cell, own, np.arange(_VERIFIED)[:, None])
        # Data set i is the same in both.
        place = [np.cumsum(np.isfinite(drawn.statistic)) - 1 for drawn in (pooled, own)]
        both = np.isfinite(pooled.statistic[:_VERIFIED]) & np.isfinite(own.statistic)
        rows = [at[:_VERIFIED][both] for at in place]
        record: dict[str, Any] = {"cell": cell.name, "datasets": int(both.sum())}
        for method in ("bootstrap", "auto"):
            p, q = pooled_p[method][rows[0]], own_p[method][rows[1]]
            record[method] = {
                "pooled": [round(float((p < alpha).mean()), 5) for alpha in ALPHAS],
                "own": [round(float((q < alpha).mean()), 5) for alpha in ALPHAS],
                "differ": [round(float(((p < a) != (q < a)).mean()), 5) for a in ALPHAS],
            }
        out.append(record)
    return out
