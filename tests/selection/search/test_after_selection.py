"""Intervals and p-values that count the selection: by slow ways, invariant, and when missing."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mmfit
from mmfit.api.search import search
from mmfit.engine import fit_both, fit_model
from mmfit.errors import ComputationError
from mmfit.formula import build_matrices
from mmfit.selection import Candidate, NullSettings, select_model
from mmfit.selection.pair_tests.likelihood_ratio import WITHOUT_BOOTSTRAP
from mmfit.selection.search.after_search import after_ladder, after_search
from mmfit.selection.search.after_selection import Selected, after_selection
from mmfit.selection.search.cluster_covariance import cluster_covariance
from mmfit.selection.search.models import Fits
from mmfit.selection.search.richest import richest_model
from mmfit.selection.search.source import RowSource, clusters, drawn
from mmfit.selection.search.stability import SearchTask, generators, search_stability
from mmfit.selection.search.stability_ladder import LadderTask, ladder_stability
from mmfit.selection.search.stability_records import Choice, Stability
from mmfit.tables.schema import TABLES
from mmfit.tables.search_tables import after_selection_table

MAXIMAL, MINIMAL = "y ~ x + z + (1 | g)", "y ~ 1 + (1 | g)"
NUMBERS = (
    "estimate_selection",
    "std_error_selection",
    "df_selection",
    "p_value_selection",
    "conf_low_selection",
    "conf_high_selection",
)


def data(seed=5, groups=10, size=4, x=0.45, z=0.3, spread=0.8):
    rng = np.random.default_rng(seed)
    g, n = np.repeat(np.arange(groups), size), groups * size
    columns = rng.normal(size=(3, n))
    columns[1] += 0.8 * columns[0]
    y = 1 + x * columns[0] + z * columns[1] + spread * rng.normal(size=groups)[g]
    frame = {"y": y + rng.normal(size=n), "x": columns[0], "z": columns[1], "w": columns[2], "g": g}
    return pd.DataFrame(frame)


FRAME = data()


def audited(
    frame=FRAME,
    maximal=MAXIMAL,
    minimal=MINIMAL,
    samples=4,
    method="parametric",
    nulls=WITHOUT_BOOTSTRAP,
):
    """The result of a search whose audit has a few samples."""
    task = SearchTask(RowSource(frame), maximal, minimal, "backward", "lrt", 0.05, nulls)
    models = task.models()
    outcome = task.run(Fits(models))
    audit = search_stability(task, outcome, samples=samples, method=method, models=models)
    return after_search(task, models, outcome, audit)


def rows(after):
    return {row.term: row for row in after.rows}


def ladder(formulas, frame=FRAME, samples=4, method="parametric"):
    candidates = []
    for name, formula in formulas.items():
        matrices = build_matrices(formula, frame)
        candidates.append(Candidate(name, matrices, fit_both(matrices)))
    sources = {name: (RowSource(frame), formula) for name, formula in formulas.items()}
    chosen = select_model(candidates).chosen
    task = LadderTask(candidates)
    audit = ladder_stability(task, sources, chosen, samples=samples, method=method)
    return chosen, after_ladder(task, chosen, audit)


def slow_interval(frame, name, selected):
    """By dense matrices, a fine grid of data sets, each selected from alone, and sums over it."""
    fit = mmfit.lmer(MAXIMAL, frame)
    Z = (frame["g"].to_numpy()[:, None] == np.unique(frame["g"])).astype(float)
    X = np.column_stack([np.ones(len(frame)), frame["x"], frame["z"]])
    V = fit.sigma**2 * np.eye(len(frame)) + Z @ Z.T * fit.varcorr["vcov"].iloc[0]
    C = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    k = ["(Intercept)", "x", "z"].index(name)
    table = fit.tidy().set_index("term")
    value, df = table.loc[name, "estimate"], table.loc[name, "df"]
    se = np.sqrt(C[k, k])
    grid = np.arange(min(value / se, 0) - 5, max(value / se, 0) + 5, 0.1)
    moved = X @ C[:, k] / C[k, k]
    kept = [selected(frame.assign(y=frame["y"] + moved * (t * se - value))) for t in grid]
    kept = np.array([name in formula.split(" ") for formula in kept])
    assert kept[np.argmin(abs(grid - value / se))]

    def p(truth):
        weight = stats.t.pdf(grid - truth / se, df) * kept
        share = weight[grid <= value / se].sum() / weight.sum()
        return 2 * min(share, 1 - share)

    truths = np.linspace(value - 6 * se, value + 6 * se, 1201)
    inside = truths[[p(truth) > 0.05 for truth in truths]]
    return inside[0], inside[-1], p(0.0), se


def test_a_search_by_a_slow_way():
    found = rows(audited())
    reported = [term for term in found if term != "(Intercept)"]
    assert reported
    for term in reported:
        row = found[term]
        low, high, p, se = slow_interval(
            FRAME, term, lambda frame: search(MAXIMAL, frame, minimal=MINIMAL).formula
        )
        assert row.std_error_selection == pytest.approx(se, rel=1e-5)
        assert row.conf_low_selection == pytest.approx(low, abs=0.1 * se)
        assert row.conf_high_selection == pytest.approx(high, abs=0.1 * se)
        assert row.p_value_selection == pytest.approx(p, abs=0.05)
        assert row.p_value_selection > row.p_value


def test_declared_candidates_by_the_same_slow_way():
    formulas = {"0": MINIMAL, "1": "y ~ x + (1 | g)", "2": MAXIMAL, "3": "y ~ z + (1 | g)"}
    chosen, after = ladder(formulas)

    def selected(frame):
        again = []
        for name, formula in formulas.items():
            matrices = build_matrices(formula, frame)
            again.append(Candidate(name, matrices, fit_both(matrices)))
        return formulas[select_model(again).chosen]

    found = rows(after)
    (term,) = [term for term in found if term != "(Intercept)"]
    assert found[term].model == chosen
    low, high, p, se = slow_interval(FRAME, term, selected)
    assert found[term].conf_low_selection == pytest.approx(low, abs=0.1 * se)
    assert found[term].conf_high_selection == pytest.approx(high, abs=0.1 * se)
    assert found[term].p_value_selection == pytest.approx(p, abs=0.05)


def test_the_naive_columns_are_those_of_the_chosen_fit():
    after = after_selection_table(audited())
    fit = mmfit.lmer(after["model"][0], FRAME).tidy()
    for column in ("term", "estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
        assert after[column].tolist() == fit[column].tolist()


def test_a_coefficient_of_every_model_has_the_t_interval_of_the_richest():
    row = rows(audited())["(Intercept)"]
    fit = mmfit.lmer(MAXIMAL, FRAME).tidy().set_index("term").loc["(Intercept)"]
    assert row.estimate_selection == pytest.approx(fit["estimate"], abs=1e-8)
    assert row.conf_low_selection == pytest.approx(fit["conf_low"], rel=1e-6)
    assert row.conf_high_selection == pytest.approx(fit["conf_high"], rel=1e-6)
    assert row.p_value_selection == pytest.approx(fit["p_value"], rel=1e-4)


def test_neither_the_order_of_rows_nor_units_matter():
    plain = rows(audited())
    order = np.random.default_rng(0).permutation(len(FRAME))
    shuffled = rows(audited(FRAME.iloc[order].reset_index(drop=True)))
    scaled = rows(audited(FRAME.assign(y=1000 * FRAME["y"])))
    units = {"p_value_selection": 1, "df_selection": 1}
    for term, row in plain.items():
        for name in NUMBERS:
            expected = getattr(row, name)
            assert getattr(shuffled[term], name) == pytest.approx(expected, rel=1e-4, abs=1e-6)
            scale = units.get(name, 1000)
            assert getattr(scaled[term], name) == pytest.approx(
                scale * expected, rel=1e-4, abs=1e-6 * scale
            )


@pytest.mark.parametrize("method", ["parametric", "cluster"])
def test_the_bytes_do_not_depend_on_the_memory_that_is_used(monkeypatch, method):
    whole = audited(samples=32, method=method)
    assert audited(samples=32, method=method) == whole
    monkeypatch.setattr("mmfit.selection.search.stability._MOST_NUMBERS", 7 * len(FRAME))
    assert audited(samples=32, method=method) == whole


def test_frequencies_are_shares_of_the_samples_in_which_something_was_selected():
    task = SearchTask(RowSource(FRAME), MAXIMAL, MINIMAL, "backward", "lrt", 0.05)
    models = task.models()
    outcome = task.run(Fits(models))
    choices = [
        Choice("a", (), coefficients=("(Intercept)", "x", "z")),
        Choice("b", (), coefficients=("(Intercept)",)),
        Choice(None, failure="no"),
    ]
    names = models.matrices(outcome.state).fixed_names
    found = rows(
        after_search(task, models, outcome, Stability("parametric", 3, 1, "", (), choices))
    )
    assert {row.samples for row in found.values()} == {2}
    assert [found[name].frequency for name in names] == [1.0] + [0.5] * (len(names) - 1)


def asked_of(select, names=("(Intercept)", "x")):
    matrices = build_matrices(f"y ~ {' + '.join(names[1:])} + (1 | g)", FRAME)
    candidate = Candidate("a", matrices, fit_both(matrices))
    return Selected("a", candidate.model("REML"), [], ("(Intercept)",), select, None)


NO_AUDIT = Stability("parametric", 0, 1, "", ())


def test_selections_that_fail_report_nothing():
    def select(responses):
        slopes = (responses - responses.mean(axis=1, keepdims=True)) @ FRAME["x"].to_numpy()
        kept = np.abs(slopes) > 12
        return [Choice("a", coefficients=("x",)) if k else Choice(None, failure="?") for k in kept]

    def quiet(responses):
        return [replace(choice, failure=None) for choice in select(responses)]

    assert after_selection(asked_of(select), NO_AUDIT) == after_selection(asked_of(quiet), NO_AUDIT)


def test_a_selection_that_never_reports_has_a_note_and_no_interval():
    row = rows(after_selection(asked_of(lambda y: [Choice("b")] * len(y)), NO_AUDIT))["x"]
    assert row.conf_low_selection is None
    assert row.p_value_selection is None
    assert "does not have it" in row.note
    assert row.std_error_selection > 0


def test_an_only_candidate_is_not_selected():
    chosen, after = ladder({"only": MAXIMAL})
    assert (chosen, after.selections) == ("only", 0)
    for row in after.rows:
        assert row.frequency == 1
        assert row.conf_low_selection == pytest.approx(row.conf_low, rel=1e-6, abs=1e-8)
        assert row.p_value_selection == pytest.approx(row.p_value, rel=1e-6)


def test_a_singular_model_says_so():
    frame = data(seed=9, spread=0.0, x=0.9)
    found = rows(audited(frame, maximal="y ~ x + z + (x | g)"))
    assert found["x"].conf_low_selection < found["x"].conf_high_selection
    assert "singular" in found["x"].note


def test_a_richest_model_that_cannot_be_fitted(monkeypatch):
    """Its random part gives way to the chosen one's; without that, all is missing."""
    whole = rows(audited(maximal="y ~ x + z + (x | g)"))
    simple = rows(audited())
    own, name = fit_model, "mmfit.selection.search.after_selection.fit_model"

    def slopes_fail(matrices, **how):
        if any("x" in term.effects for term in matrices.random):
            raise ComputationError("no digits")
        return own(matrices, **how)

    monkeypatch.setattr(name, slopes_fail)
    found = rows(audited(maximal="y ~ x + z + (x | g)"))
    assert found["x"].std_error_selection == simple["x"].std_error_selection
    assert found["x"].std_error_selection != whole["x"].std_error_selection
    assert "random part of the chosen model" in found["x"].note
    assert "no digits" in found["x"].note

    def fail(matrices, **how):
        raise ComputationError("no digits")

    monkeypatch.setattr(name, fail)
    row = rows(audited())["x"]
    assert row.conf_low_selection is None
    assert row.conf_low < row.conf_high
    assert row.note == "the richest model cannot be fitted (no digits)"


def test_models_without_random_effects():
    found = rows(audited(maximal="y ~ x + z + w", minimal="y ~ 1"))
    assert len(found) > 1
    assert all(np.isfinite(row.conf_low_selection) for row in found.values())


def test_other_weights_and_offsets_of_the_rows_go_along():
    frame = FRAME.assign(weight=np.random.default_rng(1).uniform(0.5, 2, len(FRAME)))
    source = RowSource(frame, "weight", "w")
    task = SearchTask(source, MAXIMAL, MINIMAL, "backward", "lrt", 0.05)
    models = task.models()
    found = after_search(task, models, task.run(Fits(models)), NO_AUDIT)
    fit = mmfit.lmer(MAXIMAL, frame, weights="weight", offset="w").tidy().set_index("term")
    for term, row in rows(found).items():
        assert row.std_error_selection == pytest.approx(fit.loc[term, "std_error"], rel=1e-6)


def test_rank_deficient_models():
    """A column that others make up: what it takes from them cannot be told."""
    frame = FRAME.assign(both=FRAME["x"] + FRAME["w"])
    frame["y"] = frame["y"] + frame["both"]
    formulas = {"a": "y ~ both + (1 | g)", "b": "y ~ x + w + z + (1 | g)"}
    models = {name: build_matrices(formula, frame) for name, formula in formulas.items()}
    task = LadderTask([Candidate(name, m, fit_both(m)) for name, m in models.items()])
    found = rows(after_ladder(task, "a", NO_AUDIT))
    assert "does not tell it" in found["both"].note
    assert found["both"].conf_low_selection is None
    found = rows(after_ladder(task, "b", NO_AUDIT))
    assert all(row.conf_low_selection is not None for row in found.values())
    # A second copy of a column adds nothing and harms nothing.
    twice = FRAME.assign(copy=2 * FRAME["x"])
    one = rows(audited(twice, maximal="y ~ x + z + copy + (1 | g)"))
    assert all(row.note == "" for row in one.values())


def test_the_richest_model_has_all_columns_and_the_largest_random_part():
    frame = FRAME.assign(both=FRAME["x"] + FRAME["w"])
    models = {
        name: build_matrices(formula, frame)
        for name, formula in {
            "both": "y ~ both + (1 | g)",
            "parts": "y ~ x + w + (1 | g)",
            "slope": "y ~ z + (z | g)",
            "quadratic": "y ~ poly(x, 2) + (1 | g)",
            "line": "y ~ x + (1 | g)",
        }.items()
    }
    found = richest_model(models["both"], [models["parts"], models["slope"]])
    assert found.matrices.fixed_names == ("(Intercept)", "both", "x", "z")
    assert found.absent == ("both",)
    assert found.matrices.random[0].effects == ("(Intercept)", "z")
    curve = richest_model(models["line"], [models["quadratic"]])
    assert curve.matrices.fixed_names == ("(Intercept)", "x", "poly(x, 2)2")
    assert curve.absent == ()


def test_a_handful_of_samples_of_levels_is_too_few():
    for row in audited(samples=5, method="cluster").rows:
        assert row.conf_low_selection is None
        assert row.std_error_selection is None
        assert "a variance needs 30" in row.note
        assert row.samples == 5


def test_the_covariance_of_drawn_levels_by_refits_of_drawn_rows():
    matrices = build_matrices(MAXIMAL, FRAME)
    known = clusters([matrices])
    found = cluster_covariance(matrices, known, generators(40, 3))
    estimates = [
        mmfit.lmer(MAXIMAL, drawn(RowSource(FRAME), known, rng).frame).tidy()["estimate"]
        for rng in generators(40, 3)
    ]
    np.testing.assert_allclose(found.vcov, np.cov(np.array(estimates).T) * 10 / 9, rtol=1e-5)
    assert found.df == pytest.approx(1 / (1 / 9 + 1 / 39))
    assert found.samples == 40


def test_samples_without_a_coefficient_are_no_part_of_its_covariance():
    frame = FRAME.assign(rare=(FRAME["g"] == 3).astype(float))
    matrices = build_matrices("y ~ x + rare + (1 | g)", frame)
    found = cluster_covariance(matrices, clusters([matrices]), generators(60, 1))
    has = [3 in rng.integers(10, size=10) for rng in generators(60, 1)]
    assert found.samples == sum(has) < 60


def test_clusters_with_crossed_and_nested_factors():
    frame = FRAME.assign(item=np.tile(np.arange(4), 10), sub=FRAME["g"] * 2 + (FRAME["x"] > 0))
    frame = frame.assign(item=frame["item"] + 4 * (frame["w"] > 0) + 8 * (frame["z"] > 0))
    formula = "y ~ x + (1 | g) + (1 | sub) + (1 | item)"
    matrices = build_matrices(formula, frame)
    known = clusters([matrices])
    found = cluster_covariance(matrices, known, generators(50, 3))
    fits = [
        mmfit.lmer(formula, drawn(RowSource(frame), known, rng).frame) for rng in generators(50, 3)
    ]
    estimates = [fit.tidy()["estimate"] for fit in fits if fit.record.converged]
    assert found.samples == len(estimates) > 30
    np.testing.assert_allclose(found.vcov, np.cov(np.array(estimates).T) * 10 / 9, rtol=1e-4)


def test_both_methods_rest_on_their_own_standard_errors():
    one, other = (rows(audited(samples=32, method=m)) for m in ("parametric", "cluster"))
    assert one["x"].std_error_selection != other["x"].std_error_selection
    assert other["x"].df_selection == pytest.approx(1 / (1 / 9 + 1 / 31))


def test_the_api_repeats_the_search_once(monkeypatch):
    found = search(MAXIMAL, FRAME, minimal=MINIMAL, null_distribution="chi2")
    table = found.after_selection(4)
    monkeypatch.setattr("mmfit.selection.search.stability.search_stability", None)
    assert found.stability(4)["count"].max() == 4
    assert tuple(table.columns) == TABLES["after_selection"].header
    assert table["samples"].tolist() == [4] * len(table)
    expected = [asdict(row) for row in audited(nulls=NullSettings("chi2")).rows]
    assert table["conf_low_selection"].tolist() == [row["conf_low_selection"] for row in expected]
    assert set(table["model"]) == {found.formula}


def test_the_table_without_an_audit():
    assert tuple(after_selection_table(None).columns) == TABLES["after_selection"].header
    assert not len(after_selection_table(None))


def test_null_coefficients_that_were_selected_are_covered():
    """Among data sets in which an effect of zero is reported, the naive interval never covers 0."""
    naive, ours, small = [], [], []
    for seed in range(2000):
        frame = data(seed, groups=6, size=5, x=0.0, z=0.0, spread=0.0)
        task = SearchTask(RowSource(frame), "y ~ x + w", "y ~ 1", "backward", "lrt", 0.05)
        models = task.models()
        outcome = task.run(Fits(models))
        if len(models.matrices(outcome.state).fixed_names) == 1:
            continue
        for row in after_search(task, models, outcome, NO_AUDIT).rows[1:]:
            naive.append(row.conf_low <= 0 <= row.conf_high)
            ours.append(row.conf_low_selection <= 0 <= row.conf_high_selection)
            small.append(row.p_value_selection < 0.5)
        if len(ours) >= 60:
            break
    assert np.mean(naive) < 0.4
    assert stats.binomtest(sum(ours), len(ours), 0.95).pvalue > 0.01
    assert stats.binomtest(sum(small), len(small), 0.5).pvalue > 0.01
