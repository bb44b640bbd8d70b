"""One fit and many agree on everything that both report, on data as people have them."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.errors import MmfitError

STRUCTURES = {
    "single": "~ x + (1 | a)",
    "slope": "~ x + z + (x | a)",
    "independent": "~ x + (x || a)",
    "no intercept": "~ 0 + x + (1 | a)",
    "nested": "~ x + (1 | a / b)",
    "crossed": "~ x + (1 | a) + (1 | b)",
    "crossed slope": "~ z + (z | a) + (1 | b)",
}


def _data(rng):
    n = int(rng.integers(25, 60))
    columns = {"a": rng.integers(0, 6, n), "b": rng.integers(0, 4, n)}
    return pd.DataFrame(columns | {"x": rng.normal(size=n), "z": rng.integers(0, 3, n) * 1.0})


# What lies far away is a large variance ratio where there is no intercept.
FAR = {"no intercept": 1e4}
BOTH = ("single", "nested", "crossed slope")


def _responses(data, rng, far):
    """What is ordinary, flat, in the span of X or of [X Z], of any size, twice, and with holes."""
    n, e = len(data), rng.normal(size=len(data))
    a, b, slope = rng.normal(size=(3, 6))
    within = a[data["a"]]
    columns = {
        "plain": e + within,
        "flat": np.full(n, 2.5),
        "line": 2 * data["x"],
        "covariate and noise": data["x"] + 1e-7 * e,
        "levels and noise": within + 1e-3 * e,
        "tiny": 1e-12 * (e + within),
        "huge": 1e12 * (e + within),
        "far away": far + e,
        "counts": rng.integers(0, 3, n) * 1.0,
    }
    exact = {
        "constant within a": within,
        "in the span": within + b[data["b"]] + data["x"],
        "slopes": within + slope[data["a"]] * data["x"],
        "tiny within a": 1e-12 * within,
        "huge within a": 1e12 * within,
    }
    columns |= {name: exact[name] for name in rng.permutation(list(exact))[:2]}
    holes = {
        f"{name}, holes": np.where(rng.random(n) < 0.2, np.nan, column)
        for name, column in columns.items()
        if rng.random() < 0.3
    }
    infinite = np.where(np.arange(n) == 3, np.inf, e)
    few = np.where(np.arange(n) < 2, e, np.nan)
    more = {"infinite": infinite, "empty": np.full(n, np.nan), "few": few, "twice": e + within}
    return pd.DataFrame(columns | holes | more)


def _alone(formula, data, y, name, reml):
    """(fit or None, what is said of it)."""
    try:
        fit = mmfit.lmer(f"response {formula}", data.assign(response=y), reml=reml)
    except MmfitError as error:
        text = str(error).splitlines()[0]
        for old, new in (("'response'", repr(name)), ("response response", f"response {name}")):
            text = text.replace(old, new)
        if text.startswith("response "):
            text = name + text.removeprefix("response")
        return None, text
    return fit, "" if fit.converged else fit.optimizer.message


def _agree(many, tables, name, fit, digits):
    """``digits``: relative error of sigma that rounding of the response alone explains."""
    assert many.nobs[name] == fit.nobs
    assert many.singular[name] == fit.singular
    assert many.objective[name] == pytest.approx(fit.objective, abs=1e-6 + fit.nobs * digits)
    assert many.log_lik[name] == -many.objective[name] / 2
    assert many.sigma[name] == pytest.approx(fit.sigma, rel=1e-5 + digits)
    rows = many.varcorr.query("response == @name").reset_index(drop=True)
    assert rows[["group", "term_1", "term_2"]].equals(fit.varcorr[["group", "term_1", "term_2"]])
    size = fit.varcorr["vcov"].max()
    np.testing.assert_allclose(rows["vcov"], fit.varcorr["vcov"], rtol=1e-3, atol=1e-6 * size)
    last = "residual" if fit.criterion == "ML" else "kenward-roger"
    for method in ("satterthwaite", "normal", last):
        expected = fit.tidy(df=method)
        rows = tables[method].query("response == @name").reset_index(drop=True)
        assert rows["term"].tolist() == expected["term"].tolist()
        error = np.abs(rows["estimate"] - expected["estimate"])
        assert (error <= (1e-4 + digits) * expected["std_error"]).all()
        np.testing.assert_allclose(rows["std_error"], expected["std_error"], rtol=1e-3 + digits)
        np.testing.assert_allclose(rows["df"], expected["df"], rtol=1e-2)
        np.testing.assert_allclose(rows["p_value"], expected["p_value"], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("structure", "reml"),
    [*((name, True) for name in STRUCTURES), *((name, False) for name in BOTH)],
)
def test_whatever_the_response(structure, reml):
    rng = np.random.default_rng([list(STRUCTURES).index(structure), reml])
    formula, data = STRUCTURES[structure], _data(rng)
    responses = _responses(data, rng, FAR.get(structure, 1e6))
    many = mmfit.lmer_many(formula, data, responses, reml=reml)
    methods = ("satterthwaite", "normal", "residual", "kenward-roger")
    tables = {method: many.tidy(df=method) for method in (methods if reml else methods[:3])}
    said = set()
    for name in responses:
        y = responses[name].to_numpy()
        fit, text = _alone(formula, data, y, name, reml)
        if name == "few" and text.startswith("the grouping factor"):
            # Of several grouping factors that are at fault either may be named.
            assert many.message[name].startswith("the grouping factor")
            text = many.message[name]
        assert many.message[name] == text
        assert many.converged[name] == (fit is not None and fit.converged)
        assert many.note[name] == ""
        if text:
            said.add(name)
            assert name not in tables["normal"]["response"].to_numpy()
            assert np.isnan(many.objective[name])
            assert np.isnan(many.sigma[name])
            assert not many.singular[name]
            if fit is not None:
                assert fit.tidy().drop(columns="term").isna().all(axis=None)
                assert fit.varcorr["vcov"].isna().all()
            continue
        spread = np.sqrt(np.nanmean(y**2)) / fit.sigma
        _agree(many, tables, name, fit, 100 * np.finfo(float).eps * spread)
    refused = {"flat", "infinite", "empty", "few"} | ({"line"} if "~ x" in formula else set())
    assert refused <= said
    assert many.objective["twice"] == many.objective["plain"]


def test_whatever_is_asked_of_a_fit_without_estimates():
    """No number is invented, and no error is another's."""
    rng = np.random.default_rng(2)
    data = _data(rng).assign(f=lambda d: np.where(d["z"] > 0, "p", "q"))
    data["y"] = rng.normal(size=6)[data["a"]]
    fit = mmfit.lmer("y ~ x + f + (x | a)", data)
    for table in (
        fit.tidy(df="kenward-roger"),
        fit.anova(type=2)[["sum_sq", "den_df", "statistic", "p_value"]],
        fit.contest({"x": 1}),
        fit.confint(method="wald"),
        fit.means("f"),
        fit.contrasts("f"),
        fit.slopes("x"),
        fit.predict(data, interval="confidence"),
    ):
        numbers = table.select_dtypes("number").drop(columns="num_df", errors="ignore")
        assert numbers.isna().all(axis=None), table
    for value in (fit.fitted, fit.conditional_aic().caic, fit.r_squared().marginal):
        assert np.isnan(value).all()
    diagnosis = fit.diagnose()
    assert "fit the response exactly" in diagnosis.convergence
    assert "nan" not in " ".join([*diagnosis.text, *diagnosis.checks["text"]])
    assert not {"singularity", "outliers"} & set(diagnosis.checks["check"])
    assert "fit the response exactly" in fit.tidy().attrs["note"]
    assert not fit.refit(reml=False).converged
    smaller = mmfit.lmer("y ~ x + (1 | z)", data)
    compared = mmfit.compare(smaller, mmfit.lmer("y ~ x + (1 | z) + (1 | a)", data))
    assert not compared.valid
    assert "fit the response exactly" in compared.reason
    for ask in (fit.confint, lambda: fit.simulate(2), lambda: fit.confint(method="bootstrap")):
        with pytest.raises(MmfitError, match="exactly"):
            ask()
