"""Every number that the lecture prints, from the tables of the shipped analyses."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from mmfit.cli import main
from tests.reference.lecture_check import (
    LECTURE,
    ROUNDED_TWICE,
    SHORT_OF_OPTIMUM,
    Check,
    compare_lecture,
    page,
)

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


def leaves(tree) -> int:
    return sum(map(leaves, tree.values())) if isinstance(tree, dict) else 1


def test_every_printed_number_is_compared_once(checks):
    printed = sum(leaves(block["printed"]) for block in json.loads(LECTURE.read_text()))
    assert len(checks) == printed
    assert len({(check.block, check.number) for check in checks}) == printed


def test_every_number_agrees(checks):
    assert [check for check in checks if check.agreement is None] == []


def test_the_named_exceptions_are_needed_and_no_others(checks):
    leave = {
        (check.block, check.number)
        for check in checks
        if check.agreement not in ("all digits", "below")
    }
    assert leave == SHORT_OF_OPTIMUM | ROUNDED_TWICE


def test_a_number_that_differs_is_noticed():
    check = Check("a block", "variance: g", "variance_components", Decimal("2.50"), 2.506)
    assert check.agreement is None
    assert "**differs**" in page([check])


def test_the_page_in_the_docs_is_this_comparison(checks):
    assert (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8") == page(checks)
