"""Predictions: against lme4, against n x n algebra for every solver, and on simulated data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine.solvers.crossed.chain import chain_solver
from mmfit.engine.solvers.crossed.choice import crossed_solver
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.prediction.prediction_error import error_variance
from tests.engine.solver_kinds import sparse
from tests.reference_cases import data, fits, inference, matrices

COLUMNS = ["estimate", "std_error", "df", "conf_low", "conf_high"]


@pytest.fixture(scope="module")
def frame():
    frame = pd.read_csv(Path(__file__).parents[1] / "marginal" / "emmeans_data.csv")
    return frame.assign(cell=frame["g"] + frame["h"], twin="t" + frame["g"])


@pytest.fixture(scope="module")
def new(frame):
    """Rows of the data with known levels, unseen ones, and levels that never met before."""
    new = frame.sample(14, random_state=2).reset_index(drop=True).assign(x=lambda d: d["x"] + 0.3)
    new.loc[0, "g"], new.loc[1, "h"] = "new", "new"
    new.loc[2, ["g", "h"]] = "none"
    new.loc[3:5, ["g", "h"]] = ["g1", "h4"]
    return new.assign(cell=new["g"] + new["h"], twin="t" + new["g"])


def n_by_n(fit, new):
    """The variance of the prediction error as a function of (theta, sigma), by its definition."""
    model = fit.matrices
    rows = model.design.rebuild(new)

    def variance(theta, sigma):
        weights = np.ones(model.nobs) if model.weights is None else model.weights
        V, begin = np.diag(1 / weights), 0
        shared, own = np.zeros((model.nobs, len(rows.X))), np.zeros(len(rows.X))
        for term, there in zip(model.random, rows.random, strict=True):
            q = len(term.effects)
            column, row = np.triu_indices(q)
            root = np.zeros((q, q))
            root[row, column] = theta[begin : begin + len(row)]
            begin += len(row)
            psi = root @ root.T
            V = V + (term.model @ psi @ term.model.T) * (term.codes[:, None] == term.codes)
            same = term.codes[:, None] == there.codes
            shared += (term.model @ psi @ there.model.T) * same
            own += np.einsum("nq,qr,nr->n", there.model, psi, there.model)
        inverse = np.linalg.inv(V)
        C = np.linalg.inv(model.X.T @ inverse @ model.X)
        rest = rows.X - shared.T @ inverse @ model.X
        lost = np.einsum("ni,nm,mi->i", shared, inverse, shared)
        return sigma**2 * (np.einsum("np,pq,nq->n", rest, C, rest) + own - lost)

    return variance


def assert_by_definition(fit, new):
    variance = n_by_n(fit, new)
    wanted = variance(fit.theta, fit.sigma)
    table = fit.predict(new, std_error=True)
    np.testing.assert_allclose(table["estimate"], fit.predict(new), rtol=1e-13)
    np.testing.assert_allclose(table["std_error"], np.sqrt(wanted), rtol=1e-9)
    steps = 1e-4 * np.eye(len(fit.theta))
    slopes = [
        (variance(fit.theta + h, fit.sigma) - variance(fit.theta - h, fit.sigma)) / 2e-4
        for h in steps
    ]
    slopes = np.column_stack([*slopes, 2 * wanted / fit.sigma])
    spread = np.einsum("ni,ij,nj->n", slopes, fit.record.uncertainty.covariance, slopes)
    np.testing.assert_allclose(table["df"], 2 * wanted**2 / spread, rtol=1e-4)
    more = fit.predict(new, interval="prediction")
    np.testing.assert_allclose(more["std_error"] ** 2, wanted + fit.sigma**2, rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "solver"),
    [
        ("y ~ a * b + x + (1 | g)", "single"),
        ("y ~ a + x + (x | g)", "single"),
        ("y ~ a + x + (x || g)", "single"),
        ("y ~ a + x + (1 | g/h)", "nested"),
        ("y ~ x + (x | h) + (1 | h:g) + (1 | a:h:g)", "nested"),
        ("y ~ a * b + x + (1 | g) + (1 | h)", "crossed"),
        ("y ~ a + x + (x | g) + (1 + z | h) + (1 | b)", "crossed"),
        ("y ~ x + (x | h) + (1 | cell) + (1 | b)", "crossed"),
        ("y ~ 0 + x + (1 | g) + (1 | h)", "crossed"),
        ("y ~ x", "linear"),
    ],
)
def test_error_variance_by_definition(frame, new, formula, solver):
    fit = mmfit.lmer(formula, frame)
    assert fit.optimizer.solver == solver
    assert_by_definition(fit, new)


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (1 | g) + (1 | h)"])
def test_error_variance_with_weights_and_by_ml(frame, new, formula):
    fit = mmfit.lmer(formula, frame, weights="w", offset="o", reml=False)
    assert_by_definition(fit, new.drop(columns="w"))


def test_twin_factors_that_part_in_the_new_rows(frame, new):
    parted = new.copy()
    parted.loc[3:6, "twin"], parted.loc[7, "twin"] = "tg3", "none"
    for formula in (
        "y ~ x + (1 | g) + (0 + x | twin)",
        "y ~ x + (1 | g) + (0 + x | twin) + (1 | h)",
    ):
        assert_by_definition(mmfit.lmer(formula, frame), parted)


def _chain(system, rows=None):
    order = sorted(range(len(system.groups)), key=lambda g: -system.groups[g].levels)
    cell = order[0]
    inside = next(
        g
        for g in order[1:]
        if len(set(zip(system.groups[cell].codes, system.groups[g].codes, strict=True)))
        == system.groups[cell].levels
    )
    rest = [g for g in order[1:] if g != inside]
    return chain_solver(system, [cell, inside, *rest], rows)


@pytest.mark.parametrize("solver", [_chain, sparse, crossed_solver])
def test_every_crossed_solver_gives_the_same(frame, new, solver, monkeypatch):
    formula = "y ~ x + (x | h) + (1 | cell) + (1 | a)"
    fit = mmfit.lmer(formula, frame)
    wanted = n_by_n(fit, new)(fit.theta, fit.sigma)
    calls = []

    def chosen(*given):
        calls.append(solver)
        return solver(*given)

    monkeypatch.setattr("mmfit.engine.preparation.choose_solver", chosen)
    monkeypatch.setattr("mmfit.inference.prediction.prediction_error.choose_solver", chosen)
    rows = fit.matrices.design.rebuild(new)
    found = error_variance(FittedModel(fit.record, fit.matrices), rows.X, rows.random)
    assert len(calls) > 1  # of the model's own system, and of those with columns of new rows
    np.testing.assert_allclose(found.value * fit.sigma**2, wanted, rtol=1e-9)


def test_levels_in_batches_give_the_same(frame, new, monkeypatch):
    fit = mmfit.lmer("y ~ x + (1 | g) + (x | h)", frame)
    whole = fit.predict(new, std_error=True)
    monkeypatch.setattr("mmfit.inference.prediction.prediction_error._AT_ONCE", 4)
    pd.testing.assert_frame_equal(fit.predict(new, std_error=True), whole, rtol=1e-8)


@pytest.mark.parametrize("case_id", [key for key, part in inference().items() if "newdata" in part])
def test_reference_predictions(case_id):
    part = inference()[case_id]
    fit = mmfit.LinearMixedModel(fits(case_id)["REML"], matrices(case_id))
    new = pd.DataFrame(part["newdata"])
    np.testing.assert_allclose(fit.predict(new), part["predict"]["conditional"], rtol=1e-5)
    population = fit.predict(new, random_effects=False)
    np.testing.assert_allclose(population, part["predict"]["population"], rtol=1e-5)


def test_population_predictions_are_contrasts(frame, new):
    fit = mmfit.lmer("y ~ a + x + (x | g) + (1 | h)", frame)
    table = fit.predict(new, random_effects=False, std_error=True)
    L = fit.matrices.design.rebuild(new, random=False).X
    tests = fit.contest(L, joint=False)
    assert list(table.columns) == COLUMNS
    for column in COLUMNS:
        np.testing.assert_allclose(table[column], tests[column], rtol=1e-10)


def test_new_groups_are_the_population(frame, new):
    # With no level known, a conditional prediction is one for a new group.
    fit = mmfit.lmer("y ~ a + x + (x | g) + (1 | h)", frame)
    unseen = new.assign(g="other", h="other")
    conditional = fit.predict(unseen, interval="prediction")
    population = fit.predict(
        unseen.drop(columns=["g", "h"]), random_effects=False, interval="prediction"
    )
    pd.testing.assert_frame_equal(conditional, population, rtol=1e-6)
    narrow = fit.predict(unseen, random_effects=False, interval="confidence")
    assert (narrow["std_error"] < 0.9 * population["std_error"]).all()


def test_a_level_with_many_rows_is_known_well():
    few = mmfit.lmer("Reaction ~ Days + (Days | Subject)", data("sleepstudy"))
    rows = pd.DataFrame({"Days": [4.5, 4.5], "Subject": [308, 999]})
    table = few.predict(rows, std_error=True)
    assert table.attrs["notes"][0].startswith("1 row has a level of Subject")
    assert table["std_error"][0] < 0.3 * table["std_error"][1]
    # A level that nothing is estimated from has the whole variance of its group.
    z = np.array([1.0, 4.5])
    group = few.record.terms[0].covariance
    x = few.vcov.to_numpy()
    assert table["std_error"][1] ** 2 == pytest.approx(z @ (group + x) @ z, rel=1e-9)


def test_rows_of_the_fit_are_predicted_without_new_data(frame):
    fit = mmfit.lmer("y ~ a + x + (x | g) + (1 | h)", frame, weights="w")
    for random_effects in (True, False):
        options = {"random_effects": random_effects, "interval": "prediction"}
        ours = fit.predict(**options)
        pd.testing.assert_frame_equal(ours, fit.predict(frame, **options), rtol=1e-9)
        assert len(ours) == 240


def test_weights_of_new_rows(frame, new):
    fit = mmfit.lmer("y ~ x + (1 | g)", frame, weights="w")
    heavy, plain = new.assign(w=4.0), new.drop(columns="w")
    with_weight, without = (fit.predict(d, interval="prediction") for d in (heavy, plain))
    drop = without["std_error"] ** 2 - with_weight["std_error"] ** 2
    np.testing.assert_allclose(drop, 0.75 * fit.sigma**2, rtol=1e-9)
    with pytest.raises(mmfit.DataError, match="must be positive"):
        fit.predict(new.assign(w=-1.0), interval="prediction")


def test_limits_are_symmetric_and_follow_the_level(frame, new):
    fit = mmfit.lmer("y ~ x + (1 | g)", frame)
    wide, narrow = (fit.predict(new, std_error=True, level=level) for level in (0.99, 0.5))
    for table in (wide, narrow):
        middle = (table["conf_low"] + table["conf_high"]) / 2
        np.testing.assert_allclose(middle, table["estimate"], rtol=1e-12)
    assert (wide["conf_high"] > narrow["conf_high"]).all()
    confidence = fit.predict(new, interval="confidence", level=0.99)
    pd.testing.assert_frame_equal(confidence, wide)


def test_no_rows(frame, new):
    fit = mmfit.lmer("y ~ a + x + (1 | g) + (1 | h)", frame)
    for random_effects in (True, False):
        table = fit.predict(new.head(0), random_effects=random_effects, interval="prediction")
        assert table.shape == (0, 5)


def test_a_singular_fit_is_predicted(frame, new):
    flat = frame.assign(y=np.random.default_rng(0).normal(size=len(frame)))
    fit = mmfit.lmer("y ~ x + (1 | a) + (1 | h)", flat)
    assert fit.singular
    table = fit.predict(new, std_error=True)
    np.testing.assert_allclose(table["std_error"] ** 2, n_by_n(fit, new)(fit.theta, fit.sigma))
    assert np.isfinite(table.to_numpy()).all()


def test_prediction_intervals_cover_new_responses():
    random = np.random.default_rng(11)
    g, n = np.repeat(np.arange(12), 5), 60
    covered = {"known": [], "new": []}
    for _ in range(150):
        x, effect = random.normal(size=n + 24), 1.5 * random.normal(size=24)
        groups = np.concatenate([g, np.arange(24)])
        y = 1 + x + effect[groups] + random.normal(size=n + 24)
        frame = pd.DataFrame({"x": x, "y": y, "g": groups})
        fit = mmfit.lmer("y ~ x + (1 | g)", frame.head(n))
        table = fit.predict(frame.tail(24), interval="prediction")
        inside = (table["conf_low"] <= y[n:]) & (y[n:] <= table["conf_high"])
        covered["known"].append(inside[:12].mean())
        covered["new"].append(inside[12:].mean())
    for shares in covered.values():
        error = np.std(shares) / np.sqrt(len(shares))
        assert np.mean(shares) == pytest.approx(0.95, abs=4 * error + 0.005)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "both"}, "confidence, prediction"),
        ({"std_error": True, "level": 2}, "level=2"),
    ],
)
def test_bad_requests_are_refused(frame, options, message):
    with pytest.raises(mmfit.MmfitError, match=message):
        mmfit.lmer("y ~ x + (1 | g)", frame).predict(**options)


def test_columns_that_are_needed(frame, new):
    fit = mmfit.lmer("y ~ a + (x | g)", frame)
    with pytest.raises(mmfit.DataError, match="grouping factor g"):
        fit.predict(new.drop(columns="g"), std_error=True)
    # Of groups not seen before only the covariates of the random effects are needed.
    assert len(fit.predict(new[["a", "x"]], random_effects=False, interval="prediction")) == 14
    assert len(fit.predict(new[["a"]], random_effects=False, std_error=True)) == 14
    with pytest.raises(mmfit.MmfitError, match="x"):
        fit.predict(new[["a"]], random_effects=False, interval="prediction")


def test_an_offset_given_as_numbers_is_asked_for(frame, new):
    o = np.linspace(-3, 5, len(frame))
    there = np.linspace(7, 9, len(new))
    given = mmfit.lmer("y ~ x + (1 | g)", frame, offset=o)
    named = mmfit.lmer("y ~ x + (1 | g)", frame.assign(o=o), offset="o")
    for options in ({}, {"random_effects": False}, {"interval": "confidence"}):
        with pytest.raises(mmfit.DataError, match="offset=, one number per new row"):
            given.predict(new, **options)
        found = given.predict(new, offset=there, **options)
        wanted = named.predict(new.assign(o=there), **options)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    both = mmfit.lmer("y ~ x + offset(w) + (1 | g)", frame, offset=o)
    sum_of = mmfit.lmer("y ~ x + (1 | g)", frame.assign(o=o + frame["w"]), offset="o")
    wanted = sum_of.predict(new.assign(o=there + new["w"]))
    np.testing.assert_allclose(both.predict(new, offset=there), wanted, rtol=1e-9)
    labelled = pd.Series(there, index=new.index)[::-1]
    np.testing.assert_array_equal(
        given.predict(new, offset=labelled), given.predict(new, offset=there)
    )
    np.testing.assert_allclose(given.predict(), given.fitted)


def test_weights_given_as_numbers_are_asked_for(frame, new):
    given = mmfit.lmer("y ~ x + (1 | g)", frame, weights=frame["w"].to_numpy())
    named = mmfit.lmer("y ~ x + (1 | g)", frame, weights="w")
    for random_effects in (True, False):
        options = {"random_effects": random_effects, "interval": "prediction"}
        with pytest.raises(mmfit.DataError, match="weights=, one number per new row"):
            given.predict(new, **options)
        found = given.predict(new, weights=new["w"], **options)
        pd.testing.assert_frame_equal(found, named.predict(new, **options))
    assert len(given.predict(new, interval="confidence")) == len(new)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"offset": [1.0]}, "one number per row"),
        ({"offset": 1.0}, "one number per row"),
        ({"offset": ["a"] * 14}, "must be numeric"),
        ({"offset": [np.nan] * 14}, "must be finite"),
        ({"offset": np.zeros(14), "weights": np.ones(14)}, "nothing else depends on them"),
        (
            {"offset": np.zeros(14), "weights": np.zeros(14), "interval": "prediction"},
            "must be positive",
        ),
        (
            {"offset": np.zeros(14), "weights": [1e-320] * 14, "interval": "prediction"},
            "beyond what can be computed with",
        ),
    ],
)
def test_offsets_and_weights_that_do_not_fit(frame, new, options, message):
    fit = mmfit.lmer("y ~ x + (1 | g)", frame, offset=np.ones(len(frame)))
    with pytest.raises(mmfit.DataError, match=message):
        fit.predict(new, **options)


def test_offsets_that_are_not_wanted(frame, new):
    fit = mmfit.lmer("y ~ x + (1 | g)", frame)
    with pytest.raises(mmfit.DataError, match="it has none"):
        fit.predict(new, offset=np.zeros(14))
    with pytest.raises(mmfit.MmfitError, match="the fit has its own"):
        fit.predict(offset=np.zeros(len(frame)))
    named = mmfit.lmer("y ~ x + (1 | g)", frame, offset="o")
    with pytest.raises(mmfit.DataError, match="computed from the new data"):
        named.predict(new, offset=np.zeros(14))
