"""Predictions, means, differences and slopes agree on what a rank-deficient fit determines."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from tests.inference.deficient_designs import (
    FACTORS,
    FORMULAS,
    NUMBERS,
    random_frame,
    recoded,
    term_columns,
)


def new_rows(data, rng, count=20):
    new = pd.DataFrame({c: rng.choice(sorted(data[c].unique()), count) for c in "fhekg"})
    new["x"], new["z"] = 2 * rng.normal(size=count), rng.normal(size=count)
    keep = rng.random(count) < 0.5
    new["u"] = np.where(keep, new["x"] + new["z"], rng.normal(size=count))
    return new.assign(twice=np.where(keep, 2 * new["x"], 1.0))


def by_hand(fit, data, new, rhs):
    """Which rows are combinations of those of the fit, and generalised least squares there."""
    D, there = (np.hstack([*term_columns(d, data, rhs).values()]) for d in (data, new))
    length = np.sqrt((D**2).sum(axis=0))
    D, there = D / np.where(length > 0, length, 1), there / np.where(length > 0, length, 1)
    rest = there - there @ np.linalg.pinv(D, rcond=1e-9) @ D
    known = np.sqrt((rest**2).sum(axis=1)) < 1e-7 * np.sqrt((there**2).sum(axis=1))
    same = data["g"].to_numpy()[:, None] == data["g"].to_numpy()
    half = np.linalg.inv(np.linalg.cholesky(np.eye(len(data)) + fit.theta[0] ** 2 * same))
    beta = np.linalg.pinv(half @ D, rcond=1e-9) @ (half @ data["y"].to_numpy())
    return known, there @ beta


def as_rows(table, levels):
    """Estimates by the levels (or the sides of the difference, in order)."""
    out = {}
    for _, row in table.iterrows():
        key, sign = tuple(str(row[name]) for name in levels), 1
        if "contrast" in table:
            sides = [" ".join(sorted(side.split())) for side in key[-1].split(" - ")]
            key, sign = tuple(sorted(sides)), 1 if sides == sorted(sides) else -1
        out[key] = sign * row["estimate"]
        assert np.isnan(row["std_error"]) == np.isnan(row["estimate"])
    return out


def assert_alike(one, other, factor=1.0):
    one, other = (
        as_rows(table, sorted({*FACTORS, "contrast"}.intersection(table))) for table in (one, other)
    )
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert other[key] * factor == pytest.approx(value, rel=1e-4, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("rhs", FORMULAS)
def test_what_is_estimated_does_not_depend_on_the_coding(rhs):
    rng = np.random.default_rng(100 + FORMULAS.index(rhs))
    data = random_frame(rng)
    fit = mmfit.lmer(f"y ~ {rhs} + (1 | g)", data)
    new = new_rows(data, rng)
    known, wanted = by_hand(fit, data, new, rhs)
    found = fit.predict(new, random_effects=False)
    assert np.isnan(found).tolist() == (~known).tolist()
    np.testing.assert_allclose(found[known], wanted[known], rtol=1e-5, atol=1e-5)
    L = fit.matrices.design.fixed_matrix(new).matrix
    used = L.any(axis=1)
    table = fit.contest(L[used], joint=False)
    np.testing.assert_allclose(table["estimate"], found[used], rtol=1e-9, atol=1e-12)
    both = pd.concat([data, new], ignore_index=True)
    other, again, contrasts, scale = recoded(both, rhs, rng)
    refit = mmfit.lmer(f"y ~ {again} + (1 | g)", other.head(len(data)), contrasts=contrasts)
    if len(refit.fixef) < len(fit.fixef):
        return  # R's rules give this order of terms fewer columns: another model
    there = refit.predict(other.tail(len(new)), random_effects=False)
    np.testing.assert_allclose(there, found, rtol=1e-4, atol=1e-4)
    used = rhs.replace("*", " ").replace(":", " ").split()
    names = [name for name in FACTORS if name in used][:2]
    for name in names:
        assert_alike(fit.means(name), refit.means(name))
        assert_alike(fit.contrasts(name), refit.contrasts(name))
    for name in NUMBERS:
        if name in used:
            assert_alike(fit.slopes(name, names[:1]), refit.slopes(name, names[:1]), scale)


def test_contests_of_what_is_left_over_are_refused():
    """Of x and twice = 2x the coefficient that is there stands for both."""
    rng = np.random.default_rng(4)
    data = random_frame(rng)
    fit = mmfit.lmer("y ~ x + twice + f + (1 | g)", data)
    table = fit.contest([{"x": 1}, {"fb": 1}], joint=False)
    assert table["estimate"].isna().tolist() == [True, False]
    assert table.iloc[0, 1:].isna().all()
    assert "do not determine x: " in table.attrs["note"]
    assert "left out of the model (twice)" in table.attrs["note"]
    assert np.isnan(fit.slopes("x")["estimate"][0])
    both = fit.contest({"x": 1, "twice": 2}, joint=False)
    assert both["estimate"][0] == fit.fixef["x"]
    assert both.attrs["note"] == ""
    cases = [
        ({"x": 1}, True),
        ([{"x": 1}, {"fb": 1}], True),
        ([0, 1, *[0] * (len(fit.fixef) - 2)], True),
    ]
    for L, missing in (*cases, ({"fb": 1}, False)):
        joint = fit.contest(L)
        assert joint[["sum_sq", "statistic", "p_value"]].isna().all(axis=None) == missing
        assert ("do not determine x" in joint.attrs["note"]) == missing


def test_a_cell_without_data_is_missing_wherever_it_is_asked_for():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 6), "a": list("pqr") * 16})
    data["b"] = rng.choice(list("st"), 48)
    data = data[(data["a"] != "r") | (data["b"] != "t")]
    data["y"] = rng.normal(size=8)[data["g"]] + rng.normal(size=len(data))
    new = pd.DataFrame({"a": list("rrp"), "b": list("tst"), "g": [0, 0, 99]})
    for base in "pr":
        levels = sorted("pqr", key=lambda level: level != base)
        fit = mmfit.lmer("y ~ a * b + (1 | g)", data.assign(a=pd.Categorical(data["a"], levels)))
        for random_effects in (True, False):
            found = fit.predict(new, random_effects=random_effects)
            assert np.isnan(found).tolist() == [True, False, False]
            table = fit.predict(new, random_effects=random_effects, interval="prediction")
            assert table.isna().all(axis=1).tolist() == [True, False, False]
            note = table.attrs["notes"][0]
            assert note.startswith("1 of 3 rows cannot be predicted: the data do not tell")
            assert fit.record.dropped[0] in note
        cells = fit.means("a:b").set_index(["a", "b"])["estimate"]
        assert np.isnan(cells["r", "t"])
        assert cells.notna().sum() == 5
        assert cells["r", "s"] == pytest.approx(fit.predict(new, random_effects=False)[1])
