"""Every number that the lecture prints, from the tables of the shipped analyses."""

from pathlib import Path

import pytest

from mmfit.cli import main
from tests.reference.lecture_check import compare_lecture, page

ROOT = Path(__file__).parents[2]
ANALYSES = ("nested", "conc", "sleepall", "sleepstudy")


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    files = [f"config/analyses/{name}.yaml" for name in ANALYSES]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(["run", *files, "--results", str(results)]) == 0
    return compare_lecture(results)


def test_all_95_numbers_are_compared(checks):
    assert len(checks) == 95
    assert len({(check.block, check.number) for check in checks}) == 95


def test_every_number_agrees(checks):
    assert [check for check in checks if not check.agrees] == []


def test_only_the_six_where_lme4_stopped_short_need_leave(checks):
    assert sum(not check.to_the_digit for check in checks) == 6


def test_the_page_in_the_docs_is_this_comparison(checks):
    assert (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8") == page(checks)
