"""Bootstrap replicates of many pairs in parts, each a job of its own.

A replicate has its own stream of random numbers and no company changes its digits, and where a
sequence stops depends on the order of the replicates alone: the same comparisons come out of any
number of parts, and without any.
"""

import json
from collections.abc import Iterable, Mapping

import numpy as np

from mmfit.common.json_records import to_json
from mmfit.errors import ComparisonError, DataError
from mmfit.inference.null_distributions.bootstrap import bootstrap_until, enough_exceedances
from mmfit.selection.pair_tests.compare import Pair, Plan, assessments, by_name, converged_fits
from mmfit.selection.pair_tests.fitted_pair import fitted_pair
from mmfit.selection.pair_tests.null_choice import bootstrap_replicates
from mmfit.selection.records import Candidate, NullSettings
from mmfit.selection.relations.relations import Relations

Statistics = Mapping[Pair, np.ndarray]


def bootstrap_chunk(
    candidates: Iterable[Candidate],
    pairs: str | Iterable[Pair],
    settings: NullSettings,
    chunk: int,
    chunks: int,
    per_pair: Mapping[Pair, NullSettings] | None = None,
    relations: Relations[str] | None = None,
) -> dict[Pair, np.ndarray]:
    """The statistics of one part of the replicates of every pair that a bootstrap decides.

    Part ``chunk`` (from 0) of ``chunks`` has the replicates from chunk R // chunks on, R being the
    number of the pair. It ends early where its own replicates suffice to stop the whole sequence.

    Raises
    ------
    ComparisonError : there is no such part; see also ``compare_all``.
    ComputationError : see ``compare_all``.
    """
    if not 0 <= chunk < chunks:
        raise ComparisonError(f"there is no chunk {chunk} of {chunks}; they count from 0")
    plan, named = Plan(settings, per_pair or {}), by_name(candidates)
    out: dict[Pair, np.ndarray] = {}
    for pair in assessments(named, pairs, relations):
        if pair.outcome != "valid":
            continue
        fits = converged_fits(pair, named)
        if isinstance(fits, str):
            continue
        fitted = fitted_pair(pair, *fits)
        names = pair.null.name, pair.alternative.name
        own = plan.settings_of(*names)
        total = bootstrap_replicates(fitted, own)
        if total:
            first, last = (total * part // chunks for part in (chunk, chunk + 1))
            enough = enough_exceedances(total) if own.stop else None
            out[names] = bootstrap_until(
                fitted.bootstrap, fitted.chisq, first, last, own.seed, enough
            )
    return out


def join_chunks(parts: Iterable[Statistics]) -> dict[Pair, np.ndarray]:
    """The parts of ``bootstrap_chunk``, all of them and in order, as ``compare_all`` takes them."""
    joined: dict[Pair, list[np.ndarray]] = {}
    for part in parts:
        for pair, statistics in part.items():
            joined.setdefault(pair, []).append(statistics)
    return {pair: np.concatenate(arrays) for pair, arrays in joined.items()}


def chunk_to_json(statistics: Statistics) -> str:
    """One object per pair, full double precision; null where a fit did not converge."""
    rows = [
        {"null": null, "alternative": alternative, "statistics": values}
        for (null, alternative), values in statistics.items()
    ]
    return to_json(rows, indent=1)


def chunk_from_json(text: str) -> dict[Pair, np.ndarray]:
    """The inverse of ``chunk_to_json``.

    Raises
    ------
    DataError : the text is not a part of a bootstrap written by this version.
    """
    try:
        return {
            (row["null"], row["alternative"]): np.array(
                [np.nan if value is None else value for value in row["statistics"]], dtype=float
            )
            for row in json.loads(text)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"not bootstrap statistics written by this version of mmfit: {error}"
        ) from None
