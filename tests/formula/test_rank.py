"""Which columns are dropped: R's decision, and its invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.formula.rank import independent_columns

SEEDS = st.integers(0, 10**6)


def test_tolerance_is_that_of_lme4():
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(2, 50))
    noise -= x * (x @ noise) / (x @ x)
    noise *= np.linalg.norm(x) / np.linalg.norm(noise)
    for share, kept in ((2e-7, [0, 1]), (0.5e-7, [0])):
        assert independent_columns(np.column_stack([x, x + share * noise])).tolist() == kept


@pytest.mark.parametrize("scale", [1e-200, 1e-8, 1.0, 1e8, 1e200])
def test_scale_of_a_column_does_not_matter(scale):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 30))
    matrix = np.column_stack([np.ones(30), a * scale, b, a + b])
    assert independent_columns(matrix).tolist() == [0, 1, 2]


def test_zero_columns_and_more_columns_than_rows():
    assert independent_columns(np.zeros((5, 2))).tolist() == []
    assert independent_columns(np.empty((5, 0))).tolist() == []
    assert independent_columns(np.random.default_rng(3).normal(size=(3, 6))).tolist() == [0, 1, 2]


@given(SEEDS, st.integers(1, 8), st.integers(0, 5))
def test_copies_are_dropped_and_originals_kept(seed, originals, copies):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(40, originals))
    combined = matrix @ rng.integers(-3, 4, size=(originals, copies))
    both = np.column_stack([matrix, combined])
    assert independent_columns(both).tolist() == list(range(originals))


@given(SEEDS, st.integers(1, 6))
def test_kept_columns_span_what_all_columns_span(seed, count):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, 2, size=(12, count)).astype(float)
    matrix = matrix @ rng.integers(-1, 2, size=(count, count + 2))
    kept = independent_columns(matrix)
    assert len(kept) == np.linalg.matrix_rank(matrix)
    assert np.linalg.matrix_rank(matrix[:, kept]) == len(kept)


@pytest.mark.parametrize("rows", [40, 5000])
@pytest.mark.parametrize("columns", [1, 2, 3, 6])
@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e160])
def test_rank_of_few_and_many_rows(rows, columns, scale):
    matrix = np.random.default_rng(11).normal(size=(rows, columns)) * scale
    assert independent_columns(matrix).tolist() == list(range(columns))
    twice = np.column_stack([matrix, matrix[:, 0] * 3, matrix[:, -1] * 0])
    assert independent_columns(twice).tolist() == list(range(columns))
