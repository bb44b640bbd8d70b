"""Tables against the reference fits (lme4): columns, order, numbers that come back exactly."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmfit.errors import DataError
from mmfit.selection import Candidate, Comparison, compare_all
from mmfit.tables import model_tables as tables
from mmfit.tables.comparison_tables import comparison_tables, comparisons_of
from mmfit.tables.frames import read_tables, write_tables
from mmfit.tables.residuals import residuals
from mmfit.tables.schema import tables_of
from tests.reference_cases import cases, fits, matrices
from tests.report.builders import (
    nested_candidates,
    penicillin_candidates,
    reference,
    sleep_candidates,
)

COMPARE = ("comparisons", "null_distributions")

REFUSED = Comparison("a", "b", None, False, 'not nested: "x", y', outcome="random_not_nested")


@pytest.fixture(scope="module")
def candidates():
    # Not in alphabetic order: tables keep the order that they are given.
    return (*reversed(sleep_candidates()), *nested_candidates())


@pytest.fixture(scope="module")
def written(candidates, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder, "tables", tables.model_tables(candidates, "satterthwaite"))
    pairs = (*compare_all(sleep_candidates()), REFUSED)
    write_tables(folder, "compare", comparison_tables(pairs))
    return folder


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        (
            "models",
            "model formula criterion npar nobs log_lik deviance aic bic sigma singular converged "
            "unidentified",
        ),
        (
            "coefficients",
            "model term estimate std_error df statistic p_value conf_low conf_high",
        ),
        ("variance_components", "model group term_1 term_2 vcov sdcor note"),
        ("random_effects", "model group level term estimate std_error conf_low conf_high"),
        ("anova", "model type term sum_sq mean_sq num_df den_df statistic p_value"),
        (
            "comparisons",
            "null alternative criterion valid reason npar_null npar_alternative aic_null "
            "aic_alternative bic_null bic_alternative log_lik_null log_lik_alternative chisq df "
            "p_value null_distribution p_value_chi2 p_value_boundary note outcome",
        ),
        ("residual_quantiles", "model min q1 median q3 max"),
        ("fixed_correlation", "model term_1 term_2 vcov correlation"),
    ],
)
def test_columns(written, name, columns):
    assert (written / f"{name}.csv").read_text().split("\n")[0] == columns.replace(" ", ",")


def test_models_keep_their_order_reml_before_ml(written):
    models = pd.read_csv(written / "models.csv")
    assert list(models["model"]) == [m for m in ("m2", "m1", "region", "clinics") for _ in "ab"]
    assert list(models["criterion"]) == ["REML", "ML"] * 4
    for table in tables_of("tables"):
        found = pd.read_csv(written / table.file)["model"]
        assert list(found.unique()) == ["m2", "m1", "region", "clinics"], table.name


def test_model_rows_are_the_fits(written, candidates):
    models = pd.read_csv(written / "models.csv")
    expected = reference()["sleep_slope"]["ML"]
    row = models[(models["model"] == "m2") & (models["criterion"] == "ML")].iloc[0]
    assert row["deviance"] == expected["criterion"]
    assert row["sigma"] == expected["sigma"]
    assert row[["npar", "nobs"]].tolist() == [6, 180]
    np.testing.assert_allclose(
        row[["log_lik", "aic", "bic"]].astype(float),
        [expected["logLik"], expected["AIC"], expected["BIC"]],
        rtol=1e-12,
    )
    assert row["singular"] is np.False_
    assert "false,true" in (written / "models.csv").read_text()


def test_variance_components_as_lme4_lists_them(written):
    components = pd.read_csv(written / "variance_components.csv")
    rows = components[components["model"] == "m2"].reset_index(drop=True)
    assert rows["group"].tolist() == ["Subject"] * 3 + ["Residual"]
    assert rows["term_1"].fillna("").tolist() == ["(Intercept)", "Days", "(Intercept)", ""]
    assert rows["term_2"].fillna("").tolist() == ["", "", "Days", ""]
    record = reference()["sleep_slope"]["REML"]
    covariance = np.array(record["varcorr"][0]["covariance"])
    sigma2 = record["sigma"] ** 2
    assert rows["vcov"].tolist() == [covariance[0, 0], covariance[1, 1], covariance[0, 1], sigma2]
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(
        rows["sdcor"], [*sd, covariance[0, 1] / sd.prod(), record["sigma"]], rtol=1e-14
    )


def test_random_effects_level_by_level(written):
    effects = pd.read_csv(written / "random_effects.csv", dtype={"level": str})
    rows = effects[effects["model"] == "m2"]
    record = reference()["sleep_slope"]["REML"]["ranef"][0]
    assert rows["level"].tolist() == [level for level in record["levels"] for _ in range(2)]
    assert rows["term"].tolist() == ["(Intercept)", "Days"] * 18
    assert rows["estimate"].tolist() == np.ravel(record["modes"]).tolist()
    half = (rows["conf_high"] - rows["conf_low"]) / 2
    np.testing.assert_allclose(half / rows["std_error"], 1.959963984540054, rtol=1e-12)


def test_coefficients_are_the_reml_fits(written):
    rows = pd.read_csv(written / "coefficients.csv").query("model == 'm2'").set_index("term")
    record = reference()["sleep_slope"]["REML"]
    assert rows["estimate"].to_dict() == record["fixef"]
    np.testing.assert_allclose(rows["std_error"], list(record["se"].values()), rtol=1e-10)


def test_scaled_residuals_have_lme4s_quantiles(written):
    rows = pd.read_csv(written / "residual_quantiles.csv").set_index("model")
    expected = reference()["sleep_slope"]["REML"]["scaled_residual_quantiles"]
    np.testing.assert_allclose(rows.loc["m2"], expected, rtol=1e-6)


def test_weights_stay_out_of_lme4s_scaled_residuals_but_not_of_the_plots():
    candidate = Candidate("w", matrices("sleep_weights"), fits("sleep_weights"))
    expected = cases()["sleep_weights"]["REML"]["scaled_residual_quantiles"]
    found = tables.residual_quantiles_table([candidate], "normal").iloc[0, 1:].to_numpy(float)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    weighted = residuals(candidate).weighted
    scaled = residuals(candidate).scaled
    np.testing.assert_allclose(weighted**2, scaled**2 * candidate.matrices.weights)
    assert not np.allclose(weighted, scaled)


def test_fixed_correlation_is_each_pair_once(written):
    rows = pd.read_csv(written / "fixed_correlation.csv").set_index("model")
    assert rows.loc["m2", ["term_1", "term_2"]].tolist() == ["(Intercept)", "Days"]
    assert round(rows.loc["m2", "correlation"], 3) == -0.138


def test_anova_has_the_three_types(written):
    rows = pd.read_csv(written / "anova.csv").query("model == 'm2'")
    assert rows["type"].tolist() == [1, 2, 3]
    assert set(rows["term"]) == {"Days"}


def test_models_without_fixed_terms_or_pairs_leave_only_headers(tmp_path):
    write_tables(tmp_path, "tables", tables.model_tables(penicillin_candidates(), "normal"))
    assert (tmp_path / "anova.csv").read_text().count("\n") == 1
    assert (tmp_path / "fixed_correlation.csv").read_text().count("\n") == 1


def test_comparisons_come_back_without_loss(written):
    expected = (*compare_all(sleep_candidates()), REFUSED)
    read = comparisons_of(read_tables(written, COMPARE))
    assert [replace(one, distributions=()) for one in read] == [
        replace(one, distributions=()) for one in expected
    ]
    assert [one.decided_by and one.decided_by.method for one in read] == [
        one.decided_by and one.decided_by.method for one in expected
    ]


def test_a_refused_pair_has_a_reason_and_no_number(written):
    line = (written / "comparisons.csv").read_text().split("\n")[2]
    assert line == 'a,b,,false,"not nested: ""x"", y"' + "," * 15 + ",random_not_nested"


@pytest.mark.parametrize("text", ["", "null,alternative\n", "a\n1\n"])
def test_another_table_is_no_table_of_comparisons(tmp_path, text):
    (tmp_path / "comparisons.csv").write_text(text)
    with pytest.raises(DataError, match="run `mmfit compare` again"):
        comparisons_of(read_tables(tmp_path, COMPARE))


def test_damaged_rows_are_refused(written, tmp_path):
    text = (written / "comparisons.csv").read_text()
    (tmp_path / "comparisons.csv").write_text(text.replace(",true,", ",perhaps,"))
    with pytest.raises(DataError, match="not a table written by this version"):
        comparisons_of(read_tables(tmp_path, COMPARE))


def test_same_input_same_bytes(written, candidates, tmp_path):
    write_tables(tmp_path, "tables", tables.model_tables(candidates, "satterthwaite"))
    for table in tables_of("tables"):
        assert (tmp_path / table.file).read_bytes() == (written / table.file).read_bytes()
