"""Random designs at length, each held against an oracle that shares no code with the engine.

usage: python -m tests.fuzz [KIND ...] [--designs N] [--first SEED] [--jobs N]

Kinds: ``criterion`` (the criterion at random covariances, by singular values of n x n matrices),
``minimum`` (where a fit ends, beside the best of 30 starts of a search of its own), ``many`` (a
batch beside fits one by one). Seeds of failures are printed, each with the fewest rows that still
fail. Exit code 1 where there is one.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import Pool

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import mmfit
from mmfit.engine.criterion import ML, REML
from mmfit.engine.evaluation import EstimationProblem
from mmfit.engine.solvers import choose_solver
from mmfit.engine.system.whitened_system import build_system
from mmfit.errors import MmfitError
from tests.oracle.designs import Design, random_design
from tests.oracle.minimum import Criterion
from tests.oracle.trial import trial

# Sizes of the covariances, relative to sigma^2, and how much of the criterion may be lost at each.
RATIOS = {0.1: 1e-9, 1.0: 1e-9, 1e2: 1e-9, 1e4: 1e-8}
_DECIMALS = 1e-6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one design.

    Attributes
    ----------
    name : str, one word;  failed : bool;  detail : str.
    """

    name: str
    failed: bool = False
    detail: str = ""


def criterion(design: Design) -> Iterator[Outcome]:
    """The criterion at random covariances of four sizes, under both criteria."""
    m = design.matrices()
    system = build_system(m)
    solver = choose_solver(system)
    rng = np.random.default_rng(design.seed)
    for ratio, tolerance in RATIOS.items():
        white = np.sqrt(ratio) * rng.normal(size=len(system.layout))
        for reml in (True, False):
            found = float(
                EstimationProblem(system, solver, REML if reml else ML).at(white).objective[0]
            )
            oracle = Criterion(m, reml)
            expected = oracle.value(oracle.of_user(system.theta_jacobian() @ white))
            size = max(abs(expected), 100.0)
            bad = not abs(found - expected) <= tolerance * size
            detail = f"ratio {ratio:g} {'REML' if reml else 'ML'}: {found - expected:.2g}"
            yield Outcome("wrong" if bad else "right", bad, detail)


def minimum(design: Design) -> Iterator[Outcome]:
    """Where the fit ends, under both criteria."""
    m = design.matrices()
    for reml in (True, False):
        found = trial(design, m, reml)
        yield Outcome(found.outcome, found.outcome in ("above", "wrong", "error"), str(found))


def many(design: Design) -> Iterator[Outcome]:
    """Five responses in a batch and one by one, some with missing values."""
    m, rng = design.matrices(), np.random.default_rng(design.seed)
    spread = np.ptp(m.y)
    Y = design.data["y"].to_numpy()[:, None] + spread * rng.normal(size=(len(design.data), 5))
    Y[:, 0] = design.data["y"]
    Y[rng.random(len(Y)) < 0.1, 4] = np.nan
    for reml in (True, False):
        batch = mmfit.lmer_many(design.right, design.data, Y, reml=reml, **design.given)
        for b in range(5):
            data = design.data.assign(y=Y[:, b])
            try:
                alone = mmfit.lmer(design.formula, data, reml=reml, **design.given)
            except MmfitError as error:
                bad = batch.message.iloc[b] == ""
                yield Outcome("taken" if bad else "refused", bad, f"response {b}: {error}")
                continue
            difference = batch.objective.iloc[b] - alone.objective
            agree = batch.converged.iloc[b] == alone.converged
            if b == 4 and batch.message.iloc[b]:
                yield Outcome("refused")
                continue
            if not alone.converged:
                yield Outcome("unconverged", not agree, f"response {b}: {batch.message.iloc[b]}")
                continue
            bad = not (agree and abs(difference) <= _DECIMALS)
            detail = f"response {b} {'REML' if reml else 'ML'}: {difference:.2g}"
            yield Outcome("other" if bad else "same", bad, detail)


KINDS: dict[str, Callable[[Design], Iterator[Outcome]]] = {
    "criterion": criterion,
    "minimum": minimum,
    "many": many,
}


def run(kind: str, design: Design) -> list[Outcome]:
    """All outcomes of one design; ``refused`` where the package says why it cannot be fitted."""
    try:
        return list(KINDS[kind](design))
    except MmfitError:
        return [Outcome("refused")]


def _job(task: tuple[str, int]) -> tuple[str, int, list[Outcome]]:
    kind, seed = task
    return kind, seed, run(kind, random_design(seed))


def shrink(kind: str, seed: int) -> Design | None:
    """The design with the fewest rows that still fails, as hypothesis finds them."""
    whole = random_design(seed)
    order = np.random.default_rng(seed).permutation(len(whole.data))

    def subset(rows: int, dropped: list[int]) -> Design:
        kept = np.sort(np.delete(order[:rows], [d for d in dropped if d < rows]))
        return replace(whole, data=whole.data.iloc[kept].reset_index(drop=True))

    def fails(given: tuple[int, list[int]]) -> bool:
        return any(outcome.failed for outcome in run(kind, subset(*given)))

    rows = st.integers(4, len(order))
    dropped = st.lists(st.integers(0, len(order) - 1), unique=True, max_size=3)
    quiet = settings(
        max_examples=300,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        return subset(*find(st.tuples(rows, dropped), fails, settings=quiet))
    except NoSuchExample:
        return whole


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", help="all by default")
    parser.add_argument("--designs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.designs)
    counts, failures = Counter(), []
    tasks = [(kind, seed) for kind in arguments.kinds or KINDS for seed in seeds]
    with Pool(arguments.jobs) as pool:
        for kind, seed, outcomes in pool.imap(_job, tasks, chunksize=20):
            counts.update((kind, outcome.name) for outcome in outcomes)
            bad = [outcome for outcome in outcomes if outcome.failed]
            if bad:
                failures.append((kind, seed))
                print(f"{kind}: seed {seed}: {bad[0].name}: {bad[0].detail}", flush=True)
    for (kind, name), count in sorted(counts.items()):
        print(f"{kind}: {name}: {count}")
    for kind, seed in failures[:5]:
        smallest = shrink(kind, seed)
        print(f"\n{kind}: seed {seed}: {smallest.formula} {smallest.given}")
        print(smallest.data.to_csv(index=False))
    print(f"seeds {seeds.start} to {seeds.stop - 1}: {len(failures)} of {len(tasks)} failed")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
