"""Which null distribution decides, what stands beside it, and replicates computed in parts."""

import json
from dataclasses import replace

import numpy as np
import pytest

import mmfit
from mmfit.engine import fit_both
from mmfit.errors import ComparisonError, DataError
from mmfit.formula import build_matrices
from mmfit.inference.null_distributions.bootstrap import Replicates, joined
from mmfit.selection import Candidate, NullSettings, compare_all, compare_candidates, words
from mmfit.selection.pair_tests import fitted_pair
from mmfit.selection.pair_tests.bootstrap_chunks import (
    bootstrap_chunk,
    chunk_from_json,
    chunk_to_json,
    join_chunks,
)
from mmfit.tables.comparison_tables import comparison_tables, comparisons_of
from mmfit.tables.frames import read_tables, write_tables
from tests.reference_cases import data, fits, matrices

COMPARE = ("comparisons", "null_distributions")

CATEGORICAL = {"sleepstudy": ["Subject"], "dyestuff2": ["Batch"]}


def named(name, text, source):
    model = build_matrices(text, data(source), categorical=CATEGORICAL.get(source, ()))
    return Candidate(name, model, fit_both(model))


def known(case):
    return Candidate(case, matrices(case), fits(case))


@pytest.fixture(scope="module")
def sleep():
    texts = {
        "linear": "Reaction ~ Days",
        "constant": "Reaction ~ 1",
        "one": "Reaction ~ Days + (1 | Subject)",
        "apart": "Reaction ~ Days + (Days || Subject)",
        "both": "Reaction ~ Days + (Days | Subject)",
    }
    return {name: named(name, text, "sleepstudy") for name, text in texts.items()}


@pytest.fixture(scope="module")
def singular():
    """A null fit without variance between batches, and one more fixed effect."""
    frame = data("dyestuff2").assign(half=["a", "b"] * 15)
    null = build_matrices("Yield ~ 1 + (1 | Batch)", frame, categorical=["Batch"])
    alternative = build_matrices("Yield ~ half + (1 | Batch)", frame, categorical=["Batch"])
    return tuple(
        Candidate(name, model, fit_both(model))
        for name, model in (("null", null), ("half", alternative))
    )


def as_written(law):
    """A null distribution as its row shows it: with words for its condition."""
    return replace(law, condition=()), words.distribution(law), words.condition(law)


def by_method(found):
    return {law.method: law for law in found.distributions}


@pytest.mark.parametrize(
    ("null", "alternative", "chosen", "methods"),
    [
        ("linear", "one", "exact RLRT", "chi2 chibar2 exact"),
        ("constant", "one", "exact LRT", "chi2 chibar2 exact"),
        ("constant", "linear", "exact LRT", "chi2 exact"),
        ("one", "both", "0.5 chi2(1) + 0.5 chi2(2), tail", "chi2 chibar2 calibrated bootstrap"),
        ("one", "apart", "0.5 chi2(0) + 0.5 chi2(1), tail", "chi2 chibar2 calibrated bootstrap"),
        ("apart", "both", "chi2(1), scaled by", "chi2 calibrated bootstrap"),
    ],
)
def test_auto_takes_the_best_that_keeps_its_level(sleep, null, alternative, chosen, methods):
    found = compare_candidates(sleep[null], sleep[alternative])
    methods = methods.split()
    assert found.null_distribution.startswith(chosen)
    assert [law.method for law in found.distributions] == methods
    (law,) = (law for law in found.distributions if law.decides)
    assert law is found.decided_by
    assert found.null_distribution == words.distribution(law)
    assert (law.p_value, law.holds) == (found.p_value, True)
    plain = by_method(found)["chi2"]
    assert plain.p_value == found.p_value_chi2
    assert plain.holds == ("chibar2" not in methods)


@pytest.mark.parametrize(
    ("null", "alternative", "chosen"),
    [
        ("one", "both", "0.5 chi2(1) + 0.5 chi2(2)"),
        ("one", "apart", "0.5 chi2(0) + 0.5 chi2(1)"),
        ("apart", "both", "chi2(1)"),
    ],
)
def test_without_replicates_the_large_sample_law_decides_and_says_so(
    sleep, null, alternative, chosen
):
    found = compare_candidates(sleep[null], sleep[alternative], NullSettings(replicates=0))
    assert found.null_distribution == chosen
    assert "not calibrated to the size of this sample" in found.note


def test_the_calibrated_law_needs_few_replicates_to_agree_with_many(sleep):
    """200 replicates against 4,000 of another seed: within the interval that is given."""
    few = by_method(compare_candidates(sleep["one"], sleep["apart"]))["calibrated"]
    many = NullSettings("calibrated", 4000, seed=9, stop=False)
    law = by_method(compare_candidates(sleep["one"], sleep["apart"], many))["calibrated"]
    assert law.replicates == 4000
    assert few.mc_low < law.p_value < few.mc_high
    assert law.mc_high / law.mc_low < few.mc_high / few.mc_low


def test_tests_by_ml_draw_from_the_reml_fit(sleep):
    null = named("null", "Reaction ~ 1 + (Days | Subject)", "sleepstudy")
    found = by_method(compare_candidates(null, sleep["both"]))["calibrated"]
    assert "the REML fit of null taken as the true null" in words.condition(found)
    without = replace(null, fits={"ML": null.fits["ML"]})
    assert by_method(compare_candidates(without, sleep["both"]))["calibrated"] == found


def test_two_correlated_effects_have_simulated_weights(sleep):
    found = compare_candidates(sleep["linear"], sleep["both"], NullSettings(replicates=0))
    law = by_method(found)["chibar2"]
    assert found.p_value == law.p_value
    assert law.mc_low < law.p_value < law.mc_high
    assert law.replicates == 66_666
    assert (
        "66666 simulated projections (Monte Carlo error of a weight at most 0.00"
        in words.condition(law)
    )
    assert found.null_distribution.count("chi2(") == 4


def test_a_singular_null_is_calibrated_by_singular_replicates(singular):
    found = compare_candidates(*singular)
    law = by_method(found)["calibrated"]
    assert found.p_value == law.p_value
    assert law.mc_low < law.p_value < law.mc_high
    assert 50 < law.replicates < 200
    assert "whose null fit is singular in Batch" in words.condition(law)
    assert "the REML fit of null taken as the true null" in words.condition(law)
    assert "is singular (Batch)" in found.note
    assert by_method(found)["chi2"].holds is False
    assert "is singular" in words.condition(by_method(found)["chi2"])


def test_without_replicates_the_plain_chi_square_stands_in(singular):
    found = compare_candidates(*singular, NullSettings(replicates=0))
    assert (found.null_distribution, found.kind) == ("chi2(1)", "plain")
    assert found.p_value == found.p_value_chi2 > 0
    assert "no mixture of chi-squares holds" in found.note
    assert "not calibrated to the size of this sample" in found.note


def test_auto_bounds_the_cost_of_the_replicates(singular, monkeypatch):
    monkeypatch.setattr(fitted_pair, "refit_seconds", lambda matrices, fit: 0.06)
    found = compare_candidates(*singular, NullSettings(replicates=999, stop=False))
    assert by_method(found)["bootstrap"].replicates == 250
    assert "250 replicates at most" in found.note
    monkeypatch.setattr(fitted_pair, "refit_seconds", lambda matrices, fit: 1.0)
    found = compare_candidates(*singular)
    assert found.decided_by.method == "chi2"
    assert (
        "99 bootstrap replicates would take about 198 s, more than the 30 s that a test may take"
        in found.note
    )
    asked = compare_candidates(*singular, NullSettings("bootstrap", 120, stop=False))
    assert by_method(asked)["bootstrap"].replicates == 120


@pytest.mark.parametrize(
    ("null", "alternative", "method", "chosen", "words"),
    [
        ("one", "both", "chi2", "chi2(2)", "as asked for; one puts a variance at zero"),
        ("linear", "one", "chi2", "chi2(1)", "as asked for; linear puts a variance at zero"),
        ("linear", "one", "chibar2", "0.5 chi2(0) + 0.5 chi2(1)", None),
        ("apart", "both", "chibar2", "chi2(1)", None),
        ("linear", "both", "exact", "0.1294 chi2(0) + 0", "linear puts 2 variances at zero"),
        ("one", "both", "exact", "0.5 chi2(1) + 0.5 chi2(2), tail", "effects are correlated"),
        ("apart", "both", "exact", "chi2(1), scaled", "apart puts no variance at zero"),
        ("constant", "both", "exact", "0.1286 chi2(1)", "constant puts 2 variances at zero"),
        ("apart", "both", "calibrated", "chi2(1), scaled by", None),
    ],
)
def test_explicit_wishes(sleep, null, alternative, method, chosen, words):
    found = compare_candidates(sleep[null], sleep[alternative], NullSettings(method))
    assert found.null_distribution.startswith(chosen)
    if words is not None:
        assert words in found.note
    assert found.decided_by.method != "exact"
    assert found.p_value == found.decided_by.p_value
    # Where there is no exact law, `auto` has its say.
    assert ("bootstrap" in by_method(found)) is (method in ("calibrated", "exact"))


def test_a_mixture_is_not_had_from_a_singular_null(singular):
    found = compare_candidates(*singular, NullSettings("chibar2"))
    assert (found.decided_by.method, found.kind) == ("chi2", "plain")
    assert "no mixture of chi-squares holds" in found.note


def test_exact_beside_other_random_effects_is_an_approximation(sleep):
    """RLRsim 3.1-8, exactRLRT(m, mA, m0) on the pastes: 0.1783 from 100,000 draws."""
    null = named("cask", "strength ~ 1 + (1 | cask:batch)", "pastes")
    found = compare_candidates(null, known("pastes"), NullSettings("exact"))
    assert found.null_distribution == "exact RLRT, other random effects as known"
    assert found.p_value == pytest.approx(0.1783, abs=0.005)
    law = by_method(found)["exact"]
    assert not law.holds
    assert words.condition(law).startswith("an approximation: the exact law of (1 | batch) alone")
    assert "exact" not in by_method(compare_candidates(null, known("pastes")))


def test_bootstrap_agrees_with_what_is_exact(sleep):
    frame = data("dyestuff").assign(Yield=data("dyestuff")["Yield"].to_numpy()[::-1])
    models = [build_matrices(text, frame) for text in ("Yield ~ 1", "Yield ~ 1 + (1 | Batch)")]
    pair = [
        Candidate(name, m, fit_both(m)) for name, m in zip(("none", "batch"), models, strict=True)
    ]
    exact = compare_candidates(*pair)
    simulated = compare_candidates(*pair, NullSettings("bootstrap", 4000, stop=False))
    law = by_method(simulated)["bootstrap"]
    error = np.sqrt(exact.p_value / 4000)
    assert law.p_value == pytest.approx(exact.p_value, abs=4 * error)
    assert by_method(simulated)["exact"].p_value == exact.p_value


def test_the_seed_decides(sleep):
    def p_value(seed, **more):
        settings = NullSettings("bootstrap", 199, seed, **more)
        return compare_candidates(sleep["apart"], sleep["both"], settings).p_value

    assert p_value(1) == p_value(1)
    assert p_value(1, stop=False) != p_value(2, stop=False)


def test_few_replicates_calibrate_nothing(sleep):
    """Nineteen cannot say more than 0.05; the mixture says 1e-10 and decides."""
    found = compare_candidates(sleep["one"], sleep["both"], NullSettings(replicates=19))
    assert found.decided_by.method == "chibar2"
    assert "takes 99 bootstrap replicates (19 are allowed)" in found.note
    asked = compare_candidates(sleep["one"], sleep["both"], NullSettings("calibrated", 19))
    assert asked.decided_by.method == "bootstrap"
    assert "no law calibrated: too few bootstrap statistics lie in the tail" in asked.note


def test_what_ended_the_replicates_is_said_once(sleep):
    settled = compare_candidates(sleep["one"], sleep["both"]).distributions
    assert all("settle the matter" in words.condition(law) for law in settled[-2:])
    stopped = compare_candidates(sleep["apart"], sleep["both"]).distributions
    assert not any("settle" in words.condition(law) for law in stopped)
    assert "stopped after 50" in words.condition(stopped[-1])


def test_replicates_are_drawn_only_where_they_can_change_a_decision(sleep):
    closed = NullSettings(open_between=(0.001, 0.2))
    found = compare_candidates(sleep["one"], sleep["both"], closed)
    assert found.decided_by.method == "chibar2"
    assert found.note.endswith("not calibrated, as that could not change the decision")
    null = named("null", "Reaction ~ 1 + (Days | Subject)", "sleepstudy")
    opened = replace(closed, open_between=(1e-9, 0.2))
    assert compare_candidates(null, sleep["both"], opened).decided_by.method == "calibrated"


@pytest.mark.parametrize("unit", [1e-85, 1e85])
def test_units_change_no_law(unit):
    frame = data("sleepstudy").assign(Reaction=lambda d: d["Reaction"] * unit)
    found, expected = (
        compare_candidates(
            *(
                Candidate(text, m, fit_both(m))
                for text in ("Reaction ~ Days", "Reaction ~ Days + (Days | Subject)")
                for m in [build_matrices(text, rows, categorical=["Subject"])]
            ),
            NullSettings(replicates=0),
        )
        for rows in (frame, data("sleepstudy"))
    )
    assert found.null_distribution == expected.null_distribution
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-6)


def test_pairs_may_have_settings_of_their_own(sleep):
    candidates = [sleep["one"], sleep["apart"], sleep["both"]]
    own = {("both", "one"): NullSettings("chi2"), ("one", "apart"): NullSettings("bootstrap", 39)}
    found = compare_all(candidates, settings=NullSettings(replicates=0), per_pair=own)
    laws = {(c.null, c.alternative): c.null_distribution for c in found}
    assert laws == {
        ("one", "apart"): "parametric bootstrap (39 replicates)",
        ("one", "both"): "chi2(2)",
        ("apart", "both"): "chi2(1)",
    }


@pytest.mark.parametrize("stop", [True, False])
def test_chunks_give_the_same_comparisons(sleep, singular, stop):
    candidates = [sleep["one"], sleep["apart"], sleep["both"]]
    settings = NullSettings("bootstrap", 150, seed=4, stop=stop)
    own = {("one", "apart"): NullSettings("chi2")}
    whole = compare_all(candidates, "all", settings, own)
    for chunks in (1, 4, 7):
        parts = [
            bootstrap_chunk(candidates, "all", settings, chunk, chunks, own)
            for chunk in range(chunks)
        ]
        assert list(parts[0]) == [("one", "both"), ("apart", "both")]
        read = [chunk_from_json(chunk_to_json(part)) for part in parts]
        joined = join_chunks(read)
        assert compare_all(candidates, "all", settings, own, joined) == whole
    assert len(joined["apart", "both"]) == 150 if not stop else True


def test_chunks_of_what_no_replicates_decide_are_empty(sleep, singular):
    linear = [sleep["linear"], sleep["constant"], sleep["one"]]
    assert bootstrap_chunk(linear, "all", NullSettings(), 0, 2) == {}
    assert bootstrap_chunk(sleep.values(), "all", NullSettings("chibar2"), 0, 2) == {}
    assert list(bootstrap_chunk(singular, "all", NullSettings(), 0, 9)) == [("null", "half")]


@pytest.mark.parametrize("chunks", [1, 2, 3, 6])
def test_chunks_of_a_settled_test_give_the_same_comparison(sleep, chunks):
    """The first part ends where the matter is settled, the others do not know."""
    candidates = [sleep["one"], sleep["both"]]
    parts = [
        bootstrap_chunk(candidates, "all", NullSettings(), chunk, chunks) for chunk in range(chunks)
    ]
    found = compare_all(candidates, replicates=join_chunks(parts))
    assert found == compare_all(candidates)
    assert by_method(found[0])["bootstrap"].replicates == 200


def test_missing_replicates_are_refused(sleep):
    candidates = [sleep["one"], sleep["both"]]
    settings = NullSettings("bootstrap", 60)
    part = bootstrap_chunk(candidates, "all", settings, 0, 3)
    with pytest.raises(ComparisonError, match="20 bootstrap statistics are given, and 60"):
        compare_all(candidates, "all", settings, replicates=part)
    with pytest.raises(ComparisonError, match="there is no chunk 3 of 3"):
        bootstrap_chunk(candidates, "all", settings, 3, 3)


def test_chunk_files_keep_every_digit_and_what_failed():
    part = {
        ("a", "b"): Replicates(np.array([1 / 3, np.nan, 0.0]), np.array([True, False, True])),
        ("a", "c"): joined([]),
    }
    read = chunk_from_json(chunk_to_json(part))
    assert list(read) == list(part)
    for key, found in read.items():
        assert np.array_equal(found.statistics, part[key].statistics, equal_nan=True)
        assert np.array_equal(found.alike, part[key].alike)
        assert found.alike.dtype == bool
    assert json.loads(chunk_to_json(part))[0]["statistics"] == [1 / 3, None, 0.0]
    with pytest.raises(DataError, match="not bootstrap statistics"):
        chunk_from_json('{"a": 1}')


def test_the_table_keeps_every_record(sleep, singular, tmp_path):
    found = (
        *compare_all(sleep.values()),
        compare_candidates(*singular),
    )
    tables = comparison_tables(found)
    write_tables(tmp_path, "compare", tables)
    read = {
        (c.null, c.alternative): c.distributions
        for c in comparisons_of(read_tables(tmp_path, COMPARE))
        if c.valid
    }
    valid = {(c.null, c.alternative): c.distributions for c in found if c.valid}
    assert list(read) == list(valid)
    for pair, laws in valid.items():
        assert [as_written(law) for law in read[pair]] == [as_written(law) for law in laws]
    assert list(tables["null_distributions"].columns) == [
        "null",
        "alternative",
        "method",
        "distribution",
        "p_value",
        "mc_low",
        "mc_high",
        "replicates",
        "holds",
        "decides",
        "condition",
        "dfs",
        "weights",
        "scale",
        "tail",
    ]
    (tmp_path / "null_distributions.csv").write_text("null,method\n")
    with pytest.raises(DataError, match="run `mmfit compare` again"):
        comparisons_of(read_tables(tmp_path, COMPARE))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"method": "chisq"},
            "chi2, chibar2, exact, calibrated, bootstrap, not 'chisq'",
        ),
        ({"replicates": -1}, "replicates must be a whole number from 0, not -1"),
        ({"replicates": 99.5}, "replicates must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"seconds": float("nan")}, "seconds must be a number from 0, not nan"),
        ({"stop": "no"}, "stop must be true or false, not 'no'"),
        ({"method": "bootstrap", "replicates": 0}, "bootstrap needs replicates"),
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments, words):
    with pytest.raises(ComparisonError, match=words):
        NullSettings(**arguments)


def test_the_python_face():
    null, alternative = (
        mmfit.lmer(f"Yield ~ 1{bar}", data("dyestuff")) for bar in ("", " + (1 | Batch)")
    )
    found = mmfit.compare(null, alternative)
    assert found.null_distribution == "exact RLRT"
    assert found.p_value == pytest.approx(0.004398, abs=1e-6)  # that of the F test
    with pytest.warns(DeprecationWarning, match="the former name of p_value"):
        assert found.p_value_boundary == found.p_value
    asked = mmfit.compare(null, alternative, "bootstrap", replicates=99, seed=3)
    assert asked.null_distribution == "parametric bootstrap (99 replicates)"
    assert asked.p_value == by_method(asked)["bootstrap"].p_value >= 0.01
    assert asked.p_value_chi2 == by_method(asked)["chi2"].p_value == found.p_value_chi2
    with pytest.raises(ComparisonError, match="null_distribution must be one of"):
        mmfit.compare(null, alternative, "normal")
