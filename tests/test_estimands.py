"""A name stands for the same in all responses, whatever rows each of them has."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.errors import MmfitError
from mmfit.formula import build_matrices
from tests.engine.definition import objective

FORMULAS = (
    "~ c + x + (1 | g)",
    "~ c * x + (1 | g)",
    "~ relevel(c, 'C') + scale(u) + (x | g)",
    "~ C(c, sum) + poly(x, 2) + (1 | g) + (1 | h)",
    "~ 0 + c + center(x) + (1 | g)",
    "~ C(c, treatment, base = 3) + ns(x, knots = c(-0.5, 0.5)) + (1 | g)",
    "~ x + scale(u) + (c | g)",
    "~ ordered(f) + u + (c || g)",
)


def _data(rng, n=72):
    columns = {
        "g": np.arange(n) % 9,
        "h": rng.integers(0, 4, n),
        "c": rng.choice(list("ABC"), n),
        "f": rng.integers(1, 4, n),
        "x": rng.normal(size=n),
        "u": rng.uniform(2, 5, n),
    }
    return pd.DataFrame(columns)


def _responses(data, rng):
    """Responses that were not seen in some levels, some ranges, or some rows at random."""
    n = len(data)
    y = rng.normal(size=n) + rng.normal(size=9)[data["g"]] + (data["c"] == "B")
    seen = {
        "everywhere": np.ones(n, dtype=bool),
        "at random": rng.random(n) < 0.7,
        "without A": data["c"] != "A",
        "without C": data["c"] != "C",
        "only B": data["c"] == "B",
        "low x": data["x"] < 0.3,
        "without f 1": data["f"] != 1,
        "few groups": data["g"] < 4,
        "one group": data["g"] < 1,
    }
    return pd.DataFrame({name: np.where(rows, y, np.nan) for name, rows in seen.items()})


def _estimable(matrix):
    """Coefficients that no null vector of the matrix touches, by its singular values."""
    scaled = matrix / np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    _, s, Vt = np.linalg.svd(scaled, full_matrices=True)
    null = Vt[(s > 1e-9 * s[0]).sum() :]
    return (np.abs(null) < 1e-7).all(axis=0)


def _alone(whole, y, reml):
    """``lmer`` on the rows of one response, the columns of the whole design as covariates."""
    keep = np.isfinite(y)
    columns = {f"X{k}": whole.X[keep, k] for k in range(whole.X.shape[1])}
    bars = []
    for t, term in enumerate(whole.random):
        names = [f"z{t}_{k}" for k in range(term.model.shape[1]) if term.model[keep, k].any()]
        columns |= {name: term.model[keep, int(name.split("_")[1])] for name in names}
        columns[f"g{t}"] = term.codes[keep]
        bars.append(f"(0 + {' + '.join(names)} | g{t})")
    formula = f"y ~ 0 + {' + '.join(c for c in columns if c[0] == 'X')} + {' + '.join(bars)}"
    return mmfit.lmer(formula, pd.DataFrame(columns).assign(y=y[keep]), reml=reml)


@pytest.mark.parametrize("formula", FORMULAS)
def test_bases_levels_and_contrasts_are_those_of_the_whole_design(formula):
    rng = np.random.default_rng(FORMULAS.index(formula))
    data, reml = _data(rng), bool(rng.integers(2))
    responses = _responses(data, rng)
    whole = build_matrices(formula, data, response=np.arange(72.0))
    many = mmfit.lmer_many(formula, data, responses, reml=reml)
    table, missing = many.tidy(), 0
    for name in responses:
        y = responses[name].to_numpy()
        rows = table.query("response == @name").set_index("term")
        if many.message[name]:
            assert rows.empty
            assert name in ("one group", "only B", "few groups")
            continue
        assert tuple(rows.index) == whole.fixed_names
        known = _estimable(whole.X[np.isfinite(y)])
        assert rows.notna().all(axis=1).tolist() == known.tolist()
        assert rows.loc[~known, ["estimate", "std_error", "df", "p_value"]].isna().all(axis=None)
        for term in rows.index[~known]:
            assert term in many.note[name]
        missing += (~known).sum()
        alone = _alone(whole, y, reml)
        if "(c |" in formula and name in ("without A", "without C", "only B"):
            continue  # what no row tells of a random term: the test below
        assert many.objective[name] == pytest.approx(alone.objective, abs=1e-6)
        assert many.sigma[name] == pytest.approx(alone.sigma, rel=1e-5)
        names = [f"X{k}" for k in np.flatnonzero(known)]
        fitted = alone.tidy().set_index("term").loc[names]
        np.testing.assert_allclose(
            rows["estimate"][known], fitted["estimate"], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(rows["std_error"][known], fitted["std_error"], rtol=1e-4)
        np.testing.assert_allclose(rows["df"][known], fitted["df"], rtol=1e-2)
    assert missing or "c" not in formula.split("+ (")[0].replace("scale", "").replace("center", "")


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("left", ["c", "0 + c", "x + c"])
def test_variances_of_effects_that_no_row_tells_of_are_missing(left, reml):
    rng = np.random.default_rng(len(left))
    data = _data(rng, 180)
    effects = rng.normal(size=(9, 3))
    y = effects[data["g"], data["c"].map({"A": 0, "B": 1, "C": 2})] + 0.5 * rng.normal(size=180)
    names = {"without A": "A", "without C": "C", "everywhere": "none"}
    responses = pd.DataFrame({k: np.where(data["c"] == v, np.nan, y) for k, v in names.items()})
    many = mmfit.lmer_many(f"~ x + ({left} | g)", data, responses, reml=reml)
    whole = build_matrices(f"~ x + ({left} | g)", data, response=np.arange(180.0)).random[0]
    for name in responses:
        keep = np.isfinite(responses[name].to_numpy())
        known = dict(zip(whole.effects, _estimable(whole.model[keep]), strict=True))
        table = many.varcorr.query("response == @name and group == 'g'")
        for row in table.itertuples():
            other = row.term_2 if isinstance(row.term_2, str) else row.term_1
            assert np.isnan(row.vcov) != (known[row.term_1] and known[other])
        # The covariance of what can be told apart is that of the response's own levels.
        alone = mmfit.lmer(
            f"y ~ x + ({left} | g)", data[keep].assign(y=responses[name][keep]), reml=reml
        )
        assert many.objective[name] == pytest.approx(alone.objective, abs=1e-6)
        assert (many.note[name] == "") == all(known.values())
        shared = alone.varcorr.merge(
            table, on=["group", "term_1", "term_2"], suffixes=("", "_many")
        ).dropna(subset=["vcov_many"])
        shared = shared[shared["term_1"].isin([k for k in known if known[k]])]
        np.testing.assert_allclose(shared["vcov_many"], shared["vcov"], rtol=1e-3, atol=1e-5)


def test_a_reference_level_that_was_not_seen_changes_no_contrast():
    """The difference of B and C is not that of B and A: it has another name, or none."""
    rng = np.random.default_rng(1)
    data = _data(rng)
    y = rng.normal(size=72)
    responses = pd.DataFrame({"all": y, "no A": np.where(data["c"] == "A", np.nan, y)})
    table = mmfit.lmer_many("~ c + (1 | g)", data, responses).tidy().set_index(["response", "term"])
    assert table.loc["no A"].isna().all(axis=None)
    relevelled = mmfit.lmer_many("~ relevel(c, 'B') + (1 | g)", data, responses).tidy()
    relevelled = relevelled.set_index(["response", "term"])["estimate"]
    alone = mmfit.lmer("y ~ c + (1 | g)", data[data["c"] != "A"].assign(y=y[data["c"] != "A"]))
    assert relevelled["no A", 'relevel(c, "B")C'] == pytest.approx(alone.fixef["cC"], rel=1e-6)
    assert np.isnan(relevelled["no A", 'relevel(c, "B")A'])


def test_columns_that_are_zero_in_all_rows_of_a_response():
    rng = np.random.default_rng(6)
    data = _data(rng).assign(w=lambda d: np.where(d["g"] < 5, d["x"], 0.0))
    y = rng.normal(size=72) + rng.normal(size=9)[data["g"]]
    responses = {"all": y, "zero": np.where(data["g"] < 5, np.nan, y)}
    many = mmfit.lmer_many("~ 0 + w + (1 | g) + (0 + w | g)", data, responses)
    assert many.message.tolist() == ["", ""]
    assert many.tidy()["estimate"].isna().tolist() == [False, True]
    assert many.varcorr["vcov"].isna().tolist() == [False] * 4 + [True, False]
    alone = mmfit.lmer("y ~ 0 + (1 | g)", data.assign(y=responses["zero"]))
    assert many.objective["zero"] == pytest.approx(alone.objective, abs=1e-8)


def test_scale_is_learnt_once():
    rng = np.random.default_rng(2)
    data = _data(rng)
    y = 3 * data["u"] + 0.1 * rng.normal(size=72)
    responses = pd.DataFrame({"all": y, "low": np.where(data["u"] > 3, np.nan, y)})
    found = mmfit.lmer_many("~ scale(u) + (1 | g)", data, responses).tidy()
    slopes = found.query("term == 'scale(u)'")["estimate"]
    np.testing.assert_allclose(slopes, 3 * data["u"].std(), rtol=0.05)


@pytest.mark.parametrize(
    "formula",
    [
        "~ relevel(c, 'A') + (1 | g)",
        "~ C(c, treatment, base = 3) + (1 | g)",
        "~ poly(x, 5) + (1 | g)",
        "~ ns(x, knots = c(0, 1)) + (1 | g)",
        "~ factor(c, labels = c('a', 'b', 'c')) + (1 | g)",
        "~ scale(u) + (1 | g)",
        "~ c + (1 | h) + (1 | g)",
    ],
)
def test_a_response_that_cannot_be_built_ends_no_other(formula):
    """Whatever rows it has: from one to all, at random and by level."""
    rng = np.random.default_rng(4)
    data = _data(rng)
    y = rng.normal(size=72) + rng.normal(size=9)[data["g"]]
    responses = {"all": y}
    for count in (1, 2, 3, 4, 5, 7, 10, 20):
        for k in range(2):
            rows = rng.permutation(72)[:count]
            responses[f"{count} rows, {k}"] = np.where(np.isin(np.arange(72), rows), y, np.nan)
    for level in "ABC":
        responses[f"only {level}"] = np.where(data["c"] == level, y, np.nan)
    responses["one value of x"] = np.where(np.arange(72) == 5, y, np.nan)
    many = mmfit.lmer_many(formula, data, responses)
    whole = mmfit.lmer(f"y {formula}", data.assign(y=y))
    assert many.objective["all"] == pytest.approx(whole.objective, abs=1e-8)
    assert (many.message == "").sum() >= 4
    for name, message in many.message.items():
        assert bool(message) == (not many.converged[name])
        assert "\n" not in message


def test_the_criterion_of_a_subset_is_that_of_its_rows():
    """By the definition, with n x n matrices."""
    rng = np.random.default_rng(9)
    data = _data(rng)
    y = rng.normal(size=72) + rng.normal(size=9)[data["g"]]
    w = rng.uniform(0.5, 2, 72)
    hidden = (data["c"] == "A") | (data["g"] == 3) | (rng.random(72) < 0.1)
    responses = {"y": np.where(hidden, np.nan, y)}
    for reml in (True, False):
        many = mmfit.lmer_many(
            "~ c + x + (x | g)", data, responses, reml=reml, weights=w, offset=data["u"]
        )
        rows = data[~hidden]
        shown = {"weights": w[~hidden], "offset": rows["u"].to_numpy()}
        matrices = build_matrices("y ~ c + x + (x | g)", rows.assign(y=y[~hidden]), **shown)
        psi = many.varcorr["vcov"].to_numpy()
        root = np.linalg.cholesky([[psi[0], psi[2]], [psi[2], psi[1]]])
        theta = root[[0, 1, 1], [0, 0, 1]] / many.sigma["y"]
        expected = objective(matrices, theta, reml, sigma=many.sigma["y"])
        assert many.objective["y"] == pytest.approx(expected, abs=1e-7)


def test_a_bad_design_is_an_error_of_the_call():
    data = _data(np.random.default_rng(0))
    for formula in ("~ relevel(c, 'Z') + (1 | g)", "~ poly(x, 90) + (1 | g)", "~ c + (1 | one)"):
        with pytest.raises(MmfitError):
            mmfit.lmer_many(formula, data.assign(one=1), np.ones((72, 2)))


def test_what_no_data_tell_has_no_standard_error_in_a_batch_either():
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"s": np.repeat(np.arange(8), 5), "trt": np.tile(list("ABABA"), 8)})
    data.loc[2, "trt"] = "C"
    many = mmfit.lmer_many("~ trt + (trt | s)", data, rng.normal(size=(40, 3)))
    table = many.tidy().set_index("term")
    numbers = ["std_error", "df", "statistic", "p_value"]
    assert table.loc["trtC", numbers].isna().all(axis=None)
    assert table.loc[["(Intercept)", "trtB"], "std_error"].notna().all()
    assert many.note.str.contains("trtC").all()
