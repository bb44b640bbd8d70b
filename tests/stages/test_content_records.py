"""What results were made from: found different by content, whatever the time stamps say."""

import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil

import pytest
import yaml

from mmfit.cli import main
from mmfit.data import load_dataset
from mmfit.spec import load_analysis
from mmfit.stages import content_records as books
from mmfit.stages import running, stages
from mmfit.stages import settings_read as reads
from mmfit.stages.content_records import ContentRecords, record_path
from mmfit.stages.jobs import Job, all_jobs, behind, needed
from mmfit.stages.paths import ResultFiles
from mmfit.stages.session import Session

ANALYSIS = """\
data:
  file: data.csv
  categorical: [g]
  derive: {x: x * 2, y: y + 3 * x}
models:
  m1: y ~ x + (1 | g)
  m2: y ~ x + (x || g)
inference:
  intervals: [wald]
  predictions: {file: new.csv, interval: confidence}
"""

NEW = "x,g\n1,1\n2,2\n"


def rows(seed=1):
    draw = random.Random(seed)
    lines = [f"{draw.randint(1, 9)},{g},{draw.randint(100, 999)}" for g in range(6) for _ in "1234"]
    return "\n".join(["x,g,y", *lines, ""])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with an analysis and its files."""
    monkeypatch.chdir(tmp_path)
    _write_inputs(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Such a folder after a run; tests copy it and leave it as it is."""
    folder = tmp_path_factory.mktemp("template")
    _write_inputs(folder)
    with contextlib.chdir(folder):
        assert main(["run", "study.yaml"]) == 0
    return folder


@pytest.fixture
def finished(template, tmp_path, monkeypatch):
    """Such a folder after a run, to change."""
    folder = shutil.copytree(template, tmp_path / "finished")
    monkeypatch.chdir(folder)
    return folder


def _write_inputs(folder):
    for name, text in {"study.yaml": ANALYSIS, "data.csv": rows(), "new.csv": NEW}.items():
        (folder / name).write_text(text)


def due(folder, results="results"):
    """Why jobs are due, by their names."""
    analysis = load_analysis("study.yaml")
    seen = ContentRecords(analysis, ResultFiles(folder / results / "study"))
    found = {job.name: seen.due(job) for job in all_jobs(analysis)}
    return {name: reason for name, reason in found.items() if reason is not None}


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def unseen(path, text):
    """Give a file other contents of the same length, and all its time stamps back."""
    before = path.stat()
    assert len(text) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_is_due_after_a_run(finished):
    assert due(finished) == {}


def test_every_file_is_vouched_for_by_one_record(finished):
    made = finished / "results" / "study"
    told = [
        path
        for file in made.glob("made/*.json")
        for path in json.loads(file.read_text())["outputs"]
    ]
    assert sorted(told) == sorted(path for path in digests(made) if not path.startswith("made/"))


EDITS = {
    "another derived column first": (
        "study.yaml",
        ANALYSIS.replace("{x: x * 2, y: y + 3 * x}", "{y: y + 3 * x, x: x * 2}"),
        {"data": "asks for something else", "inference": "asks for something else"},
    ),
    "other data": ("data.csv", rows(2), {"data": "from other contents of data.csv"}),
    "other rows to predict": (
        "new.csv",
        NEW.replace("2,2", "3,2"),
        {"inference": "from other contents of new.csv"},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_no_time_stamp_tells(finished, name):
    path, text, expected = EDITS[name]
    before = (finished / path).read_text()
    unseen(finished / path, text)
    found = due(finished)
    found.pop("report", None)
    assert set(found) == set(expected)
    for job, words in expected.items():
        assert words in found[job]
    unseen(finished / path, before)
    assert due(finished) == {}


def test_any_result_edited_or_deleted_makes_its_job_due(finished):
    made = finished / "results" / "study"
    for path in sorted(path for path in made.rglob("*") if path.is_file()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"~")
        edited = due(finished)
        path.unlink()
        deleted = due(finished)
        path.write_bytes(content)
        if path.parent.name == "made":
            assert path.stem in edited
            assert path.stem in deleted
        else:
            (job,) = edited
            assert f"{path} is not as it was written" == edited[job]
            assert deleted == {job: f"{path} is not there any more"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "outputs": []}', "\udcff"])
def test_a_record_that_is_none_makes_its_job_due(finished, text):
    path = record_path(finished / "results" / "study", "compare")
    path.write_text(text, errors="surrogateescape")
    assert "not a record" in due(finished)["compare"]


def test_other_versions_make_everything_due(finished, monkeypatch):
    now = books.tools(shown=False)
    monkeypatch.setattr(
        books, "tools", lambda shown: {**now, "software": {**now["software"], "numpy": "1"}}
    )
    found = due(finished)
    assert set(found) == {job.name for job in all_jobs(load_analysis("study.yaml"))}
    assert found["data"] == "made with other versions of Python or its packages"


def test_results_are_not_mixed(finished, capsys):
    results = digests(finished / "results")
    analysis = finished / "study.yaml"
    analysis.write_text(ANALYSIS.replace("m2: y ~ x + (x || g)", "m2: y ~ x + (x | g)"))
    for stage in ("compare", "tables", "inference", "report", "index"):
        assert main([stage, "study.yaml"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(
            "mmfit: error: results/study/made/fit.m2.json: the analysis file asks for something "
            "else now; `mmfit fit --model m2` makes it anew, `mmfit run` and `make run` make all"
        )
    assert digests(finished / "results") == results
    assert main(["fit", "study.yaml", "--model", "m2"]) == 0
    assert main(["report", "study.yaml"]) == 2
    assert "made/compare.json: made from other results of fit.m2;" in capsys.readouterr().err


def test_a_report_over_other_data_is_refused_and_other_stages_go_on(finished, capsys):
    unseen(finished / "data.csv", rows(2))
    assert main(["tables", "study.yaml"]) == 0
    assert main(["report", "study.yaml"]) == 2
    assert "made/data.json: made from other contents of data.csv;" in capsys.readouterr().err
    assert main(["run", "study.yaml"]) == 0
    record = json.loads((finished / "results/study/provenance.json").read_text())
    assert record["data"]["sha256"] == hashlib.sha256(rows(2).encode()).hexdigest()


def meanwhile(monkeypatch, stage, change):
    """Let something happen while a stage computes."""
    own = stages.STAGES[stage]

    def changed(session):
        change()
        own(session)

    monkeypatch.setattr(stages, "STAGES", {**stages.STAGES, stage: changed})


def test_an_analysis_edited_during_a_run_is_reported_as_it_was_read(folder, monkeypatch):
    meanwhile(
        monkeypatch, "compare", lambda: (folder / "study.yaml").write_text(ANALYSIS + "# no\n")
    )
    assert main(["run", "study.yaml"]) == 0
    record = json.loads((folder / "results/study/provenance.json").read_text())
    assert record["analysis"]["sha256"] == hashlib.sha256(ANALYSIS.encode()).hexdigest()
    assert set(due(folder)) == {"report"}


@pytest.mark.parametrize("stage", ["data", "compare"])
def test_data_changed_during_a_run_end_it(finished, monkeypatch, capsys, stage):
    before = digests(finished / "results")
    meanwhile(monkeypatch, stage, lambda: (finished / "data.csv").write_text(rows(2)))
    assert main(["run", "study.yaml"]) == 2
    error = capsys.readouterr().err
    assert (
        "has changed while it ran" if stage == "data" else "other contents of data.csv"
    ) in error
    assert digests(finished / "results") == before


def test_data_put_back_after_reading_are_not_told_as_read(folder, monkeypatch, capsys):
    def read(analysis):
        (folder / "data.csv").write_text(rows(2))
        dataset = load_dataset(analysis)
        (folder / "data.csv").write_text(rows())
        return dataset

    monkeypatch.setattr(stages, "load_dataset", read)
    assert main(["run", "study.yaml"]) == 2
    assert "the rows were read from other contents of data.csv" in capsys.readouterr().err


def test_a_package_edited_during_a_run_ends_it(finished, monkeypatch, capsys):
    before = digests(finished / "results")
    own = books.package_digest
    meanwhile(
        monkeypatch,
        "compare",
        lambda: monkeypatch.setattr(books, "package_digest", lambda *p: own(*p)[::-1]),
    )
    for command in (["compare", "study.yaml"], ["run", "study.yaml"]):
        assert main(command) == 2
        assert "the package mmfit has changed while this ran" in capsys.readouterr().err
        monkeypatch.setattr(books, "package_digest", own)
    shutil.rmtree(finished / "results" / "study" / "tables")
    assert {path: d for path, d in before.items() if "/tables/" not in path} == digests(
        finished / "results"
    )


def test_the_jobs_are_in_order(folder):
    for text in (
        ANALYSIS,
        ANALYSIS + "selection: {stability: {}}\n",
        ANALYSIS + "bootstrap: {chunks: 3}\n",
    ):
        analysis = _load(text)
        jobs = all_jobs(analysis)
        assert len({job.name for job in jobs}) == len(jobs)
        for place, job in enumerate(jobs):
            assert set(needed(analysis, job)) <= set(jobs[:place])
            assert set(behind(analysis, job)) <= set(jobs[:place])
        assert set(behind(analysis, Job("report"))) == set(jobs[:-1])


SIMULATION = {
    "seed": 1,
    "design": {"a": 3, "b": 2, "c": {"levels": 2, "within": "a"}},
    "covariates": {
        "x": {"distribution": "normal"},
        "z": {"distribution": "uniform"},
        "w": {"distribution": "poisson", "mean": 2},
    },
    "formula": "y ~ x + z + (1 | a) + (1 | b)",
    "fixed": {"(Intercept)": 1, "x": 1, "z": 1},
    "random": {"a": {"sd": [1]}, "b": {"sd": [1]}},
    "residual_sd": 1,
}
DERIVED = {"x": "x + w", "w": "w * 2", "z": "z - x"}


def shuffled(mapping, draw):
    return {key: mapping[key] for key in draw.sample(list(mapping), len(mapping))}


def test_analyses_that_read_alike_give_the_same_data(tmp_path, monkeypatch):
    """Random orders of all that has one; the data themselves say which of them count."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(5)
    found = {}
    for _ in range(40):
        block = {
            key: shuffled(value, draw) if isinstance(value, dict) else value
            for key, value in SIMULATION.items()
        }
        text = yaml.safe_dump(
            {
                "data": {"simulate": block, "derive": shuffled(DERIVED, draw)},
                "models": {"m": "y ~ x + z + w + (1 | a) + (1 | b) + (1 | c)"},
            },
            sort_keys=False,
        )
        analysis = _load(text)
        values = load_dataset(analysis).frame.to_csv()
        assert found.setdefault(reads.data(analysis), values) == values
    assert len(set(found.values())) > 10


CHANGES = (
    ("study.yaml", "{x: x * 2, y: y + 3 * x}", "{y: y + 3 * x, x: x * 2}"),
    ("study.yaml", "m1: y ~ x + (1 | g)", "m1: y ~ 1 + (1 | g)"),
    ("study.yaml", "m2: y ~ x + (x || g)", "m2: y ~ x + (x | g) "),
    ("data.csv", rows(), rows(2)),
    ("data.csv", rows(), rows(3)),
)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_due_brings_everything_up_to_date(finished, seed):
    """Random edits that no time stamp tells, undone or not, and runs of single jobs or of all;
    in the end what is due is made. The oracle is a folder in which nothing was there before."""
    draw = random.Random(seed)
    files = ResultFiles(finished / "results" / "study")
    fresh = ResultFiles(finished / "fresh" / "study")
    known = {}
    for _ in range(12):
        for path, old, new in draw.sample(CHANGES, draw.randint(1, 3)):
            text = (finished / path).read_text()
            changed = text.replace(old, new) if old in text else text.replace(new, old)
            unseen(finished / path, changed)
        analysis = load_analysis("study.yaml")
        jobs = all_jobs(analysis)[:4]
        seen = ContentRecords(analysis, files)
        state = (finished / "study.yaml").read_text(), (finished / "data.csv").read_text()
        if state not in known:
            shutil.rmtree(fresh.folder, ignore_errors=True)
            for job in jobs:
                running.make(job, Session(analysis, fresh))
            known[state] = _outputs(fresh, jobs)
        for job in jobs if draw.random() < 0.6 else draw.sample(jobs, 1):
            if ContentRecords(analysis, files).due(job) is not None:
                try:
                    running.make(job, Session(analysis, files))
                except books.StaleError:
                    assert any(seen.due(other) for other in behind(analysis, job))
        current = [job for job in jobs if ContentRecords(analysis, files).due(job) is None]
        whole = [job for job in current if set(behind(analysis, job)) <= set(current)]
        made = _outputs(files, whole)
        assert made == {path: known[state][path] for path in made}
    assert len(known) > 5


def _outputs(files, jobs):
    names = [record_path(files.folder, job.name) for job in jobs]
    told = itertools.chain.from_iterable(json.loads(path.read_text())["outputs"] for path in names)
    return {path: (files.folder / path).read_bytes() for path in told}


def _load(text):
    with open("study.yaml", "w", encoding="utf-8") as file:
        file.write(text)
    return load_analysis("study.yaml")


def links(folder):
    text = (folder / "results" / "index.html").read_text()
    return [
        name for name in ("study", "other", "more") if f'href="{name}/report.html"' in text
    ], text


def test_the_index_knows_all_analyses(finished, capsys):
    simple = ANALYSIS.replace("  m2: y ~ x + (x || g)\n", "")
    for name in ("other", "more"):
        (finished / f"{name}.yaml").write_text(simple)
    assert main(["run", "other.yaml"]) == 0
    found, text = links(finished)
    assert found == ["study", "other"]
    assert text.index("other/report") < text.index("study/report")
    assert main(["run", "more.yaml", "study.yaml"]) == 0
    found, text = links(finished)
    assert found == ["study", "other", "more"]
    assert [text.index(f"{name}/report") for name in ("more", "study", "other")] == sorted(
        text.index(f"{name}/report") for name in ("more", "study", "other")
    )
    assert "Out of date" not in text
    (finished / "config").mkdir()
    config = "analyses: [other.yaml, study.yaml]\n"
    (finished / "config" / "config.yaml").write_text(config)
    (finished / "other.yaml").write_text(simple + "df: residual\n")
    shutil.rmtree(finished / "results" / "more" / "tables")
    assert main(["run", "study.yaml"]) == 0
    found, text = links(finished)
    assert found == ["study", "other"]
    assert text.index("other/report") < text.index("study/report")
    assert text.count("Out of date") == 1
    assert "the analysis file asks for something else now." in text


def test_a_later_failure_leaves_an_index_of_what_is_there(folder):
    (folder / "bad.yaml").write_text(
        ANALYSIS.replace("m1: y ~ x + (1 | g)", "m1: y ~ nothing + (1 | g)")
    )
    assert main(["run", "study.yaml", "bad.yaml"]) == 2
    assert links(folder)[0] == ["study"]
