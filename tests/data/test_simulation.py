"""Simulated designs, covariates and responses: their shape, their distribution, their bytes."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mmfit.data import load_dataset, simulate
from mmfit.data.diagnosis import diagnose_factors, factor_partition
from mmfit.data.simulation import Purpose, correlation_root, stream
from mmfit.errors import DesignError
from mmfit.formula import build_matrices
from mmfit.spec import RandomEffects, Simulation
from tests.data.files import analysis

NESTED = {"region": 3, "clinic": {"levels": 2, "within": "region"}, "doctor": 4}


def simulation(**changes):
    content = {
        "seed": 1,
        "design": NESTED,
        "per_cell": 2,
        "formula": "y ~ 1 + (1 | region/clinic) + (1 | doctor)",
        "fixed": {"(Intercept)": 10},
        "random": {
            "region": {"sd": [1]},
            "region:clinic": {"sd": [1]},
            "doctor": {"sd": [1]},
        },
        "residual_sd": 1,
    }
    return Simulation.model_validate(content | changes)


def one_factor(levels, per_cell, **changes):
    """One grouping factor."""
    content = {
        "design": {"g": levels},
        "per_cell": per_cell,
        "formula": "y ~ 1 + (1 | g)",
        "random": {"g": {"sd": [1]}},
    }
    return simulation(**content | changes)


def relations(frame, *names):
    _, pairs = diagnose_factors(frame, {name: (name,) for name in names})
    return {frozenset((p.first, p.second)): p for p in pairs}


def test_a_full_design_holds_every_combination_equally_often():
    frame = simulate(simulation())
    assert list(frame.columns) == ["y", "region", "clinic", "doctor"]
    assert len(frame) == 3 * 2 * 4 * 2
    assert (frame.groupby(["clinic", "doctor"], observed=True).size() == 2).all()
    pairs = relations(frame, "region", "clinic", "doctor")
    nested = pairs[frozenset(("clinic", "region"))]
    assert (nested.first, nested.relation) == ("clinic", "nested")
    assert pairs[frozenset(("clinic", "doctor"))].relation == "crossed"


def test_labels_of_a_nested_factor_are_unique_unless_reused():
    unique = simulate(simulation())
    assert list(unique["clinic"].cat.categories) == ["1", "2", "3", "4", "5", "6"]
    factor = {"levels": 2, "within": "region", "labels": "reused"}
    reused = simulate(simulation(design=NESTED | {"clinic": factor}))
    assert list(reused["clinic"].cat.categories) == ["1", "2"]
    groups = factor_partition(reused, ["region", "clinic"])
    codes, count = groups.codes, groups.levels
    assert count == 6
    assert codes.tolist() == factor_partition(unique, ["clinic"]).codes.tolist()


def test_a_factor_may_be_written_before_the_one_that_it_lies_within():
    design = {"clinic": NESTED["clinic"], "doctor": 4, "region": 3}
    frame = simulate(simulation(design=design))
    assert relations(frame, "clinic", "region")[frozenset(("clinic", "region"))].first == "clinic"


@given(
    st.floats(0.01, 1),
    st.integers(0, 1000),
    st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(2, 5)),
)
def test_a_share_of_the_cells_keeps_every_level(fraction, seed, sizes):
    region, clinic, doctor = sizes
    design = {"region": region, "clinic": {"levels": clinic, "within": "region"}, "doctor": doctor}
    frame = simulate(simulation(seed=seed, fraction=fraction, design=design))
    cells = region * clinic * doctor
    kept = len(frame) / 2
    assert frame["clinic"].nunique() == region * clinic
    assert frame["doctor"].nunique() == doctor
    needed = max(region * clinic, doctor)
    assert kept == len(frame[["clinic", "doctor"]].drop_duplicates())
    assert round(fraction * cells) <= kept <= max(round(fraction * cells), needed + doctor + region)


def test_which_cells_are_kept_is_random():
    kept = [
        set(zip(frame["clinic"], frame["doctor"], strict=True))
        for frame in (simulate(simulation(seed=seed, fraction=0.5)) for seed in range(20))
    ]
    assert all(len(cells) == 12 for cells in kept)
    assert len(set(map(frozenset, kept))) == 20


MOMENTS = {
    "normal": ({"mean": 3, "sd": 2}, 3, 2),
    "lognormal": ({"mean_log": 0, "sd_log": 0.5}, np.exp(0.125), 0.6039),
    "uniform": ({"low": -1, "high": 5}, 2, 6 / np.sqrt(12)),
    "exponential": ({"mean": 4}, 4, 4),
    "gamma": ({"shape": 4, "mean": 6}, 6, 3),
    "poisson": ({"mean": 9}, 9, 3),
    "bernoulli": ({"probability": 0.2}, 0.2, 0.4),
    "sequence": ({"start": 1, "step": 2}, 40, np.sqrt((40**2 - 1) / 3)),
}


@pytest.mark.parametrize(
    ("name", "parameters", "mean", "sd"), [(k, *v) for k, v in MOMENTS.items()]
)
def test_covariates_have_their_distribution(name, parameters, mean, sd):
    covariates = {"x": {"distribution": name, **parameters}}
    x = simulate(one_factor(1000, 40, covariates=covariates))["x"]
    # Five standard errors of mean and (for light tails) standard deviation of 40,000 draws.
    assert x.mean() == pytest.approx(mean, abs=5 * sd / 200)
    assert x.std() == pytest.approx(sd, rel=0.05)


def test_categorical_covariates_are_factors_with_sorted_levels():
    x = {"distribution": "categorical", "levels": ["b", "a"], "probabilities": [0.9, 0.1]}
    drawn = simulate(one_factor(1000, 40, covariates={"x": x}))["x"]
    assert list(drawn.cat.categories) == ["a", "b"]
    assert (drawn == "b").mean() == pytest.approx(0.9, abs=5 * 0.3 / 200)


def test_a_sequence_counts_the_rows_of_each_cell():
    days = {"distribution": "sequence", "start": 0, "step": 1}
    frame = simulate(one_factor(5, 4, covariates={"Days": days}))
    assert frame["Days"].tolist() == [0.0, 1.0, 2.0, 3.0] * 5


@pytest.mark.parametrize("labels", ["unique", "reused"])
def test_a_covariate_per_level_is_the_same_in_all_rows_of_it(labels):
    clinic = {"levels": 2, "within": "region", "labels": labels}
    covariates = {"x": {"distribution": "normal", "per": "clinic"}}
    frame = simulate(simulation(design=NESTED | {"clinic": clinic}, covariates=covariates))
    by = frame.groupby(["region", "clinic"], observed=True)["x"]
    assert (by.nunique() == 1).all()
    assert frame["x"].nunique() == 6


def test_the_response_is_the_sum_of_its_parts():
    """Without noise in the residuals (nearly), what remains is linear in the model's columns."""
    simulated = simulation(
        covariates={"x": {"distribution": "normal"}},
        formula="y ~ x + I(x^2) + offset(x / 2) + (x | doctor)",
        fixed={"(Intercept)": 10, "x": 2, "I(x^2)": -1},
        random={"doctor": {"sd": [0, 0]}},
        residual_sd=1e-12,
    )
    frame = simulate(simulated)
    x = frame["x"]
    np.testing.assert_allclose(frame["y"], 10 + 2.5 * x - x**2, atol=1e-10)


def test_random_effects_have_their_covariance():
    levels = 40_000
    simulated = one_factor(
        levels,
        3,
        covariates={"x": {"distribution": "sequence"}},
        formula="y ~ x + (x | g)",
        fixed={"(Intercept)": 0, "x": 0},
        random={"g": {"sd": [3, 0.5], "correlation": [[1, -0.6], [-0.6, 1]]}},
        residual_sd=1e-9,
    )
    y = simulate(simulated)["y"].to_numpy().reshape(levels, 3)
    effects = np.column_stack([y[:, 0], y[:, 1] - y[:, 0]])
    covariance = np.cov(effects, rowvar=False)
    np.testing.assert_allclose(covariance, [[9, -0.9], [-0.9, 0.25]], rtol=0.03)


def test_a_design_too_small_for_its_model_is_named(tmp_path):
    block = {
        "seed": 1,
        "design": {"g": 4},
        "formula": "y ~ 1 + (1 | g)",
        "fixed": {"(Intercept)": 0},
        "random": {"g": {"sd": [1]}},
        "residual_sd": 1,
    }
    with pytest.raises(DesignError) as caught:
        load_dataset(analysis(tmp_path, {"m": "y ~ 1 + (1 | g)"}, data={"simulate": block}))
    start = f"{tmp_path}/trial.yaml: data.simulate: the grouping factor g has 4 levels for 4 rows"
    assert str(caught.value).startswith(start)


def test_effects_are_matched_by_name_whatever_the_order_of_levels():
    """Effects of a factor with more levels come first in lme4's order; `random` is by name."""
    frame = simulate(
        simulation(
            random={
                "doctor": {"sd": [0]},
                "clinic:region": {"sd": [0]},
                "region": {"sd": [100]},
            },
            residual_sd=1e-9,
        )
    )
    assert frame.groupby("region", observed=True)["y"].std().max() < 1e-6
    assert frame["y"].std() > 10


def test_residuals_have_their_standard_deviation():
    frame = simulate(one_factor(2, 20_000, random={"g": {"sd": [0]}}, residual_sd=7))
    assert frame["y"].std() == pytest.approx(7, rel=0.02)
    assert frame["y"].mean() == pytest.approx(10, abs=5 * 7 / 200)


@given(st.integers(1, 4), st.integers(0, 100))
def test_the_root_of_a_correlation_matrix(q, seed):
    rng = np.random.default_rng(seed)
    loadings = rng.standard_normal((q, max(1, q - seed % 2)))  # singular for odd seeds
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    R = loadings @ loadings.T
    R[np.diag_indices(q)] = 1
    R = (R + R.T) / 2
    effects = RandomEffects(sd=[1.0] * q, correlation=R.tolist())
    root = correlation_root(effects)
    np.testing.assert_allclose(root @ root.T, R, atol=1e-6)
    assert (np.triu(root, 1) == 0).all()


def digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others():
    first, again, other = (simulate(simulation(seed=seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert digest(first) == digest(again) != digest(other)


def test_streams_are_those_of_spawned_seed_sequences():
    child = np.random.SeedSequence(42).spawn(3)[2].spawn(4)[int(Purpose.RESIDUALS)].spawn(6)[5]
    expected = np.random.default_rng(child).standard_normal(4)
    drawn = stream(42, 2, Purpose.RESIDUALS, 5).standard_normal(4)
    assert drawn.tolist() == expected.tolist()


def test_purposes_do_not_disturb_each_other():
    plain = simulate(simulation(fraction=0.5))
    with_x = simulate(simulation(fraction=0.5, covariates={"x": {"distribution": "normal"}}))
    pd.testing.assert_frame_equal(with_x.drop(columns="x"), plain, check_exact=True)


def test_replicates_share_the_design_and_differ_in_the_response():
    simulated = simulation(fraction=0.5, covariates={"x": {"distribution": "normal"}})
    first, second = simulate(simulated, 0), simulate(simulated, 1)
    pd.testing.assert_frame_equal(first.drop(columns="y"), second.drop(columns="y"))
    assert not np.isclose(first["y"], second["y"]).any()


def test_a_simulated_analysis_takes_where_and_derive(tmp_path):
    block = yaml.safe_load(
        """
        simulate:
          seed: 1
          design: {g: 5}
          per_cell: 6
          covariates: {x: {distribution: sequence}}
          formula: y ~ x + (1 | g)
          fixed: {(Intercept): 1, x: 2}
          random: {g: {sd: [1]}}
          residual_sd: 1
        where: x >= 2
        derive: {z: x - 2}
        """
    )
    dataset = load_dataset(analysis(tmp_path, {"m": "y ~ z + (1 | g)"}, data=block))
    assert (dataset.source.kind, dataset.source.seed) == ("simulation", 1)
    assert dataset.row_report.kept == 20
    assert dataset.frame["z"].tolist() == [0.0, 1.0, 2.0, 3.0] * 5


def test_many_nested_levels():
    clinic = {"levels": 20, "within": "region"}
    patient = {"levels": 50, "within": "clinic"}
    frame = simulate(
        simulation(
            design={"region": 100, "clinic": clinic, "patient": patient},
            per_cell=2,
            formula="y ~ 1 + (1 | region/clinic/patient)",
            random={
                "region": {"sd": [1]},
                "region:clinic": {"sd": [1]},
                "region:clinic:patient": {"sd": [1]},
            },
        )
    )
    assert len(frame) == 200_000
    assert frame["patient"].nunique() == 100_000
    assert frame["y"].var() == pytest.approx(4, rel=0.2)


def test_the_simulated_model_can_be_built_on_its_data():
    simulated = simulation(covariates={"x": {"distribution": "normal"}})
    matrices = build_matrices(simulated.formula, simulate(simulated))
    assert [term.grouping for term in matrices.random] == ["clinic:region", "doctor", "region"]
