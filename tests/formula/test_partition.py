import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmfit.formula.partition import (
    Grouping,
    chains,
    crossed_pairs,
    groupings,
    incidence,
    is_nested,
)
from tests.report.builders import nested_candidates, penicillin_candidates, sleep_candidates


def grouping(name: str, codes) -> Grouping:
    codes = np.unique(codes, return_inverse=True)[1]
    return Grouping(name, (), tuple(str(i) for i in range(codes.max() + 1)), codes)


def test_each_partition_once_coarsest_first():
    found = groupings(nested_candidates())
    assert [(g.name, len(g.levels)) for g in found] == [("region", 4), ("clinic:region", 12)]


def test_the_same_partition_under_two_names_is_one():
    region, clinics = nested_candidates()
    term = clinics.matrices.random[0]
    relabelled = (term.codes + 5) % len(term.levels)
    other = type(term)(
        "clinic", "clinic", ("clinic",), term.effects, term.model, relabelled, term.levels
    )
    matrices = region.matrices
    parts = {name: getattr(matrices, name) for name in matrices.__dataclass_fields__}
    again = type(region)("again", type(matrices)(**{**parts, "random": (other,)}), region.fits)
    found = groupings([clinics, again])
    assert [g.aliases for g in found if g.name == "clinic:region"] == [("clinic",)]


def test_nested_and_crossed():
    region, clinic = groupings(nested_candidates())
    assert is_nested(clinic, region)
    assert not is_nested(region, clinic)
    assert crossed_pairs([region, clinic]) == ()
    assert [[g.name for g in line] for line in chains([region, clinic])] == [
        ["region", "clinic:region"]
    ]
    sample, plate = groupings(penicillin_candidates())
    assert crossed_pairs([sample, plate]) == ((sample, plate),)
    assert len(chains([sample, plate])) == 2
    assert len(groupings(sleep_candidates())) == 1


def test_a_factor_nested_in_two_goes_into_the_finer_one():
    a, b = np.repeat(np.arange(2), 12), np.tile(np.repeat(np.arange(3), 4), 2)
    cell = grouping("a:b", a * 3 + b)
    lines = chains([grouping("a", a), grouping("b", b), cell])
    assert [[g.name for g in line] for line in lines] == [["a"], ["b", "a:b"]]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_incidence_counts_every_row(pairs):
    first, second = np.array(pairs).T
    rows, columns = grouping("a", first), grouping("b", second)
    i, j, counts = incidence(rows, columns)
    assert counts.sum() == len(pairs)
    assert len(set(zip(i.tolist(), j.tolist(), strict=True))) == len(set(pairs)) == len(counts)
    brute = all(len({b for a, b in pairs if a == level}) == 1 for level in first)
    assert is_nested(rows, columns) == brute
