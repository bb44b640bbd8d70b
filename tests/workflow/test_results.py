"""What a run leaves behind."""

import csv
import json

import pytest

pytestmark = pytest.mark.workflow

PER_MODEL = ("fits/{}.REML.json", "fits/{}.ML.json", "made/fit.{}.json")
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
    "tables/after_selection.csv",
    "selection.json",
    "report.html",
    "provenance.json",
    "made/data.json",
    "made/design.json",
    "made/compare.json",
    "made/select.json",
    "made/search.json",
    "made/tables.json",
    "made/inference.json",
    "made/report.json",
)


def test_every_result_file_is_made_and_no_other(finished):
    models = {"sleep": ("intercept", "slope"), "crossed": ("clinic", "both")}
    expected = {"index.html", "made/index.json"}
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


def test_a_search_and_a_bootstrap_in_chunks_make_the_same_bytes(fresh):
    path = "config/analyses/crossed.yaml"
    more = """\
null_distribution: bootstrap
bootstrap: {replicates: 40, chunks: 2}
selection:
  search: forward
  scope: y ~ x + (x | clinic) + (1 | doctor)
  stability: {samples: 3}
"""
    fresh.write(path, (fresh.folder / path).read_text() + more)
    fresh.edit("config/config.yaml", "config/analyses/sleep.yaml, ", "")
    done = fresh.snakemake("--cores", "2")
    assert done.returncode == 0, done.stderr
    made = fresh.digests()
    assert {f"crossed/bootstrap/chunk.{chunk}.json" for chunk in (0, 1)} <= set(made)
    assert {"crossed/search.json", "crossed/fits/selected.REML.json"} <= set(made)
    done = fresh.call("mmfit", "run", path, "--results", "alone")
    assert done.returncode == 0, done.stderr
    assert fresh.digests("alone") == made
    assert fresh.planned() == set()
    fresh.edit(path, "samples: 3", "samples: 4")
    assert {rule for rule, _, _ in fresh.planned()} >= {"search", "report"}


def test_every_json_file_is_json_without_nan(finished):
    found = []
    paths = list((finished.folder / "results").rglob("*.json"))
    for path in paths:
        json.loads(path.read_text(encoding="utf-8"), parse_constant=found.append)
    assert paths
    assert found == []
