"""What a run leaves behind."""

import csv
import json

import pytest

pytestmark = pytest.mark.workflow

PER_MODEL = ("fits/{}.REML.json", "fits/{}.ML.json")
PER_ANALYSIS = (
    "data.parquet",
    "design.json",
    "tables/models.csv",
    "tables/coefficients.csv",
    "tables/variance_components.csv",
    "tables/random_effects.csv",
    "tables/anova.csv",
    "tables/residual_quantiles.csv",
    "tables/fixed_correlation.csv",
    "tables/comparisons.csv",
    "tables/null_distributions.csv",
    "tables/intervals.csv",
    "tables/profiles.csv",
    "tables/term_tests.csv",
    "tables/random_term_tests.csv",
    "tables/measures.csv",
    "tables/means.csv",
    "tables/contrasts.csv",
    "tables/slopes.csv",
    "tables/influence.csv",
    "tables/diagnosis.csv",
    "tables/predictions.csv",
    "tables/inference_notes.csv",
    "tables/search.csv",
    "tables/stability.csv",
    "selection.json",
    "report.html",
    "provenance.json",
)


def test_every_result_file_is_made_and_no_other(finished):
    models = {"sleep": ("intercept", "slope"), "crossed": ("clinic", "both")}
    expected = {"index.html"}
    for analysis, names in models.items():
        expected |= {f"{analysis}/{path}" for path in PER_ANALYSIS}
        expected |= {f"{analysis}/{path.format(name)}" for name in names for path in PER_MODEL}
    assert set(finished.digests()) == expected


def test_the_tables_hold_the_models_in_their_order(finished):
    path = finished.folder / "results" / "sleep" / "tables" / "models.csv"
    with path.open(newline="") as file:
        rows = [(row["model"], row["criterion"]) for row in csv.DictReader(file)]
    assert rows == [
        ("intercept", "REML"),
        ("intercept", "ML"),
        ("slope", "REML"),
        ("slope", "ML"),
    ]


def test_the_number_of_cores_changes_no_byte(finished, fresh):
    done = fresh.snakemake("--cores", "4")
    assert done.returncode == 0, done.stderr
    assert fresh.digests() == finished.digests()


def test_mmfit_run_makes_the_same_bytes(finished, fresh):
    done = fresh.call("mmfit", "run", "config/analyses/sleep.yaml", "config/analyses/crossed.yaml")
    assert done.returncode == 0, done.stderr
    assert fresh.digests() == finished.digests()


def test_every_json_file_is_json_without_nan(finished):
    found = []
    paths = list((finished.folder / "results").rglob("*.json"))
    for path in paths:
        json.loads(path.read_text(encoding="utf-8"), parse_constant=found.append)
    assert paths
    assert found == []
