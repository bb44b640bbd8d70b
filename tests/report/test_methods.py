import dataclasses

import pytest

from mmfit.report.methods import methods
from tests.report.builders import data_set, sleep_candidates
from tests.report.inputs import report_input


@pytest.fixture
def report(tmp_path):
    return report_input(tmp_path, sleep_candidates(), data_set("sleepstudy"), ["Subject"])


def paragraph(report) -> str:
    return " ".join(methods(report).paragraphs)


def test_says_what_was_done_and_with_what(report):
    text = paragraph(report)
    for words in (
        "2 linear mixed models were fitted to the same 180 observations",
        "likelihood-ratio tests of their REML fits",
        "mixture of chi-square distributions",
        "significance level of 0.05",
        "Satterthwaite's approximation",
        "mmfit 0.",
        "NumPy",
    ):
        assert words in text
    assert "ML fits, as their fixed parts differed" not in text


@pytest.mark.parametrize(
    ("df", "words", "cited"),
    [("residual", "n − p residual degrees of freedom", False), ("normal", "normal distr", False)],
)
def test_other_degrees_of_freedom(tmp_path, df, words, cited):
    report = report_input(tmp_path, sleep_candidates(), data_set("sleepstudy"), ["Subject"], df=df)
    assert words in paragraph(report)
    assert any("lmerTest" in text for text in methods(report).references) == cited


def test_no_word_of_tests_that_were_not_made(report):
    none = dataclasses.replace(report, comparisons=())
    assert "no likelihood-ratio test was made" in paragraph(none)
    assert "mixture" not in paragraph(none)
    assert not any("Stram" in text for text in methods(none).references)


def test_by_ml_only(report):
    (pair,) = report.comparisons
    ml = dataclasses.replace(
        pair, criterion="ML", null_distribution="chi2(2)", p_value_boundary=pair.p_value
    )
    text = paragraph(dataclasses.replace(report, comparisons=(ml,)))
    assert "of their ML fits, as their fixed parts differed" in text
    assert "mixture" not in text
