import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import pytest

from mmfit.report.provenance import flat, provenance, write_provenance
from tests.report.builders import data_set, sleep_candidates
from tests.report.inputs import report_input


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("provenance")
    return report_input(folder, sleep_candidates(), data_set("sleepstudy"), ["Subject"])


def test_is_complete(report):
    record = provenance(report.analysis, report.dataset)
    content = Path(report.analysis.path).read_bytes()
    assert record["analysis"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["command"] == f"mmfit run {report.analysis.path}"
    assert record["data"] == {
        "file": report.dataset.source.file,
        "sha256": "ab" * 32,
        "rows_read": 183,
        "rows_used": 180,
    }
    assert record["settings"] == {
        "alpha": 0.05,
        "df": "satterthwaite",
        "comparisons": "all",
        "null_distribution": "auto",
        "bootstrap": {"replicates": 999, "seed": 1, "stop": True},
        "stability": None,
    }
    assert record["package"]["version"] == version("mmfit")
    assert {"python", "numpy", "scipy", "pandas"} <= set(record["software"])
    assert {"system", "machine", "blas"} == set(record["platform"])


def test_two_runs_write_the_same_bytes(report, tmp_path):
    for name in ("one.json", "two.json"):
        write_provenance(tmp_path / name, report.analysis, report.dataset)
    text = (tmp_path / "one.json").read_text()
    assert text == (tmp_path / "two.json").read_text()
    assert json.loads(text) == provenance(report.analysis, report.dataset)


def test_flat_rows():
    record = {"a": {"b": 1, "c": {"d": "x"}}, "e": [["m1", "m2"]]}
    assert flat(record) == [("a.b", "1"), ("a.c.d", "x"), ("e", '[["m1", "m2"]]')]
