"""Weights, offsets and contrasts given beside the data: by label where they have labels."""

import numpy as np
import pandas as pd
import pytest

from mmfit import lmer, search
from mmfit.errors import DataError
from mmfit.formula import build_matrices

N = 60
RNG = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.normal(size=N),
        "f": np.resize(["p", "q", "r"], N),
        "g": np.repeat(list("abcdef"), 10),
    },
    index=[f"row {k}" for k in range(N)],
)
VALUES = pd.Series(RNG.uniform(1, 2, N), index=FRAME.index)
FORMULA = "y ~ x + (1 | g)"


def shuffled(seed=0):
    return np.random.default_rng(seed).permutation(N)


@pytest.mark.parametrize("role", ["weights", "offset"])
def test_a_series_goes_by_its_labels(role):
    wanted = lmer(FORMULA, FRAME, **{role: VALUES.to_numpy()}).objective
    for seed in range(3):
        rows = shuffled(seed)
        given = {role: VALUES.iloc[rows]}
        assert lmer(FORMULA, FRAME, **given).objective == wanted
        assert build_matrices(FORMULA, FRAME, **given).y.tolist() == FRAME["y"].tolist()
        mapping = {name: FRAME[name] for name in FRAME}
        assert lmer(FORMULA, mapping, **given).objective == wanted
        # Reversed data, too, and the rows without a missing value.
        turned = lmer(FORMULA, FRAME.iloc[rows], **{role: VALUES})
        assert turned.objective == pytest.approx(wanted, rel=1e-12)
    holes = FRAME.assign(y=FRAME["y"].where(np.arange(N) % 7 > 0))
    kept = holes.dropna()
    left = lmer(FORMULA, kept, **{role: VALUES[kept.index].to_numpy()}).objective
    assert lmer(FORMULA, holes, **{role: VALUES.iloc[::-1]}).objective == left


@pytest.mark.parametrize("role", ["weights", "offset"])
def test_labels_of_other_rows_are_refused(role):
    for wrong in (VALUES.reset_index(drop=True), VALUES.iloc[:-1], pd.concat([VALUES, VALUES[:1]])):
        with pytest.raises(DataError, match=role):
            lmer(FORMULA, FRAME, **{role: wrong})
    assert lmer(FORMULA, FRAME.reset_index(drop=True), **{role: VALUES.tolist()}).nobs == N


def test_a_search_matches_rows_as_a_fit_does():
    one = search("y ~ x + (1 | g)", FRAME, weights=VALUES.iloc[::-1])
    other = search("y ~ x + (1 | g)", FRAME, weights=VALUES.to_numpy())
    assert one.formula == other.formula
    assert one.chosen.objective == other.chosen.objective


def test_columns_of_a_mapping_with_different_rows_are_refused():
    mapping = {"y": FRAME["y"], "x": FRAME["x"].iloc[::-1], "g": FRAME["g"]}
    with pytest.raises(DataError, match="'y' and 'x' of the data have different indexes"):
        lmer(FORMULA, mapping)


def test_a_contrast_matrix_goes_by_its_labels():
    matrix = pd.DataFrame([[1, 0], [0, 1], [-1.0, -1]], index=["p", "q", "r"])
    wanted = lmer("y ~ f + (1 | g)", FRAME, contrasts={"f": matrix.to_numpy()}).fixef.tolist()
    for given in (matrix, matrix.iloc[::-1], matrix.reset_index(drop=True)):
        assert lmer("y ~ f + (1 | g)", FRAME, contrasts={"f": given}).fixef.tolist() == wanted
    with pytest.raises(DataError, match="labelled 'p', 'q', 'z', and its levels are 'p', 'q', 'r'"):
        lmer("y ~ f + (1 | g)", FRAME, contrasts={"f": matrix.set_axis(["p", "q", "z"])})


def test_a_contrast_finds_its_column_in_backticks_or_without():
    frame = FRAME.rename(columns={"f": "f 1"})
    wanted = lmer("y ~ f + (1 | g)", FRAME, contrasts={"f": "sum"}).fixef.tolist()
    for name in ("f 1", "`f 1`"):
        assert lmer("y ~ `f 1` + (1 | g)", frame, contrasts={name: "sum"}).fixef.tolist() == wanted
    with pytest.raises(DataError, match="are one column"):
        lmer("y ~ `f 1` + (1 | g)", frame, contrasts={"f 1": "sum", "`f 1`": "treatment"})


@pytest.mark.parametrize("twice", ["y", "x", "f", "g", "w"])
@pytest.mark.parametrize("holes", [False, True])
def test_a_name_that_stands_twice(twice, holes):
    frame = FRAME.assign(w=1.0)
    if holes:
        frame.iloc[4, 0] = np.nan
    doubled = pd.concat([frame, frame[[twice]]], axis=1)
    with pytest.raises(DataError, match=f"the column '{twice}' stands more than once"):
        lmer("y ~ x + f + (1 | g)", doubled, weights="w")
    fit = lmer("y ~ x + f + (1 | g)", frame, weights="w")
    if twice not in ("y", "w"):
        with pytest.raises(DataError, match=f"the column '{twice}' stands more than once"):
            fit.predict(doubled)
    # A column that nobody asks for may stand there as often as it likes.
    unused = pd.concat([frame.assign(u="text"), frame.assign(u=2)[["u"]]], axis=1)
    assert lmer("y ~ x + f + (1 | g)", unused, weights="w").objective == fit.objective
    np.testing.assert_array_equal(fit.predict(unused), fit.predict(frame))


def test_rows_taken_from_a_mapping_keep_the_order_of_levels():
    levels = pd.Categorical(np.resize(["low", "high"], N), ["low", "high"])
    y = FRAME["y"].to_numpy().copy()
    y[5] = np.nan
    fit = lmer("y ~ f + (1 | g)", {"y": y, "f": levels, "g": FRAME["g"].tolist()})
    assert list(fit.fixef.index) == ["(Intercept)", "fhigh"]
