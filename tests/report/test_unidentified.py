"""An analysis of models of which the data do not tell all covariances, from file to page."""

import json

import numpy as np
import pandas as pd
import pytest

from mmfit.cli import main
from tests.report.markup import Page

ANALYSIS = """
title: One task each
data: {file: "FOLDER/data.csv"}
models:
  slope: "y ~ x + (task | id)"
  twice: "y ~ x + (1 | id) + (1 | other)"
  plain: "y ~ x + (1 | id)"
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unidentified")
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(16), 4)
    data = pd.DataFrame({"x": rng.normal(size=64), "task": np.where(person % 2, "B", "A")})
    data["id"], data["other"] = [f"p{i}" for i in person], [f"q{90 - i}" for i in person]
    spread = np.where(person % 2, 2.0, 1.0) * rng.normal(size=16)[person]
    data["y"] = data["x"] + spread + 0.7 * rng.normal(size=64)
    data.to_csv(folder / "data.csv", index=False)
    (folder / "one.yaml").write_text(ANALYSIS.replace("FOLDER", str(folder)), encoding="utf-8")
    assert main(["run", str(folder / "one.yaml"), "--results", str(folder / "out")]) == 0
    return folder / "out" / "one"


def test_tables_name_it(results):
    models = pd.read_csv(results / "tables" / "models.csv", keep_default_na=False)
    told = models.groupby("model")["unidentified"].unique()
    assert told["plain"].tolist() == [""]
    assert "only 2 cov((Intercept), taskB | id) + var(taskB | id) can" in told["slope"][0]
    assert told["twice"][0].endswith("cannot be told apart; only their sum can")
    components = pd.read_csv(results / "tables" / "variance_components.csv", keep_default_na=False)
    noted = components[components["note"] != ""]
    assert noted["model"].tolist() == ["slope"] * 2 + ["twice"] * 2
    assert noted["term_2"].tolist() == ["", "taskB", "", ""]


def test_the_page_names_it_of_every_candidate_and_of_the_chosen_one(results):
    plain = Page((results / "report.html").read_text(encoding="utf-8")).plain
    chosen = json.loads((results / "selection.json").read_text(encoding="utf-8"))["chosen"]
    assert "slope: the covariance of (Intercept) and taskB by id and the variance" in plain
    assert "twice: the variances of (Intercept) by" in plain
    assert ("Not identified:" in plain) == (chosen != "plain")


def test_what_is_no_larger_model_is_not_tested(results):
    comparisons = pd.read_csv(results / "tables" / "comparisons.csv")
    pair = comparisons.set_index(["null", "alternative"])["outcome"]
    assert (
        "same_model" in pair[[key for key in pair.index if set(key) == {"twice", "plain"}]].tolist()
    )
