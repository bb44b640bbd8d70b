"""Conventions that differ from R's, with R's numbers beside them (R 4.2, lme4 1.1-31)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmfit

SLEEP = Path(__file__).parents[2] / "config" / "data" / "sleepstudy.csv"
# fixef(lmer(f, d)), logLik by REML and by ML, with d$z <- ifelse(d$Days == 9, NA, d$Days %% 3)
FROM_R = {
    "scale(Days)": ([297.9980748, 28.9707712, -0.2769731], -793.3205, -800.2558),
    "poly(Days, 2)": ([298.4854031, 397.8458856, 25.9139375, -0.2769731], -785.9284, -800.0272),
}
OURS = {
    "scale(Days)": [292.9689, 26.0509, -0.2770],
    "poly(Days, 2)": [292.9689, 330.5485, 19.7921, -0.2770],
}


@pytest.fixture
def sleep():
    data = pd.read_csv(SLEEP)
    return data.assign(z=np.where(data["Days"] == 9, np.nan, data["Days"] % 3))


@pytest.mark.parametrize("basis", FROM_R)
def test_bases_are_those_of_the_rows_used(sleep, basis):
    formula = "Reaction ~ {} + z + (1 | Subject)"
    fit = mmfit.lmer(formula.format(basis), sleep)
    np.testing.assert_allclose(fit.fixef, OURS[basis], atol=1e-4)
    complete = mmfit.lmer(formula.format(basis), sleep.dropna())
    np.testing.assert_array_equal(fit.fixef, complete.fixef)
    # R's: the columns as they are computed over all rows, those left out included
    whole = mmfit.lmer(f"Reaction ~ {basis} + (1 | Subject)", sleep).matrices.X[:, 1:]
    names = [f"b{k}" for k in range(whole.shape[1])]
    columns = sleep.assign(**dict(zip(names, whole.T, strict=True)))
    theirs = mmfit.lmer(formula.format(" + ".join(names)), columns)
    wanted, reml, ml = FROM_R[basis]
    np.testing.assert_allclose(theirs.fixef, wanted, atol=1e-5)
    assert theirs.log_lik == pytest.approx(reml, abs=1e-4)
    for one in (fit, theirs):
        assert one.refit(reml=False).log_lik == pytest.approx(ml, abs=1e-4)
    np.testing.assert_allclose(fit.fitted, theirs.fitted, rtol=1e-9)


# The same data in R with LC_COLLATE=C, and in a locale that sorts a before B.
@pytest.mark.parametrize(
    ("levels", "wanted"),
    [
        (None, {"(Intercept)": 3.083333, "arma": -1.166667, "armc": -1.25}),
        (["a", "B", "c"], {"(Intercept)": 1.916667, "armB": 1.166667, "armc": -0.083333}),
    ],
)
def test_text_levels_go_by_code_point(levels, wanted):
    arm = np.tile(["a", "B", "c"], 12)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 6), "arm": arm})
    data["y"] = (arm == "B") + np.arange(36) % 5
    if levels:
        data["arm"] = pd.Categorical(data["arm"], levels)
    fixef = mmfit.lmer("y ~ arm + (1 | g)", data).fixef
    assert fixef.round(6).to_dict() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("call", ["I(a:b)", "factor(a:b)", "log(a:b)"])
def test_a_colon_within_a_function_is_refused(call):
    data = pd.DataFrame({"a": [1, 2], "b": [1, 2], "y": [1.0, 2.0]})
    with pytest.raises(mmfit.FormulaError, match=r"interaction\(a, b\) for the combinations"):
        mmfit.lmer(f"y ~ {call} + (1 | a)", data)
