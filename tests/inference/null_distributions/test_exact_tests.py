"""Exact tests of one variance: the F test, RLRsim, eigenvalues, and simulated statistics."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mmfit.engine.criterion import ML, REML
from mmfit.engine.many import fit_many
from mmfit.formula import build_matrices
from mmfit.inference.null_distributions import spectra
from mmfit.inference.null_distributions.exact_tests import ExactNull
from mmfit.inference.null_distributions.spectra import no_spectrum, spectrum
from mmfit.selection import Candidate, compare_candidates
from tests.reference_cases import data, fits, inference, matrices

ROWS = np.arange(40)
SIX = np.unique((ROWS * ROWS) % 11, return_inverse=True)[1]  # 4 to 8 rows in each of 6 levels
X = np.column_stack([np.ones(40), (ROWS * 7 % 13) / 13])
BALANCED = spectrum(np.ones((30, 1)), np.arange(30) % 6, 6, np.ones(30))


def balanced_statistic(F):
    """RLRT of 6 groups of 5 with the F statistic F > 1: the supremum in closed form."""
    return 29 * np.log((5 * F + 24) / 29) - 5 * np.log(F)


def test_balanced_one_way_is_the_f_test():
    null = ExactNull(BALANCED, 0, REML)
    assert null.draws == 0
    assert null.at_zero == pytest.approx(stats.f.cdf(1, 5, 24), abs=1e-12)
    assert round(null.at_zero, 3) == 0.561
    assert null.quantile(0.95) == pytest.approx(balanced_statistic(stats.f.isf(0.05, 5, 24)))
    for F in (1.1, 2.0, 4.6, 30.0, 500.0):
        tail = null.survival(balanced_statistic(F))
        assert tail.probability == pytest.approx(stats.f.sf(F, 5, 24), rel=1e-5)
        assert tail.error == 0.0


def test_fixed_effects_of_a_linear_model_are_the_f_test():
    null = ExactNull(no_spectrum(30, 4), 2, ML)
    F = 3.7
    x = 30 * np.log1p(2 * F / 26)
    assert null.survival(x).probability == pytest.approx(stats.f.sf(F, 2, 26), rel=1e-10)


@pytest.mark.parametrize(
    ("codes", "design", "column", "weights", "expected"),
    [
        (SIX, X, np.ones(40), None, (0.570338, 0.085432, 0.016738, 0.075839, 0.009541)),
        (SIX, X, X[:, 1], None, (0.581468, 0.084407, 0.016619, 0.074008, 0.009273)),
        (
            SIX, X, np.ones(40), 1 + (ROWS % 4) / 2,
            (0.571065, 0.08536, 0.016758, 0.075446, 0.009489),
        ),
        (
            ROWS[:24] % 4, np.column_stack([np.ones(24), ROWS[:24] / 10]), np.ones(24), None,
            (0.585906, 0.080661, 0.015551, 0.081158, 0.011169),
        ),
    ],
)  # fmt: skip
def test_against_a_million_draws_of_rlrsim(codes, design, column, weights, expected):
    """RLRTSim: P(0), P(>= 1.5), P(>= 4); LRTSim with one fixed effect: P(>= 4), P(>= 8)."""
    found = spectrum(design, codes, codes.max() + 1, column, weights)
    restricted, full = ExactNull(found, 0, REML), ExactNull(found, 1, ML)
    tails = [restricted.survival(1.5), restricted.survival(4.0)]
    tails += [full.survival(4.0), full.survival(8.0)]
    assert restricted.at_zero == pytest.approx(expected[0], abs=0.003)
    for tail, value in zip(tails, expected[1:], strict=True):
        error = np.hypot(tail.error, np.sqrt(value * (1 - value) / 1e6))
        assert tail.probability == pytest.approx(value, abs=4 * error + 2e-4)


@pytest.mark.parametrize("case", ["dyestuff", "sleep_int", "sleep_factor", "conc_m", "sleepall_m1"])
def test_against_the_reference(case):
    expected = inference()[case]["exact_rlrt"]
    model = matrices(case)
    text = f"{model.response} ~ {'1' if case == 'dyestuff' else fixed_part(model)}"
    linear = build_matrices(text, data_of(case))
    null = Candidate("linear", linear, both(linear))
    found = compare_candidates(null, Candidate("mixed", model, fits(case)))
    assert found.null_distribution == "exact RLRT"
    assert found.chisq == pytest.approx(expected["statistic"], abs=1e-6)
    error = np.sqrt(max(found.p_value, 1e-5) / expected["nsim"])
    assert found.p_value == pytest.approx(expected["p_value"], abs=4 * error)


def fixed_part(model):
    return " + ".join(term.name for term in model.fixed_terms if term.name != "(Intercept)")


def data_of(case):
    return data({"sleep_int": "sleepstudy", "sleep_factor": "sleepstudy", "conc_m": "conc",
                 "sleepall_m1": "sleepall"}.get(case, case))  # fmt: skip


def both(model):
    from mmfit.engine import fit_both

    return fit_both(model)


def dense(design, codes, column, weights):
    """Eigenvalues of Z'MZ and Z'Z from n-sized matrices."""
    root = np.ones(len(codes)) if weights is None else np.sqrt(weights)
    Z = (codes[:, None] == np.arange(codes.max() + 1)) * (column * root)[:, None]
    Q = np.linalg.qr(design * root[:, None])[0]
    rest = Z - Q @ (Q.T @ Z)
    return np.linalg.eigvalsh(rest.T @ rest), np.linalg.eigvalsh(Z.T @ Z)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("p", [0, 1, 3])
def test_eigenvalues_are_those_of_the_definition(weighted, slope, p):
    rng = np.random.default_rng(p)
    codes = np.concatenate([np.arange(9), rng.integers(0, 9, 51)])
    design = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])[:, :p]
    column = rng.normal(size=60) if slope else np.ones(60)
    weights = rng.uniform(0.5, 2, 60) if weighted else None
    found = spectrum(design, codes, 9, column, weights)
    mu, xi = dense(design, codes, column, weights)
    values = np.repeat(found.values, found.counts.astype(int))
    assert values == pytest.approx(mu[len(mu) - len(values) :], rel=1e-8)
    assert np.abs(mu[: len(mu) - len(values)]).max(initial=0) < 1e-8
    assert np.repeat(found.sizes, found.size_counts.astype(int)) == pytest.approx(xi, rel=1e-8)
    assert (found.rank, found.residual) == (len(values), 60 - p - len(values))


def test_pooled_levels_change_hardly_anything(monkeypatch):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 150, 900)
    design, column = np.column_stack([np.ones(900), rng.normal(size=900)]), rng.normal(size=900)
    whole = ExactNull(spectrum(design, codes, 150, column), 0, REML)
    monkeypatch.setattr(spectra, "_ORDER", 100)
    monkeypatch.setattr(spectra, "_VALUES", 20)
    pooled = ExactNull(spectrum(design, codes, 150, column), 0, REML)
    assert len(pooled.spectrum.values) < len(whole.spectrum.values)
    assert pooled.at_zero == pytest.approx(whole.at_zero, abs=0.005)
    first, second = whole.survival(2.7), pooled.survival(2.7)
    assert first.probability == pytest.approx(second.probability, abs=4 * first.error + 5e-4)


def test_many_levels_are_no_matter_and_come_near_the_mixture():
    codes = np.repeat(np.arange(30_000), 3)
    null = ExactNull(spectrum(np.ones((90_000, 1)), codes, 30_000, np.ones(90_000)), 0, REML)
    assert (null.spectrum.rank, null.draws) == (29_999, 0)
    assert null.at_zero == pytest.approx(0.5, abs=0.005)
    assert null.survival(2.7055).probability == pytest.approx(0.05, abs=5e-4)


def test_what_the_fixed_part_explains_has_no_variance():
    design = (ROWS[:, None] % 5 == np.arange(5)).astype(float)
    assert spectrum(design, ROWS % 5, 5, np.ones(40)).rank == 0


def test_the_size_of_the_tests_and_their_law():
    """3000 data sets under the null, 5 unbalanced groups: the statistics have the exact law."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"g": np.repeat(np.arange(5), [2, 3, 5, 8, 12]), "x": rng.normal(size=30)})
    responses = rng.normal(size=(3000, 30))
    models = [
        build_matrices(text, frame, response=responses[0])
        for text in ("~ 1", "~ x", "~ x + (1 | g)")
    ]
    term = models[2].random[0]
    found = spectrum(models[2].X, term.codes, 5, term.model[:, 0])
    for null, fixed, reml in ((1, 0, True), (0, 1, False)):
        small, large = (
            fit_many(models[k], responses, criterion=REML if reml else ML) for k in (null, 2)
        )
        statistic = small.objective - large.objective
        law = ExactNull(found, fixed, REML if reml else ML)
        for x in (1.0, 2.5, 6.0):
            tail = law.survival(x).probability
            error = np.sqrt(tail * (1 - tail) / 3000)
            assert np.mean(statistic >= x) == pytest.approx(tail, abs=3.5 * error)
        assert np.mean(statistic < 1e-7) == pytest.approx(law.at_zero, abs=0.03)
