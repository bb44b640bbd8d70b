"""Which edit of an analysis file reaches which stage."""

import json
import re

import pytest

from mmfit.spec import load_analysis
from mmfit.stages import settings_read as reads

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
    "bootstrap": reads.bootstrap,
    "select": reads.select,
    "search": reads.search,
    "tables": reads.tables,
    "inference": reads.inference,
    "report": reads.report,
}


def changed(tmp_path, old, new, content=ANALYSIS):
    """The stages that the edit reaches."""
    assert content.count(old) == 1
    found = []
    absent = {"m1", "m2"} - set(re.findall("m[12]", content))
    for text in (content, content.replace(old, new)):
        path = tmp_path / "sleep.yaml"
        path.write_text(text)
        analysis = load_analysis(path)
        known = {name: read for name, read in STAGES.items() if name not in absent}
        found.append({name: read(analysis) for name, read in known.items()})
    before, after = found
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("title: Sleep\n", "title: Sleep\n# a comment\n", {"report"}),
        ("title: Sleep", "title: No sleep", {"report"}),
        ("(1 + Days | Subject)", "(Days || Subject)", {"m2", "report"}),
        ("m1: Reaction ~ Days", "m1: Reaction ~ 1", {"m1", "report"}),
        # The texts of a column are read where it is a grouping factor.
        ("Days + (1 | Subject)", "Days + (1 | Subject:Days)", {"m1", "data", "design", "report"}),
        ("m1: Reaction ~ Days", "m1: Reaction ~ Days + age", {"m1", "data", "report"}),
        ("models:\n", "weights: Days + 1\nmodels:\n", {"m1", "m2", "report"}),
        ("models:\n", "weights: w\nmodels:\n", {"m1", "m2", "data", "report"}),
        ("[Subject]", "[Subject, Days]", {"data", "design", "report"}),
        ("models:\n", "df: residual\nmodels:\n", {"tables", "inference", "report"}),
        ("models:\n", "inference: {level: 0.9}\nmodels:\n", {"inference", "report"}),
        ("models:\n", "inference: {slopes: {Days: []}}\nmodels:\n", {"inference", "report"}),
        ("models:\n", "inference: {intervals: []}\nmodels:\n", {"inference", "report"}),
        (
            "models:\n",
            "inference: {intervals: [bootstrap]}\nmodels:\n",
            {"inference", "report"},
        ),
        (
            "models:\n",
            "null_distribution: exact\nmodels:\n",
            {"compare", "bootstrap", "select", "report"},
        ),
        (
            "models:\n",
            "comparisons: [{null: m1, alternative: m2, null_distribution: exact}]\nmodels:\n",
            {"compare", "bootstrap", "select", "report"},
        ),
        (
            "models:\n",
            "bootstrap: {seed: 2}\nmodels:\n",
            {"compare", "bootstrap", "select", "inference", "report"},
        ),
        ("models:\n", "bootstrap: {chunks: 2}\nmodels:\n", {"bootstrap", "report"}),
        ("models:\n", "selection: {stability: {}}\nmodels:\n", {"search", "report"}),
        ("models:\n", "selection: {alpha: 0.01}\nmodels:\n", {"select", "report"}),
        (
            "models:\n",
            "comparisons: [[m1, m2]]\nmodels:\n",
            {"compare", "bootstrap", "select", "report"},
        ),
        (
            "models:\n",
            "models:\n  m0: Reaction ~ 1 + (1 | Subject)\n",
            {"design", "compare", "bootstrap", "select", "tables", "inference", "report"},
        ),
    ],
)
def test_an_edit_reaches_the_stages_that_read_it(tmp_path, old, new, stages):
    assert changed(tmp_path, old, new) == stages


@pytest.mark.parametrize(
    ("added", "audited"),
    [
        ("null_distribution: exact", True),
        ("comparisons: [{null: m1, alternative: m2, null_distribution: exact}]", True),
        ("comparisons: [[m1, m2]]", False),
        ("bootstrap: {stop: false}", True),
        ("bootstrap: {chunks: 3}", False),
    ],
)
def test_an_audit_reads_the_null_distributions(tmp_path, added, audited):
    content = ANALYSIS + "selection: {stability: {}}\n"
    found = changed(tmp_path, "models:\n", f"{added}\nmodels:\n", content)
    assert ("search" in found) == audited


SEARCHED = """\
data:
  file: config/data/sleepstudy.csv
  categorical: [Subject]
selection:
  search: backward
  scope: Reaction ~ Days + (Days | Subject)
bootstrap: {replicates: 99}
inference: {intervals: [bootstrap], predictions: {file: new.csv}}
"""


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("Days + (Days | Subject)", "Days + (Days || Subject)", {"search", "select"}),
        ("~ Days + (D", "~ Days + age + (D", {"data", "search", "select"}),
        ("selection:", "weights: Days + 1\nselection:", {"search"}),
        ("selection:", "weights: w\nselection:", {"data", "search"}),
        ("backward", "backward\n  alpha: 0.1", {"search", "select"}),
        ("backward", "backward\n  stability: {}", {"search"}),
        ("99", "199", {"compare", "bootstrap", "select", "search", "inference"}),
        ("[Subject]", "[Subject]\n  derive: {z: Days}", {"data", "inference"}),
        ("new.csv", "newer.csv", {"inference"}),
    ],
)
def test_an_edit_of_a_search_reaches_the_stages_that_read_it(tmp_path, old, new, stages):
    assert changed(tmp_path, old, new, SEARCHED) == stages | {"report"}


def test_rows_to_predict_are_read_by_the_inference_alone(tmp_path):
    path = tmp_path / "sleep.yaml"
    path.write_text(SEARCHED)
    analysis = load_analysis(path)
    assert reads.prediction_files(analysis) == ["new.csv"]
    assert reads.data_files(analysis) == ["config/data/sleepstudy.csv"]
    assert reads.prediction_files(analysis.with_selected("y ~ x + (1 | g)")) == ["new.csv"]


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
