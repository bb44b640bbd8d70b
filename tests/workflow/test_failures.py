"""Bad input stops the workflow with a message; a failing job leaves nothing half-written."""

import pytest

pytestmark = pytest.mark.workflow

SLEEP = "config/analyses/sleep.yaml"
CROSSED = "config/analyses/crossed.yaml"

# A level per row: the data are good, but they cannot tell this model's variances apart.
GOOD, BAD = "(1 + Days | Subject)", "(1 | Subject:Days)"
# As many effects as days, of the columns that the data were read for already.
FULL = "(poly(Days, 9) | Subject)"


def written(project):
    """Result files of the analysis, logs left out."""
    return {path for path in project.digests() if path.startswith("sleep/")}


def test_all_problems_of_all_analyses_are_told_before_any_job(fresh):
    fresh.edit(SLEEP, "title:", "titel:")
    fresh.edit(SLEEP, "(1 | Subject)", "(1 | Subject")
    fresh.edit(CROSSED, "seed: 7", "seed: seven")
    done = fresh.snakemake()
    assert done.returncode != 0
    for part in (
        f"{SLEEP}:1: titel",
        f"{SLEEP}:8: models.intercept",
        f"{CROSSED}:4: data.simulate.seed",
    ):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh.folder / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("analyses:", "analysis:", "analysis: "),
        ("crossed.yaml", "cross.yaml", "config/analyses/cross.yaml"),
    ],
)
def test_a_configuration_that_cannot_be_used(fresh, old, new, message):
    fresh.edit("config/config.yaml", old, new)
    done = fresh.snakemake()
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def sleep_only(fresh):
    """A project that has not run, with one analysis."""
    fresh.edit("config/config.yaml", ", config/analyses/crossed.yaml", "")
    return fresh


def test_a_model_that_the_data_refuse_leaves_no_file(sleep_only):
    sleep_only.edit(SLEEP, GOOD, BAD)
    done = sleep_only.snakemake()
    assert done.returncode != 0
    assert f"mmfit: error: {SLEEP}: models.slope: the grouping factor" in done.stderr
    assert "Traceback" not in done.stderr
    assert written(sleep_only) == set()


def test_a_failing_fit_shows_its_message_and_leaves_no_file(project):
    before = written(project)
    project.edit(SLEEP, GOOD, FULL)
    done = project.snakemake()
    assert done.returncode != 0
    assert "mmfit: error: " in done.stderr
    assert "in the model 'slope'" in done.stderr
    assert "Traceback" not in done.stderr
    lost = ("fits/slope.REML.json", "fits/slope.ML.json", "made/fit.slope.json")
    assert written(project) == before - {f"sleep/{path}" for path in lost}
    project.edit(SLEEP, FULL, GOOD)
    planned = project.planned()
    assert ("fit", "sleep", "slope") in planned
    assert ("fit", "sleep", "intercept") not in planned


def test_a_killed_run_is_recovered_to_the_same_bytes(finished, sleep_only):
    sleep_only.kill_snakemake_after("results/sleep/data.parquet")
    assert "--unlock" in sleep_only.snakemake().stderr
    assert sleep_only.snakemake("--unlock").returncode == 0
    done = sleep_only.snakemake()
    assert done.returncode == 0, done.stderr
    expected = {
        path: digest for path, digest in finished.digests().items() if path.startswith("sleep/")
    }
    made = sleep_only.digests()
    assert {path: digest for path, digest in made.items() if path.startswith("sleep/")} == expected
    assert set(made) - set(expected) == {"index.html", "made/index.json"}
