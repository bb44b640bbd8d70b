"""Comparison records: numbers, notes, refusals and errors, from hand-made fits."""

import numpy as np
import pytest
from scipy import stats

from mmfit.errors import ComparisonError, ComputationError
from mmfit.selection import Candidate, NullSettings, compare_all, compare_candidates
from tests.selection.designs import Bar, candidate, fit_record, matrices

RNG = np.random.default_rng(4)
N = 90
I = "(Intercept)"  # noqa: E741
ONE = np.ones(N)
G = np.repeat(np.arange(9), 10)
X, Z = RNG.normal(size=(2, N))
F = np.tile([0, 1, 2], 30)
SMALL = matrices({I: ONE, "x": X}, Bar({I: ONE}, G))
SLOPE = matrices({I: ONE, "x": X}, Bar({I: ONE, "x": X}, G))
WITHOUT_X = matrices({I: ONE}, Bar({I: ONE}, G))
OTHER = matrices({I: ONE, "z": Z}, Bar({I: ONE}, G))
NUMBERS = [
    "npar_null", "npar_alternative", "aic_null", "aic_alternative", "bic_null", "bic_alternative",
    "log_lik_null", "log_lik_alternative", "chisq", "df", "p_value", "null_distribution",
    "p_value_chi2",
]  # fmt: skip


LARGE_SAMPLE = NullSettings(replicates=0)


def test_numbers_of_a_test():
    found = compare_candidates(
        candidate("m1", SMALL, 106.5), candidate("m2", SLOPE, 100.0), LARGE_SAMPLE
    )
    assert (found.null, found.alternative, found.criterion, found.valid) == (
        "m1", "m2", "REML", True,
    )  # fmt: skip
    assert (found.npar_null, found.npar_alternative, found.df) == (4, 6, 2)
    assert found.chisq == 6.5
    assert (found.log_lik_null, found.log_lik_alternative) == (-53.25, -50.0)
    assert (found.aic_null, found.aic_alternative) == (114.5, 112.0)
    assert found.bic_null == pytest.approx(106.5 + 4 * np.log(N), rel=1e-14)
    assert found.p_value_chi2 == pytest.approx(stats.chi2.sf(6.5, 2), rel=1e-12)
    assert found.null_distribution == "0.5 chi2(1) + 0.5 chi2(2)"
    boundary = (stats.chi2.sf(6.5, 1) + stats.chi2.sf(6.5, 2)) / 2
    assert found.p_value == pytest.approx(boundary, rel=1e-12)
    assert found.outcome == "valid"


def test_the_criterion_chooses_the_fits():
    """REML and ML fits differ; a pair with other fixed parts takes ML from both."""
    found = compare_candidates(
        candidate("m0", WITHOUT_X, 200.0, 110.0), candidate("m1", SMALL, 300.0, 104.0), LARGE_SAMPLE
    )
    assert (found.criterion, found.chisq, found.log_lik_null) == ("ML", 6.0, -55.0)
    assert found.null_distribution == "chi2(1)"
    assert found.p_value_chi2 == found.p_value


def test_wrong_order_is_tested_the_right_way_round_and_noted():
    found = compare_candidates(candidate("m2", SLOPE, 100.0), candidate("m1", SMALL, 106.5))
    assert (found.null, found.alternative, found.chisq) == ("m1", "m2", 6.5)
    assert found.note.startswith(
        "asked for with m2 as the null; m1 is the smaller model, so it is the null here"
    )


def test_all_pairs_come_once_in_order_and_the_right_way_round():
    models = [
        candidate("big", SLOPE, 100.0, 99.0),
        candidate("other", OTHER, 120.0, 119.0),
        candidate("small", SMALL, 106.5, 105.0),
    ]
    found = compare_all(models)
    assert [(c.null, c.alternative) for c in found] == [
        ("big", "other"), ("small", "big"), ("other", "small"),
    ]  # fmt: skip
    assert [c.valid for c in found] == [False, True, False]
    assert "asked for" not in (found[1].note or "")


def test_listed_pairs_keep_their_order():
    models = [candidate("m1", SMALL, 106.5), candidate("m2", SLOPE, 100.0)]
    (found,) = compare_all(models, pairs=[("m2", "m1")])
    assert (found.null, found.alternative) == ("m1", "m2")
    assert "asked for with m2 as the null" in found.note


def test_a_refused_pair_has_no_number():
    found = compare_candidates(candidate("m1", SMALL), candidate("m2", OTHER))
    assert not found.valid
    assert found.outcome == "fixed_not_nested"
    assert found.criterion is None
    assert [getattr(found, name) for name in NUMBERS] == [None] * len(NUMBERS)


def test_a_fit_that_did_not_converge_gives_no_number():
    bad = candidate("m2", SLOPE, 100.0, converged=False)
    found = compare_candidates(candidate("m1", SMALL, 106.5), bad)
    assert (found.valid, found.outcome) == (False, "not_converged")
    assert found.reason == "no test: the REML fit of m2 (step limit reached) did not converge"
    assert [getattr(found, name) for name in NUMBERS] == [None] * len(NUMBERS)


@pytest.mark.parametrize("excess", [0.0, 1e-9, 9e-7])
def test_a_chi_square_of_zero_up_to_noise_is_zero(excess):
    found = compare_candidates(candidate("m1", SMALL, 100.0), candidate("m2", SLOPE, 100 + excess))
    assert found.chisq == 0.0
    assert (found.p_value, found.p_value_chi2) == (1.0, 1.0)


@pytest.mark.parametrize("excess", [2e-6, 71.9])
def test_a_negative_chi_square_is_a_failed_fit(excess):
    with pytest.raises(ComputationError, match=r"m1 fits better than m2, which contains it") as e:
        compare_candidates(candidate("m1", SMALL, 100.0), candidate("m2", SLOPE, 100.0 + excess))
    assert "has not reached its optimum" in str(e.value)


def test_singular_null_is_named_and_has_no_mixture():
    found = compare_candidates(
        candidate("m1", SMALL, 106.5, singular=True),
        candidate("m2", SLOPE, 100.0),
        NullSettings(replicates=0),
    )
    assert found.valid
    assert found.p_value == pytest.approx(stats.chi2.sf(6.5, 2), rel=1e-12)
    assert (found.null_distribution, found.kind) == ("chi2(2)", "plain")
    assert "the null fit, that of m1, is singular (g)" in found.note


def test_singular_alternative_is_named_and_tested():
    found = compare_candidates(
        candidate("m1", SMALL, 106.5), candidate("m2", SLOPE, 100.0, singular=True)
    )
    assert 0 < found.p_value < 1
    assert "the fit of m2 is singular (g)" in found.note


def reml_criterion(model, psi, sigma):
    """-2 log restricted likelihood from the n x n covariance (Harville 1974)."""
    term = model.random[0]
    same = term.codes[:, None] == term.codes[None, :]
    V = np.where(same, term.model @ psi @ term.model.T, 0) + sigma**2 * np.eye(model.nobs)
    solved = np.linalg.solve(V, model.X)
    gram = model.X.T @ solved
    beta = np.linalg.solve(gram, solved.T @ model.y)
    r = model.y - model.X @ beta
    dets = np.linalg.slogdet(V)[1] + np.linalg.slogdet(gram)[1]
    rest = model.nobs - model.X.shape[1]
    return dets + r @ np.linalg.solve(V, r) + rest * np.log(2 * np.pi)


def test_chi_square_does_not_depend_on_the_basis_of_x():
    """REML criteria of sum and treatment contrasts differ by a constant, which must not count."""
    y = RNG.normal(size=N) + RNG.normal(size=9)[G]
    treatment = {I: ONE, "f1": F == 1, "f2": F == 2}
    sums = {I: ONE, "fA": (F == 0) * 1.0 - (F == 2), "fB": (F == 1) * 1.0 - (F == 2)}
    null = matrices(treatment, Bar({I: ONE}, G), y=y)
    same = matrices(treatment, Bar({I: ONE, "x": X}, G), y=y)
    other = matrices(sums, Bar({I: ONE, "x": X}, G), y=y)
    null_value = reml_criterion(null, np.array([[0.01]]), 2.0)
    psi = np.array([[1.0, 0.1], [0.1, 0.05]])
    values = [reml_criterion(m, psi, 1.0) for m in (same, other)]
    assert abs(values[0] - values[1]) > 0.1
    plain, shifted = (
        compare_candidates(candidate("m1", null, null_value), candidate("m2", m, value))
        for m, value in zip((same, other), values, strict=True)
    )
    assert plain.chisq > 1
    assert shifted.chisq == pytest.approx(plain.chisq, abs=1e-9)
    for field in ("log_lik_alternative", "aic_alternative", "bic_alternative"):
        assert getattr(shifted, field) == pytest.approx(getattr(plain, field), abs=1e-9)
    assert "codes the fixed part in another basis" in shifted.note
    assert "another basis" not in plain.note


def test_df_counts_what_is_identified():
    twice = matrices({I: ONE, "x": X}, Bar({I: ONE}, G), Bar({I: ONE, "x": X}, G))
    found = compare_candidates(candidate("m1", SMALL, 106.5), candidate("m2", twice, 100.0))
    assert (found.npar_null, found.npar_alternative, found.df) == (4, 7, 2)
    assert "df counts only what can be" in found.note


def test_unknown_names_are_refused_with_the_nearest_one():
    models = [candidate("m1", SMALL), candidate("slope", SLOPE)]
    with pytest.raises(
        ComparisonError, match=r'"slop", which does not exist; did you mean "slope"'
    ):
        compare_all(models, pairs=[("m1", "slop")])


def test_a_model_is_not_compared_with_itself():
    with pytest.raises(ComparisonError, match='has the model "m1" on both sides'):
        compare_all([candidate("m1", SMALL)], pairs=[("m1", "m1")])


def test_a_word_other_than_all_is_refused():
    with pytest.raises(ComparisonError, match='"all" or a list of pairs'):
        compare_all([candidate("m1", SMALL)], pairs="every")


def test_two_candidates_of_one_name_are_refused():
    with pytest.raises(ComparisonError, match='two candidates are called "m1"'):
        compare_all([candidate("m1", SMALL), candidate("m1", SLOPE)])


def test_a_missing_fit_is_named():
    lone = Candidate("m2", SLOPE, {"ML": fit_record(SLOPE, "ML", 99.0)})
    with pytest.raises(ComparisonError, match='the model "m2" has no REML fit'):
        compare_candidates(candidate("m1", SMALL), lone)
