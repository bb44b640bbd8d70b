"""Values beside the data: by label where they have labels, as a column of a DataFrame would go."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.common.alignment import aligned
from mmfit.errors import DataError


def _labels(rng, n):
    """Indexes of every kind."""
    kinds = (
        pd.RangeIndex(n),
        pd.Index(rng.permutation(3 * n)[:n]),
        pd.Index([f"r{k}" for k in rng.permutation(n)]),
        pd.date_range("2020-01-01", periods=n),
        pd.MultiIndex.from_arrays([np.arange(n) % 3, np.arange(n)]),
        pd.Index(rng.permutation(n) / 2),
        pd.CategoricalIndex([f"c{k}" for k in range(n)]),
    )
    return kinds[rng.integers(len(kinds))]


def test_labels_mean_what_they_mean_in_pandas():
    """``data.assign(new=values)`` is the rule wherever it leaves no row without a value."""
    rng = np.random.default_rng(5)
    outcomes = set()
    for _ in range(300):
        n = int(rng.integers(2, 9))
        data = pd.DataFrame({"x": np.arange(n)}, index=_labels(rng, n))
        order = rng.permutation(n) if rng.random() < 0.6 else np.arange(n)
        index = data.index[order] if rng.random() < 0.8 else _labels(rng, n)
        if rng.random() < 0.2:
            index = index[np.append(np.arange(1, n), 1)]
        values = pd.Series(rng.normal(size=n), index=index)
        try:
            found = aligned(values, data, "weights")
        except DataError:
            outcomes.add("refused")
            twice = not index.is_unique and not index.equals(data.index)
            assert twice or data.assign(new=values)["new"].isna().any()
            continue
        outcomes.add("taken")
        expected = data.assign(new=values)["new"].to_numpy()
        np.testing.assert_array_equal(found, expected)
        wide = aligned(pd.DataFrame({"a": values, "b": -values}), data, "responses")
        np.testing.assert_array_equal(wide, np.column_stack([expected, -expected]))
    assert outcomes == {"refused", "taken"}


def test_what_has_no_labels_goes_by_position():
    data = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=[7, 8, 9])
    for values in ([3, 2, 1], np.array([3, 2, 1]), (3, 2, 1)):
        assert aligned(values, data, "weights").tolist() == [3, 2, 1]
    reversed_rows = pd.Series([3, 2, 1], index=[9, 8, 7])
    assert aligned(reversed_rows, {"x": np.ones(3)}, "weights").tolist() == [3, 2, 1]
    assert aligned(reversed_rows, {"x": data["x"]}, "weights").tolist() == [1, 2, 3]


def test_equal_labels_that_stand_twice_go_as_they_stand():
    data = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=[1, 1, 2])
    values = pd.Series([4.0, 5.0, 6.0], index=[1, 1, 2])
    assert aligned(values, data, "offset").tolist() == [4, 5, 6]
    with pytest.raises(
        DataError, match=r"offset: .* 1 stands more than once in the index of these"
    ):
        aligned(values.iloc[::-1], data, "offset")


def test_other_labels_are_refused_by_name():
    data = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=["a", "b", "c"])
    with pytest.raises(DataError, match="3 of the 3 rows of the data have none here, such as 'a'"):
        aligned(pd.Series([1, 2, 3]), data, "weights")
    with pytest.raises(DataError, match="weights: 2 values each, but the data have 3 rows"):
        aligned(data["x"].iloc[:2], data, "weights")
    columns = {"x": data["x"], "z": data["x"].iloc[::-1]}
    with pytest.raises(DataError, match="'x' and 'z' of the data have different indexes"):
        aligned(data["x"], columns, "weights")


@pytest.mark.parametrize("kind", ["frame", "mapping", "nullable"])
def test_responses_in_another_order_are_matched_by_label(kind):
    rng = np.random.default_rng(0)
    n = 60
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 8, n)}, index=range(5, 65))
    Y = rng.normal(size=(n, 3)) + rng.normal(size=(8, 3))[data["g"]]
    responses = pd.DataFrame(Y, index=data.index, columns=["a", "b", "c"])
    responses.iloc[4, 1] = np.nan
    expected = mmfit.lmer_many("~ x + (1 | g)", data, responses.to_numpy()).objective.tolist()
    shuffled = responses.iloc[rng.permutation(n)]
    if kind == "mapping":
        shuffled = {name: shuffled[name].iloc[rng.permutation(n)] for name in shuffled}
    if kind == "nullable":
        shuffled = shuffled.astype("Float64")
    assert mmfit.lmer_many("~ x + (1 | g)", data, shuffled).objective.tolist() == expected
    with pytest.raises(DataError, match="the labels of the index"):
        mmfit.lmer_many("~ x + (1 | g)", data, responses.reset_index(drop=True))
    with pytest.raises(DataError, match=r"the response 'a': .* labels of the index"):
        mmfit.lmer_many("~ x + (1 | g)", data, {"a": responses["a"].reset_index(drop=True)})
