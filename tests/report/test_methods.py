import dataclasses

import pandas as pd
import pytest

from mmfit.report.words.methods import methods
from mmfit.selection import NullDistribution
from mmfit.spec.search import Scope, SelectionSpec, StabilitySpec
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
        "the large-sample distribution is a mixture of chi-squares",
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


def law(method, **fields):
    """A null distribution that decides."""
    return NullDistribution(method, 0.004, True, (), decides=True, **fields)


def test_by_ml_only(report):
    (pair,) = report.comparisons
    ml = dataclasses.replace(pair, criterion="ML", distributions=(law("chi2"),))
    text = paragraph(dataclasses.replace(report, comparisons=(ml,)))
    assert "of their ML fits, as their fixed parts differed" in text
    assert "mixture" not in text


def searched(report, laws=(), **settings):
    """The report of a search with these settings, whose tests had these null distributions."""
    scope = Scope(maximal="Reaction ~ Days * sex + (Days | Subject)", minimal=None)
    selection = SelectionSpec(scope=scope, **settings)
    analysis = report.analysis.model_copy(update={"selection": selection})
    path = pd.DataFrame({"null_distribution": list(laws)}, dtype=object)
    tables = {**report.tables, "search": path}
    return dataclasses.replace(report, analysis=analysis, comparisons=(), tables=tables)


def test_a_search_is_told_and_nothing_else_is_said_to_have_chosen(report):
    laws = ("chi2(1)", "0.5 chi2(0) + 0.5 chi2(1)", None)
    told = searched(report, laws, search="backward", criterion="lrt", alpha=0.1)
    text = paragraph(told)
    assert "A backward search between an intercept and Reaction ~ Days * sex" in text
    assert "a likelihood-ratio test at a level of 0.1" in text
    assert "by REML, with the fixed part of the largest model" in text
    assert (
        "Of 2 likelihood-ratio tests in the search 1 was decided by the large-sample mixture of χ²"
        in text
    )
    assert "the large-sample distribution is a mixture of chi-squares" in text
    assert "do not allow for the search" in text
    assert any("Stram" in reference for reference in methods(told).references)
    for words in ("One linear mixed model", "no likelihood-ratio test", "random part was chosen"):
        assert words not in text
    plain = searched(report, ("chi2(1)",), search="forward", criterion="lrt")
    assert "mixture" not in paragraph(plain)


def test_searches_by_information_criteria(report):
    text = paragraph(searched(report, search="exhaustive", criterion="bic"))
    assert "were fitted by ML and ranked by BIC" in text
    assert "likelihood-ratio test" not in text
    conditional = searched(report, search="forward", criterion="caic")
    assert "(by ML, with the fixed part of the largest model)" in paragraph(conditional)
    assert any("Greven" in reference for reference in methods(conditional).references)


@pytest.mark.parametrize(
    ("method", "words"),
    [("parametric", "drawn from the REML fit"), ("cluster", "drawn with replacement")],
)
def test_an_audit_is_told(report, method, words):
    audit = StabilitySpec(samples=50, method=method, seed=7)
    selection = SelectionSpec(stability=audit)
    analysis = report.analysis.model_copy(update={"selection": selection})
    text = paragraph(dataclasses.replace(report, analysis=analysis))
    for part in ("repeating it on 50 data sets", words, "(seed 7)"):
        assert part in text
    assert "with the selection counted" in text
    audited = methods(dataclasses.replace(report, analysis=analysis))
    assert any("Optimal inference after model selection" in one for one in audited.references)
    assert "repeating it" not in paragraph(report)


def test_an_exact_p_value_is_no_mixture(report):
    (pair,) = report.comparisons
    exact = dataclasses.replace(pair, distributions=(law("exact", criterion="REML"),))
    text = paragraph(dataclasses.replace(report, comparisons=(exact,)))
    assert "mixture" not in text
