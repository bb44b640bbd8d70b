"""How the grouping factors of a data set lie to each other: nested, crossed, balanced or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from mmfit.expression.labels import label_column
from mmfit.formula.partition import Partition

Columns = tuple[str, ...]
"""The data columns whose combinations are the levels of one grouping factor."""

Structure = tuple[Columns, ...]
"""The grouping factors of one model, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class FactorRecord:
    """One grouping factor.

    Attributes
    ----------
    name : str, as in lme4: the column, or columns joined by ``:`` (``clinic:region``).
    columns : tuple of str.
    levels : int, those that occur.
    rows_min, rows_max : int, rows per level;  balanced : bool, whether these agree.
    same_as, nested_in, crossed_with : tuples of str, names of other factors. Crossed counts
        partially crossed pairs as well; ``pairs`` says which.
    """

    name: str
    columns: Columns
    levels: int
    rows_min: int
    rows_max: int
    balanced: bool
    same_as: tuple[str, ...]
    nested_in: tuple[str, ...]
    crossed_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PairRecord:
    """Two grouping factors; where one is nested in the other, ``first`` is the inner one.

    Attributes
    ----------
    first, second : str.
    relation : ``"identical"`` (the same groups), ``"nested"``, ``"crossed"`` (every combination
        occurs) or ``"partially crossed"``.
    combinations : int, combinations of levels that occur.
    share : float, of all combinations that could occur.
    components : int, sets of levels connected by common rows; effects of the two factors can be
        told apart within such a set only.
    balanced : bool, whether every combination that occurs has equally many rows.
    """

    first: str
    second: str
    relation: str
    combinations: int
    share: float
    components: int
    balanced: bool


@dataclass(frozen=True, slots=True)
class DesignNote:
    """Something about the design that a reader must know.

    Attributes
    ----------
    kind : ``"reused labels"`` or ``"disconnected"``.
    severity : ``"warning"`` (probably a mistake) or ``"note"`` (worth a look).
    factors : tuple of str, the columns that it is about.
    message : str.
    """

    kind: str
    severity: str
    factors: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class DesignDiagnosis:
    """All grouping factors, all pairs of them, and what is worth saying about them."""

    factors: tuple[FactorRecord, ...]
    pairs: tuple[PairRecord, ...]
    notes: tuple[DesignNote, ...]


def factor_partition(frame: pd.DataFrame, columns: Sequence[str]) -> Partition:
    """The rows by the combinations of the columns that occur, in the columns' own orders."""
    codes = np.zeros(len(frame), dtype=np.int64)
    for column in columns:
        values = frame[label_column(frame, column)]
        if isinstance(values.dtype, pd.CategoricalDtype):
            own, size = values.cat.codes.to_numpy().astype(np.int64), len(values.cat.categories)
        else:
            own, distinct = pd.factorize(values.to_numpy(), sort=True)
            size = len(distinct)
        # Recoding after each column keeps the products within the range of int64.
        codes, _ = _dense(codes * size + own)
    return Partition(codes, int(codes.max()) + 1)


def _dense(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, distinct = pd.factorize(keys, sort=True)
    return codes.astype(np.int64), distinct


def pair_relation(first: tuple[str, Partition], second: tuple[str, Partition]) -> PairRecord:
    """The relation of two factors, each given by its name and its partition of the rows."""
    if first[1].levels < second[1].levels:
        first, second = second, first
    (inner, fine), (outer, coarse) = first, second
    n_a, n_b, met = fine.levels, coarse.levels, fine.meet(coarse)
    count, rows = len(met.first), met.counts
    if count == n_a:
        relation = "identical" if n_a == n_b else "nested"
    else:
        relation = "crossed" if count == n_a * n_b else "partially crossed"
    graph = coo_array((np.ones(count), (met.first, n_a + met.second)), shape=(n_a + n_b,) * 2)
    # Here, because it takes 0.1 s that the fits, which read data only, need not pay.
    from scipy.sparse.csgraph import connected_components

    components = int(connected_components(graph, directed=False, return_labels=False))
    balanced = bool(rows.min() == rows.max())
    return PairRecord(inner, outer, relation, count, count / (n_a * n_b), components, balanced)


def diagnose_factors(
    frame: pd.DataFrame, factors: Mapping[str, Columns]
) -> tuple[tuple[FactorRecord, ...], tuple[PairRecord, ...]]:
    """Describe each factor and each pair.

    A pair of which one is a combination that contains the other (``region``, ``region:clinic``)
    is nested by construction; it counts for ``nested_in`` but is no entry of the pairs.
    """
    coded = {name: (name, factor_partition(frame, columns)) for name, columns in factors.items()}
    related: dict[str, dict[str, list[str]]] = {
        name: {"identical": [], "nested": [], "crossed": []} for name in factors
    }
    pairs = []
    for a, b in combinations(factors, 2):
        pair = pair_relation(coded[a], coded[b])
        if not (set(factors[a]) <= set(factors[b]) or set(factors[b]) <= set(factors[a])):
            pairs.append(pair)
        kind = pair.relation.removeprefix("partially ")
        related[pair.first][kind].append(pair.second)
        if kind != "nested":
            related[pair.second][kind].append(pair.first)
    records = []
    for name, columns in factors.items():
        rows = coded[name][1].sizes
        low, high = int(rows.min()), int(rows.max())
        groups = (tuple(related[name][kind]) for kind in ("identical", "nested", "crossed"))
        records.append(FactorRecord(name, columns, len(rows), low, high, low == high, *groups))
    return tuple(records), tuple(pairs)


def disconnected_notes(pairs: Sequence[PairRecord]) -> tuple[DesignNote, ...]:
    """A note for each partially crossed pair that falls apart into unconnected parts."""
    return tuple(
        DesignNote(
            "disconnected",
            "note",
            (pair.first, pair.second),
            f"{pair.first} and {pair.second} are partially crossed and fall into "
            f"{pair.components} parts without a common combination; their effects can be told "
            "apart within each part only.",
        )
        for pair in pairs
        if pair.relation == "partially crossed" and pair.components > 1
    )
