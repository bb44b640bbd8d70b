"""A model without random effects: the linear model, by both criteria."""

import numpy as np
import pytest

import mmfit
from mmfit.engine import fit_from_json, fit_to_json
from tests.reference_cases import data

# logLik(lm(Reaction ~ Days, sleepstudy), REML = TRUE / FALSE)
LOG_LIK = {True: -946.831831736, False: -950.146528178}


@pytest.fixture(scope="module")
def linear():
    return mmfit.lmer("Reaction ~ Days", data("sleepstudy"))


@pytest.mark.parametrize("reml", [True, False])
def test_log_likelihood_is_that_of_lm(linear, reml):
    assert linear.refit(reml=reml).log_lik == pytest.approx(LOG_LIK[reml], abs=1e-8)
    assert linear.npar == 3


def test_estimates_are_least_squares(linear):
    X, y = linear.matrices.X, linear.matrices.y
    beta, rss = np.linalg.lstsq(X, y, rcond=None)[:2]
    np.testing.assert_allclose(linear.fixef, beta, rtol=1e-12)
    assert linear.sigma == pytest.approx(np.sqrt(rss[0] / 178), rel=1e-12)
    assert list(linear.tidy()["df"]) == pytest.approx([178, 178], rel=1e-10)


def test_has_no_random_effects(linear):
    assert linear.ranef == {}
    assert list(linear.varcorr["group"]) == ["Residual"]
    assert not linear.singular
    assert linear.converged
    np.testing.assert_allclose(linear.predict(data("sleepstudy")), linear.fitted)


def test_goes_to_json_and_back(linear):
    again = fit_from_json(fit_to_json(linear.record))
    assert again.log_lik == linear.log_lik
    assert again.theta.shape == (0,)
    np.testing.assert_array_equal(again.uncertainty.jacobian, linear.record.uncertainty.jacobian)


def test_weights_and_offset():
    frame = data("sleep_weighted")
    fit = mmfit.lmer("Reaction ~ Days", frame, weights="w", offset="o")
    root = np.sqrt(frame["w"].to_numpy())
    y = frame["Reaction"].to_numpy() - frame["o"].to_numpy()
    beta = np.linalg.lstsq(fit.matrices.X * root[:, None], y * root, rcond=None)[0]
    np.testing.assert_allclose(fit.fixef, beta, rtol=1e-11)


def test_many_responses(linear):
    responses = linear.simulate(3, seed=2)
    many = mmfit.lmer_many("~ Days", data("sleepstudy"), responses)
    for i in range(3):
        frame = data("sleepstudy").assign(Reaction=responses[:, i])
        alone = mmfit.lmer("Reaction ~ Days", frame)
        assert many.objective.iloc[i] == pytest.approx(alone.objective, rel=1e-12)


def test_is_the_null_of_a_mixed_model(linear):
    mixed = mmfit.lmer("Reaction ~ Days + (1 | Subject)", data("sleepstudy"))
    found = mmfit.compare(linear, mixed)
    assert found.valid
    assert (found.criterion, found.df) == ("REML", 1)
    assert found.chisq == pytest.approx(107.198578077, abs=1e-6)
