"""The table of faults in docs/architecture.md: every row is made to happen."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from tests.workflow import test_failures
from tests.workflow.project import CONFIG, CROSSED, NEW, ROOT
from tests.workflow.test_reruns import AFTER_FITS, ALL_OF_CROSSED, DATA, FITS

pytestmark = pytest.mark.workflow

SLEEP_FILE = "config/analyses/sleep.yaml"
CROSSED_FILE = "config/analyses/crossed.yaml"
DATA_FILE = "config/data/sleepstudy.csv"

INDEX = ("index", "", "")
SLEEP = DATA | FITS | AFTER_FITS
ALL_CROSSED = ALL_OF_CROSSED | {("audit", "crossed", ""), INDEX}
LONG_AGO = (10**9, 10**9)


def other_data(project):
    """The data with one digit changed: as many bytes as before."""
    text = (project.folder / DATA_FILE).read_text()
    assert text.count("249.56") == 1
    return text.replace("249.56", "249.57")


def swapped_lines(project):
    before, after = "{Days: Days - 2, later: Days + 1}", "{later: Days + 1, Days: Days - 2}"
    project.edit(SLEEP_FILE, before, after)
    assert project.planned() == SLEEP


def swapped_factors(project):
    project.edit(CROSSED_FILE, "{clinic: 6, doctor: 5}", "{doctor: 5, clinic: 6}")
    assert project.planned() == ALL_CROSSED


def older_data(project):
    backup = project.folder / "backup.csv"
    backup.write_text(other_data(project))
    os.utime(backup, LONG_AGO)
    assert project.call("cp", "-p", "backup.csv", DATA_FILE).returncode == 0
    assert (project.folder / DATA_FILE).stat().st_mtime == LONG_AGO[1]
    assert project.planned() == SLEEP


def same_size_and_date(project):
    path = project.folder / DATA_FILE
    before = path.stat()
    path.write_text(other_data(project))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert project.planned() == SLEEP


def swapped_link(project):
    path = project.folder / DATA_FILE
    for name, text in {"same.csv": path.read_text(), "other.csv": other_data(project)}.items():
        (project.folder / name).write_text(text)
        os.utime(project.folder / name, LONG_AGO)
    for name, jobs in {"same.csv": set(), "other.csv": SLEEP}.items():
        path.unlink()
        path.symlink_to(project.folder / name)
        assert project.planned() == jobs


def older_rows_to_predict(project):
    path = project.folder / "config/data/new.csv"
    path.write_text(NEW.replace("2,3", "3,3"))
    os.utime(path, LONG_AGO)
    assert project.planned() == {("inference", "crossed", ""), ("report", "crossed", ""), INDEX}


def touched(project):
    for path in (*project.folder.rglob("*.py"), *project.folder.glob("config/**/*.*")):
        os.utime(path)
    assert project.planned() == set()


def taken_back(project):
    project.edit(SLEEP_FILE, "Days >= 2", "Days >= 3")
    assert project.planned() == SLEEP
    project.edit(SLEEP_FILE, "Days >= 3", "Days >= 2")
    assert project.planned() == set()


def taken_back_after_mmfit_run(project):
    before = project.digests()
    project.edit(SLEEP_FILE, "(1 + Days | Subject)", "(1 + Days || Subject)")
    assert project.call("mmfit", "run", SLEEP_FILE).returncode == 0
    assert project.planned() == set()
    project.edit(SLEEP_FILE, "(1 + Days || Subject)", "(1 + Days | Subject)")
    done = project.snakemake("--cores", "2")
    assert done.returncode == 0, done.stderr
    assert project.digests() == before


def mmfit_run_of_one(project):
    assert project.call("mmfit", "run", CROSSED_FILE).returncode == 0
    text = (project.folder / "results/index.html").read_text()
    assert text.index("sleep/report.html") < text.index("crossed/report.html")
    done = project.snakemake()
    assert "Nothing to be done" in done.stderr + done.stdout
    # An analysis that the configuration does not name.
    project.write("config/analyses/more.yaml", CROSSED)
    assert project.call("mmfit", "run", "config/analyses/more.yaml").returncode == 0
    assert (project.folder / "results/index.html").read_text().count("/report.html") == 3
    assert project.planned() == set()


def a_result(project):
    table = project.folder / "results/sleep/tables/coefficients.csv"
    text = table.read_text()
    jobs = {("tables", "sleep", ""), ("report", "sleep", ""), INDEX}
    table.unlink()
    assert project.planned() == jobs
    # The last row cut off.
    table.write_text(text[: text.rindex("\n", 0, -1) + 1])
    os.utime(table, LONG_AGO)
    assert project.planned() == jobs
    table.write_text(text.replace("1", "2", 1))
    done = project.call("mmfit", "report", SLEEP_FILE)
    assert done.returncode == 2
    assert f"made/tables.json: {table.relative_to(project.folder)} is not" in done.stderr
    table.write_text(text)
    fit = project.folder / "results/crossed/fits/clinic.ML.json"
    fit.write_bytes(fit.read_bytes()[:-9])
    found = project.planned()
    assert ("fit", "crossed", "clinic") in found
    assert found <= ALL_CROSSED - {("data", "crossed", ""), ("fit", "crossed", "both")}


def a_record(project):
    (project.folder / "results/sleep/made/fit.slope.json").unlink()
    (project.folder / "results/crossed/made/report.json").write_text("{}")
    assert project.planned() == {("fit", "sleep", "slope"), ("report", "crossed", "")} | AFTER_FITS


def edited_package(project):
    path = project.folder / "package" / "mmfit" / "errors.py"
    text = path.read_text()
    path.write_text(text + "# edited\n")
    done = project.call("mmfit", "fit", SLEEP_FILE, "--model", "slope")
    # It stands on rows that another state of the package made.
    assert done.returncode == 2
    assert "made/data.json: made by another state of the package mmfit" in done.stderr
    assert project.call("mmfit", "data", CROSSED_FILE).returncode == 0
    path.write_text(text)
    done = project.call("mmfit", "report", CROSSED_FILE)
    assert done.returncode == 2
    assert "made/data.json: made by another state of the package mmfit" in done.stderr
    assert project.planned() == ALL_CROSSED


def another_numpy(project):
    for path in project.folder.glob("results/*/made/*.json"):
        record = json.loads(path.read_text())
        record["software"]["numpy"] = "1.26.0"
        path.write_text(json.dumps(record))
    assert project.planned() == SLEEP | ALL_CROSSED


def edited_during_a_run(project):
    project.edit(SLEEP_FILE, "Days >= 2", "Days >= 3")
    # The jobs before the edit, as the run would have started them.
    for stage in (["data"], ["fit", "--model", "intercept"], ["fit", "--model", "slope"]):
        assert project.call("mmfit", *stage, SLEEP_FILE).returncode == 0
    project.edit(SLEEP_FILE, "(1 + Days | Subject)", "(1 + Days || Subject)")
    done = project.call("mmfit", "compare", SLEEP_FILE)
    assert done.returncode == 2
    assert "made/fit.slope.json: the analysis file asks for something else now" in done.stderr
    assert project.planned() == {("fit", "sleep", "slope"), ("audit", "sleep", "")} | AFTER_FITS


def without_snakemake_s_books(project):
    shutil.rmtree(project.folder / ".snakemake")
    assert project.planned() == set()


def failed_or_killed_mmfit_run(project):
    before = project.digests()
    project.edit(SLEEP_FILE, test_failures.GOOD, test_failures.BAD)
    assert project.call("mmfit", "run", SLEEP_FILE).returncode == 2
    assert project.digests() == before
    project.edit(SLEEP_FILE, test_failures.BAD, test_failures.GOOD)
    project.edit(SLEEP_FILE, "Days >= 2", "Days >= 3")
    process = subprocess.Popen(
        ["mmfit", "run", SLEEP_FILE], cwd=project.folder, env=project.environment
    )
    results = project.folder / "results"
    deadline = time.monotonic() + 120
    while not list(results.glob(".sleep.*/new/made/data.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = {path.name for path in results.iterdir() if path.name.startswith(".sleep.")}
    assert len(left) == 1
    assert {path: d for path, d in project.digests().items() if path[0] != "."} == before
    project.edit(SLEEP_FILE, "Days >= 3", "Days >= 2")
    assert project.planned() == set()
    assert project.call("mmfit", "run", SLEEP_FILE).returncode == 0
    assert project.digests() == before


FAULTS = {
    "two lines of `derive` change places": swapped_lines,
    "the factors of a simulation change places": swapped_factors,
    "the data file is replaced by an older one (`cp -p`, unzip, a backup)": older_data,
    "the data file gets other contents, its size and date stay": same_size_and_date,
    "a link leads to another data file": swapped_link,
    "the rows to predict are replaced by an older file": older_rows_to_predict,
    "files are touched": touched,
    "an edit is taken back before anything ran": taken_back,
    "`mmfit run` after an edit, which is then taken back": taken_back_after_mmfit_run,
    "`mmfit run` of one analysis": mmfit_run_of_one,
    "a result is deleted, edited or cut off": a_result,
    "a record is deleted or damaged": a_record,
    "the package is edited while jobs run, and put back": edited_package,
    "another version of numpy is installed": another_numpy,
    "the analysis is edited while jobs run": edited_during_a_run,
    "`.snakemake` is deleted": without_snakemake_s_books,
    "`mmfit run` fails or is killed": failed_or_killed_mmfit_run,
}
ELSEWHERE = {
    "a job fails": test_failures.test_a_failing_fit_shows_its_message_and_leaves_no_file,
    "Snakemake is killed, or the power goes": (
        test_failures.test_a_killed_run_is_recovered_to_the_same_bytes
    ),
}


@pytest.mark.parametrize("happens", FAULTS)
def test_a_fault(project, happens):
    FAULTS[happens](project)


def test_every_fault_of_the_documentation_is_tried():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("### Faults")[1].split("### ")[0]
    cells = [line.split(" | ")[0][2:] for line in table.splitlines() if line.startswith("| ")]
    assert sorted(cells[1:]) == sorted([*FAULTS, *ELSEWHERE])


def test_jobs_on_other_machines_leave_alone_what_is_due(project):
    told = project.folder / ".snakemake/mmfit/of-results/sleep/data"
    assert project.planned() == set()
    assert (told.stat().st_mtime, told.read_text()) == (0, "")
    project.edit(SLEEP_FILE, "Days >= 2", "Days >= 3")
    done = project.snakemake("--mode", "remote", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert (told.stat().st_mtime, told.read_text()) == (0, "")
    assert project.planned() == SLEEP
    assert told.stat().st_mtime > 0
    assert told.read_text().startswith("the analysis file asks for something else now\n")


def test_results_elsewhere_have_books_of_their_own(project):
    project.write("config/config.yaml", CONFIG + "results: ../elsewhere\n")
    assert project.planned() == SLEEP | ALL_CROSSED
    project.write("config/config.yaml", CONFIG)
    assert project.planned() == set()
