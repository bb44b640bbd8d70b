"""R squared and intraclass correlations: performance, their definition and simulated truth."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.inference import icc, r_squared
from mmfit.inference.fitted_model import FittedModel
from tests.reference_cases import cases, data, fits, inference, matrices

# performance 0.10.2 leaves out the second term of `||`.
WRONG = {"sleep_uncorr"}
RIGHT = [c for c in inference() if c not in WRONG]

# r2_nakagawa(m), icc(m), icc(m, by_group = TRUE) of performance 0.10.2: marginal, conditional,
# adjusted, unadjusted, by group.
PERFORMANCE = {
    ("sleep_poly", "ML"): (
        (0.289516674392956, 0.795137455544663, 0.711657491355901, 0.505620781151707),
        None,
    ),
    ("sleep_slope_only", "ML"): (
        (0.287611494011647, 0.735209207202197, 0.628305635798492, 0.44759771319055),
        None,
    ),
    ("penicillin", "REML"): (
        (0.0, 0.936336820122566, 0.936336820122566, 0.936336820122566),
        {"plate": 0.150920375309342, "sample": 0.785416444813223},
    ),
    ("pastes", "REML"): (
        (0.0, 0.937041366116793, 0.937041366116793, 0.937041366116793),
        {"cask:batch": 0.783144750228711, "batch": 0.153896615888083},
    ),
    ("nested_slash", "REML"): (
        (0.00186249621748375, 0.984574385260127, 0.98454560150138, 0.982711889042643),
        {"clinic:region": 0.144083203740236, "region": 0.840462397761143},
    ),
    ("nested_reused_wrong", "REML"): (
        (0.00127088876571907, 0.940299431159915, 0.9402234618291, 0.939028542394196),
        {"region": 0.861815013158405, "clinic_in_region": 0.078408448670695},
    ),
    ("nested_slope", "ML"): (
        (0.00240095844632758, 0.999612140868022, 0.999611207393129, 0.997211182421695),
        None,
    ),
    ("sleep_missing", "ML"): (
        (0.426917359423706, 0.737907594066201, 0.542662109481735, 0.310990234642495),
        {"Subject": 0.542662109481735},
    ),
    ("penicillin_plate", "ML"): (
        (0.0, 0.0154077972042395, 0.0154077972042395, 0.0154077972042395),
        {"plate": 0.0154077972042395},
    ),
}


@pytest.mark.parametrize("case", [c for c in RIGHT if "r2" in inference()[c]])
def test_r_squared_of_the_reference(case):
    found = r_squared(FittedModel(fits(case)["REML"], matrices(case)))
    assert found.marginal == pytest.approx(inference()[case]["r2"]["marginal"], abs=1e-6)
    assert found.conditional == pytest.approx(inference()[case]["r2"]["conditional"], abs=1e-6)


@pytest.mark.parametrize("case", [c for c in RIGHT if "icc" in inference()[c]])
def test_icc_of_the_reference(case):
    found = icc(FittedModel(fits(case)["REML"], matrices(case)))
    assert found.adjusted == pytest.approx(inference()[case]["icc"]["adjusted"], abs=1e-6)
    assert found.unadjusted == pytest.approx(inference()[case]["icc"]["unadjusted"], abs=1e-6)


@pytest.mark.parametrize(("case", "criterion"), PERFORMANCE)
def test_further_models_of_performance(case, criterion):
    expected, groups = PERFORMANCE[case, criterion]
    fit, m = fits(case)[criterion], matrices(case)
    r2, found = r_squared(FittedModel(fit, m)), icc(FittedModel(fit, m))
    ours = (r2.marginal, r2.conditional, found.adjusted, found.unadjusted)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-12)
    if groups is not None:
        assert list(found.by_group.index) == list(groups)
        np.testing.assert_allclose(found.by_group, list(groups.values()), rtol=1e-5)


def test_independent_terms_are_all_counted():
    fit, m = fits("sleep_uncorr")["REML"], matrices("sleep_uncorr")
    intercept, slope = (float(term.covariance[0, 0]) for term in fit.terms)
    days = data("sleepstudy")["Days"].to_numpy(dtype=float)
    random = intercept + slope * np.mean(days**2)
    fixed = fit.fixef[1] ** 2 * days.var(ddof=1)
    total = fixed + random + fit.sigma**2
    found, correlations = r_squared(FittedModel(fit, m)), icc(FittedModel(fit, m))
    assert found.marginal == pytest.approx(fixed / total, rel=1e-12)
    assert found.conditional == pytest.approx((fixed + random) / total, rel=1e-12)
    assert correlations.adjusted == pytest.approx(random / (random + fit.sigma**2), rel=1e-12)
    # both terms are Subject's; it is near the correlated model's 0.80, not the 0.70 of one term
    assert list(correlations.by_group.index) == ["Subject"]
    assert found.conditional == pytest.approx(0.7965, abs=1e-4)


@pytest.mark.parametrize("case", [c for c in cases() if not c.startswith("insteval")])
def test_shares_are_those_of_the_implied_covariance(case):
    fit, m = fits(case)["REML"], matrices(case)
    found, correlations = r_squared(FittedModel(fit, m)), icc(FittedModel(fit, m))
    diagonal = [
        np.einsum("nq,qr,nr->n", term.model, estimate.covariance, term.model).mean()
        for term, estimate in zip(m.random, fit.terms, strict=True)
    ]
    weights = np.ones(m.nobs) if m.weights is None else m.weights
    residual = (fit.sigma**2 / weights).mean()
    random, fixed = sum(diagonal), np.var(m.X @ fit.fixef, ddof=1)
    total = fixed + random + residual
    assert found.shares.total == pytest.approx(total, rel=1e-10)
    assert found.marginal == pytest.approx(fixed / total, rel=1e-10, abs=1e-14)
    assert 1 - found.conditional == pytest.approx(residual / total, rel=1e-8)
    assert correlations.unadjusted == pytest.approx(random / total, rel=1e-10, abs=1e-14)
    assert correlations.by_group.sum() == pytest.approx(correlations.adjusted, abs=1e-12)
    assert 0 <= found.marginal <= found.conditional < 1
    assert correlations.unadjusted <= correlations.adjusted < 1


def test_a_singular_fit_has_values_and_says_so():
    model = mmfit.lmer("Yield ~ 1 + (1 | Batch)", data("dyestuff2"))
    assert model.icc().adjusted == 0
    assert model.icc().by_group.to_dict() == {"Batch": 0.0}
    assert (model.r_squared().marginal, model.r_squared().conditional) == (0, 0)
    assert model.icc().note == model.r_squared().note == "singular in Batch"


def test_random_effects_that_are_no_fixed_effects_count():
    frame = data("sleepstudy").assign(Subject=lambda d: d["Subject"].astype(str))
    model = mmfit.lmer("Reaction ~ 1 + (1 + Days | Subject)", frame)
    Z = np.column_stack([np.ones(len(frame)), frame["Days"]])
    random = np.einsum("nq,qr,nr->n", Z, model.record.terms[0].covariance, Z).mean()
    expected = random / (random + model.sigma**2)
    assert model.r_squared().conditional == pytest.approx(expected, rel=1e-12)


def test_without_random_effects_nothing_lies_between_levels():
    model = mmfit.lmer("Reaction ~ Days", data("sleepstudy"))
    found, correlations = model.r_squared(), model.icc()
    assert found.marginal == found.conditional > 0
    assert (correlations.adjusted, correlations.unadjusted) == (0, 0)
    assert isinstance(correlations.by_group, pd.Series)
    assert correlations.by_group.empty
    assert "no random effects" in correlations.note


def test_units_of_response_covariate_and_weights_do_not_matter():
    frame = data("sleep_weighted")
    formula, options = "Reaction ~ Days + (Days | Subject)", {"categorical": ["Subject"]}
    one = mmfit.lmer(formula, frame, weights="w", **options)
    other = frame.assign(
        Reaction=frame["Reaction"] / 1e6, Days=frame["Days"] * 1e4 + 77, w=frame["w"] * 50
    )
    two = mmfit.lmer(formula, other, weights="w", **options)
    assert two.r_squared().marginal == pytest.approx(one.r_squared().marginal, rel=1e-6)
    assert two.r_squared().conditional == pytest.approx(one.r_squared().conditional, rel=1e-6)
    assert two.icc().unadjusted == pytest.approx(one.icc().unadjusted, rel=1e-6)
    assert "weight" in one.icc().note
    assert "depends on the row" in one.icc().note


def test_coding_of_factors_does_not_matter():
    frame, options = data("sleepall"), {"categorical": ["Subject"]}
    formula = "Reaction ~ Days * sex + (Days | Subject)"
    one = mmfit.lmer(formula, frame, **options).r_squared()
    two = mmfit.lmer(formula, frame, contrasts={"sex": "sum"}, **options).r_squared()
    assert two.marginal == pytest.approx(one.marginal, rel=1e-6)
    assert two.conditional == pytest.approx(one.conditional, rel=1e-6)


def test_an_offset_is_not_explained():
    frame = data("sleep_weighted")
    options = {"categorical": ["Subject"]}
    with_offset = mmfit.lmer("Reaction ~ Days + (1 | Subject)", frame, offset="o", **options)
    less = frame.assign(Reaction=frame["Reaction"] - frame["o"])
    without = mmfit.lmer("Reaction ~ Days + (1 | Subject)", less, **options)
    assert with_offset.r_squared().marginal == pytest.approx(without.r_squared().marginal)
    assert "offset" in with_offset.r_squared().note
    assert not without.r_squared().note


def test_no_fixed_effects_explain_nothing():
    model = mmfit.lmer("diameter ~ 0 + (1 | plate) + (1 | sample)", data("penicillin"))
    assert model.r_squared().marginal == 0
    assert model.icc().adjusted == model.icc().unadjusted == model.r_squared().conditional


def test_simulated_shares_are_found():
    rng = np.random.default_rng(20)
    levels, each = 1500, 8
    g = np.repeat(np.arange(levels), each)
    x = rng.normal(size=levels * each)
    sigma = np.array([[1.0, 0.2], [0.2, 0.5]])
    effects = rng.multivariate_normal([0, 0], sigma, size=levels)[g]
    y = 0.8 * x + effects[:, 0] + effects[:, 1] * x + rng.normal(size=len(x))
    model = mmfit.lmer("y ~ x + (x | g)", {"y": y, "x": x, "g": g})
    # fixed 0.64, random 1 + 0.5, residual 1
    assert model.r_squared().marginal == pytest.approx(0.64 / 3.14, abs=0.02)
    assert model.r_squared().conditional == pytest.approx(2.14 / 3.14, abs=0.02)
    assert model.icc().adjusted == pytest.approx(1.5 / 2.5, abs=0.02)
