import pytest

from mmfit.errors import MmfitError
from mmfit.report.html.index import _is_singular, _models, write_index
from mmfit.report.provenance import write_provenance
from mmfit.selection import selection_to_json
from mmfit.tables.frames import write_tables
from mmfit.tables.model_tables import model_tables
from tests.report.builders import data_set, nested_candidates, sleep_candidates
from tests.report.inputs import report_input
from tests.report.markup import Page


@pytest.fixture
def reports(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return [
        report_input(
            tmp_path / "a",
            sleep_candidates(),
            data_set("sleepstudy"),
            ["Subject"],
            title="Sleep & <time>",
        ),
        report_input(
            tmp_path / "b",
            nested_candidates(),
            data_set("nested"),
            ["region", "clinic"],
            title="Clinics",
        ),
    ]


def write(root, reports, remarks=("", "")):
    for name, report in zip(("sleep", "clinics"), reports, strict=True):
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "selection.json").write_text(selection_to_json(report.selection))
        write_provenance(folder / "provenance.json", report.analysis, report.dataset)
        computed = model_tables(report.candidates, report.analysis.df)
        write_tables(folder / "tables", "tables", computed)
    write_index(root, zip(("sleep", "clinics"), remarks, strict=True))
    return (root / "index.html").read_text()


def test_lists_every_analysis_with_its_choice(tmp_path, reports):
    text = write(tmp_path / "results", reports)
    page = Page(text)
    assert [r for r in page.references if r != "data:,"] == [
        "sleep/report.html",
        "clinics/report.html",
    ]
    for words in ("Sleep & <time>", "Clinics", "2 analyses", "m2", "y ~ x + (1|region/clinic)"):
        assert words in page.plain
    assert page.plain.index("Sleep &") < page.plain.index("Clinics")
    assert "http" not in text


def test_same_bytes_again(tmp_path, reports):
    assert write(tmp_path / "one", reports) == write(tmp_path / "two", reports)


def test_an_analysis_that_was_not_run_is_named(tmp_path):
    with pytest.raises(MmfitError, match=r"provenance\.json: not there; run the analysis 'study'"):
        write_index(tmp_path, [("study", "")])
    assert not (tmp_path / "index.html").exists()


def test_results_of_another_version_are_named(tmp_path, reports):
    write(tmp_path, reports)
    (tmp_path / "sleep" / "provenance.json").write_text("{}")
    with pytest.raises(MmfitError, match="sleep: not results of this version of mmfit"):
        write_index(tmp_path, [("sleep", "")])
    write_index(tmp_path, [("sleep", "made by another version"), ("clinics", "")])
    assert "1 analysis," in (tmp_path / "index.html").read_text()


def test_what_is_out_of_date_is_told(tmp_path, reports):
    plain = Page(write(tmp_path, reports, ("", "data.csv is <other>"))).plain
    assert plain.count("Out of date") == 1
    assert plain.index("Clinics") < plain.index("Out of date: data.csv is <other>.")


def test_singular_is_the_fit_that_the_report_shows(tmp_path):
    """The REML fit, also where the ranking is by ML."""
    text = "model,criterion,formula,singular\nm,REML,y ~ 1,{}\nm,ML,y ~ 1,true\n"
    for value in ("true", "false"):
        path = tmp_path / f"{value}.csv"
        path.write_text(text.format(value), encoding="utf-8")
        rows = _models(path)
        assert _is_singular(rows, "m") == (value == "true")
        assert not _is_singular(rows, "other")
