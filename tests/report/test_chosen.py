"""The summary of a fit, against what lme4 and lmerTest print for the same numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmfit.engine.records import VarianceTerm
from mmfit.report.content import chosen
from mmfit.report.words import fits
from mmfit.tables import model_tables as tables
from tests.report.builders import nested_candidates, penicillin_candidates, sleep_candidates


@pytest.fixture(scope="module")
def sleep():
    return sleep_candidates()[1]


def test_random_effects_as_the_summary_prints_them(sleep):
    table = chosen.random_table(sleep.fits["REML"])
    assert [column.label for column in table.columns] == [
        "Groups",
        "Name",
        "Variance",
        "Std. dev.",
        "Corr.",
    ]
    assert table.rows == (
        ("Subject", "(Intercept)", "612.09", "24.740", ""),
        ("", "Days", "35.07", "5.922", "0.07"),
        ("Residual", "", "654.94", "25.592", ""),
    )
    assert table.notes == ("Number of observations: 180; groups: Subject, 18.",)


def test_nested_groups_in_lme4s_order():
    table = chosen.random_table(nested_candidates()[1].fits["REML"])
    assert [row[0] for row in table.rows] == ["clinic:region", "region", "Residual"]
    assert table.notes == ("Number of observations: 240; groups: clinic:region, 12; region, 4.",)


def test_scaled_residuals_as_the_summary_prints_them(sleep):
    table = chosen.residual_quantiles(tables.residual_quantiles_table([sleep], "normal"))
    assert table.rows == (("−3.9536", "−0.4634", "0.0231", "0.4634", "5.1793"),)


def test_correlation_of_fixed_effects(sleep):
    table = chosen.correlation_table(tables.fixed_correlation_table([sleep], "normal"))
    assert table.rows == (("Days", "−0.138"),)
    lone = tables.fixed_correlation_table(penicillin_candidates()[:1], "normal")
    assert chosen.correlation_table(lone) is None


def test_fixed_effects_as_lmertest_prints_them():
    frame = pd.DataFrame(
        {
            "term": ["(Intercept)", "age"],
            "estimate": [241.3334, -1.8293],
            "std_error": [26.0615, 0.3014],
            "df": [4.2275, 36.1653],
            "statistic": [9.26, -6.068],
            "p_value": [0.00058, 5.54e-07],
            "conf_low": [170.47, -2.4405],
            "conf_high": [312.19, -1.2181],
        }
    )
    first, second = chosen.fixed_table(frame, "satterthwaite").rows
    assert first == (
        "(Intercept)",
        "241.333",
        "26.0615",
        "4.23",
        "9.260",
        "<\u00a00.001",
        "170 to 312",
    )
    assert second == (
        "age",
        "−1.829",
        "0.3014",
        "36.17",
        "−6.068",
        "<\u00a00.001",
        "−2.44 to −1.22",
    )


def test_no_anova_table_without_fixed_terms():
    columns = ["term", "sum_sq", "mean_sq", "num_df", "den_df", "statistic", "p_value"]
    assert chosen.anova_view(pd.DataFrame(columns=columns), "normal") is None


def test_convergence_in_words(sleep):
    fit = sleep.fits["REML"]
    assert "The REML fit converged: predicted decrease" in fits.convergence_words(fit)
    assert "6 evaluations" in fits.convergence_words(fit)
    record = dataclasses.replace(fit.optimizer, converged=False, message="no progress.")
    text = fits.convergence_words(dataclasses.replace(fit, optimizer=record))
    assert "did NOT converge: no progress." in text


@pytest.mark.parametrize(
    ("covariance", "words"),
    [
        ([[0.0, 0.0], [0.0, 4.0]], "the variance of (Intercept) by Subject estimated as zero"),
        ([[0.0, 0.0], [0.0, 0.0]], "the variances of (Intercept) and Days by Subject"),
        (
            [[4.0, 2.0], [2.0, 1.0]],
            "correlation of (Intercept) and Days by Subject estimated as 1",
        ),
        ([[4.0, -2.0], [-2.0, 1.0]], "estimated as −1"),
    ],
)
def test_what_is_singular_is_named(sleep, covariance, words):
    term = VarianceTerm("Subject", "Subject", ("(Intercept)", "Days"), np.array(covariance))
    fit = dataclasses.replace(
        sleep.fits["REML"], terms=(term,), singular=True, singular_groups=("Subject",)
    )
    assert words in fits.singular_words(fit)
    assert fits.singular_words(sleep.fits["REML"]) is None
