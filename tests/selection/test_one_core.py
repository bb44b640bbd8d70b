"""One likelihood-ratio core: every way to a test gives its numbers, and finds its laws once."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmfit.engine import fit_both
from mmfit.formula import build_matrices
from mmfit.inference.fitted_model import FittedModel
from mmfit.selection import (
    Candidate,
    NullSettings,
    compare_all,
    compare_candidates,
    ranova,
    select_model,
)
from mmfit.selection.pair_tests import fitted_pair as fitted_pairs
from mmfit.selection.pair_tests.likelihood_ratio import likelihood_ratio
from mmfit.selection.relations import relations as relations_module
from mmfit.selection.relations.relations import Relations
from mmfit.selection.search.models import Fits, Models
from mmfit.selection.search.rounds import Settings, run_round
from mmfit.selection.search.source import RowSource

LARGER = "y ~ x + (1 | a) + (1 | b)"
SMALLER = {"a": "y ~ x + (1 | b)", "b": "y ~ x + (1 | a)"}


def drawn(seed):
    """Small unbalanced data; in half of them b explains nothing, so that fits are singular."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(24, 60))
    frame = pd.DataFrame({"a": rng.integers(0, 5, n), "b": rng.integers(0, 4, n)}).astype(str)
    frame["x"] = rng.normal(size=n)
    effects = rng.normal(size=5)[frame["a"].astype(int)]
    other = (seed % 2) * rng.normal(size=4)[frame["b"].astype(int)]
    return frame.assign(y=effects + other + rng.normal(size=n))


def candidate(name, formula, frame):
    model = build_matrices(formula, frame)
    return Candidate(name, model, fit_both(model))


def without_bootstrap(seed):
    return NullSettings(("auto", "chibar2", "chi2")[seed % 3], replicates=0)


def numbers(test):
    return test.chisq, test.df, test.p_value, test.p_value_chi2, test.null_distribution


def by_search(frame, settings, standing="forward"):
    """The tests of a search's first round, by the formula of the smaller model."""
    models = Models(RowSource(frame).build, LARGER, None)
    asked = Settings(forward=False, criterion="lrt", alpha=0.05, nulls=settings)
    steps = run_round(Fits(models), asked, "random", models.scope.maximal, 1).steps
    return {step.candidate: step for step in steps}


@pytest.mark.parametrize("seed", range(12))
def test_every_way_gives_the_same_numbers(seed):
    frame, settings = drawn(seed), without_bootstrap(seed)
    larger = candidate("larger", LARGER, frame)
    table = ranova(FittedModel(larger.fit_by("REML"), larger.matrices), settings).set_index("term")
    searched = by_search(frame, settings)
    for term, formula in SMALLER.items():
        smaller = candidate("smaller", formula, frame)
        found = compare_candidates(smaller, larger, settings)
        pair = Relations.of({"smaller": smaller.matrices, "larger": larger.matrices}).pair(
            "smaller", "larger"
        )
        fits = smaller.fit_by("REML"), larger.fit_by("REML")
        core = likelihood_ratio(pair, *fits, replace(settings, only_deciding=bool(seed % 2)))
        assert numbers(found) == numbers(core)
        chosen = select_model([smaller, larger], settings=settings)
        (step,) = (s for s in chosen.steps if s.stage == "random" and s.method == "test")
        assert (step.chisq, step.df, step.p_value) == (found.chisq, found.df, found.p_value)
        row = table.loc[f"(1 | {term})"]
        refitted = {"rel": 1e-4, "abs": 3e-6}  # from another start
        assert row["chisq"] == pytest.approx(found.chisq, **refitted)
        assert row["p_value_chi2"] == pytest.approx(found.p_value_chi2, rel=1e-4, abs=1e-4)
        assert row["p_value"] == pytest.approx(found.p_value, rel=1e-4, abs=1e-4)
        assert row["p_value_boundary"] == row["p_value"]
        (trial,) = (s for name, s in searched.items() if f"(1 | {term})" not in name)
        if trial.chisq is not None:
            assert trial.chisq == pytest.approx(found.chisq, **refitted)
            assert trial.p_value == pytest.approx(found.p_value, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("excess", [0.0, 5e-7, -5e-7, 9e-7, -9e-7, 2e-6, 1e-3, 3.0])
def test_statistics_near_zero_are_rounded_alike(excess):
    frame = drawn(1)
    smaller, larger = candidate("smaller", SMALLER["b"], frame), candidate("larger", LARGER, frame)
    null_fit = smaller.fit_by("REML")
    shifted = replace(larger.fit_by("REML"), objective=null_fit.objective - excess)
    larger = replace(larger, fits={**larger.fits, "REML": shifted})
    found = compare_candidates(smaller, larger)
    (listed,) = compare_all([smaller, larger])
    pair = Relations.of({"smaller": smaller.matrices, "larger": larger.matrices}).pair(
        "smaller", "larger"
    )
    core = likelihood_ratio(pair, null_fit, shifted, NullSettings(only_deciding=True))
    assert numbers(found) == numbers(listed) == numbers(core)
    expected = excess if excess > 1e-5 else found.chisq
    assert found.chisq == pytest.approx(expected, abs=1e-9)
    if abs(excess) < 1e-6:
        assert (found.chisq, found.p_value, found.p_value_chi2) == (0.0, 1.0, 1.0)
    else:
        assert 0 < found.p_value < 1


@pytest.fixture
def counted(monkeypatch):
    """Makes calls of functions of a module be counted, by name."""

    def count(module, *names):
        counts = dict.fromkeys(names, 0)

        def wrapped(name, own):
            def call(*args):
                counts[name] += 1
                return own(*args)

            return call

        for name in names:
            monkeypatch.setattr(module, name, wrapped(name, getattr(module, name)))
        return counts

    return count


@pytest.mark.parametrize("null", ["y ~ x", SMALLER["b"]])
@pytest.mark.parametrize(
    "settings",
    [
        NullSettings("bootstrap", replicates=19),
        NullSettings("auto", replicates=19),
        NullSettings("exact"),
    ],
)
def test_the_laws_of_a_pair_are_found_once(counted, null, settings):
    """The exact one only where it can hold, without other random effects, or is asked for."""
    counts = counted(fitted_pairs, "null_law", "exact_distribution")
    frame = drawn(3)
    larger = LARGER if "|" in null else SMALLER["b"]
    compare_candidates(
        candidate("smaller", null, frame), candidate("larger", larger, frame), settings
    )
    exact = int(settings.method == "exact" or "|" not in null)
    assert counts == {"null_law": 1, "exact_distribution": exact}


def test_relations_are_found_once(counted):
    """Comparisons of all pairs find each structure once, and each relation once for both orders."""
    counts = counted(relations_module, "structure", "fixed_relation", "random_relation")
    frame = drawn(1)
    models = [candidate(name, f, frame) for name, f in {**SMALLER, "both": LARGER}.items()]
    relations = Relations.of({c.name: c.matrices for c in models})
    for first in models:
        for second in models:
            if first is not second:
                relations.pair(first.name, second.name)
    assert counts == {"structure": 3, "fixed_relation": 3, "random_relation": 3}
    first = select_model(models, relations=relations)
    assert counts["structure"] == 3
    assert first == select_model(models)


def test_a_relation_reads_the_same_from_both_sides():
    frame = drawn(1)
    built = {
        name: build_matrices(text, frame) for name, text in {**SMALLER, "both": LARGER}.items()
    }
    kept, anew = Relations.of(built), Relations.of(built)
    for first in built:
        for second in built:
            if first != second:
                kept.pair(second, first)
                one, other = kept.pair(first, second), anew.pair(first, second)
                assert (one.outcome, one.reason, one.swapped) == (
                    other.outcome,
                    other.reason,
                    other.swapped,
                )
