"""The search stage from an analysis file: its files, its candidate, its audit."""

import json
import shutil
from dataclasses import fields

import pandas as pd
import pytest

from mmfit.cli import main
from mmfit.selection.search.records import SearchStep, search_from_json

DATA = """\
data:
  simulate:
    seed: 4
    design: {g: 10}
    per_cell: 8
    covariates:
      x: {distribution: normal, mean: 0, sd: 1}
      z: {distribution: normal, mean: 0, sd: 1}
    formula: y ~ x + (1 | g)
    fixed: {(Intercept): 1, x: 1}
    random: {g: {sd: [1]}}
    residual_sd: 1
inference: {intervals: [], influence: false, diagnosis: false}
"""
SEARCH = """\
models: {only: "y ~ z + (1 | g)"}
selection:
  search: backward
  scope: {maximal: "y ~ x * z + (x | g)", minimal: "y ~ 1 + (1 | g)"}
  stability: {samples: 4, method: cluster, seed: 3}
"""
DECLARED = """\
models: {m1: "y ~ 1 + (1 | g)", m2: "y ~ x + (1 | g)"}
selection: {stability: {samples: 4}}
"""
WITHOUT = """\
models: {m1: "y ~ 1 + (1 | g)", m2: "y ~ x + (1 | g)"}
"""
ORDER = {
    "searched": ("data", "search", "fit --model only", "compare", "select"),
    "declared": ("data", "fit --model m1", "fit --model m2", "compare", "select", "search"),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder in which all three analyses were run."""
    folder = tmp_path_factory.mktemp("search")
    for name, text in (("searched", SEARCH), ("declared", DECLARED), ("without", WITHOUT)):
        (folder / f"{name}.yaml").write_text(DATA + text)
    names = [str(folder / f"{name}.yaml") for name in ("searched", "declared", "without")]
    assert main(["run", *names, "--results", str(folder / "results")]) == 0
    return folder / "results"


def test_the_search_makes_a_candidate(results):
    folder = results / "searched"
    path = search_from_json((folder / "search.json").read_text())
    assert path.chosen == "y ~ x + (1 | g)"
    for criterion in ("REML", "ML"):
        fit = json.loads((folder / "fits" / f"selected.{criterion}.json").read_text())
        assert (fit["formula"], fit["criterion"]) == (path.chosen, criterion)
    models = pd.read_csv(folder / "tables" / "models.csv")
    assert models["model"].unique().tolist() == ["only", "selected"]
    assert set(models[models["model"] == "selected"]["formula"]) == {path.chosen}
    comparisons = pd.read_csv(folder / "tables" / "comparisons.csv")
    assert {"only", "selected"} == set(comparisons["null"]) | set(comparisons["alternative"])


def test_the_selection_is_the_path_in_words(results):
    selection = json.loads((results / "searched" / "selection.json").read_text())
    path = search_from_json((results / "searched" / "search.json").read_text())
    assert selection["chosen"] == "selected"
    told = " ".join(step["text"] for step in selection["steps"])
    for step in path.steps:
        assert step.text in told
    assert [ranking["measure"] for ranking in selection["rankings"]] == ["AIC", "BIC"]
    ranked = {m["model"] for ranking in selection["rankings"] for m in ranking["models"]}
    assert ranked == {"only", "selected"}
    assert "AIC (ML) agrees" in selection["steps"][-1]["text"]


def test_the_tables_of_a_search(results):
    path = pd.read_csv(results / "searched" / "tables" / "search.csv")
    assert tuple(path.columns) == tuple(f.name for f in fields(SearchStep))
    assert path["decision"].iloc[[0, -1]].tolist() == ["start", "chosen"]
    stability = pd.read_csv(results / "searched" / "tables" / "stability.csv")
    assert stability[stability["kind"] == "model"]["count"].sum() == 4
    assert "(1 | g)" in stability[stability["kind"] == "term"]["model"].tolist()


def test_the_audit_of_a_selection_among_declared_models(results):
    assert len(pd.read_csv(results / "declared" / "tables" / "search.csv")) == 0
    assert not (results / "declared" / "search.json").exists()
    stability = pd.read_csv(results / "declared" / "tables" / "stability.csv")
    models = stability[stability["kind"] == "model"]
    assert models["count"].sum() == 4
    assert models[models["chosen"]]["model"].tolist() == ["m2"]


def test_the_coefficients_with_the_selection_counted(results):
    for name, model, samples in (("searched", "selected", 4), ("declared", "m2", 4)):
        tables = results / name / "tables"
        after = pd.read_csv(tables / "after_selection.csv")
        naive = pd.read_csv(tables / "coefficients.csv")
        naive = naive[naive["model"] == model].reset_index(drop=True)
        shared = ["model", "term", "estimate", "std_error", "df", "p_value", "conf_low"]
        pd.testing.assert_frame_equal(after[shared], naive[shared])
        assert set(after["samples"]) == {samples}
        assert after["frequency"].between(0, 1).all()
        if name == "searched":
            # Four samples of levels tell no variance.
            assert after["conf_low_selection"].isna().all()
            assert after["note"].str.contains("a variance needs 30").all()
        else:
            assert (after["conf_low_selection"] < after["conf_high_selection"]).all()
            assert after["note"].isna().all()
        page = (results / name / "report.html").read_text()
        assert "Coefficients with the selection counted" in page
    assert "selection counted" not in (results / "without" / "report.html").read_text()


def test_the_audit_takes_the_null_distributions_of_the_analysis(results, tmp_path, monkeypatch):
    asked = []

    def audit(task, sources, chosen, **how):
        asked.append(task)

    def after(task, chosen, stability):
        counted.append(task)

    counted = []
    monkeypatch.setattr("mmfit.selection.search.stability_ladder.ladder_stability", audit)
    monkeypatch.setattr("mmfit.selection.search.after_search.after_ladder", after)
    own = "comparisons: [{null: m1, alternative: m2, null_distribution: chi2}]\n"
    (tmp_path / "declared.yaml").write_text(DATA + DECLARED + own + "null_distribution: exact\n")
    copied = shutil.copytree(results / "declared", tmp_path / "results" / "declared").parent
    for stage in ("compare", "select", "search"):
        assert main([stage, str(tmp_path / "declared.yaml"), "--results", str(copied)]) == 0
    (task,) = asked
    assert task.settings.method == "exact"
    assert {pair: its.method for pair, its in task.per_pair.items()} == {("m1", "m2"): "chi2"}
    assert counted == asked


def test_without_an_audit_the_tables_are_empty(results):
    for table in ("search", "stability", "after_selection"):
        text = (results / "without" / "tables" / f"{table}.csv").read_text()
        assert text.count("\n") == 1


@pytest.mark.parametrize("name", ORDER)
def test_stages_by_hand_give_the_same_bytes(results, tmp_path, name):
    analysis = str(results.parent / f"{name}.yaml")
    for stage in ORDER[name]:
        command, *options = stage.split()
        assert main([command, analysis, *options, "--results", str(tmp_path)]) == 0
    made = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
    assert len(made) > 6
    for path in made:
        other = results / name / path.relative_to(tmp_path / name)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_later_stages_ask_for_the_search(results, tmp_path, capsys):
    analysis = str(results.parent / "searched.yaml")
    assert main(["data", analysis, "--results", str(tmp_path)]) == 0
    assert main(["fit", analysis, "--model", "only", "--results", str(tmp_path)]) == 0
    assert main(["compare", analysis, "--results", str(tmp_path)]) == 2
    assert "`mmfit search` makes it" in capsys.readouterr().err


def test_a_minimal_model_outside_the_maximal_one(tmp_path, capsys):
    text = DATA + SEARCH.replace("y ~ 1 + (1 | g)", "y ~ 1 + (z | g)")
    (tmp_path / "a.yaml").write_text(text)
    assert main(["run", str(tmp_path / "a.yaml"), "--results", str(tmp_path / "r")]) == 2
    assert "random term (z | g) of the minimal model" in capsys.readouterr().err
    assert not (tmp_path / "r" / "a").exists()
