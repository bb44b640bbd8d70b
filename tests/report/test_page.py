"""The whole page, read back strictly."""

import dataclasses
import re

import pytest

from mmfit.report.blocks import Figure, Section, table
from mmfit.report.content.page import build_page
from mmfit.report.html.render import render_report, write_report
from mmfit.selection import Comparison
from mmfit.tables.schema import tables_of
from tests.report.builders import data_set, nested_candidates, sleep_candidates
from tests.report.inputs import WARNING, report_input
from tests.report.markup import Page

TITLE = 'Sleep <script>alert(1)</script> & "time"'
REFUSED = Comparison(
    "m1", "x<y", None, False, "the fixed parts are not nested & so no test", outcome="no"
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    report = report_input(
        folder, sleep_candidates(), data_set("sleepstudy"), ["Subject"], title=TITLE
    )
    return dataclasses.replace(report, comparisons=(*report.comparisons, REFUSED))


@pytest.fixture(scope="module")
def text(report):
    return render_report(report)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_sections(page):
    sections = [values["id"] for tag, values in page.tags if tag == "section"]
    assert sections == [
        "data",
        "candidates",
        "comparisons",
        "selection",
        "chosen",
        "effects",
        "residuals",
        "methods",
        "provenance",
    ]


def test_nothing_is_fetched_from_anywhere(text, page):
    local = ("#", "data:", "../index.html", "tables/")
    assert [r for r in page.references if not r.startswith(local)] == []
    assert "url(http" not in text
    assert "@import" not in text
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "img"}
    assert not [name for _, values in page.tags for name in values if name.startswith("on")]


def test_every_link_inside_the_page_has_its_target(page):
    inside = {r[1:] for r in page.references if r.startswith("#")}
    assert inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_table_links(page):
    links = {r for r in page.references if r.startswith("tables/")}
    always = (table.file for table in tables_of("tables"))
    assert links == {f"tables/{name}" for name in (*always, "comparisons.csv")}


def test_text_of_the_user_is_escaped(text, page):
    assert "<script" not in text
    assert TITLE in page.plain
    assert " ".join(WARNING.split()) in page.plain


def test_the_verdict_comes_first(page):
    start = page.plain.index("m2 is chosen among 2 candidates")
    assert start < page.plain.index("Data and design")


def test_rows_and_reasons(page):
    assert "183 rows were read and 180 are used" in page.plain
    assert "1 had missing values: Days (1)" in page.plain


def test_a_refused_pair_is_named_with_its_reason_and_no_number(text):
    (row,) = re.findall(r"<tr>(?:(?!</tr>).)*x&lt;y.*?</tr>", text, flags=re.DOTALL)
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
    assert cells == [
        "<code>m1</code>",
        "<code>x&lt;y</code>",
        "refused",
        "the fixed parts are not nested &amp; so no test",
    ]


def test_summary_in_lmertests_terms(page):
    for words in (
        "REML criterion at convergence: 1743.6",
        "−3.9536",
        "Number of observations: 180; groups: Subject, 18.",
        "Correlation of fixed effects",
        "Type III tests",
    ):
        assert words in page.plain


def test_tables_can_be_read_out(page):
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags)
    heads = [values.get("scope") for tag, values in page.tags if tag == "th"]
    assert set(heads) == {"col", "row"}
    figures = [values for tag, values in page.tags if tag == "svg"]
    assert len(figures) == 6
    assert all(values["role"] == "img" for values in figures)


def test_same_input_same_bytes(report, text):
    assert render_report(report) == text


def test_no_path_of_a_temporary_file_is_left(report, tmp_path):
    write_report(tmp_path / "report.html", report)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_nested_analysis(tmp_path):
    report = report_input(tmp_path, nested_candidates(), data_set("nested"), ["region", "clinic"])
    plain = Page(render_report(report)).plain
    assert "Nested: clinic:region in region" in plain
    assert "clinic nested in region" in plain


def test_a_single_candidate_has_nothing_to_compare(tmp_path):
    only = sleep_candidates()[1:]
    report = report_input(tmp_path, only, data_set("sleepstudy"), ["Subject"])
    plain = Page(render_report(report)).plain
    assert "m2 is the only candidate for Reaction" in plain
    assert "nothing to compare" in plain


def test_singular_and_failed_fits_are_announced(report):
    m1, m2 = report.candidates
    fits = {
        "REML": dataclasses.replace(m2.fits["REML"], singular=True, singular_groups=("Subject",)),
        "ML": dataclasses.replace(
            m2.fits["ML"],
            optimizer=dataclasses.replace(m2.fits["ML"].optimizer, converged=False),
        ),
    }
    changed = dataclasses.replace(report, candidates=(m1, dataclasses.replace(m2, fits=fits)))
    plain = Page(render_report(changed)).plain
    assert "Note: m2: Singular fit" in plain
    assert "Not converged: m2 (ML)" in plain
    assert "REML singular, ML not converged" in plain


@pytest.mark.parametrize("name", ["data", "comparisons", "chosen"])
def test_all_that_a_section_holds_is_shown(report, name, monkeypatch):
    """Also what no section of that place has today."""
    whole = Section(
        ("A paragraph.",),
        ("A warning.",),
        (table("A caption", [("Head", "text")], [["A cell"]]),),
        (Figure("<svg><title>A drawing</title></svg>", "A figure's caption"),),
    )
    page = dataclasses.replace(build_page(report), **{name: whole})
    monkeypatch.setattr("mmfit.report.html.render.build_page", lambda _: page)
    shown = Page(render_report(report)).plain
    for words in ("A paragraph.", "A warning.", "A caption", "A cell", "A figure's caption"):
        assert words in shown, words
