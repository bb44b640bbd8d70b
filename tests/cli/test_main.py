"""The console script: options, exit codes, messages."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from mmfit.cli import main

ANALYSIS = """\
data:
  simulate:
    seed: 1
    design: {g: 8}
    per_cell: 5
    covariates: {x: {distribution: normal, mean: 0, sd: 1}}
    formula: y ~ x + (1 | g)
    fixed: {(Intercept): 1, x: 1}
    random: {g: {sd: [1]}}
    residual_sd: 1
models:
  m1: y ~ 1 + (1 | g)
  m2: y ~ x + (1 | g)
"""


@pytest.fixture
def analysis(tmp_path, monkeypatch):
    """The path of a small analysis, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(ANALYSIS)
    return "small.yaml"


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"mmfit {version('mmfit')}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "COMMAND"),
        (["frob"], "frob"),
        (["fit", "small.yaml"], "--model"),
        (["bootstrap", "small.yaml"], "--chunk"),
        (["bootstrap", "small.yaml", "--chunk", "one"], "one"),
        (["run"], "ANALYSIS.yaml"),
        (["run", "small.yaml", "--cores", "2"], "--cores"),
        (["compare", "small.yaml", "--result", "x"], "--result"),
    ],
)
def test_a_wrong_command_line_is_told_and_exits_with_2(capsys, argv, message):
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_help_does_not_load_what_computes():
    code = (
        "import sys, mmfit.cli\n"
        "try: mmfit.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'pydantic', 'matplotlib', 'jinja2'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "validate" in done.stdout


def test_every_problem_of_every_file_in_one_message(analysis, capsys, tmp_path):
    (tmp_path / "bad.yaml").write_text(ANALYSIS.replace("seed", "sed").replace("(1 | g)", "(1 | g"))
    assert main(["validate", analysis, "bad.yaml", "absent.yaml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mmfit: error: bad.yaml:")
    assert "bad.yaml:12: models.m1" in error
    assert "bad.yaml:13: models.m2" in error
    assert "absent.yaml: no such file" in error


def test_validate_says_that_a_file_is_good(analysis, capsys):
    assert main(["validate", analysis]) == 0
    assert capsys.readouterr() == ("small.yaml: 2 models, no problems\n", "")


def test_validate_tells_of_a_search(analysis, capsys, tmp_path):
    search = "selection: {search: backward, scope: y ~ x + (1 | g)}\n"
    (tmp_path / "both.yaml").write_text(ANALYSIS + search)
    (tmp_path / "alone.yaml").write_text(ANALYSIS[: ANALYSIS.index("models:")] + search)
    assert main(["validate", "both.yaml", "alone.yaml"]) == 0
    assert capsys.readouterr().out == (
        "both.yaml: 2 models and a backward search, no problems\n"
        "alone.yaml: a backward search, no problems\n"
    )


def test_the_schema_is_json(capsys):
    import json

    assert main(["schema"]) == 0
    assert "models" in json.loads(capsys.readouterr().out)["properties"]


def test_a_stage_without_the_one_before_it_names_that_one(analysis, capsys):
    assert main(["fit", analysis, "--model", "m1"]) == 2
    error = capsys.readouterr().err
    assert "`mmfit data`" in error
    assert main(["data", analysis]) == 0
    assert main(["compare", analysis]) == 2
    assert "`mmfit fit --model m1`" in capsys.readouterr().err


def test_an_unknown_model_is_named(analysis, capsys):
    assert main(["fit", analysis, "--model", "m3"]) == 2
    error = capsys.readouterr().err
    assert "'m3'" in error
    assert "m1, m2" in error


# The slopes of g do not vary, so that a test of them may stop early.
BOOTSTRAPPED = ANALYSIS + "  m3: y ~ x + (x || g)\nnull_distribution: bootstrap\n"


@pytest.mark.parametrize("stop", ["true", "false"])
def test_chunks_change_no_result(analysis, tmp_path, stop):
    settings = f"replicates: 99, stop: {stop}"
    found = {}
    for chunks in (1, 3):
        text = BOOTSTRAPPED + f"bootstrap: {{{settings}, chunks: {chunks}}}\n"
        (tmp_path / analysis).write_text(text)
        assert main(["run", analysis, "--results", str(chunks)]) == 0
        found[chunks] = _contents(tmp_path / str(chunks) / "small")
    parts = {f"{name}.{i}.json" for name in ("bootstrap/chunk", "made/bootstrap") for i in range(3)}
    assert set(found[3]) - set(found[1]) == parts
    # The report and the provenance state the analysis file's checksum; records, how all was made.
    stating = {path for path in found[1] if path.startswith("made/")}
    for path in set(found[1]) - stating - {"report.html", "provenance.json"}:
        assert found[3][path] == found[1][path], path
    laws = found[1]["tables/null_distributions.csv"]
    assert b"parametric bootstrap (99 replicates)" in laws
    assert (b"stopped after" in laws) == (stop == "true")


def test_a_chunk_that_is_not_there_is_named(analysis, tmp_path, capsys):
    (tmp_path / analysis).write_text(BOOTSTRAPPED + "bootstrap: {replicates: 99, chunks: 2}\n")
    assert main(["bootstrap", analysis, "--chunk", "2"]) == 2
    assert "there is no chunk 2: `bootstrap.chunks` is 2, and they count from 0" in (
        capsys.readouterr().err
    )
    assert main(["data", analysis]) == 0
    for model in ("m1", "m2", "m3"):
        assert main(["fit", "--model", model, analysis]) == 0
    assert main(["bootstrap", analysis, "--chunk", "0"]) == 0
    assert main(["compare", analysis]) == 2
    error = capsys.readouterr().err
    assert "made/bootstrap.1.json: no such file; `mmfit bootstrap --chunk 1` makes it" in error
    assert not (tmp_path / "results" / "small" / "tables").exists()


def test_a_search_is_a_candidate_beside_the_models(analysis, tmp_path, capsys):
    search = "selection: {search: backward, scope: y ~ x + (x | g), stability: {samples: 3}}\n"
    (tmp_path / analysis).write_text(ANALYSIS + search)
    assert main(["run", analysis, "--results", "at-once"]) == 0
    assert "small: chose selected, y ~ " in capsys.readouterr().out
    stages = (
        ["data"],
        ["fit", "--model", "m1"],
        ["fit", "--model", "m2"],
        ["search"],
        ["compare"],
        ["select"],
        ["tables"],
        ["inference"],
        ["report"],
        ["index"],
    )
    for stage in stages:
        assert main([*stage, analysis, "--results", "by-stage"]) == 0
    files = _contents(tmp_path / "at-once")
    assert _contents(tmp_path / "by-stage") == files
    assert {"small/search.json", "small/fits/selected.ML.json"} <= set(files)
    rows = files["small/tables/models.csv"].decode().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["m1", "m1", "m2", "m2", "selected", "selected"]


def test_a_search_without_models_needs_none(analysis, tmp_path, capsys):
    search = "selection: {search: exhaustive, scope: y ~ x + (x | g)}\n"
    (tmp_path / analysis).write_text(ANALYSIS[: ANALYSIS.index("models:")] + search)
    assert main(["compare", analysis]) == 2
    assert "`mmfit data`" in capsys.readouterr().err
    assert main(["data", analysis]) == 0
    assert main(["compare", analysis]) == 2
    assert "`mmfit search`" in capsys.readouterr().err
    assert main(["run", analysis]) == 0
    tables = tmp_path / "results" / "small" / "tables"
    assert len((tables / "comparisons.csv").read_text().splitlines()) == 1
    assert "selected" in (tables / "intervals.csv").read_text()


def test_rows_to_predict(analysis, tmp_path):
    (tmp_path / "new.csv").write_text("x,g\n1,1\n2,none\n")
    asked = "inference: {predictions: {file: new.csv, interval: confidence}, intervals: [wald]}\n"
    (tmp_path / analysis).write_text(ANALYSIS + asked)
    assert main(["run", analysis]) == 0
    rows = (tmp_path / "results" / "small" / "tables" / "predictions.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["m1", "1"],
        ["m1", "2"],
        ["m2", "1"],
        ["m2", "2"],
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("means: [x]", "inference.means: means by x: no model can answer this: m1: 'x' is not"),
        ("predictions: {file: new.csv}", "inference.predictions: new.csv: no model can answer"),
    ],
)
def test_what_no_model_can_answer_leaves_nothing(analysis, capsys, tmp_path, asked, message):
    (tmp_path / "new.csv").write_text("z\n1\n")
    (tmp_path / analysis).write_text(f"{ANALYSIS}inference: {{{asked}}}\n")
    assert main(["run", analysis]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"mmfit: error: {message}")
    assert captured.out == ""
    assert list((tmp_path / "results").iterdir()) == []


def test_results_that_cannot_be_written_are_one_message(analysis, capsys, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    assert main(["run", analysis, "--results", "taken"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "mmfit: error: taken: File exists\n"
    assert (tmp_path / "taken").read_text() == "a file, not a folder"


def test_stages_one_by_one_make_the_bytes_of_a_run(analysis, tmp_path):
    assert main(["run", analysis, "--results", "at-once"]) == 0
    stages = (
        ["data"],
        ["fit", "--model", "m1"],
        ["fit", "--model", "m2"],
        ["compare"],
        ["select"],
        ["search"],
        ["tables"],
        ["inference"],
        ["report"],
        ["index"],
    )
    for stage in stages:
        assert main([*stage, analysis, "--results", "by-stage"]) == 0
    files = _contents(tmp_path / "at-once")
    assert _contents(tmp_path / "by-stage") == files
    assert len(files) >= 16


def test_a_failed_run_leaves_earlier_results_as_they_were(analysis, tmp_path, capsys):
    assert main(["run", analysis]) == 0
    before = _contents(tmp_path / "results")
    text = ANALYSIS + "  m3: y ~ 1 + (1 | g:x)\n"  # as many levels as rows
    (tmp_path / analysis).write_text(text)
    assert main(["run", analysis]) == 2
    error = capsys.readouterr().err
    assert "models.m3" in error
    assert "in the analysis small.yaml" in error
    assert _contents(tmp_path / "results") == before


def test_a_failed_first_run_leaves_no_file(analysis, tmp_path):
    text = ANALYSIS + "  m3: y ~ 1 + (1 | g:x)\n"  # as many levels as rows
    (tmp_path / analysis).write_text(text)
    assert main(["run", analysis]) == 2
    assert _contents(tmp_path / "results") == {}


def test_a_reader_that_stops_early_is_no_error():
    program = "from mmfit.cli import main; raise SystemExit(main(['schema']))"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


def _contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
