"""Bootstrap replicates of many pairs in parts, each a job of its own.

A replicate has its own stream of random numbers and no company changes its digits, and where a
sequence stops depends on the order of the replicates alone: the same comparisons come out of any
number of parts, and without any.
"""

import json
from collections.abc import Iterable, Mapping

import numpy as np

from mmfit.common.json_records import to_json
from mmfit.errors import ComparisonError, ComputationError, DataError
from mmfit.inference.null_distributions.bootstrap import (
    Replicates,
    bootstrap_until,
    joined,
)
from mmfit.selection.pair_tests.compare import (
    Pair,
    Plan,
    assessments,
    by_name,
    converged_fits,
    null_source,
)
from mmfit.selection.pair_tests.fitted_pair import fitted_pair
from mmfit.selection.pair_tests.null_choice import replicates_needed, stopping_rule
from mmfit.selection.records import Candidate, NullSettings
from mmfit.selection.relations.relations import Relations

Drawn = Mapping[Pair, Replicates]


def bootstrap_chunk(
    candidates: Iterable[Candidate],
    pairs: str | Iterable[Pair],
    settings: NullSettings,
    chunk: int,
    chunks: int,
    per_pair: Mapping[Pair, NullSettings] | None = None,
    relations: Relations[str] | None = None,
) -> dict[Pair, Replicates]:
    """One part of the replicates of every pair that they decide.

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
    out: dict[Pair, Replicates] = {}
    for pair in assessments(named, pairs, relations):
        if pair.outcome != "valid":
            continue
        fits = converged_fits(pair, named)
        if isinstance(fits, str):
            continue
        fitted = fitted_pair(pair, *fits, null_source(pair, named))
        names = pair.null.name, pair.alternative.name
        own = plan.settings_of(*names)
        total = replicates_needed(fitted, own)
        if total:
            first, last = (total * part // chunks for part in (chunk, chunk + 1))
            stopping = stopping_rule(fitted, own, total)
            out[names] = bootstrap_until(fitted.bootstrap, first, last, own.seed, stopping)
    return out


def join_chunks(parts: Iterable[Drawn]) -> dict[Pair, Replicates]:
    """The parts of ``bootstrap_chunk``, all of them and in order, as ``compare_all`` takes them."""
    found: dict[Pair, list[Replicates]] = {}
    for part in parts:
        for pair, replicates in part.items():
            found.setdefault(pair, []).append(replicates)
    return {pair: joined(of_pair) for pair, of_pair in found.items()}


def chunk_to_json(drawn: Drawn) -> str:
    """One object per pair, full double precision; null where a fit did not converge."""
    rows = [
        {"null": null, "alternative": alternative, "statistics": part.statistics}
        | {"alike": part.alike.tolist()}
        for (null, alternative), part in drawn.items()
    ]
    return to_json(rows, indent=1)


def chunk_from_json(text: str) -> dict[Pair, Replicates]:
    """The inverse of ``chunk_to_json``.

    Raises
    ------
    DataError : the text is not a part of a bootstrap written by this version.
    """
    try:
        return {
            (row["null"], row["alternative"]): Replicates(
                np.array([np.nan if v is None else v for v in row["statistics"]], dtype=float),
                np.array(row["alike"], dtype=bool),
            )
            for row in json.loads(text)
        }
    except (KeyError, TypeError, ValueError, ComputationError) as error:
        raise DataError(
            f"not bootstrap statistics written by this version of mmfit: {error}"
        ) from None
