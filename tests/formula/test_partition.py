import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.formula.grouping_factors import (
    GroupingFactor,
    chains,
    crossed_pairs,
    grouping_factors,
)
from mmfit.formula.partition import Partition
from tests.report.builders import nested_candidates, penicillin_candidates, sleep_candidates


def grouping(name: str, codes) -> GroupingFactor:
    codes = np.unique(codes, return_inverse=True)[1]
    return GroupingFactor(name, (), tuple(str(i) for i in range(codes.max() + 1)), codes)


def factors_of(candidates):
    return grouping_factors(term for c in candidates for term in c.matrices.random)


def test_each_partition_once_coarsest_first():
    found = factors_of(nested_candidates())
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
    found = factors_of([clinics, again])
    assert [g.aliases for g in found if g.name == "clinic:region"] == [("clinic",)]


def test_nested_and_crossed():
    region, clinic = factors_of(nested_candidates())
    assert clinic.partition.is_inside(region.partition)
    assert not region.partition.is_inside(clinic.partition)
    assert crossed_pairs([region, clinic]) == ()
    assert [[g.name for g in line] for line in chains([region, clinic])] == [
        ["region", "clinic:region"]
    ]
    sample, plate = factors_of(penicillin_candidates())
    assert crossed_pairs([sample, plate]) == ((sample, plate),)
    assert len(chains([sample, plate])) == 2
    assert len(factors_of(sleep_candidates())) == 1


def test_a_factor_nested_in_two_goes_into_the_finer_one():
    a, b = np.repeat(np.arange(2), 12), np.tile(np.repeat(np.arange(3), 4), 2)
    cell = grouping("a:b", a * 3 + b)
    lines = chains([grouping("a", a), grouping("b", b), cell])
    assert [[g.name for g in line] for line in lines] == [["a"], ["b", "a:b"]]


PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


def drawn(pairs):
    """Two partitions of which every level has a row."""
    return [
        Partition(codes, int(codes.max()) + 1)
        for codes in (np.unique(column, return_inverse=True)[1] for column in np.array(pairs).T)
    ]


@given(PAIRS)
def test_what_meets_is_what_rows_have_in_common(pairs):
    rows, columns = drawn(pairs)
    met = rows.meet(columns)
    both = list(zip(rows.codes.tolist(), columns.codes.tolist(), strict=True))
    assert list(zip(met.first.tolist(), met.second.tolist(), strict=True)) == sorted(set(both))
    assert [(met.first[k], met.second[k]) for k in met.place] == both
    assert met.counts.tolist() == [both.count(pair) for pair in sorted(set(both))]


@given(PAIRS)
def test_relations_are_those_of_the_definition(pairs):
    rows, columns = drawn(pairs)
    around = [set(columns.codes[rows.codes == level].tolist()) for level in range(rows.levels)]
    inside = all(len(one) == 1 for one in around)
    assert rows.is_inside(columns) == inside
    parents = rows.parents(columns)
    assert (parents is None) == (not inside)
    if inside:
        assert parents.tolist() == [one.pop() for one in around]
    assert rows.same_as(columns) == (inside and columns.is_inside(rows))
    assert rows.crossed_with(columns) == (not inside and not columns.is_inside(rows))
    assert rows.crossed_with(columns) == columns.crossed_with(rows)


@given(PAIRS, st.randoms(use_true_random=False))
def test_renumbered_levels_are_the_same_partition(pairs, random):
    rows, _ = drawn(pairs)
    numbers = np.arange(rows.levels)
    random.shuffle(numbers)
    other = Partition(numbers[rows.codes], rows.levels)
    assert rows.same_as(other)
    one, two = rows.canonical(), other.canonical()
    assert one.codes.tolist() == two.codes.tolist()
    assert (one.levels, one.codes[0]) == (rows.levels, 0)


@given(PAIRS, st.integers(0, 4))
def test_rows_and_levels_that_remain(pairs, left_out):
    rows, columns = drawn(pairs)
    keep = columns.codes != left_out
    some = rows.of_rows(keep)
    assert some.levels == rows.levels
    found, which = some.occurring()
    assert found.sizes.tolist() == [size for size in some.sizes.tolist() if size]
    names = np.arange(rows.levels) if which is None else which
    assert names[found.codes].tolist() == rows.codes[keep].tolist()
    for level, own in enumerate(rows.rows()):
        assert own.tolist() == np.flatnonzero(rows.codes == level).tolist()


@pytest.mark.parametrize("share", [1.0, 0.9999])
def test_many_rows_are_tried_first_and_then_all(share):
    """A sample of the rows refutes nesting, never proves it."""
    rng = np.random.default_rng(4)
    fine = rng.integers(0, 5000, 60_000)
    coarse = fine // 100
    wrong = rng.random(len(fine)) > share
    coarse = np.where(wrong, (coarse + 1) % 50, coarse)
    inner, outer = Partition(fine, 5000), Partition(coarse, 50)
    assert inner.is_inside(outer) == (not wrong.any())


def test_few_rows_of_many_levels_meet_as_well():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 100_000, (2, 300))
    met = Partition(a, 100_000).meet(Partition(b, 100_000))
    both = list(zip(a.tolist(), b.tolist(), strict=True))
    assert list(zip(met.first.tolist(), met.second.tolist(), strict=True)) == sorted(set(both))
    assert [(met.first[k], met.second[k]) for k in met.place] == both
