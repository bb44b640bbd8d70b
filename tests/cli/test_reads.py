"""Which edit of an analysis file reaches which stage."""

import json

import pytest

from mmfit.cli import reads
from mmfit.spec import load_analysis

ANALYSIS = """\
title: Sleep
data:
  file: config/data/sleepstudy.csv
  categorical: [Subject]
models:
  m1: Reaction ~ Days + (1 | Subject)
  m2: Reaction ~ Days + (1 + Days | Subject)
"""

STAGES = {
    "data": reads.data,
    "design": reads.design,
    "m1": lambda analysis: reads.fit(analysis, "m1"),
    "m2": lambda analysis: reads.fit(analysis, "m2"),
    "compare": reads.compare,
    "select": reads.select,
    "tables": reads.tables,
    "report": reads.report,
    "index": lambda analysis: reads.index([analysis]),
}


def changed(tmp_path, old, new):
    """The stages that the edit reaches."""
    assert ANALYSIS.count(old) == 1
    found = []
    for text in (ANALYSIS, ANALYSIS.replace(old, new)):
        path = tmp_path / "sleep.yaml"
        path.write_text(text)
        analysis = load_analysis(path)
        found.append({name: read(analysis) for name, read in STAGES.items()})
    before, after = found
    return {name for name in STAGES if before[name] != after[name]}


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("title: Sleep\n", "title: Sleep\n# a comment\n", {"report"}),
        ("title: Sleep", "title: No sleep", {"report", "index"}),
        ("(1 + Days | Subject)", "(Days || Subject)", {"m2", "report"}),
        ("m1: Reaction ~ Days", "m1: Reaction ~ 1", {"m1", "report"}),
        ("Days + (1 | Subject)", "Days + (1 | Subject:Days)", {"m1", "design", "report"}),
        ("m1: Reaction ~ Days", "m1: Reaction ~ Days + age", {"m1", "data", "report"}),
        ("models:\n", "weights: Days + 1\nmodels:\n", {"m1", "m2", "report"}),
        ("models:\n", "weights: w\nmodels:\n", {"m1", "m2", "data", "report"}),
        ("[Subject]", "[Subject, Days]", {"data", "design", "report"}),
        ("models:\n", "df: residual\nmodels:\n", {"tables", "report"}),
        ("models:\n", "selection: {alpha: 0.01}\nmodels:\n", {"select", "report"}),
        ("models:\n", "comparisons: [[m1, m2]]\nmodels:\n", {"compare", "select", "report"}),
        (
            "models:\n",
            "models:\n  m0: Reaction ~ 1 + (1 | Subject)\n",
            {"design", "compare", "select", "tables", "report"},
        ),
    ],
)
def test_an_edit_reaches_the_stages_that_read_it(tmp_path, old, new, stages):
    assert changed(tmp_path, old, new) == stages


def test_the_text_is_canonical(tmp_path):
    path = tmp_path / "sleep.yaml"
    path.write_text(ANALYSIS)
    content = json.loads(reads.data(load_analysis(path)))
    assert list(content) == ["data", "variables"]
    assert content["variables"] == ["Days", "Reaction", "Subject"]


def test_simulated_data_read_no_file(tmp_path):
    path = tmp_path / "sleep.yaml"
    path.write_text(ANALYSIS)
    assert reads.data_files(load_analysis(path)) == ["config/data/sleepstudy.csv"]
