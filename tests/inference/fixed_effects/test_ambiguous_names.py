"""A name that two columns have is refused wherever a name is taken."""

import numpy as np
import pandas as pd
import pytest

import mmfit

TWICE = r"'time2' is the name of 2 fixed effects: number 2, of the term time; number 4, of the term"


@pytest.fixture(scope="module")
def fit():
    """A factor ``time`` of level ``2`` beside a covariate ``time2``."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": rng.integers(0, 8, 60), "time": rng.choice(list("123"), 60)})
    data["time2"], data["y"] = rng.normal(size=60), rng.normal(size=60)
    return mmfit.lmer("y ~ time + time2 + (1 | g)", data)


@pytest.mark.parametrize(
    "L",
    [
        {"time2": 1},
        {"time3": 1, "time2": -1},
        [{"time3": 1}, {"time2": 1}],
        pd.Series({"time2": 1.0}),
        pd.DataFrame([[1.0, 2.0]], columns=["time2", "time3"]),
    ],
)
@pytest.mark.parametrize("joint", [True, False])
def test_contests(fit, L, joint):
    with pytest.raises(mmfit.MmfitError, match=TWICE):
        fit.contest(L, joint=joint)


def test_contests_of_other_names_and_by_numbers(fit):
    table = fit.contest([[0, 1, 0, 0], [0, 0, 0, 1]], joint=False)
    assert table["contrast"].tolist() == ["time2", "time2 [2]"]
    np.testing.assert_array_equal(table["estimate"], fit.fixef.iloc[[1, 3]])
    assert fit.contest({"time3": 1}, joint=False)["estimate"][0] == fit.fixef["time3"]


@pytest.mark.parametrize(
    "L", [pd.Series([1, 2], ["time3"] * 2), pd.DataFrame([[1, 2]], columns=["time3"] * 2)]
)
def test_two_weights_for_one_name(fit, L):
    with pytest.raises(mmfit.MmfitError, match="'time3' more than one weight"):
        fit.contest(L)


@pytest.mark.parametrize("basis", ["canonical", "lmertest"])
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_tests_of_terms_go_by_columns(fit, basis, kind):
    """They are those of the same model under names of their own."""
    frame = pd.DataFrame(fit.matrices.design.sources).assign(y=fit.matrices.y)
    frame["g"] = fit.matrices.random[0].codes
    renamed = frame.rename(columns={"time2": "hours"})
    wanted = mmfit.lmer("y ~ time + hours + (1 | g)", renamed).anova(type=kind, basis=basis)
    table = fit.anova(type=kind, basis=basis)
    pd.testing.assert_frame_equal(
        table.drop(columns="term"), wanted.drop(columns="term"), rtol=1e-8
    )


def test_parameters_are_told_apart(fit):
    profile = fit.profile(level=0.5)
    names = ["(Intercept)", "time2", "time3", "time2 [2]"]
    assert list(profile.parameters[-4:]) == names
    assert profile.curves["parameter"].unique().tolist()[-4:] == names
    for options in ({"method": "wald"}, {"method": "bootstrap", "replicates": 39}, {}):
        table = fit.confint(**options)
        assert table["parameter"].tolist()[-4:] == names
        inside = table.tail(4)
        low, high = inside["conf_low"].to_numpy(), inside["conf_high"].to_numpy()
        assert ((low < fit.fixef.to_numpy()) & (fit.fixef.to_numpy() < high)).all()


def test_a_column_that_is_called_like_a_combination():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({c: rng.choice(list("pq"), 60) for c in ("a", "b", "a:b")})
    data["g"], data["y"] = rng.integers(0, 8, 60), rng.normal(size=60)
    fit = mmfit.lmer("y ~ a + b + `a:b` + (1 | g)", data)
    for ask in (fit.means, fit.contrasts):
        with pytest.raises(mmfit.MmfitError, match="is a column of the fixed part, and the comb"):
            ask("a:b")
    assert list(fit.means(["a:b"]).columns[:1]) == ["a:b"]
    assert list(fit.means(["a", "b"]).columns[:2]) == ["a", "b"]
    alone = mmfit.lmer("y ~ a + `a:b` + (1 | g)", data)
    assert list(alone.means("a:b").columns[:1]) == ["a:b"]


def test_random_terms_go_by_columns():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 12), "time": rng.choice(list("123"), 120)})
    data["time2"] = rng.normal(size=120)
    effects = rng.normal(size=(10, 4))[data["g"]]
    columns = [np.ones(120), data["time"] == "2", data["time"] == "3", data["time2"]]
    data["y"] = sum(e * c for e, c in zip(effects.T, columns, strict=True)) + rng.normal(size=120)
    named = mmfit.lmer("y ~ 1 + (time + time2 | g)", data).ranova()
    renamed = data.rename(columns={"time2": "hours"})
    wanted = mmfit.lmer("y ~ 1 + (time + hours | g)", renamed).ranova()
    numbers = ["npar", "log_lik", "chisq", "df"]
    np.testing.assert_allclose(
        named[numbers].astype(float), wanted[numbers].astype(float), rtol=1e-6
    )
