"""How often each test rejects a true null hypothesis: the table and figure of docs/size.md.

usage: python -m benchmarks.size [--datasets N] [--only NAME] [--page]
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.size_page import FIGURE, PAGE, write_page
from benchmarks.size_studies import BLOCK, Study, draw, redraw, studies
from mmfit.engine.criterion import ML, REML
from mmfit.engine.many import fit_many
from mmfit.engine.many_fits import ManyFits
from mmfit.inference.null_distributions.exact_tests import ExactNull
from mmfit.inference.null_distributions.mixtures import ChiBarSquare, half_space, plain
from mmfit.inference.null_distributions.spectra import spectrum

NUMBERS = Path(__file__).parent / "size.json"
ALPHAS = (0.01, 0.05, 0.10)
DF_METHODS = ("normal", "residual", "satterthwaite", "kenward-roger")


def measure(study: Study, datasets: int) -> dict[str, Any]:
    """Rejection rates of every method of a study, with what else is worth knowing."""
    begin = time.thread_time()
    p_values, unusable = (_t_tests if study.tested else _ratio_tests)(study, datasets)
    used = datasets - unusable
    return {
        "title": study.title,
        "datasets": datasets,
        "unusable": unusable,
        "seconds": round(time.thread_time() - begin, 1),
        "rejected": {
            method: {str(alpha): float((p < alpha).sum() / used) for alpha in ALPHAS}
            for method, p in p_values.items()
        },
    }


def _ratio_tests(study: Study, datasets: int) -> tuple[dict[str, np.ndarray], int]:
    """p-values of the likelihood-ratio test by null distribution, and failed refits."""
    statistic, again, singular = (np.concatenate(part) for part in _statistics(study, datasets))
    good = np.isfinite(statistic) & np.isfinite(again)
    statistic, again, singular = statistic[good], again[good], singular[good]
    df = _added_parameters(study)
    laws = {"chi2": plain(df)}
    if study.reml:
        laws["chibar2"] = half_space(df)
    p_values = {name: _tail(law, statistic) for name, law in laws.items()}
    if "|" not in study.null:
        p_values["exact"] = _exact(study, statistic)
    p_values["bootstrap"] = _pooled(statistic, again)
    p_values["auto"] = _auto(p_values, singular)
    return p_values, int((~good).sum())


def _auto(p_values: Mapping[str, np.ndarray], singular: np.ndarray) -> np.ndarray:
    """What ``auto`` takes: exact, else mixture, else chi-square; bootstrap at singular nulls."""
    best = next(p_values[name] for name in ("exact", "chibar2", "chi2") if name in p_values)
    return np.where(singular, p_values["bootstrap"], best)


def _statistics(study: Study, datasets: int) -> Iterator[list[np.ndarray]]:
    """Three lists of blocks: the statistic, that of a data set drawn from the null fit, singular.

    One bootstrap sample per data set, pooled over all of them, gives the size of the bootstrap
    test (Giacomini, Politis & White 2013, Econometric Theory 29: 567-589).
    """
    null, alternative = study.matrices(study.null), study.matrices(study.alternative)
    blocks = []
    for start in range(0, datasets, BLOCK):
        replicates = range(start, min(start + BLOCK, datasets))
        Y = draw(study, null, replicates)
        fits = fit_many(null, Y, criterion=REML if study.reml else ML)
        first = _ratio(fits, fit_many(alternative, Y, criterion=REML if study.reml else ML))
        drawn = redraw(study, null, fits, replicates)
        second = _ratio(
            fit_many(null, drawn, criterion=REML if study.reml else ML),
            fit_many(alternative, drawn, criterion=REML if study.reml else ML),
        )
        blocks.append((first, second, fits.singular.any(axis=1)))
    return zip(*blocks, strict=True)


def _ratio(null: ManyFits, alternative: ManyFits) -> np.ndarray:
    """The statistic; NaN where a fit did not converge."""
    statistic = np.maximum(null.objective - alternative.objective, 0.0)
    return np.where(null.converged & alternative.converged, statistic, np.nan)


def _added_parameters(study: Study) -> int:
    def count(formula: str) -> int:
        matrices = study.matrices(formula)
        sizes = [term.model.shape[1] for term in matrices.random]
        return matrices.X.shape[1] + sum(q * (q + 1) // 2 for q in sizes)

    return count(study.alternative) - count(study.null)


def _tail(law: ChiBarSquare, statistic: np.ndarray) -> np.ndarray:
    return np.array([law.survival(value) for value in statistic])


def _pooled(statistic: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Share of the pooled bootstrap statistics that are at least as large."""
    ordered = np.sort(again)
    above = len(ordered) - np.searchsorted(ordered, statistic - 1e-9, side="left")
    return (1 + above) / (1 + len(ordered))


def _exact(study: Study, statistic: np.ndarray) -> np.ndarray:
    """p-values by the exact null distribution, between points where it is evaluated."""
    matrices = study.matrices(study.alternative)
    term = matrices.random[0]
    law = ExactNull(
        spectrum(matrices.X, term.codes, len(term.levels), term.model[:, 0]),
        0,
        REML if study.reml else ML,
    )
    grid = np.concatenate([[0.0], np.geomspace(1e-4, max(statistic.max(), 1.0), 120)])
    tails = np.array([law.survival(x).probability for x in grid])
    # From 0 to the first point the tail falls by the mass at 0.
    return np.where(statistic > grid[1], np.interp(statistic, grid[1:], tails[1:]), 1.0)


def _t_tests(study: Study, datasets: int) -> tuple[dict[str, np.ndarray], int]:
    """p-values of the coefficient that is zero, by method for the degrees of freedom."""
    import mmfit

    matrices = study.matrices(study.null)
    parts: dict[str, list[np.ndarray]] = {method: [] for method in DF_METHODS}
    for start in range(0, datasets, BLOCK):
        replicates = range(start, min(start + BLOCK, datasets))
        Y = draw(study, matrices, replicates)
        many = mmfit.lmer_many(study.null, study.frame, Y.T)
        for method in DF_METHODS:
            table = many.tidy(df=method)
            p = table.loc[table["term"] == study.tested, "p_value"].to_numpy()
            parts[method].append(np.where(many.converged.to_numpy(), p, np.nan))
    p_values = {method: np.concatenate(part) for method, part in parts.items()}
    good = np.isfinite(np.array([*p_values.values()])).all(axis=0)
    return {method: p[good] for method, p in p_values.items()}, int((~good).sum())


def main() -> None:
    """Measure what was asked for, keep the numbers, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=10_000, help="data sets per study")
    parser.add_argument("--only", default="", help="studies whose name contains this text")
    parser.add_argument("--page", action="store_true", help="only make page and figure anew")
    arguments = parser.parse_args()
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {"studies": {}}
    with threadpool_limits(1):
        for study in studies():
            if arguments.page or arguments.only not in study.name:
                continue
            record = measure(study, arguments.datasets)
            numbers["machine"] = machine()
            numbers["studies"][study.name] = record
            NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
            print(study.name, record["seconds"], record["rejected"], flush=True)
    order = [study.name for study in studies() if study.name in numbers["studies"]]
    write_page({name: numbers["studies"][name] for name in order})
    print(f"{PAGE}, {FIGURE}")


if __name__ == "__main__":
    main()
