"""Contrasts whose variance no data tell have no standard error, no df and no p-value."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.engine.derived.information import design_confounding
from mmfit.engine.serialize import fit_from_json, fit_to_json
from mmfit.inference.precision.degrees_of_freedom import METHODS
from tests.inference.unidentified.dense import Dense, random_model

NUMBERS = ["std_error", "df", "statistic", "p_value", "conf_low", "conf_high"]
REASON = "The data do not tell all variance parameters apart"


@pytest.fixture(scope="module")
def once():
    """Treatment C stands in a single row, and has a random effect of its own."""
    return pd.read_csv(Path(__file__).parent / "level_seen_once.csv")


@pytest.mark.parametrize(
    ("method", "reml"), [*((m, True) for m in METHODS), ("satterthwaite", False), ("normal", False)]
)
def test_a_level_seen_once(once, method, reml):
    fit = mmfit.lmer("y ~ trt + (trt | s)", once, reml=reml)
    table = fit.tidy(df=method)
    assert table.loc[2, NUMBERS].isna().all()
    assert np.isfinite(table.loc[2, "estimate"])
    assert table.attrs["note"].startswith(REASON)
    assert "(trtC)" in table.attrs["note"]
    if reml:
        # The others have what they have without that row, which tells of C alone.
        rest = mmfit.lmer("y ~ trt + (trt | s)", once[once["trt"] != "C"]).tidy(df=method)
        pd.testing.assert_frame_equal(table.head(2), rest, rtol=1e-5)


@pytest.mark.parametrize("adjust", ["tukey", "holm", "none"])
def test_all_that_compares_with_it(once, adjust):
    fit = mmfit.lmer("y ~ trt + (trt | s)", once)
    for kind in (1, 2, 3):
        table = fit.anova(type=kind)
        assert table[["sum_sq", "den_df", "statistic", "p_value"]].isna().all(axis=None)
        assert f"{REASON}" in table.attrs["note"]
    assert fit.drop1()["p_value"].isna().all()
    assert fit.contest({"trtC": 1})["p_value"].isna().all()
    assert "the joint hypothesis" in fit.contest(np.eye(3)).attrs["note"]
    assert fit.contest({"trtB": 1})["p_value"].notna().all()
    table = fit.contrasts("trt", adjust=adjust).set_index("contrast")
    assert table.loc["A - B", NUMBERS].notna().all()
    assert table.loc[["A - C", "B - C"], NUMBERS].isna().all(axis=None)
    assert "2 of 3" in table.attrs["notes"][0]
    assert fit.means("trt")["df"].isna().tolist() == [False, False, True]
    for options in ({}, {"method": "wald"}, {"method": "bootstrap", "replicates": 39}):
        table = fit.confint(**options).set_index("parameter")
        assert table.loc["trtC"].isna().all()
        assert table.loc["trtB"].notna().all()
        notes = [*table.attrs.get("notes", ()), table.attrs.get("note")]
        assert any(note and REASON in note for note in notes)


def test_neither_rounding_nor_units_nor_order_decide(once):
    rng = np.random.default_rng(0)
    for digits in range(1, 5):
        data = once.assign(y=once["y"].round(digits) * 10.0 ** rng.integers(-6, 7))
        data = data.sample(frac=1, random_state=digits)
        table = mmfit.lmer("y ~ trt + (trt | s)", data).tidy()
        assert table["p_value"].isna().tolist() == [False, False, True]
        assert table["df"][:2].between(1, 40).all()


def test_it_is_kept_with_the_fit(once):
    fit = mmfit.lmer("y ~ trt + (trt | s)", once).record
    back = fit_from_json(fit_to_json(fit))
    for field in dataclasses.fields(fit.uncertainty.confounding):
        kept = getattr(back.uncertainty.confounding, field.name)
        np.testing.assert_array_equal(kept, getattr(fit.uncertainty.confounding, field.name))
    plain = mmfit.lmer("y ~ trt + (1 | s)", once).record
    assert fit_from_json(fit_to_json(plain)).uncertainty.confounding is None


def test_random_designs_against_n_by_n_algebra():
    """A variance is told where it is the same for all parameters that no data tell apart."""
    seen = {True: 0, False: 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = random_model(rng)
        if found is None:
            continue
        fit, _ = found
        dense = Dense.of(fit, rng)
        p = len(fit.fixef)
        L = np.vstack([np.eye(p), rng.normal(size=(2, p))])
        first = np.einsum("mp,pq,mq->m", L, dense.phi(dense.gamma), L)
        unidentified = np.zeros(len(L), dtype=bool)
        for gamma in dense.moved():
            other = np.einsum("mp,pq,mq->m", L, dense.phi(gamma), L)
            unidentified |= np.abs(other - first) > 1e-6 * first
        table = fit.contest(L, joint=False)
        lost = table["estimate"].isna().to_numpy()
        assert bool(lost.any()) <= bool(fit.record.dropped)
        assert table[NUMBERS].isna().all(axis=1).tolist() == (lost | unidentified).tolist(), seed
        assert (REASON in table.attrs["note"]) == (unidentified & ~lost).any()
        assert fit.contest(L)["p_value"].isna()[0] == (lost | unidentified).any(), seed
        whole = design_confounding(fit.matrices)
        known = np.zeros(len(L), dtype=bool) if whole is None else whole.concerns(L)
        assert known.tolist() == unidentified.tolist(), seed
        for one in unidentified.tolist():
            seen[one] += 1
    assert min(seen.values()) > 25
