"""Defaults, several files together, and the configuration."""

import pytest

from mmfit.errors import SpecError
from mmfit.inference.precision.degrees_of_freedom import METHODS
from mmfit.spec import (
    SUPPORTED_DF,
    FileData,
    check_config,
    check_data_files,
    load_analyses,
    load_analysis,
    load_config,
)
from tests.spec.files import DATA, MODELS, write


def test_what_is_not_said_has_its_default(tmp_path):
    analysis = load_analysis(write(tmp_path, DATA + MODELS))
    assert analysis.name == analysis.title == "trial"
    assert analysis.path == str(tmp_path / "trial.yaml")
    assert analysis.data == FileData(file="data.csv")
    assert (analysis.data.missing, analysis.data.categorical, analysis.data.derive) == (
        "drop",
        (),
        {},
    )
    assert (analysis.comparisons, analysis.selection.alpha) == ("all", 0.05)
    assert analysis.df == "satterthwaite"
    assert analysis.models["m1"].formula == "y ~ x + (1 | g)"
    assert analysis.models["m1"].weights is None


def test_everything_that_can_be_said(tmp_path):
    analysis = load_analysis(
        write(
            tmp_path,
            f"""\
title: A trial
data:
  file: trial.csv.gz
  sha256: {"AB" * 32}
  categorical: [g, h]
  where: x > 0
  derive: {{z: log(x), x: z - 1}}
  missing: error
models:
  m1: y ~ x + (1 | g)
  m2: {{formula: "y ~ x + (x | g)", weights: v}}
comparisons: [[m1, m2]]
selection: {{alpha: 0.01}}
df: residual
""",
        )
    )
    assert analysis.title == "A trial"
    assert analysis.data.sha256 == "ab" * 32
    assert list(analysis.data.derive) == ["z", "x"]
    assert analysis.comparisons == (("m1", "m2"),)
    assert analysis.models["m2"].variables == ("y", "x", "g", "v")


def test_a_model_takes_the_defaults_of_the_analysis_unless_it_has_its_own(tmp_path):
    analysis = load_analysis(
        write(
            tmp_path,
            DATA
            + """\
weights: w
offset: o
contrasts: {a: sum, b: sum}
models:
  plain: y ~ a + (1 | g)
  own: {formula: y ~ a + (1 | g), weights: v, contrasts: {a: helmert}}
  none: {formula: y ~ a + (1 | g), weights: null}
""",
        )
    )
    plain, own, none = analysis.models.values()
    assert (plain.weights, plain.offset) == ("w", "o")
    assert plain.contrasts == {"a": "sum", "b": "sum"}
    assert (own.weights, own.offset) == ("v", "o")
    assert own.contrasts == {"a": "helmert", "b": "sum"}
    assert (none.weights, none.offset) == (None, "o")


def test_an_analysis_cannot_be_changed(tmp_path):
    analysis = load_analysis(write(tmp_path, DATA + MODELS))
    with pytest.raises(ValueError, match="frozen"):
        analysis.df = "normal"


def test_the_methods_for_degrees_of_freedom_are_those_of_the_inference():
    assert SUPPORTED_DF == METHODS


def test_problems_of_several_files_come_together(tmp_path):
    first = write(tmp_path, DATA + MODELS + "df: a\n", "first.yaml")
    second = write(tmp_path, MODELS, "second.yaml")
    with pytest.raises(SpecError) as caught:
        load_analyses([first, tmp_path / "none.yaml", second])
    assert [p.split(": ")[0].rpartition("/")[2] for p in caught.value.problems] == [
        "first.yaml:5",
        "none.yaml",
        "second.yaml:1",
    ]


@pytest.mark.parametrize("other", ["trial.yml", "Trial.yaml"])
def test_two_analyses_with_one_name_are_refused(tmp_path, other):
    first = write(tmp_path, DATA + MODELS)
    second = write(tmp_path, DATA + MODELS, other)
    with pytest.raises(SpecError, match=f"{other}: the analysis '[tT]rial' would overwrite the"):
        load_analyses([first, second])


def test_analyses_keep_their_order(tmp_path):
    paths = [write(tmp_path, DATA + MODELS, name) for name in ("b.yaml", "a.yaml")]
    assert [analysis.name for analysis in load_analyses(paths)] == ["b", "a"]


def test_a_configuration(tmp_path):
    path = write(tmp_path, DATA + MODELS)
    config = load_config(write(tmp_path, f"analyses: [{path}]\n", "config.yaml"))
    assert (config.analyses, config.results) == ((str(path),), "results")
    assert check_config({"analyses": [str(path)], "results": "out"}).results == "out"


CONFIG_MISTAKES = {
    "empty_list": ("analyses: []\n", ":1: analyses: it is empty; at least 1 is needed"),
    "no_list": ("analyses: a.yaml\n", ":1: analyses: found the text 'a.yaml'; a list such as"),
    "missing": ("results: out\n", ":1: analyses: missing; the key `analyses` is needed here"),
    "unknown_key": (
        "analyses: [{0}/trial.yaml]\nresult: out\n",
        ":2: result: unknown key (did you mean 'results'?); allowed keys here: analyses, results",
    ),
    "no_such_file": (
        "analyses: ['{0}/trail.yaml']\n",
        ":1: analyses[1]: no such file '{0}/trail.yaml' (did you mean '{0}/trial.yaml'?); an anal",
    ),
    "directory": ("analyses: ['{0}']\n", ":1: analyses[1]: this is a directory; an analysis file"),
    "same_name": (
        "analyses: ['{0}/trial.yaml', '{0}/./trial.yaml']\n",
        ":1: analyses[2]: the name 'trial' is that of {0}/trial.yaml too, and names its results",
    ),
}


@pytest.mark.parametrize(
    ("content", "message"), CONFIG_MISTAKES.values(), ids=CONFIG_MISTAKES.keys()
)
def test_a_mistake_in_the_configuration(tmp_path, content, message):
    write(tmp_path, DATA + MODELS)
    path = write(tmp_path, content.replace("{0}", str(tmp_path)), "config.yaml")
    with pytest.raises(SpecError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}{message.replace('{0}', str(tmp_path))}")


def test_every_missing_data_file_is_told_with_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "x", "data.csv")
    files = {"good": "data.csv", "near": "dta.csv", "far": "none/a.csv"}
    files |= {"dir": ".", "kind": "a.xls"}
    write(tmp_path, "x", "a.xls")
    paths = [
        write(tmp_path, f"title: t\ndata:\n  file: {file}\n{MODELS}", f"{name}.yaml").name
        for name, file in files.items()
    ]
    with pytest.raises(SpecError) as caught:
        check_data_files(load_analyses(paths))
    assert caught.value.problems == (
        "near.yaml:3: data.file: no such file: dta.csv (did you mean 'data.csv'?); "
        "paths are relative to the folder in which mmfit runs",
        "far.yaml:3: data.file: no such file: none/a.csv (there is no folder 'none'); "
        "paths are relative to the folder in which mmfit runs",
        "dir.yaml:3: data.file: . is a directory; a csv, tsv or parquet file is needed",
        "kind.yaml:3: data.file: a.xls is of an unknown kind, '.xls'; a name that ends in .csv, "
        ".tsv or .parquet, with or without .gz, is allowed",
    )
    check_data_files(load_analyses(paths[:1]))


def test_every_missing_file_of_rows_to_predict_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "x", "data.csv")
    text = "inference:\n  predictions:\n    file: new.csv\n"
    path = write(tmp_path, DATA + MODELS + text).name
    with pytest.raises(SpecError) as caught:
        check_data_files(load_analyses([path]))
    assert caught.value.problems == (
        "trial.yaml:7: inference.predictions.file: no such file: new.csv; "
        "paths are relative to the folder in which mmfit runs",
    )
