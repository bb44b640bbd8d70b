"""Expansion of terms: algebraic identities, and formulaic where the two agree."""

from functools import reduce
from itertools import combinations

import formulaic
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfit.formula import build_matrices, parse

VARIABLES = ["a", "b", "c", "d"]
LEAF = st.sampled_from(VARIABLES)
SUBSETS = st.lists(LEAF, min_size=1, max_size=3, unique=True)


def fixed(text):
    return parse(f"y ~ {text} + (1 | g)").fixed


def term_sets(text):
    """The terms as sets of variables, whatever their order."""
    return {frozenset(label.split(":")) for label in fixed(text).labels}


def combine(operator):
    return lambda parts: f"({parts[0]} {operator} {parts[1]})"


TREES = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        *(st.tuples(inner, inner).map(combine(operator)) for operator in "+:*/-"),
        inner.map(lambda text: f"({text})^2"),
    ),
    max_leaves=6,
)


@given(TREES, TREES)
def test_star_is_both_and_their_interaction(left, right):
    assert term_sets(f"{left} * {right}") == term_sets(f"{left} + {right} + {left}:{right}")


@given(TREES, SUBSETS)
def test_slash_nests_in_the_whole_of_the_left(left, inside):
    wanted = term_sets(left)
    union = reduce(frozenset.union, wanted, frozenset())
    if not wanted:
        return
    nested = {union | {name} for name in inside}
    assert term_sets(f"{left} / ({' + '.join(inside)})") == wanted | nested


@given(SUBSETS, st.integers(1, 4))
def test_power_gives_all_interactions_up_to_a_degree(names, degree):
    wanted = {
        frozenset(chosen)
        for size in range(1, degree + 1)
        for chosen in combinations(names, min(size, len(names)))
    }
    assert term_sets(f"({' + '.join(names)})^{degree}") == wanted


@given(TREES)
def test_orders_ascend_and_labels_are_unique(text):
    terms = fixed(text)
    degrees = [len(members) for members in terms.members]
    assert degrees == sorted(degrees)
    assert len(set(terms.labels)) == len(terms.labels)
    for members, label in zip(terms.members, terms.labels, strict=True):
        assert label == ":".join(terms.variables[k].label for k in members)


@given(TREES, st.sampled_from(["0 + {}", "{} - 1", "-1 + {}", "{} + 0"]))
def test_the_intercept_leaves_with_zero_and_minus_one(text, pattern):
    assert fixed(text).intercept
    without = fixed(pattern.format(text))
    assert not without.intercept
    assert without.labels == fixed(text).labels


@pytest.mark.parametrize("spelling", ["I(Days^2)", "I(Days**2)", "I( Days ** 2 )"])
def test_powers_have_one_name(spelling):
    assert fixed(spelling).labels == ("I(Days^2)",)


def test_long_sums_are_read():
    names = [f"x{k}" for k in range(2000)]
    assert fixed(" + ".join(names)).labels == tuple(names)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(11)
    rows = 80
    return pd.DataFrame(
        {
            "y": rng.normal(size=rows),
            "x": rng.normal(size=rows),
            "z": rng.uniform(1, 3, size=rows),
            "a": rng.choice(["p", "q", "r"], rows),
            "b": rng.choice(["s", "t"], rows),
            "g": np.tile(np.arange(8), 10),
        }
    )


@pytest.mark.parametrize(
    "text",
    [
        *("x", "a", "x + a", "a * b", "x * a", "a:b", "a + a:b", "0 + a", "0 + a + b", "0 + a:b"),
        *("x + x:z + a:x", "(a + b + x)^2", "a / b", "poly(x, 3)", "log(z) + x", "scale(x)"),
        "x + bs(z, df=5)",
    ],
)
def test_formulaic_spans_the_same_space(text, frame):
    ours = build_matrices(f"y ~ {text} + (1 | g)", frame).X
    theirs = np.asarray(formulaic.model_matrix(text, frame), dtype=float)
    together = np.column_stack([ours, theirs])
    assert ours.shape[1] == np.linalg.matrix_rank(theirs) == np.linalg.matrix_rank(together)


@pytest.mark.parametrize("text", ["x", "x + a", "0 + x + b", "x:z", "scale(z) + x", "a + b"])
def test_formulaic_gives_the_same_columns(text, frame):
    ours = build_matrices(f"y ~ {text} + (1 | g)", frame).X
    theirs = np.asarray(formulaic.model_matrix(text, frame), dtype=float)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
