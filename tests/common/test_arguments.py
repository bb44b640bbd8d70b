"""Arguments that cannot be used: one message of this package, whichever function they reach."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit import MmfitError
from mmfit.api.search import search


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "x": rng.normal(size=48)})
    frame["a"] = np.tile(["p", "q", "r"], 16)
    frame["y"] = frame.x + rng.normal(size=8)[frame.g] + rng.normal(size=48)
    return frame


@pytest.fixture(scope="module")
def model(data):
    return mmfit.lmer("y ~ x * a + (1 | g)", data)


LEVELS = {
    "tidy": lambda model, level: model.tidy(level=level),
    "contest": lambda model, level: model.contest({"x": 1}, level=level),
    "wald": lambda model, level: model.confint("wald", level=level),
    "intervals": lambda model, level: model.confint(level=level),
    "bootstrap": lambda model, level: model.confint("bootstrap", level=level, replicates=19),
    "profile": lambda model, level: model.profile(level=level),
    "means": lambda model, level: model.means("a", level=level),
    "contrasts": lambda model, level: model.contrasts("a", level=level),
    "slopes": lambda model, level: model.slopes("x", level=level),
    "predict": lambda model, level: model.predict(std_error=True, level=level),
}


@pytest.mark.parametrize("question", LEVELS)
@pytest.mark.parametrize("level", [0, 1, 1.5, -0.5, "a", None, [0.9], np.array([0.9]), 1j])
def test_a_level_is_one_number_between_0_and_1(model, question, level):
    with pytest.raises(MmfitError, match=r"level=.* is not a probability between 0 and 1"):
        LEVELS[question](model, level)


@pytest.mark.parametrize("value", [0, -1, 1.5, "a", None, True, float("nan")])
def test_counts_of_draws_are_whole_numbers_from_1(model, value):
    with pytest.raises(MmfitError, match=r"replicates=.* a whole number of at least 1"):
        model.confint("bootstrap", replicates=value)
    with pytest.raises(MmfitError, match=r"n=.* a whole number of at least 1"):
        model.simulate(value)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True, [1, 2]])
def test_seeds_are_whole_numbers_from_0(model, seed):
    with pytest.raises(MmfitError, match=r"seed=.* must be a whole number from 0"):
        model.confint("bootstrap", replicates=19, seed=seed)
    with pytest.raises(MmfitError, match=r"seed=.* must be a whole number from 0"):
        model.simulate(1, seed)


@pytest.mark.parametrize("name", [5, None, ["a", 5], {"a"}])
def test_factors_are_named_by_texts_in_an_order(model, name):
    with pytest.raises(MmfitError, match="is not the name of"):
        model.means(name)
    with pytest.raises(MmfitError, match="is not the name of"):
        model.contrasts(name)
    with pytest.raises(MmfitError, match="is not the name of"):
        model.slopes("x", by=name)


def test_a_covariate_or_a_group_that_is_no_text_is_refused(model):
    for name in (5, None, ["x"]):
        with pytest.raises(MmfitError, match="is not the name of a column of the fixed part"):
            model.slopes(name)
    with pytest.raises(MmfitError, match="is not the name of a grouping factor"):
        model.influence(["g"])


@pytest.mark.parametrize("at", [5, "x", ["x"]])
def test_at_maps_columns_to_values(model, at):
    with pytest.raises(MmfitError, match="must map columns to their values"):
        model.means("a", at=at)


@pytest.mark.parametrize("value", [None, [[1]], "1", np.nan, 1j])
def test_a_covariate_is_held_at_finite_numbers(model, value):
    with pytest.raises(MmfitError, match="x is numeric and needs finite numbers"):
        model.means("a", at={"x": value})


@pytest.mark.parametrize("weight", [1e300, 1e-300])
@pytest.mark.parametrize("joint", [True, False])
def test_contrasts_beyond_double_precision_are_refused(model, weight, joint):
    with pytest.raises(MmfitError, match="scale them to about 1"):
        model.contest({"x": weight}, joint=joint)


def test_a_contrast_of_complex_numbers_is_refused(model):
    with pytest.raises(MmfitError, match="L must be numbers"):
        model.contest(np.ones(len(model.fixef), dtype=complex))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (5, "must be a DataFrame, or a mapping"),
        ([], "must be a DataFrame, or a mapping"),
        (np.ones((2, 3)), "must be a DataFrame, or a mapping"),
        ({}, "there are no columns"),
        ({"x": 1.0, "a": "p", "g": 1, "y": 2.0}, "the column 'x' is 1.0; a list or array"),
        ({"x": [1.0, 2.0], "a": ["p"], "g": [1], "y": [1]}, "'x' has 2 values and 'a' has 1"),
        ({"x": [[1], [2]], "a": ["p", "q"], "g": [1, 2], "y": [1, 2]}, "'x' holds mixed"),
        ({"x": np.ones(2, complex), "a": ["p", "q"], "g": [1, 2], "y": [1, 2]}, "complex128"),
    ],
)
def test_data_have_columns_with_a_value_per_row(model, rows, message):
    with pytest.raises(mmfit.DataError, match=message):
        model.predict(rows)
    with pytest.raises(mmfit.DataError, match=message):
        mmfit.lmer("y ~ x + a + (1 | g)", rows)
    with pytest.raises(mmfit.DataError, match=message):
        mmfit.lmer_many("~ x + a + (1 | g)", rows, np.ones((2, 1)))


def test_settings_of_columns_are_a_mapping_and_a_list(data):
    with pytest.raises(mmfit.DataError, match="must map factors to contrasts"):
        mmfit.lmer("y ~ a + (1 | g)", data, contrasts="sum")
    for names in ("g", 5, [5]):
        with pytest.raises(mmfit.DataError, match="must be a list of column names"):
            mmfit.lmer("y ~ a + (1 | g)", data, categorical=names)


@pytest.mark.parametrize("other", [None, 5, "y ~ x"])
def test_what_is_no_fitted_model_is_not_compared(model, other):
    for pair in ((model, other), (other, model)):
        with pytest.raises(mmfit.ComparisonError, match="two fitted models are compared"):
            mmfit.compare(*pair)


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        (None, "must be a DataFrame, a mapping of names to columns, or an"),
        ([[1.0, 2.0]], "must be a DataFrame, a mapping of names to columns, or an"),
        (np.zeros((48, 0)), "there is none"),
        (np.ones((48, 2), complex), "the array holds complex128; numbers are needed"),
        (np.full((48, 2), "a"), "numbers are needed"),
        ({"u": np.ones(48, complex)}, "'u' is not numeric"),
    ],
)
def test_many_responses_are_columns_of_numbers(data, responses, message):
    with pytest.raises(mmfit.DataError, match=message):
        mmfit.lmer_many("~ x + (1 | g)", data, responses)


def test_settings_of_searches_are_numbers_in_their_range(data):
    for alpha in (0, 2, "a", None):
        with pytest.raises(mmfit.ComparisonError, match="a number between 0 and 1 is allowed"):
            search("y ~ x + (1 | g)", data, alpha=alpha)
    with pytest.raises(mmfit.DataError, match="must be a list of column names"):
        search("y ~ x + (1 | g)", data, categorical="g")
    with pytest.raises(mmfit.DataError, match="must map factors to contrasts"):
        search("y ~ a + (1 | g)", data, contrasts="sum")
    found = search("y ~ x + (1 | g)", data)
    for samples in (0, 1.5, "a", None, True):
        with pytest.raises(mmfit.ComparisonError, match="a whole number from 1 is allowed"):
            found.stability(samples)
    for seed in (-1, 1.5, "a", None):
        with pytest.raises(mmfit.ComparisonError, match="a whole number from 0 is allowed"):
            found.stability(2, seed=seed)
