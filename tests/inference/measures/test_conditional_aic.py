"""Conditional AIC against cAIC4, the n x n definition and refits with a changed response."""

from dataclasses import replace

import numpy as np
import pytest

import mmfit
from mmfit.engine import fit_from_json, fit_model, fit_to_json
from mmfit.engine.criterion import CRITERIA, ML, REML
from mmfit.engine.derived.effective_df import effective_df
from mmfit.engine.many import fit_many
from mmfit.engine.system.whitened_system import build_system
from mmfit.inference import conditional_aic
from mmfit.inference.fitted_model import FittedModel
from tests.engine.designs import DESIGNS, independent, matrices, single, term
from tests.reference_cases import cases, fits, inference
from tests.reference_cases import data as reference_data
from tests.reference_cases import matrices as case_matrices

# cAIC(m) of cAIC4 1.0 with lme4 1.1-31, the optimiser's tolerances at 1e-12: caic, df, log_lik.
CAIC4 = {
    ("sleep_slope", "REML"): (1711.61779074608, 31.3019249238666, -824.506970449175),
    ("sleep_poly", "ML"): (1711.77485842525, 32.0387856376318, -823.848643574994),
    ("sleep_slope_only", "ML"): (1743.49222189929, 19.1683961914728, -852.577714758171),
    ("penicillin", "REML"): (266.212134506482, 28.6237524109851, -104.482314842256),
    ("penicillin_plate", "ML"): (619.386395238744, 5.98535141838212, -303.70784620099),
    ("pastes", "REML"): (178.280860978813, 30.1649418476427, -58.9754886417638),
    ("nested_slash", "REML"): (1638.99919436879, 13.9641247977714, -805.535472386626),
    ("nested_slope", "ML"): (726.530033698585, 24.7449197012387, -338.520097148054),
    ("nested_reused_wrong", "REML"): (1964.93024050328, 8.02554732804554, -974.439572923592),
    ("sleep_missing", "ML"): (1527.28527069177, 17.0685414079992, -746.574093937884),
    ("dyestuff", "REML"): (327.14005382863, 6.39288720043984, -157.177139713875),
}


def _agrees(found, caic, df, log_lik, tolerance):
    assert found.caic == pytest.approx(caic, abs=tolerance)
    assert found.df == pytest.approx(df, abs=tolerance)
    assert found.log_lik == pytest.approx(log_lik, abs=tolerance)


@pytest.mark.parametrize("case", [c for c in inference() if "conditional_aic_ml" in inference()[c]])
def test_reference(case):
    found = conditional_aic(FittedModel(fits(case)["ML"], case_matrices(case)))
    _agrees(found, **inference()[case]["conditional_aic_ml"], tolerance=1e-5)


@pytest.mark.parametrize(("case", "criterion"), CAIC4)
def test_further_models_of_caic4(case, criterion):
    found = conditional_aic(FittedModel(fits(case)[criterion], case_matrices(case)))
    # lme4's own stop leaves some 1e-6 of theta
    _agrees(found, *CAIC4[case, criterion], tolerance=2e-4)


def _designs_of_effects(m):
    for t in m.random:
        Z = np.zeros((m.nobs, len(t.levels), t.model.shape[1]))
        Z[np.arange(m.nobs), t.codes] = t.model
        yield Z


def _variance(m, covariances, sigma):
    """V with prior weights, in units of sigma^2."""
    V = np.diag(np.ones(m.nobs) if m.weights is None else 1 / m.weights)
    for Z, covariance in zip(_designs_of_effects(m), covariances, strict=True):
        V += np.tensordot(Z @ (covariance / sigma**2), Z, axes=([1, 2], [1, 2]))
    return V


def _projection(m, V):
    inverse = np.linalg.inv(V)
    XV = m.X.T @ inverse
    return inverse - XV.T @ np.linalg.inv(XV @ m.X) @ XV


def _response(m):
    return m.y if m.offset is None else m.y - m.offset


def _by_definition(m, fit):
    """tr(I - RP), and what the estimation adds with the whole and with half of s t'."""
    V = _variance(m, [t.covariance for t in fit.terms], fit.sigma)
    P, y, n = _projection(m, V), _response(m), m.nobs
    R = np.eye(n) if m.weights is None else np.diag(1 / m.weights)
    changes = []
    for Z in _designs_of_effects(m):
        q = Z.shape[2]
        for column in range(q):
            for row in range(column, q):
                E = np.zeros((q, q))
                E[row, column] = E[column, row] = 1.0
                changes.append(np.tensordot(Z @ E, Z, axes=([1, 2], [1, 2])))
    reml = fit.criterion == "REML"
    inner = P if reml else np.linalg.inv(V)
    nu = n - m.X.shape[1] if reml else n
    e, r2 = P @ y, y @ P @ y
    s = np.array([e @ W @ e for W in changes]) / r2
    products = [W @ inner for W in changes]
    traces = np.array([[np.vdot(a, b.T) for b in products] for a in products])
    pairs = np.array([[e @ a @ P @ b @ e for b in changes] for a in changes])
    B = pairs - r2 * np.outer(s, s) / 2 - r2 / (2 * nu) * traces
    into = np.array([P @ W @ e for W in changes])
    out = []
    for part in (1.0, 0.5):
        C = into - part * np.outer(s, e)
        out.append(np.vdot(np.linalg.solve(B, C), into @ R))
    return n - np.trace(R @ P), *out


# The definition is that of an interior optimum.
INTERIOR = {
    "single": single,
    "weighted": lambda: single(10, weights=True),
    "wide": DESIGNS["wide"],
    "independent": independent,
    "nested": DESIGNS["nested_intercepts"],
    "crossed": DESIGNS["crossed_intercepts"],
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", INTERIOR)
def test_definition_with_n_by_n_matrices(name, reml):
    m = INTERIOR[name]()
    fit = fit_model(m, criterion=REML if reml else ML)
    assert not fit.singular
    found = effective_df(build_system(m), fit)
    ours = (found.hat, found.estimation, found.estimation_half)
    np.testing.assert_allclose(ours, _by_definition(m, fit), rtol=1e-6)


def _by_refits(m, fit):
    """tr(d yhat / dy) by central differences: two refits per row."""
    n, step = m.nobs, 2e-3 * fit.sigma
    changed = np.concatenate([m.y + step * np.eye(n), m.y - step * np.eye(n)])
    many = fit_many(m, changed, criterion=CRITERIA[fit.criterion])
    total = 0.0
    for b in range(2 * n):
        i = b % n
        V = _variance(m, [c[b] for c in many.covariances], many.sigma[b])
        residual = _response(replace(m, y=changed[b])) - m.X @ many.fixef[b]
        share = 1.0 if m.weights is None else 1 / m.weights[i]
        fitted = changed[b, i] - share * np.linalg.solve(V, residual)[i]
        total += fitted if b < n else -fitted
    return total / (2 * step)


def _no_slope_variance(seed=6, n=50):
    """Intercepts and slopes as two terms, the slopes without variance; no fixed effects."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=n), rng.integers(0, 8, n)
    y = rng.normal(size=8)[g] + rng.normal(size=n)
    X = np.empty((n, 0))
    return matrices(y, X, term("g", g, np.ones(n)), term("g.1", g, x, "g"))


def _three_effects(seed, rank):
    """Three correlated effects of less than full rank beside a crossed factor, with weights."""
    rng = np.random.default_rng(seed)
    n = 60
    x = rng.normal(size=(n, 3))
    g, h = rng.integers(0, 7, n), rng.integers(0, 5, n)
    b = rng.normal(size=(7, rank)) @ rng.normal(size=(rank, 3))
    y = np.einsum("nq,nq->n", x, b[g]) + 0.5 * rng.normal(size=5)[h] + rng.normal(size=n)
    weights = rng.uniform(0.3, 3, n)
    return matrices(y, x[:, :2], term("g", g, x), term("h", h, np.ones(n)), weights=weights)


REFITTED = {
    "single": single,
    "independent": independent,
    "weighted, of rank 1": lambda: single(7, weights=True),
    "no slope variance": _no_slope_variance,
    "crossed, of rank 1": DESIGNS["crossed"],
    "three effects, of rank 1": lambda: _three_effects(1, 1),
    "three effects, of rank 2": lambda: _three_effects(5, 2),
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", REFITTED)
def test_exact_df_is_the_derivative_of_the_fitted_values(name, reml):
    m = REFITTED[name]()
    fit = fit_model(m, criterion=REML if reml else ML)
    assert fit.singular == (name not in ("single", "independent"))
    found = conditional_aic(FittedModel(fit, m))
    assert found.exact_df == pytest.approx(1 + _by_refits(m, fit), abs=1e-5)
    assert ("singular" in found.note) == fit.singular


def test_a_variance_of_zero_is_the_model_without_it():
    m = _no_slope_variance()
    fit = fit_model(m, criterion=ML)
    assert fit.theta[1] == 0
    smaller = replace(m, random=m.random[:1])
    found, other = (
        conditional_aic(FittedModel(fit, m)),
        conditional_aic(FittedModel(fit_model(smaller, criterion=ML), smaller)),
    )
    _agrees(found, other.caic, other.df, other.log_lik, 1e-6)
    assert found.exact_df == pytest.approx(other.exact_df, abs=1e-6)
    assert found.note
    assert not other.note


@pytest.mark.parametrize("criterion", ["REML", "ML"])
def test_without_any_variance_it_is_the_linear_model(criterion):
    frame = reference_data("dyestuff2")
    reml = criterion == "REML"
    found = conditional_aic(FittedModel(fits("dyestuff2")[criterion], case_matrices("dyestuff2")))
    plain = mmfit.lmer("Yield ~ 1", frame, reml=reml).conditional_aic()
    _agrees(found, plain.caic, 2.0, plain.log_lik, 1e-8)
    sd = frame["Yield"].std(ddof=int(reml))
    residual = frame["Yield"] - frame["Yield"].mean()
    log_density = -0.5 * np.log(2 * np.pi * sd**2) - 0.5 * (residual / sd) ** 2
    assert plain.log_lik == pytest.approx(log_density.sum(), rel=1e-10)
    assert plain.exact_df == plain.known_df == 2
    assert "no random effects" in plain.note


def test_without_random_effects_the_conditional_aic_is_the_aic():
    frame = reference_data("sleep_weighted")
    model = mmfit.lmer("Reaction ~ Days", frame, reml=False, weights="w", offset="o")
    assert model.conditional_aic().caic == pytest.approx(model.aic, abs=1e-8)


def test_response_covariate_and_weights_may_have_any_unit():
    frame = reference_data("sleep_weighted")
    formula, options = "Reaction ~ Days + (Days | Subject)", {"categorical": ["Subject"]}
    one = mmfit.lmer(formula, frame, weights="w", **options).conditional_aic()
    other = frame.assign(
        Reaction=frame["Reaction"] / 1e6, Days=frame["Days"] * 1e4 + 77, w=frame["w"] * 50
    )
    two = mmfit.lmer(formula, other, weights="w", **options).conditional_aic()
    for name in ("df", "exact_df", "known_df"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-6)
    assert two.log_lik - one.log_lik == pytest.approx(len(frame) * np.log(1e6), rel=1e-9)


def test_coding_does_not_matter():
    frame = reference_data("sleepall")
    formula, options = "Reaction ~ Days * sex + (Days | Subject)", {"categorical": ["Subject"]}
    one = mmfit.lmer(formula, frame, **options).conditional_aic()
    two = mmfit.lmer(formula, frame, contrasts={"sex": "sum"}, **options).conditional_aic()
    _agrees(two, one.caic, one.df, one.log_lik, 1e-6)


@pytest.mark.parametrize("case", [c for c in cases() if not c.startswith("insteval")])
def test_df_lie_between_the_fixed_effects_and_all_levels_as_fixed(case):
    m = case_matrices(case)
    columns = sum(len(t.levels) * len(t.effects) for t in m.random)
    for fit in fits(case).values():
        found = conditional_aic(FittedModel(fit, m))
        assert m.X.shape[1] <= found.known_df - 1 <= m.X.shape[1] + columns
        assert found.known_df - 1e-9 <= found.exact_df <= found.df + 1e-9
        assert found.caic == pytest.approx(-2 * found.log_lik + 2 * found.df)
        assert found.exact_caic == pytest.approx(-2 * found.log_lik + 2 * found.exact_df)


def test_a_fit_from_a_file_has_the_same():
    m = case_matrices("nested_slope")
    fit = fits("nested_slope")["REML"]
    assert conditional_aic(FittedModel(fit_from_json(fit_to_json(fit)), m)) == conditional_aic(
        FittedModel(fit, m)
    )


def test_a_parameter_that_the_data_do_not_determine_counts_as_known():
    rng = np.random.default_rng(3)
    n = 20
    # one row per level: only the sum of the two variances is determined
    m = matrices(rng.normal(size=n), np.ones((n, 1)), term("g", np.arange(n), np.ones(n)))
    fit = fit_model(m)
    found = effective_df(build_system(m), replace(fit, theta=np.array([0.7])))
    assert (found.free, found.flat, found.estimation) == (1, 1, 0.0)
    # (1 + 0.7^2) P is the projection on the residuals
    assert found.hat == pytest.approx(n - (n - 1) / 1.49)


def test_many_levels_take_no_quadratic_memory_and_agree_with_a_sum_over_levels():
    rng = np.random.default_rng(4)
    levels, each = 20_000, 3
    g = np.repeat(np.arange(levels), each)
    y = rng.normal(size=levels)[g] + rng.normal(size=levels * each)
    m = matrices(y, np.ones((levels * each, 1)), term("g", g, np.ones(len(g))))
    fit = fit_model(m, criterion=ML)
    shrinkage = each * fit.theta[0] ** 2 / (1 + each * fit.theta[0] ** 2)
    found = conditional_aic(FittedModel(fit, m))
    # balanced one-way: the grand mean, and each level's deviation from it times the shrinkage
    assert found.known_df == pytest.approx(2 + (levels - 1) * shrinkage, rel=1e-9)
    # the shrinkage is 1 - W / (each B) with W and B the mean squares; its derivative adds
    assert found.exact_df - found.known_df == pytest.approx(2 * (1 - shrinkage), abs=1e-3)


def test_counting_the_estimation_of_a_variance_stops_the_choice_of_any_random_effect():
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(10), 5)
    n = len(g)
    positive, known, corrected = 0, 0, 0
    for _ in range(150):
        y = rng.normal(size=n)
        m = matrices(y, np.ones((n, 1)), term("g", g, np.ones(n)))
        fit = fit_model(m, criterion=ML)
        found = conditional_aic(FittedModel(fit, m))
        linear = conditional_aic(
            FittedModel(fit_model(replace(m, random=()), criterion=ML), replace(m, random=()))
        )
        positive += fit.theta[0] > 0
        known += -2 * found.log_lik + 2 * found.known_df < linear.caic - 1e-9
        corrected += found.caic < linear.caic - 1e-9
    # Greven & Kneib 2010: with known covariances every variance that is not zero is chosen
    assert known == positive > 30
    assert corrected < positive / 2
