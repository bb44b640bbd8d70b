"""A selection repeated on bootstrap samples: what is drawn, what is counted, and bit by bit."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mmfit.api.search import search
from mmfit.engine import fit_both, fit_model, simulate_responses
from mmfit.errors import ComparisonError
from mmfit.formula import build_matrices
from mmfit.selection import Candidate, select_model
from mmfit.selection.pair_tests import fitted_pair
from mmfit.selection.pair_tests.likelihood_ratio import (
    AUDIT_REPLICATES,
    AUDIT_SECONDS,
    audit_nulls,
)
from mmfit.selection.records import METHODS, NullSettings
from mmfit.selection.search.batch import Batch, BatchFits
from mmfit.selection.search.models import Fits, Models
from mmfit.selection.search.source import RowSource, clusters, drawn
from mmfit.selection.search.stability import SearchTask, search_stability
from mmfit.selection.search.stability_ladder import LadderTask, ladder_stability
from mmfit.tables.schema import TABLES
from mmfit.tables.search_tables import stability_table

MAXIMAL = "y ~ x + z + (x | g)"
# Kept in every model: its exact test against a linear model would take longer than all else.
MINIMAL = "y ~ 1 + (1 | g)"


def data(seed=2, groups=12, size=10):
    rng = np.random.default_rng(seed)
    g, n = np.repeat(np.arange(groups), size), groups * size
    x, z = rng.normal(size=(2, n))
    u = rng.normal(size=groups)
    y = 1 + x + u[g] + rng.normal(size=n)
    frame = {"y": y, "x": x, "z": z, "g": g, "h": np.tile(np.arange(5), n // 5)}
    return pd.DataFrame(frame).assign(s=np.where(g % 2, "even", "odd"), c=g * 2 + (x > 0))


FRAME = data()


def task(source=None, criterion="lrt", how="backward", maximal=MAXIMAL):
    return SearchTask(source or RowSource(FRAME), maximal, MINIMAL, how, criterion, 0.05)


def audit(method, samples=12, seed=1, **more):
    asked = task(**more)
    models = asked.models()
    outcome = asked.run(Fits(models))
    return search_stability(
        asked, outcome, samples=samples, method=method, seed=seed, models=models
    )


def counts(stability, kind):
    return {row.model: row.count for row in stability.rows if row.kind == kind}


def test_the_parametric_bootstrap_searches_the_simulated_responses():
    stability = audit("parametric")
    chosen = search(MAXIMAL, FRAME, minimal=MINIMAL)
    fit = chosen.chosen
    responses = simulate_responses(fit.matrices, fit.record, 12, seed=1)
    expected = {}
    for response in responses.T:
        formula = search(MAXIMAL, FRAME.assign(y=response), minimal=MINIMAL).formula
        expected[formula] = expected.get(formula, 0) + 1
    found = counts(stability, "model")
    assert {model: count for model, count in found.items() if count} == expected
    assert chosen.formula in stability.text


@pytest.mark.parametrize("criterion", ["lrt", "aic"])
def test_a_batch_gives_the_fits_that_single_models_give(criterion):
    models = Models(RowSource(FRAME).build, MAXIMAL)
    responses = np.random.default_rng(4).normal(size=(3, len(FRAME))) + FRAME["x"].to_numpy()
    batch = Batch(models, responses)
    asked = task(criterion=criterion)
    for member, response in enumerate(responses):
        in_batch = asked.run(BatchFits(batch, member)).path
        alone = asked.run(Fits(models, response)).path
        assert in_batch.chosen == alone.chosen
        for one, other in zip(in_batch.steps, alone.steps, strict=True):
            assert (one.candidate, one.decision) == (other.candidate, other.decision)
            assert one.aic == (None if other.aic is None else pytest.approx(other.aic, abs=1e-6))


def test_a_sample_does_not_depend_on_how_many_there_are():
    few, many = (audit("parametric", samples) for samples in (5, 10))
    again = audit("parametric", 10)
    assert many == again
    assert sum(counts(few, "model").values()) == 5
    assert all(count <= counts(many, "model")[m] for m, count in counts(few, "model").items())
    assert audit("parametric", 10, seed=2) != many


@pytest.mark.parametrize("method", ["parametric", "cluster"])
def test_counts_add_up_and_terms_follow_from_models(method):
    stability = audit(method)
    models = [row for row in stability.rows if row.kind == "model"]
    failures = counts(stability, "failure")
    assert sum(row.count for row in models) + sum(failures.values()) == 12
    assert [row.chosen for row in models].count(True) == 1
    terms = counts(stability, "term")
    assert list(terms) == [
        "x",
        "z",
        "(1 | g)",
        "(0 + x | g)",
        "correlation of (Intercept) and x by g",
    ]
    with_z = sum(row.count for row in models if " z " in row.model)
    assert terms["z"] == with_z
    assert terms["(1 | g)"] >= terms["(0 + x | g)"]


def test_intervals_are_those_of_clopper_and_pearson():
    for row in audit("parametric").rows:
        low, high = stats.binomtest(row.count, 12).proportion_ci(0.95, method="exact")
        assert row.frequency == row.count / 12
        assert (row.mc_low, row.mc_high) == pytest.approx((low, high), abs=1e-12)


def test_the_true_model_is_chosen_mostly():
    stability = audit("parametric", 60)
    found = counts(stability, "model")
    best = max(found, key=found.get)
    assert best == "y ~ x + (1 | g)"
    # Two tests at 5% and one of a variance: about 87% of the samples.
    assert 0.7 < found[best] / 60 < 1
    assert counts(stability, "term")["x"] == 60


def test_clusters_are_the_levels_of_the_coarsest_factor():
    models = [build_matrices("y ~ x + (x | g) + (1 | c)", FRAME)]
    known = clusters(models)
    assert (known.name, len(known.rows)) == ("g", 12)
    assert set(known.relabelled) == {"g", "c"}
    crossed = clusters([build_matrices("y ~ x + (1 | g) + (1 | h)", FRAME)])
    assert (crossed.name, crossed.relabelled) == ("h", ("h",))


def test_drawn_levels_are_levels_of_their_own():
    known = clusters([build_matrices("y ~ x + (1 | g) + (1 | c)", FRAME)])
    rng = np.random.default_rng(3)
    picked = np.random.default_rng(3).integers(12, size=12)
    assert len(set(picked)) < 12
    sample = drawn(RowSource(FRAME), known, rng).frame
    assert len(sample) == len(FRAME)
    assert sample["g"].nunique() == 12
    for draw, (_, rows) in enumerate(sample.groupby("g", sort=False, observed=True)):
        np.testing.assert_array_equal(rows["y"], FRAME["y"][FRAME["g"] == picked[draw]])
    assert (sample.groupby("c", observed=True)["g"].nunique() == 1).all()


def test_weights_and_offsets_go_with_their_rows():
    known = clusters([build_matrices("y ~ x + (1 | g)", FRAME)])
    weights, offset = FRAME["x"].to_numpy() ** 2, FRAME["z"].to_numpy()
    source = drawn(RowSource(FRAME, weights, offset), known, np.random.default_rng(0))
    np.testing.assert_array_equal(source.weights, source.frame["x"] ** 2)
    np.testing.assert_array_equal(source.offset, source.frame["z"])


def test_mappings_of_arrays_serve_as_well_as_frames():
    arrays = {name: FRAME[name].to_numpy() for name in FRAME}
    frames = [
        search(MAXIMAL, given, minimal=MINIMAL).stability(4, "cluster") for given in (FRAME, arrays)
    ]
    pd.testing.assert_frame_equal(*frames)


def test_a_factor_that_is_a_fixed_effect_too_is_not_relabelled():
    known = clusters([build_matrices("y ~ s + (1 | s:h)", FRAME)])
    assert known.relabelled == ("h",)
    with pytest.raises(ComparisonError, match="parametric"):
        clusters([build_matrices("y ~ s + (1 | s)", FRAME)])
    with pytest.raises(ComparisonError, match="none here"):
        clusters([build_matrices("y ~ x", FRAME)])


def test_samples_that_cannot_be_searched_are_counted_with_their_reason():
    # Only one group has the level "rare"; without it the factor has a single level.
    frame = FRAME.assign(f=np.where(FRAME["g"] == 3, "rare", "usual"))
    asked = task(RowSource(frame), maximal="y ~ x + f + (1 | g)")
    outcome = asked.run(Fits(asked.models()))
    stability = search_stability(asked, outcome, samples=20, method="cluster")
    (reason,) = counts(stability, "failure")
    assert "single level" in reason
    sampled = (1 - 1 / 12) ** 12  # that a sample lacks the group
    assert 0 < counts(stability, "failure")[reason] < 20 * min(1, 2.5 * sampled)


@pytest.mark.parametrize(("how", "criterion"), [("forward", "bic"), ("exhaustive", "aic")])
def test_other_searches(how, criterion):
    stability = audit("parametric", 6, how=how, criterion=criterion)
    assert sum(counts(stability, "model").values()) == 6


def test_conditional_aic():
    assert sum(counts(audit("parametric", 2, criterion="caic"), "model").values()) == 2


FORMULAS = {"a": "y ~ x + (1 | g)", "b": "y ~ x + (x | g)", "c": "y ~ x + z + (1 | g)"}


def declared(method, samples=10):
    candidates = []
    for name, formula in FORMULAS.items():
        matrices = build_matrices(formula, FRAME)
        candidates.append(Candidate(name, matrices, fit_both(matrices)))
    sources = {name: (RowSource(FRAME), formula) for name, formula in FORMULAS.items()}
    chosen = select_model(candidates).chosen
    stability = ladder_stability(
        LadderTask(candidates), sources, chosen, samples=samples, method=method
    )
    return candidates, chosen, stability


def test_the_selection_among_declared_models_is_repeated():
    candidates, chosen, stability = declared("parametric")
    (origin,) = (c for c in candidates if c.name == chosen)
    responses = simulate_responses(origin.matrices, origin.fits["REML"], 10, seed=1)
    expected = dict.fromkeys(FORMULAS, 0)
    for y in responses.T:
        again = [
            Candidate(name, m := build_matrices(formula, FRAME.assign(y=y)), fit_both(m))
            for name, formula in FORMULAS.items()
        ]
        expected[select_model(again).chosen] += 1
    found = counts(stability, "model")
    assert found == {name: count for name, count in expected.items() if count or name == chosen}
    assert counts(stability, "term")["x"] == 10


def test_declared_models_on_drawn_clusters():
    _, chosen, stability = declared("cluster", 5)
    assert sum(counts(stability, "model").values()) == 5
    assert chosen in counts(stability, "model")
    assert declared("cluster", 5)[2] == stability


def a_slope(**how):
    """The audit of a choice between two models, where one rule and another part often."""
    names = {"a": "y ~ x + (1 | g)", "b": "y ~ x + (x || g)"}
    sources = {name: (RowSource(FRAME), formula) for name, formula in names.items()}
    candidates = [
        Candidate(name, m := build_matrices(f, FRAME), fit_both(m)) for name, f in names.items()
    ]
    return ladder_stability(LadderTask(candidates, 0.3, **how), sources, "a", samples=20)


@pytest.mark.parametrize("method", ["chi2", "exact"])
def test_the_audit_goes_by_the_null_distribution_of_the_selection(method):
    origin = build_matrices("y ~ x + (1 | g)", FRAME)
    responses = simulate_responses(origin, fit_model(origin), 20, seed=1)
    expected = {"a": 0, "b": 0}
    for y in responses.T:
        pair = [
            build_matrices(f, FRAME.assign(y=y)) for f in ("y ~ x + (1 | g)", "y ~ x + (x || g)")
        ]
        again = [Candidate(n, m, fit_both(m)) for n, m in zip("ab", pair, strict=True)]
        expected[select_model(again, alpha=0.3, settings=NullSettings(method)).chosen] += 1
    found = a_slope(settings=NullSettings(method))
    assert counts(found, "model") == expected
    # By the mixture, which `auto` takes, the slope is found at another rate.
    assert found != a_slope()
    assert found == a_slope(per_pair={("b", "a"): NullSettings(method)})


def test_an_audit_calibrates_by_few_replicates_within_its_time(monkeypatch):
    """A bootstrap gives way to the calibrated law, and that to the large-sample one if too dear."""
    audited = [audit_nulls(NullSettings(method), 100, 0.05) for method in METHODS]
    assert [one.method for one in audited] == ["auto", "chi2", "chibar2", "exact", "auto", "auto"]
    assert {one.replicates for one in audited} == {AUDIT_REPLICATES}
    assert {one.seconds for one in audited} == {AUDIT_SECONDS / 100}
    assert {one.open_between for one in audited} == {(0.001, 0.2)}
    calibrated = a_slope(settings=NullSettings("auto"))
    assert a_slope(settings=NullSettings("bootstrap")) == calibrated
    own = {("a", "b"): NullSettings("calibrated")}
    assert a_slope(settings=NullSettings("chi2"), per_pair=own) == calibrated
    monkeypatch.setattr(fitted_pair, "refit_seconds", lambda matrices, fit: 1.0)
    assert a_slope(settings=NullSettings("auto")) == a_slope(settings=NullSettings("chibar2"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "jackknife"}, "parametric and cluster"),
        ({"samples": 0}, "a whole number from 1"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises(ComparisonError, match=message):
        search(MAXIMAL, FRAME, minimal=MINIMAL).stability(**settings)


def test_the_table_has_its_columns_whatever_it_holds():
    table = stability_table(audit("parametric", 3))
    assert tuple(table.columns) == TABLES["stability"].header
    assert table["count"].dtype == "Int64"
    assert not len(stability_table(None))
    assert tuple(stability_table(None).columns) == TABLES["stability"].header


def test_responses_do_not_change_with_the_memory_that_is_used(monkeypatch):
    whole = audit("parametric", 5)
    monkeypatch.setattr("mmfit.selection.search.stability._MOST_NUMBERS", 2 * len(FRAME))
    assert audit("parametric", 5) == whole


def test_the_chosen_model_is_where_responses_come_from():
    result = search(MAXIMAL, FRAME, minimal=MINIMAL)
    assert (
        result.chosen.record.objective == fit_model(build_matrices(result.formula, FRAME)).objective
    )
