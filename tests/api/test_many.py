"""Many responses on one design: each as on its own, whatever stands beside it."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.errors import DataError, DesignError, FormulaError, MmfitError
from tests import reference_cases

DESIGN = "~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleepstudy():
    return reference_cases.data("sleepstudy")


@pytest.fixture(scope="module")
def simulated(sleepstudy):
    fit = mmfit.lmer("Reaction ~ Days + (Days | Subject)", sleepstudy)
    names = [f"protein {i}" for i in range(40)]
    return pd.DataFrame(fit.simulate(40, seed=11), columns=names)


def _designs():
    rng = np.random.default_rng(8)
    n = 240
    a, b = rng.integers(0, 5, n), rng.integers(0, 6, n)
    d = rng.integers(0, 9, n)
    frame = pd.DataFrame({"x": rng.normal(size=n), "a": a, "b": a * 10 + b, "d": d})
    effects = rng.normal(size=5)[a] + rng.normal(size=9)[d]
    Y = effects[:, None] * rng.uniform(0, 1, 12) + rng.normal(size=(n, 12))
    return frame, Y


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize(
    "design", ["~ x + (x | a)", "~ x + (1 | a / b)", "~ x + (1 | a) + (1 | d)", "~ x + (x || d)"]
)
def test_every_response_is_fitted_as_on_its_own(design, reml):
    frame, Y = _designs()
    many = mmfit.lmer_many(design, frame, Y, reml=reml)
    table, components = many.tidy(), many.varcorr
    assert many.converged.all()
    for i in range(Y.shape[1]):
        alone = mmfit.lmer(f"y {design}", frame.assign(y=Y[:, i]), reml=reml)
        assert many.objective[i + 1] == pytest.approx(alone.objective, abs=1e-8)
        assert many.sigma[i + 1] == pytest.approx(alone.sigma, rel=1e-6)
        assert many.singular[i + 1] == alone.singular
        rows = table[table["response"] == i + 1]
        columns = ["estimate", "std_error", "statistic", "p_value"]
        expected = alone.tidy()
        np.testing.assert_allclose(rows[columns], expected[columns], rtol=2e-5, atol=1e-9)
        # the degrees of freedom of a nearly flat direction are the most sensitive figure
        np.testing.assert_allclose(rows["df"], expected["df"], rtol=1e-3)
        rows = components[components["response"] == i + 1].reset_index(drop=True)
        pd.testing.assert_frame_equal(
            rows[["group", "term_1", "term_2"]], alone.varcorr[["group", "term_1", "term_2"]]
        )
        np.testing.assert_allclose(rows["vcov"], alone.varcorr["vcov"], rtol=1e-4, atol=1e-6)


def test_the_tables_have_the_promised_columns(sleepstudy, simulated):
    many = mmfit.lmer_many(DESIGN, sleepstudy, simulated)
    assert list(many.tidy().columns) == [
        "response", "term", "estimate", "std_error", "df", "statistic", "p_value",
    ]  # fmt: skip
    assert list(many.varcorr.columns) == ["response", "group", "term_1", "term_2", "vcov", "sdcor"]
    for name in ("objective", "sigma", "singular", "converged", "log_lik", "nobs", "evaluations"):
        series = getattr(many, name)
        assert series.name == name
        assert list(series.index) == list(simulated)
    assert (many.message == "").all()
    np.testing.assert_array_equal(many.log_lik, -many.objective / 2)


def test_results_do_not_depend_on_order_or_company(sleepstudy, simulated):
    """To the last bit, although members of a batch are advanced together."""
    whole = mmfit.lmer_many(DESIGN, sleepstudy, simulated)
    order = np.random.default_rng(0).permutation(40)[:17]
    part = mmfit.lmer_many(DESIGN, sleepstudy, simulated.iloc[:, order])
    names = simulated.columns[order]
    for name in ("objective", "sigma", "evaluations"):
        assert getattr(part, name).tolist() == getattr(whole, name)[names].tolist()
    table = whole.tidy().set_index("response").loc[names].reset_index()
    pd.testing.assert_frame_equal(part.tidy(), table, check_exact=True)
    table = whole.varcorr.set_index("response").loc[names].reset_index()
    pd.testing.assert_frame_equal(part.varcorr, table, check_exact=True)


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize(
    "design", ["~ x + (x | a)", "~ x + (1 | a / b)", "~ x + (1 | b) + (1 | d)"]
)
def test_no_company_changes_a_bit(design, reml):
    """Of any structure, alone, in pairs, and as the last that did not fit the block before."""
    frame, Y = _designs()
    Y = Y + 30 * np.random.default_rng(1).normal(size=(5, 12))[frame["a"]]
    whole = mmfit.lmer_many(design, frame, Y, reml=reml)
    table = whole.tidy()
    for size in (1, 2, 5):
        for begin in range(0, 12, size):
            part = mmfit.lmer_many(design, frame, Y[:, begin : begin + size], reml=reml)
            names = slice(begin, begin + size)
            assert part.sigma.tolist() == whole.sigma.iloc[names].tolist()
            assert part.objective.tolist() == whole.objective.iloc[names].tolist()
            here = table["response"].between(begin + 1, begin + len(part.sigma))
            assert part.tidy()["df"].tolist() == table.loc[here, "df"].tolist()


@pytest.mark.parametrize("design", ["~ x + (1 | a)", "~ x + (x | a)"])
def test_a_response_of_another_kind_changes_none_of_the_others(design):
    """One that its levels explain all but wholly, whose part within them is computed apart."""
    frame, Y = _designs()
    wide = 1e4 * np.random.default_rng(1).normal(size=(5, 1))[frame["a"]]
    mixed = np.hstack([Y[:, :6], wide + Y[:, 6:7], Y[:, 6:]])
    whole = mmfit.lmer_many(design, frame, Y)
    among = mmfit.lmer_many(design, frame, mixed)
    kept = [i for i in range(13) if i != 6]
    assert among.sigma.iloc[kept].tolist() == whole.sigma.tolist()
    assert among.objective.iloc[kept].tolist() == whole.objective.tolist()
    alone = mmfit.lmer_many(design, frame, mixed[:, 6:7])
    assert alone.sigma.tolist() == among.sigma.iloc[6:7].tolist()


def test_more_responses_than_a_block_holds_in_any_order():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"g": np.arange(40) // 4, "x": rng.normal(size=40)})
    Y = rng.normal(size=(40, 1025)) + rng.normal(size=(10, 1025))[frame["g"]]
    order = np.roll(np.arange(1025), 1)
    one = mmfit.lmer_many("~ x + (1 | g)", frame, Y)
    other = mmfit.lmer_many("~ x + (1 | g)", frame, Y[:, order])
    assert other.sigma.tolist() == one.sigma.iloc[order].tolist()
    assert other.tidy()["df"].iloc[-2:].tolist() == one.tidy()["df"].iloc[-4:-2].tolist()


def test_the_reference_comes_out_of_a_batch(sleepstudy, simulated):
    expected = reference_cases.fits("sleep_slope")["REML"]
    responses = simulated.assign(Reaction=sleepstudy["Reaction"])
    many = mmfit.lmer_many(DESIGN, sleepstudy, responses)
    alone = mmfit.lmer("Reaction ~ Days + (Days | Subject)", sleepstudy)
    assert many.objective["Reaction"] == pytest.approx(expected.objective, abs=1e-8)
    rows = many.tidy().query("response == 'Reaction'")
    np.testing.assert_allclose(rows["df"], alone.tidy()["df"], rtol=1e-6)


def test_missing_values_leave_out_rows_of_their_response_alone(sleepstudy, simulated):
    holes = simulated.iloc[:, :6].copy()
    holes.iloc[[3, 50], 1] = np.nan
    holes.iloc[[3, 50], 4] = np.nan
    holes.iloc[10:40, 2] = np.nan
    many = mmfit.lmer_many(DESIGN, sleepstudy, holes)
    assert many.nobs.tolist() == [180, 178, 150, 180, 178, 180]
    assert list(dict.fromkeys(many.tidy()["response"])) == list(holes)
    for name in holes:
        alone = mmfit.lmer("y ~ Days + (Days | Subject)", sleepstudy.assign(y=holes[name]))
        assert many.objective[name] == pytest.approx(alone.objective, abs=1e-8)


def test_missing_values_of_the_design_leave_out_rows_of_all(sleepstudy, simulated):
    data = sleepstudy.copy()
    data.loc[[0, 7], "Days"] = np.nan
    holes = simulated.iloc[:, :3].copy()
    holes.iloc[[3, 7, 50], 1] = np.nan
    many = mmfit.lmer_many(DESIGN, data, holes)
    assert many.nobs.tolist() == [178, 176, 178]
    alone = mmfit.lmer("y ~ Days + (Days | Subject)", data.assign(y=holes.iloc[:, 1]))
    assert many.objective.iloc[1] == pytest.approx(alone.objective, abs=1e-8)


def test_responses_that_cannot_be_fitted_say_why_and_harm_no_other(sleepstudy, simulated):
    bad = simulated.iloc[:, :2].copy()
    bad["constant"] = 3.0
    bad["line"] = 2.0 + 3 * sleepstudy["Days"]
    bad["infinite"] = bad.iloc[:, 0].replace(bad.iloc[5, 0], np.inf)
    bad["empty"] = np.nan
    bad["few"] = np.where(np.arange(180) < 2, bad.iloc[:, 0], np.nan)
    many = mmfit.lmer_many(DESIGN, sleepstudy, bad)
    good = mmfit.lmer_many(DESIGN, sleepstudy, bad.iloc[:, :2])
    assert many.objective.iloc[:2].tolist() == good.objective.tolist()
    assert many.converged.tolist() == [True, True] + [False] * 5
    assert many.objective.iloc[2:].isna().all()
    assert many.sigma.iloc[2:].isna().all()
    for name in bad.columns[2:]:
        with pytest.raises(MmfitError) as alone:
            mmfit.lmer(f"{name} {DESIGN}", sleepstudy.assign(**{name: bad[name]}))
        assert many.message[name] == str(alone.value).splitlines()[0]
    assert set(many.tidy()["response"]) == set(bad.columns[:2])
    assert "5 not fitted" in repr(many)


def test_no_response_that_can_be_fitted(sleepstudy):
    many = mmfit.lmer_many(DESIGN, sleepstudy, pd.DataFrame({"y": np.ones(180)}))
    with pytest.raises(DesignError, match="none of the responses"):
        many.tidy()


@pytest.mark.parametrize("df", ["residual", "normal"])
def test_other_degrees_of_freedom(sleepstudy, simulated, df):
    many = mmfit.lmer_many(DESIGN, sleepstudy, simulated.iloc[:, :2])
    alone = mmfit.lmer("y ~ Days + (Days | Subject)", sleepstudy.assign(y=simulated.iloc[:, 1]))
    rows, expected = many.tidy(df=df).iloc[2:], alone.tidy(df=df)
    np.testing.assert_array_equal(rows["df"], expected["df"])
    np.testing.assert_allclose(rows["p_value"], expected["p_value"], rtol=1e-5)


def test_names_of_any_kind(sleepstudy, simulated):
    named = simulated.iloc[:, :2].set_axis([("a", 1), ("b", 2)], axis=1)
    many = mmfit.lmer_many(DESIGN, sleepstudy, named.assign(flat=1.0))
    assert many.sigma.index.tolist() == [("a", 1), ("b", 2), "flat"]
    assert many.tidy()["response"].tolist()[::2] == [("a", 1), ("b", 2)]


def test_infinite_values_count_in_the_rows_used(sleepstudy, simulated):
    data, Y = sleepstudy.astype({"Days": float}), simulated.iloc[:, :2].to_numpy(copy=True)
    data.loc[3, "Days"] = np.nan
    Y[3, 0], Y[9, 1] = np.inf, -np.inf
    many = mmfit.lmer_many(DESIGN, data, Y)
    assert many.message.tolist() == ["", "2 must be finite, but is -inf in row 10"]


def test_bad_input_is_named(sleepstudy, simulated):
    with pytest.raises(FormulaError, match="no response"):
        mmfit.lmer_many("Reaction ~ Days + (Days | Subject)", sleepstudy, simulated)
    with pytest.raises(DataError, match="40 values each, but the data have 180"):
        mmfit.lmer_many(DESIGN, sleepstudy, simulated.to_numpy().T)
    with pytest.raises(DataError, match="one column per response"):
        mmfit.lmer_many(DESIGN, sleepstudy, simulated.iloc[:, 0].to_numpy())
    with pytest.raises(DataError, match="'Subject' is not numeric"):
        mmfit.lmer_many(DESIGN, sleepstudy, {"Subject": ["a"] * 180})
    with pytest.raises(DataError, match="'protein 0' stands more than once"):
        mmfit.lmer_many(DESIGN, sleepstudy, pd.concat([simulated, simulated], axis=1))
    with pytest.raises(DataError, match="'b' has shape"):
        mmfit.lmer_many(DESIGN, sleepstudy, {"a": np.zeros(180), "b": np.zeros(179)})
    with pytest.raises(DataError, match="there is none"):
        mmfit.lmer_many(DESIGN, sleepstudy, {})
    with pytest.raises(MmfitError, match="'kr'"):
        mmfit.lmer_many(DESIGN, sleepstudy, simulated.iloc[:, :2]).tidy(df="kr")
    with pytest.raises(DesignError, match="levels"):
        mmfit.lmer_many("~ 1 + (1 | row)", sleepstudy.assign(row=range(180)), simulated)


def test_columns_of_any_numeric_kind(sleepstudy, simulated):
    y = simulated.iloc[:, 0].round()
    y.iloc[4] = np.nan
    kinds = pd.DataFrame({"nullable": y.astype("Float64"), "whole": y.fillna(0).astype(int)})
    many = mmfit.lmer_many(DESIGN, sleepstudy, kinds)
    assert many.nobs.tolist() == [179, 180]
    plain = mmfit.lmer_many(DESIGN, sleepstudy, {"y": y.tolist(), "w": y.fillna(0).to_numpy()})
    assert many.objective.tolist() == plain.objective.tolist()


def test_weights_and_offset(sleepstudy, simulated):
    data = sleepstudy.assign(w=np.linspace(0.5, 2, 180), o=np.linspace(0, 40, 180))
    responses = simulated.iloc[:, :3]
    many = mmfit.lmer_many(DESIGN, data, responses, weights="w", offset="o")
    alone = mmfit.lmer(
        "y ~ Days + (Days | Subject)", data.assign(y=responses.iloc[:, 2]), weights="w", offset="o"
    )
    assert many.objective.iloc[2] == pytest.approx(alone.objective, abs=1e-8)
