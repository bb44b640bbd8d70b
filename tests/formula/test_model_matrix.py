"""Model matrices worked out once per combination of levels, against those of single rows."""

import numpy as np
import pandas as pd
import pytest

from mmfit.errors import DesignError
from mmfit.formula import build_matrices, full_dummy_matrix
from mmfit.formula.rank import independent_columns

FACTORS = [
    "f * h",
    "f:h + h",
    "0 + f:h",
    "C(f, sum) * ordered(h) * b",
    "f + f:h:b",
    "f * h - f",
]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    n = 3000
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "f": rng.choice(["a", "b", "c"], n),
            "h": pd.Categorical(rng.choice(["u", "v", "w", "z"], n), ["z", "w", "v", "u"]),
            "b": rng.random(n) < 0.4,
            "g": rng.integers(0, 30, n),
        }
    )


def fixed(text, frame):
    return build_matrices(f"y ~ {text} + (1 | g)", frame)


@pytest.mark.parametrize("text", FACTORS)
def test_many_rows_are_those_of_few(frame, text):
    whole = fixed(text, frame)
    few = fixed(text, frame.iloc[:1000])
    assert whole.fixed_names == few.fixed_names
    assert whole.fixed_terms == few.fixed_terms
    assert np.array_equal(whole.X[:1000], few.X)


@pytest.mark.parametrize("text", FACTORS)
def test_distinct_rows_have_the_cross_products(frame, text):
    design = fixed(text, frame).design
    full = full_dummy_matrix(design)
    assert len(full.distinct) <= 24
    assert np.allclose(full.distinct.T @ full.distinct, full.matrix.T @ full.matrix, rtol=1e-13)
    assert independent_columns(full.distinct).tolist() == independent_columns(full.matrix).tolist()


def test_empty_cells_drop_their_columns(frame):
    kept = frame[~((frame["f"] == "b") & (frame["h"] == "v"))]
    matrices = fixed("f * h", kept)
    assert matrices.dropped == ("fb:hv",)
    assert np.linalg.matrix_rank(matrices.X) == 11 == matrices.X.shape[1]
    assert matrices.dropped == fixed("f * h", kept.iloc[:1000]).dropped


def test_products_of_numbers_and_factors_keep_their_order(frame):
    X = fixed("x:f + I(x^2):b:f", frame).X
    x, f, b = frame["x"].to_numpy(), frame["f"].to_numpy(), frame["b"].to_numpy()
    wanted = [np.ones(len(x)), *(x * (f == level) for level in "abc")]
    wanted += [x**2 * (b == flag) * (f == level) for flag in (False, True) for level in "abc"]
    assert np.array_equal(X, np.column_stack(wanted))


@pytest.mark.parametrize("text", ["x * f", "poly(x, 2) + h", "f * h", "1"])
def test_columns_are_contiguous(frame, text):
    matrices = build_matrices(f"y ~ {text} + (x | g)", frame)
    assert matrices.X.T.flags.c_contiguous
    assert matrices.random[0].model.T.flags.c_contiguous


def test_a_response_that_differs_in_the_middle_alone(frame):
    y = np.zeros(len(frame))
    with pytest.raises(DesignError, match="0 in every row"):
        fixed("x", frame.assign(y=y))
    y[17] = 1.0
    assert fixed("x", frame.assign(y=y)).y.sum() == 1.0


def test_matrices_do_not_share_memory_with_the_columns(frame):
    names = ["y", "x", "g"]
    columns = {name: frame[name].to_numpy().copy() for name in names}
    matrices = build_matrices("y ~ x + (x | g)", columns)
    term = matrices.random[0]
    for array in (matrices.y, matrices.X, term.model, term.codes):
        assert not any(np.shares_memory(array, column) for column in columns.values())
