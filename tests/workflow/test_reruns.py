"""What runs again after which change, as the real snakemake plans it."""

import os

import pytest

pytestmark = pytest.mark.workflow

SLEEP = "config/analyses/sleep.yaml"
AFTER_FITS = {
    ("compare", "sleep", ""),
    ("select", "sleep", ""),
    ("tables", "sleep", ""),
    ("inference", "sleep", ""),
    ("report", "sleep", ""),
    ("index", "", ""),
}
DATA = {("data", "sleep", ""), ("design", "sleep", ""), ("audit", "sleep", "")}
FITS = {("fit", "sleep", "intercept"), ("fit", "sleep", "slope")}
ALL_OF_CROSSED = {
    ("data", "crossed", ""),
    ("design", "crossed", ""),
    ("fit", "crossed", "clinic"),
    ("fit", "crossed", "both"),
    ("compare", "crossed", ""),
    ("select", "crossed", ""),
    ("tables", "crossed", ""),
    ("inference", "crossed", ""),
    ("report", "crossed", ""),
}


def test_a_second_run_has_nothing_to_do(project):
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stderr + done.stdout
    assert project.planned() == set()


def test_an_edited_model_reruns_its_fit_and_what_follows(project):
    project.edit(SLEEP, "(1 + Days | Subject)", "(1 + Days || Subject)")
    assert project.planned() == {("fit", "sleep", "slope")} | AFTER_FITS


def test_another_grouping_diagnoses_the_design_anew_and_refits_no_other_model(project):
    project.edit(
        "config/analyses/crossed.yaml",
        "  clinic: y ~ x + (1 | clinic)",
        "  clinic: y ~ x + (1 | doctor)",
    )
    assert project.planned() == ALL_OF_CROSSED - {
        ("data", "crossed", ""),
        ("fit", "crossed", "both"),
    } | {("index", "", "")}


def test_a_new_model_is_fitted_and_the_others_are_not(project):
    project.write(
        SLEEP, (project.folder / SLEEP).read_text() + "  flat: Reaction ~ 1 + (1 | Subject)\n"
    )
    assert project.planned() == {("design", "sleep", ""), ("fit", "sleep", "flat")} | AFTER_FITS


def test_edited_weights_of_one_model_rerun_its_fit(project):
    formula = "Reaction ~ Days + (1 + Days | Subject)"
    project.edit(SLEEP, formula, f"{{formula: '{formula}', weights: Days + 1}}")
    assert project.planned() == {("fit", "sleep", "slope")} | AFTER_FITS


def test_an_edited_data_block_reruns_its_analysis(project):
    project.edit(SLEEP, "Days >= 2", "Days >= 3")
    assert project.planned() == DATA | FITS | AFTER_FITS


def test_edited_data_rerun_their_analysis(project):
    path = project.folder / "config" / "data" / "sleepstudy.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert project.planned() == DATA | FITS | AFTER_FITS


@pytest.mark.parametrize(
    ("added", "jobs"),
    [
        ("comparisons: [[intercept, slope]]\n", {"compare", "select", "report", "index"}),
        ("selection: {alpha: 0.01}\n", {"select", "report", "index"}),
        ("df: residual\n", {"tables", "inference", "report", "index"}),
        ("inference: {level: 0.9}\n", {"inference", "report", "index"}),
        ("null_distribution: chi2\n", {"compare", "select", "report", "index"}),
        (
            "bootstrap: {replicates: 19}\n",
            {"compare", "select", "inference", "report", "index"},
        ),
        ("bootstrap: {chunks: 2}\n", {"bootstrap", "compare", "select", "report", "index"}),
        ("# a comment\n", {"report", "index"}),
    ],
)
def test_a_setting_reruns_the_stages_that_read_it(project, added, jobs):
    project.write(SLEEP, (project.folder / SLEEP).read_text() + added)
    assert {rule for rule, _, _ in project.planned()} == jobs


def test_an_edited_package_reruns_everything_that_computes(project):
    with (project.folder / "package" / "mmfit" / "errors.py").open("a") as file:
        file.write("# edited\n")
    audit = {("audit", "crossed", "")}
    assert project.planned() == DATA | FITS | AFTER_FITS | ALL_OF_CROSSED | audit


def test_touched_files_rerun_nothing(project):
    for path in (*project.folder.rglob("*.py"), *project.folder.glob("config/**/*.*")):
        os.utime(path)
    assert project.planned() == set()
