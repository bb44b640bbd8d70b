"""``drop1``: lmerTest's numbers, marginality, and independence of coding."""

import numpy as np
import pandas as pd
import pytest

import mmfit
from mmfit.inference import METHODS, drop1
from mmfit.inference.fitted_model import FittedModel
from mmfit.inference.fixed_effects.term_tests import dropped_spans
from tests.inference.fixed_effects.f_reference import TABLES, model
from tests.reference_cases import fits, inference, matrices


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    g = rng.integers(0, 12, 150)
    out = pd.DataFrame({"g": g, "x": rng.normal(size=150)})
    out["f"], out["h"] = rng.choice(list("abc"), 150), rng.choice(list("uv"), 150)
    out["y"] = out["x"] + rng.normal(size=12)[g] + rng.normal(size=150)
    return out


@pytest.mark.parametrize("case", inference())
def test_the_reference(case):
    table = drop1(FittedModel(fits(case)["REML"], matrices(case))).set_index("term")
    expected = inference()[case]["drop1"] or []
    assert list(table.index) == [row["term"] for row in expected]
    for row in expected:
        ours = table.loc[row["term"]]
        assert ours["num_df"] == row["NumDF"]
        assert ours["statistic"] == pytest.approx(row["F value"], rel=1e-4)
        assert ours["den_df"] == pytest.approx(row["DenDF"], rel=1e-4)
        assert ours["sum_sq"] == pytest.approx(row["Sum Sq"], rel=1e-4)
        assert ours["mean_sq"] == pytest.approx(row["Mean Sq"], rel=1e-4)
        assert ours["p_value"] == pytest.approx(row["Pr(>F)"], rel=5e-3)


@pytest.mark.parametrize("name", ["sleepall", "cells", "penicillin"])
def test_kenward_rogers_f_of_the_last_term(name):
    """lmerTest's type III of a term that no other contains is its drop1."""
    table = model(name).drop1(df="kenward-roger").set_index("term")
    *_, (term, sum_sq, num_df, den_df, statistic) = TABLES[name, "kenward-roger", 3]
    assert list(table.index) == [term]
    assert table.loc[term, "num_df"] == num_df
    assert table.loc[term, "den_df"] == pytest.approx(den_df, rel=1e-4)
    assert table.loc[term, "statistic"] == pytest.approx(statistic, rel=1e-4)
    assert table.loc[term, "sum_sq"] == pytest.approx(sum_sq, rel=1e-4)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y ~ f * h + x + (1 | g)", ["x", "f:h"]),
        ("y ~ f + h + x + (1 | g)", ["f", "h", "x"]),
        ("y ~ f * x + h + (1 | g)", ["h", "f:x"]),
        ("y ~ x + I(x^2) + (1 | g)", ["x", "I(x^2)"]),
        ("y ~ f * h * x + (1 | g)", ["f:h:x"]),
        ("y ~ x + x:f + (1 | g)", ["x:f"]),
        ("y ~ 1 + (1 | g)", []),
        ("y ~ 0 + (1 | g)", []),
        ("y ~ 0 + x + (1 | g)", ["x"]),
    ],
)
@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger"])
def test_marginality(frame, formula, expected, method):
    table = mmfit.lmer(formula, frame).drop1(df=method)
    assert list(table["term"]) == expected
    columns = ["term", "sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value"]
    assert list(table.columns) == columns


@pytest.mark.parametrize("method", METHODS)
def test_coding_does_not_matter(frame, method):
    formula = "y ~ f * h + poly(x, 2) + (1 | g)"
    codings = (None, {"f": "sum", "h": "helmert"}, {"f": "poly", "h": "SAS"})
    tables = [mmfit.lmer(formula, frame, contrasts=c).drop1(df=method) for c in codings]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other, rtol=1e-6)


@pytest.mark.parametrize("formula", ["y ~ f * h + x", "y ~ f:h + x", "y ~ 0 + f + h + x"])
def test_the_hypothesis_is_the_span_without_the_term(frame, formula):
    """L beta = 0 says that the mean is one of the formula without the term."""
    fit = mmfit.lmer(f"{formula} + (1 | g)", frame)
    X = fit.matrices.X
    for term, L in dropped_spans(fit.matrices).items():
        kept = [t for t in ("f", "h", "x", "f:h") if t != term and t in _labels(fit)]
        intercept = "0" if "0 +" in formula else "1"
        small = mmfit.lmer(f"y ~ {' + '.join([intercept, *kept])} + (1 | g)", frame).matrices.X
        assert len(L) == X.shape[1] - small.shape[1]
        inside = np.linalg.lstsq(X, small, rcond=None)[0]
        np.testing.assert_allclose(X @ inside, small, atol=1e-9)
        np.testing.assert_allclose(L @ inside, 0, atol=1e-8)


def _labels(fit):
    return [term.name for term in fit.matrices.fixed_terms]


def test_the_rank_that_x_lacks(frame):
    """Columns that only repeat others: the term adds nothing, or only what is new."""
    cut = frame[~((frame["f"] == "b") & (frame["h"] == "v"))]
    table = mmfit.lmer("y ~ f * h + (1 | g)", cut).drop1().set_index("term")
    assert table.loc["f:h", "num_df"] == 1
    twice = mmfit.lmer("y ~ f + x + I(2 * x) + (1 | g)", frame).drop1()
    assert list(twice["term"]) == ["f"]
    assert "Without x, I(2 * x) the model would be the same" in twice.attrs["note"]


def test_a_covariate_far_from_zero(frame):
    formula = "y ~ f * h + x + (1 | g)"
    one = mmfit.lmer(formula, frame).drop1()
    other = mmfit.lmer(formula, frame.assign(x=frame["x"] + 1e6)).drop1()
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)


def test_a_singular_fit_says_so(frame):
    rng = np.random.default_rng(2)
    flat = frame.assign(y=rng.normal(size=len(frame)))
    flat["y"] -= flat.groupby("g")["y"].transform("mean")
    fit = mmfit.lmer("y ~ x + (1 | g)", flat)
    assert fit.singular
    assert "singular (g)" in fit.drop1().attrs["note"]


def test_matrices_without_a_formula():
    from tests.engine.designs import single

    case = single()
    with pytest.raises(mmfit.MmfitError, match="built from a formula"):
        drop1(FittedModel(mmfit.engine.fit_model(case), case))
