"""Satterthwaite tables and analyses of variance against lmerTest."""

import numpy as np
import pytest

from mmfit.inference import anova, tidy
from mmfit.inference.fitted_model import FittedModel
from tests.reference_cases import cases, fits, matrices

# lmerTest differentiates numerically, good to about 1e-4 relative.
DF = 5e-3
F_VALUE = 2e-3

WITH_DF = [c for c in cases() if cases()[c]["REML"].get("satterthwaite")]
WITH_TERMS = [c for c in WITH_DF if cases()[c]["REML"].get("anova3")]


@pytest.mark.parametrize("case", WITH_DF)
def test_coefficients(case):
    table = tidy(FittedModel(fits(case)["REML"], matrices(case))).set_index("term")
    for row in cases()[case]["REML"]["satterthwaite"]:
        ours = table.loc[row["term"]]
        assert ours["df"] == pytest.approx(row["df"], rel=DF)
        assert ours["statistic"] == pytest.approx(row["t value"], rel=2e-3)
        assert ours["p_value"] == pytest.approx(row["Pr(>|t|)"], rel=2e-2)


def test_balanced_sleepstudy_has_seventeen_degrees_of_freedom_exactly():
    model = FittedModel(fits("sleep_slope")["REML"], matrices("sleep_slope"))
    np.testing.assert_allclose(tidy(model)["df"], 17, rtol=1e-7)


@pytest.mark.parametrize("case", WITH_TERMS)
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_anova(case, kind):
    table = anova(FittedModel(fits(case)["REML"], matrices(case)), type=kind).set_index("term")
    reference = cases()[case]["REML"][f"anova{kind}"]
    assert list(table.index) == [row["term"] for row in reference]
    for row in reference:
        ours = table.loc[row["term"]]
        assert ours["num_df"] == row["NumDF"]
        assert ours["statistic"] == pytest.approx(row["F value"], rel=F_VALUE)
        assert ours["sum_sq"] == pytest.approx(row["Sum Sq"], rel=F_VALUE)
        if row["NumDF"] == 1:
            assert ours["den_df"] == pytest.approx(row["DenDF"], rel=DF)
        else:
            # lmerTest's denominator depends on its basis of the hypothesis; ours does not
            assert ours["den_df"] == pytest.approx(row["DenDF"], rel=0.05)
