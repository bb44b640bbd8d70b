"""Kenward and Roger's method against its definition, pbkrtest, exact cases and simulated truth."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine import fit_model
from mmfit.engine.solvers.crossed import choice as crossed_choice
from mmfit.engine.solvers.single import solver as single
from mmfit.inference import contest, f_test, kenward_roger_cost, tidy
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.precision import kenward_roger as kr
from mmfit.inference.precision.kenward_roger import approximation
from tests.engine.designs import DESIGNS, matrices, term
from tests.inference.fixed_effects.f_reference import TABLES, model
from tests.inference.fixed_effects.kenward_roger_oracle import BruteKenwardRoger
from tests.reference_cases import cases, fits
from tests.reference_cases import matrices as case_matrices

WITH_KR = [c for c in cases() if cases()[c]["REML"].get("kenward_roger")]
KR_TABLES = [key for key in TABLES if key[1] == "kenward-roger"]


def crossed_chain():
    """Pupils in classes, crossed with items."""
    rng = np.random.default_rng(12)
    pupil, item = np.repeat(np.arange(30), 5), np.tile(np.arange(10), 15)
    x = rng.normal(size=150)
    y = x + rng.normal(size=30)[pupil] + rng.normal(size=10)[item] + rng.normal(size=150)
    X = np.column_stack([np.ones(150), x])
    ones = np.ones(150)
    room = term("room", pupil // 5, ones)
    return matrices(y, X, term("pupil", pupil, ones), room, term("item", item, ones))


def zero_variance():
    """A fit at the boundary: an intercept and a slope by group, of which there is nothing."""
    rng = np.random.default_rng(2)
    x, g = rng.normal(size=60), np.repeat(np.arange(12), 5)
    X = np.column_stack([np.ones(60), x])
    y = rng.normal(size=60)
    y = y - np.array([y[g == k].mean() for k in range(12)])[g]
    return matrices(y, X, term("g", g, X))


MORE = {"crossed_chain": crossed_chain, "zero_variance": zero_variance}


def assert_by_definition(case):
    """Every quantity of the method for one model."""
    fit = fit_model(case)
    brute = BruteKenwardRoger(fit, case)
    model = FittedModel(fit, case)
    known = model.precision("kenward-roger")
    scale = np.abs(brute.adjusted).max()
    np.testing.assert_allclose(known.vcov, brute.adjusted, rtol=0, atol=1e-7 * scale)
    p = len(fit.fixef)
    rng = np.random.default_rng(1)
    for row in (*np.eye(p), rng.normal(size=p)):
        expected = 2 / brute.sums(row[None])[1]
        assert known.df(row[None])[0] == pytest.approx(expected, rel=1e-6)
    for L in (np.eye(p), rng.normal(size=(2, p))):
        statistic, den_df = brute.f_test(L, fit.fixef)
        ours = f_test(model, L, "kenward-roger")
        assert ours.den_df == pytest.approx(den_df, rel=1e-6)
        assert ours.statistic == pytest.approx(statistic, rel=1e-6)


@pytest.mark.parametrize("name", [*DESIGNS, *MORE])
def test_by_definition(name):
    assert_by_definition((DESIGNS | MORE)[name]())


def test_the_boundary_is_among_the_cases():
    assert fit_model(zero_variance()).singular


def test_levels_one_by_one(monkeypatch):
    monkeypatch.setattr(single, "_CELLS", 0)
    assert_by_definition(DESIGNS["single"]())


@pytest.mark.parametrize("solver", ["sparse", "crossed, chain eliminated"])
def test_solvers_for_large_tails(solver, monkeypatch):
    """Forced on small designs."""
    monkeypatch.setattr(crossed_choice, "_NARROW", 0)
    monkeypatch.setattr(crossed_choice, "_ANALYSIS", 0 if solver == "sparse" else 1e9)
    monkeypatch.setattr(crossed_choice, "_GAIN", 0 if solver == "sparse" else 1e9)
    monkeypatch.setattr(crossed_choice, "_FULL", 1e9)
    monkeypatch.setattr(crossed_choice, "_SPARSE_SECONDS", (0.0, 0.0, 0.0))
    case = crossed_chain()
    assert fit_model(case).optimizer.solver == solver
    assert_by_definition(case)


@pytest.mark.parametrize("case", WITH_KR)
def test_t_tests_of_the_reference(case):
    table = tidy(FittedModel(fits(case)["REML"], case_matrices(case)), df="kenward-roger")
    table = table.set_index("term")
    for row in cases()[case]["REML"]["kenward_roger"]:
        ours = table.loc[row["term"]]
        assert ours["std_error"] == pytest.approx(row["Std. Error"], rel=1e-5)
        assert ours["df"] == pytest.approx(row["df"], rel=1e-5)
        assert ours["statistic"] == pytest.approx(row["t value"], rel=1e-5)
        assert ours["p_value"] == pytest.approx(row["Pr(>|t|)"], rel=1e-3)
        half = (ours["conf_high"] - ours["conf_low"]) / 2
        assert half > 1.95 * ours["std_error"]


@pytest.mark.parametrize(("name", "method", "kind"), KR_TABLES)
@pytest.mark.parametrize("basis", ["canonical", "lmertest"])
def test_f_tests_of_pbkrtest(name, method, kind, basis):
    table = model(name).anova(type=kind, df=method, basis=basis).set_index("term")
    for term_, sum_sq, num_df, den_df, statistic in TABLES[name, method, kind]:
        ours = table.loc[term_]
        assert ours["num_df"] == num_df
        assert ours["den_df"] == pytest.approx(den_df, rel=1e-4)
        assert ours["statistic"] == pytest.approx(statistic, rel=1e-4)
        assert ours["sum_sq"] == pytest.approx(sum_sq, rel=1e-4)


def test_weights_are_those_of_the_residual_variance():
    """The same model with rows multiplied by the root of their weights."""
    case = DESIGNS["weighted"]()
    root = np.sqrt(case.weights)
    g = case.random[0]
    plain = matrices(
        (case.y - case.offset) * root,
        case.X * root[:, None],
        term("g", g.codes, g.model * root[:, None]),
    )
    one = tidy(FittedModel(fit_model(case), case), df="kenward-roger")
    two = tidy(FittedModel(fit_model(plain), plain), df="kenward-roger")
    np.testing.assert_allclose(one[["std_error", "df"]], two[["std_error", "df"]], rtol=1e-6)


def test_hotelling():
    """Balanced, unstructured by subject: T^2 with n - 1 degrees of freedom, exactly."""
    rng = np.random.default_rng(4)
    n, q = 9, 3
    wide = rng.normal(size=(n, 1)) + rng.normal(size=(n, q)) * [2.0, 4.0, 3.0]
    frame = pd.DataFrame({"y": np.repeat(wide, 2, axis=0).ravel()})
    frame["f"] = np.tile(list("abc"), 2 * n)
    frame["s"] = np.repeat(np.arange(n), 2 * q)
    frame["y"] += rng.normal(size=len(frame))
    fit = mmfit.lmer("y ~ f + (0 + f | s)", frame)
    assert not fit.singular
    means = frame.groupby(["s", "f"])["y"].mean().unstack().to_numpy()
    d = means[:, 1:] - means[:, :1]
    t2 = n * d.mean(0) @ np.linalg.solve(np.cov(d.T), d.mean(0))
    table = fit.anova(df="kenward-roger").iloc[0]
    assert table["den_df"] == pytest.approx(n - q + 1, rel=1e-6)
    assert table["statistic"] == pytest.approx(t2 * (n - q + 1) / ((n - 1) * (q - 1)), rel=1e-5)


def test_balanced_one_way_is_exact():
    """A factor between groups: the F test of the group means."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(12), 4)
    frame = pd.DataFrame({"g": g, "f": np.array(list("abcd"))[g % 4]})
    frame["y"] = 2 * rng.normal(size=12)[g] + rng.normal(size=48)
    table = mmfit.lmer("y ~ f + (1 | g)", frame).anova(df="kenward-roger").iloc[0]
    means = frame.groupby("g")["y"].mean().to_numpy().reshape(3, 4)
    between = 3 * means.mean(0).var(ddof=1) / (means.var(0, ddof=1).mean())
    assert (table["num_df"], table["den_df"]) == (3, pytest.approx(8))
    assert table["statistic"] == pytest.approx(between)


def test_without_random_terms_it_is_the_linear_model():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"f": rng.choice(list("abc"), 40), "x": rng.normal(size=40)})
    frame["y"] = frame["x"] + rng.normal(size=40)
    fit = mmfit.lmer("y ~ f + x", frame)
    pd.testing.assert_frame_equal(fit.tidy(df="kenward-roger"), fit.tidy(df="residual"))
    pd.testing.assert_frame_equal(fit.anova(df="kenward-roger"), fit.anova(df="residual"))


def test_the_answer_depends_on_the_hypothesis_alone():
    fit = model("sleepall")
    L = np.eye(len(fit.fixef))[2:6]
    one = f_test(fit.model, L, "kenward-roger")
    moved = np.random.default_rng(7).normal(size=(4, 4)) @ L
    other = f_test(fit.model, moved, "kenward-roger")
    assert other.den_df == pytest.approx(one.den_df, rel=1e-9)
    assert other.statistic == pytest.approx(one.statistic, rel=1e-9)


def test_units_and_origin_of_a_covariate_do_not_matter():
    frame = mmfit_sleep()
    one = mmfit.lmer("y ~ x + (x | g)", frame).tidy(df="kenward-roger")
    moved = frame.assign(x=1e4 * frame["x"] + 3e6)
    two = mmfit.lmer("y ~ x + (x | g)", moved).tidy(df="kenward-roger")
    np.testing.assert_allclose(one["df"].iloc[1], two["df"].iloc[1], rtol=1e-5)
    np.testing.assert_allclose(one["statistic"].iloc[1], two["statistic"].iloc[1], rtol=1e-5)


def mmfit_sleep(seed=3):
    """A small unbalanced design, slopes by group."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(7), [3, 5, 4, 6, 8, 2, 5])
    x = rng.normal(size=len(g))
    y = 1 + rng.normal(size=7)[g] + (0.3 + rng.normal(size=7)[g]) * x + rng.normal(size=len(g))
    return pd.DataFrame({"g": g, "x": x, "y": y})


@pytest.mark.parametrize("formula", ["~ x + (x | g)", "~ x + (1 | g) + (1 | h)", "~ x + (1 | g/k)"])
def test_a_batch_gives_what_each_response_gives(formula):
    frame = mmfit_sleep()
    frame["h"], frame["k"] = np.arange(len(frame)) % 4, np.arange(len(frame)) % 3
    responses = np.random.default_rng(8).normal(size=(5, len(frame))) + frame["y"].to_numpy()
    table = mmfit.lmer_many(formula, frame, responses.T).tidy(df="kenward-roger")
    names = table["response"].unique()
    for name, y in zip(names, responses, strict=True):
        one = mmfit.lmer(f"z {formula}", frame.assign(z=y)).tidy(df="kenward-roger")
        ours = table[table["response"] == name]
        for column in ("std_error", "df", "statistic", "p_value"):
            np.testing.assert_allclose(ours[column], one[column], rtol=1e-6)
    alone = mmfit.lmer_many(formula, frame, responses[[4, 1]].T).tidy(df="kenward-roger")
    parts = [table[table["response"] == names[i]] for i in (4, 1)]
    np.testing.assert_array_equal(alone["df"], pd.concat(parts)["df"])


def test_size_in_a_small_unbalanced_sample():
    """A covariate between six groups keeps five per cent, where n - p does not."""
    rng = np.random.default_rng(9)
    g = np.repeat(np.arange(6), [3, 4, 6, 8, 5, 4])
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=6)[g]})
    count = 4000
    effects = 2 * rng.normal(size=(6, count))[g]
    many = mmfit.lmer_many("~ x + (1 | g)", frame, effects + rng.normal(size=(len(g), count)))
    rejected = {}
    for method in ("kenward-roger", "residual"):
        table = many.tidy(df=method)
        rejected[method] = (table.loc[table["term"] == "x", "p_value"] < 0.05).mean()
    # three and a half standard errors of a proportion of 0.05 in 4000
    assert abs(rejected["kenward-roger"] - 0.05) < 0.0121
    assert rejected["residual"] > 0.08


def test_a_fit_by_ml_is_refused():
    frame = mmfit_sleep()
    fit = mmfit.lmer("y ~ x + (1 | g)", frame, reml=False)
    many = mmfit.lmer_many("~ x + (1 | g)", frame, frame[["y"]], reml=False)
    for ask in (fit.tidy, fit.anova, fit.drop1, many.tidy):
        with pytest.raises(mmfit.MmfitError, match=r"by REML.*refit\(reml=True\)"):
            ask(df="kenward-roger")
    assert fit.refit(reml=True).tidy(df="kenward-roger")["df"].notna().all()


def test_every_question_shares_one_adjusted_covariance(monkeypatch):
    fit = mmfit.lmer("y ~ x + (1 | g)", mmfit_sleep())
    known = fit.model.precision("kenward-roger")
    monkeypatch.setattr("mmfit.inference.precision.kenward_roger.adjusted_covariance", None)
    for ask in (fit.tidy, fit.anova, fit.drop1):
        assert np.isfinite(ask(df="kenward-roger")["p_value"]).all()
    assert fit.model.precision("kenward-roger") is known


def test_a_singular_fit_says_so():
    case = zero_variance()
    model = FittedModel(fit_model(case), case)
    table = tidy(model, df="kenward-roger")
    assert "singular (g)" in table.attrs["note"]
    assert "singular (g)" in model.precision("satterthwaite").note
    assert model.precision("residual").note == ""
    inside = mmfit.lmer("y ~ x + (1 | g)", mmfit_sleep())
    assert inside.tidy(df="kenward-roger").attrs["note"] == ""


def test_what_depends_on_an_unknown_variance_has_no_degrees_of_freedom():
    """The groups are fixed effects too, so that nothing tells their variance."""
    frame = mmfit_sleep().assign(f=lambda d: d["g"])
    fit = mmfit.lmer("y ~ factor(f) + x + (1 | g)", frame)
    table = fit.tidy(df="kenward-roger").set_index("term")
    rest = len(frame) - len(fit.fixef)
    assert table.loc["x", "df"] == pytest.approx(rest)
    assert table.drop("x")[["df", "p_value"]].isna().all(axis=None)
    assert "do not tell all variance parameters apart" in table.attrs["note"]
    anova = fit.anova(df="kenward-roger").set_index("term")
    assert anova.loc["x", "den_df"] == pytest.approx(rest)
    assert anova.loc["factor(f)", ["den_df", "p_value"]].isna().all()


@pytest.mark.parametrize("q", [1, 2, 5])
def test_without_uncertainty_the_denominator_is_infinite(q):
    assert approximation(0.0, 0.0, q) == kr.Approximation(np.inf, 1.0)


def test_many_degrees_of_freedom_need_no_scale():
    found = approximation(8e-8, 4e-8, 2)
    assert found.scale == pytest.approx(1.0, abs=1e-6)
    assert found.den_df > 1e6


@pytest.mark.parametrize("q", [2, 3, 6])
def test_denominators_about_two_have_no_scale(q):
    """pbkrtest's guard at the pole of the scale, where E(F) is infinite."""
    found = approximation(float(q * q), float(q), q)
    assert found.den_df == pytest.approx(2)
    assert found.scale == 1.0


def test_the_cost_is_told_beforehand_and_refused(monkeypatch):
    fit = mmfit.lmer("y ~ x + (x | g)", mmfit_sleep())
    cost = kenward_roger_cost(fit.matrices)
    assert cost.products == 10
    assert 0 < cost.seconds < 1
    assert "second-order products" in str(cost)
    monkeypatch.setattr("mmfit.engine.derived.kenward_roger_cost.machine_memory", lambda: 1e3)
    with pytest.raises(mmfit.errors.ComputationError, match="GiB of memory"):
        fit.tidy(df="kenward-roger")


def test_a_long_computation_is_announced(monkeypatch):
    fit = mmfit.lmer("y ~ x + (x | g)", mmfit_sleep())
    monkeypatch.setattr(kr, "_LONG", 0.0)
    with pytest.warns(UserWarning, match="will take about"):
        contest(fit.model, {"x": 1}, df="kenward-roger")


@pytest.mark.parametrize("name", ["single", "nested", "crossed"])
def test_the_cost_grows_with_the_structure(name):
    """Every kind of solver has an estimate; more columns of X cost more."""
    case = DESIGNS[name]()
    x = np.random.default_rng(1).normal(size=(case.nobs, 8))
    wide = matrices(case.y, np.hstack([case.X, x]), *case.random)
    small, large = kenward_roger_cost(case), kenward_roger_cost(wide)
    assert large.operations > 2 * small.operations
    assert large.memory > small.memory
