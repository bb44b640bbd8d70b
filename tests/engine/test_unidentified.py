"""Fits of designs that do not tell all covariance parameters apart, or only just do."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine.serialize import fit_from_json, fit_to_json
from tests.engine.definition import objective


def few_rows(seed):
    """Persons seen as often as they have effects, or less often, at times of their own."""
    rng = np.random.default_rng(seed)
    levels, visits = (20, 3) if seed % 4 == 1 else (30, 2)
    person = np.repeat(np.arange(levels), visits)
    n = levels * visits
    T, z = np.round(rng.uniform(0, 4, n), 2), np.round(rng.normal(size=n), 2)
    h, b = rng.integers(0, 6, n), rng.normal(size=(levels, 3)) * [1, 0.7, 0.5]
    y = 1 + 0.5 * T + b[person, 0] + b[person, 1] * T + b[person, 2] * z
    y = y + rng.normal(size=6)[h] * 0.5 + rng.normal(size=n) * 0.8
    columns = {"y": np.round(y, 3), "T": T, "z": z}
    labels = {"id": [f"i{i}" for i in person], "h": [f"h{i}" for i in h]}
    return pd.DataFrame(columns | labels)


@pytest.mark.parametrize(
    ("seed", "formula", "reml", "ml"),
    [
        (0, "y ~ T + (T | id)", 258.69796868, 257.30140813),
        (1, "y ~ T + z + (T + z | id)", 219.27422618, 215.77713304),
        (2, "y ~ T + (T + z | id)", 212.22785141, 209.80008048),
        (3, "y ~ T + (T | id) + (1 | h)", 232.62013954, 231.33494711),
    ],
)
def test_as_many_effects_as_rows_fit_as_in_lme4(seed, formula, reml, ml):
    """lme4 1.1-31 without its checks, the best of three optimisers."""
    for by_reml, expected in ((True, reml), (False, ml)):
        fit = mmfit.lmer(formula, few_rows(seed), reml=by_reml)
        assert fit.converged
        assert fit.objective == pytest.approx(expected, abs=1e-6)
        assert fit.objective == pytest.approx(objective(fit.matrices, fit.theta, by_reml), abs=1e-6)
        assert fit.unidentified == ()


def groups(seed=0, n=60):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(15), 4)
    b = rng.normal(size=(15, 2))
    data = pd.DataFrame({"x": rng.normal(size=n), "f": rng.choice(list("ABC"), n)})
    data["y"] = rng.normal(size=n) + b[g, 0] + b[g, 1] * data["x"]
    data["g"], data["h"] = [f"g{i}" for i in g], [f"h{99 - i}" for i in g]
    data["task"], data["visit"] = np.where(g % 2, "B", "A"), np.where(g % 2, 2004.0, 2000.0)
    return data


@pytest.mark.parametrize(
    ("formula", "same", "count"),
    [
        ("y ~ x + (1 | g) + (1 | h)", "y ~ x + (1 | g)", 1),
        ("y ~ x + (task | g)", "y ~ x + (0 + task || g)", 1),
        ("y ~ x + (visit | g)", "y ~ x + (0 + task | g)", 1),
        ("y ~ x + (f || g)", "y ~ x + (f | g)", 1),
        ("y ~ x + (x || g) + (x | g)", "y ~ x + (x | g)", 2),
        ("y ~ g + (1 | g)", "y ~ g", 1),
    ],
)
def test_what_is_not_identified_has_the_fit_of_what_is(formula, same, count):
    for seed in range(3):
        data = groups(seed)
        fit, other = mmfit.lmer(formula, data), mmfit.lmer(same, data)
        assert sum(len(record.directions) for record in fit.unidentified) == count
        assert fit.converged
        assert fit.objective == pytest.approx(other.objective, abs=1e-6)
        if not any(record.beside_fixed for record in fit.unidentified):
            np.testing.assert_allclose(fit.std_error, other.std_error, rtol=1e-4)


def test_the_value_shown_does_not_hang_on_the_order_of_rows():
    for formula in ("y ~ x + (task | g)", "y ~ x + (visit | g)", "y ~ x + (1 | g) + (1 | h)"):
        for seed in range(5):
            data = groups(seed)
            first = mmfit.lmer(formula, data)
            second = mmfit.lmer(formula, data.sample(frac=1, random_state=seed))
            size = first.varcorr["vcov"].abs().max()
            np.testing.assert_allclose(
                first.varcorr["vcov"], second.varcorr["vcov"], atol=1e-5 * size
            )
            assert first.unidentified == second.unidentified


def test_the_record_survives_json():
    fit = mmfit.lmer("y ~ x + (f || g)", groups())
    back = fit_from_json(fit_to_json(fit.record))
    assert back.unidentified == fit.unidentified == fit.record.unidentified
    assert dataclasses.replace(fit.record, sigma=1.0).unidentified == fit.unidentified


def test_single_fits_and_batches_say_the_same():
    data = groups()
    responses = np.random.default_rng(1).normal(size=(len(data), 3))
    data["t"] = np.repeat(np.arange(15) % 3, 4)
    responses[data["t"] == 2, 1] = np.nan
    many = mmfit.lmer_many("~ x + (t | g)", data, responses)
    assert many.unidentified.astype(bool).tolist() == [False, True, False]
    for i, name in enumerate(many.responses):
        alone = mmfit.lmer("y ~ x + (t | g)", data.assign(y=responses[:, i]))
        assert many.unidentified[name] == "; ".join(r.text for r in alone.unidentified)


def test_diagnose_names_it():
    found = mmfit.lmer("y ~ x + (1 | g) + (1 | h)", groups()).diagnose()
    check = found.checks.set_index("check").loc["identification"]
    assert (check["value"], check["verdict"]) == (1.0, "look")
    assert check["text"].endswith("cannot be told apart; only their sum can.")
    assert any(line.startswith("Not identified: the variances of") for line in found.text)
    regular = mmfit.lmer("y ~ x + (x | g)", groups()).diagnose()
    assert regular.unidentified == ()
    assert regular.checks.set_index("check").loc["identification", "verdict"] == "ok"


def test_no_test_counts_a_variance_that_the_fixed_part_takes_up():
    data = groups()
    pair = mmfit.compare(mmfit.lmer("y ~ g", data), mmfit.lmer("y ~ g + (1 | g)", data))
    assert (pair.valid, pair.outcome) == (False, "no_degrees_of_freedom")
    assert "cannot be told from the fixed part" in pair.reason


def test_a_level_per_row_is_told_from_the_residual_by_weights_or_by_a_slope():
    """The variance of a study beside its known error, as in a meta-analysis; one in proportion."""
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"w": rng.uniform(0.2, 8, 80), "x": rng.normal(size=80)})
    data["row"] = [f"r{i}" for i in range(80)]
    error = np.sqrt(1 / data["w"]) * rng.normal(size=80)
    data["y"] = data["x"] + rng.normal(size=80) + error
    for formula, weights in (("y ~ x + (1 | row)", "w"), ("y ~ 1 + (0 + x | row)", None)):
        fit = mmfit.lmer(formula, data, weights=weights)
        assert fit.converged
        assert not fit.singular
        assert fit.unidentified == ()
        assert fit.objective == pytest.approx(objective(fit.matrices, fit.theta, True), abs=1e-8)
        for change in (0.98, 1.02):
            assert objective(fit.matrices, change * fit.theta, True) > fit.objective
    with pytest.raises(mmfit.DesignError, match="80 levels for 80 rows"):
        mmfit.lmer("y ~ x + (1 | row)", data)
