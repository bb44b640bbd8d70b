"""What the README shows is what comes out."""

import json
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest

import mmfit
from benchmarks.readme import update_readme
from mmfit.cli import main
from mmfit.spec import load_analysis

ROOT = Path(__file__).parents[2]


def words(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_output_shown_is_the_output(readme, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["run", "config/analyses/sleepall.yaml", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.replace(str(tmp_path), "results")
    assert words(printed) in words(readme)
    selection = json.loads((tmp_path / "sleepall" / "selection.json").read_text(encoding="utf-8"))
    for number, step in enumerate(selection["steps"], 1):
        assert words(f"{number}. {step['text']}") in words(readme)


def test_the_analysis_shown_is_valid(readme, tmp_path):
    block = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)[1]
    path = tmp_path / "trial.yaml"
    path.write_text(re.sub(r"^ {3}", "", block, flags=re.MULTILINE), encoding="utf-8")
    assert list(load_analysis(path).models) == ["centre", "patient", "slope", "no_arm"]


def test_files_and_targets_named_exist(readme):
    for path in re.findall(r"\]\(([\w./-]+)\)", readme):
        assert (ROOT / path).exists(), path
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)\b", readme)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_python_shown_gives_what_its_comments_say(readme, monkeypatch):
    monkeypatch.chdir(ROOT)
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    for line in ("tidy()", "varcorr", "ranef", "anova(type=3)", "compare(intercept, slope)"):
        assert line in block
    data = pd.read_csv("config/data/sleepstudy.csv")
    intercept, slope = (
        mmfit.lmer(formula, data) for formula in re.findall(r'lmer\("(.*?)"', block)
    )
    assert slope.tidy()["df"].round(6).tolist() == [17, 17]
    test = mmfit.compare(intercept, slope)
    assert f"{test.criterion}: chisq {test.chisq:.2f} on {test.df} df" in block
    assert f"{test.p_value:.1e}, the one that decides; {test.p_value_chi2:.1e} by the" in block


def test_the_python_shown_runs(readme, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    script = tmp_path / "shown.py"
    script.write_text(block, encoding="utf-8")
    names = runpy.run_path(str(script))
    assert f"# {names['found'].formula};" in block


def test_the_times_shown_are_those_measured(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    numbers = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    update_readme(numbers, copy)
    assert copy.read_text(encoding="utf-8") == (ROOT / "README.md").read_text(encoding="utf-8")
