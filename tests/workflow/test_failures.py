"""Bad input stops the workflow with a message; a failing job leaves nothing half-written."""

import pytest

pytestmark = pytest.mark.workflow

SLEEP = "config/analyses/sleep.yaml"
CROSSED = "config/analyses/crossed.yaml"


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


def test_a_failing_fit_shows_its_message_and_leaves_no_file(sleep_only):
    # A level per row: the data are good, but they cannot tell this model's variances apart.
    good, bad = "(1 + Days | Subject)", "(1 | Subject:Days)"
    sleep_only.edit(SLEEP, good, bad)
    done = sleep_only.snakemake()
    assert done.returncode != 0
    assert "mmfit: error: " in done.stderr
    assert "in the model 'slope'" in done.stderr
    assert "Traceback" not in done.stderr
    folder = sleep_only.folder / "results" / "sleep"
    written = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "logs"
    }
    fitted = {"fits/intercept.REML.json", "fits/intercept.ML.json"}
    assert written == {"data.parquet", "design.json"} | fitted
    sleep_only.edit(SLEEP, bad, good)
    after = ("compare", "select", "tables", "report")
    assert sleep_only.planned() == {
        ("design", "sleep", ""),
        ("fit", "sleep", "slope"),
        ("index", "", ""),
        *((rule, "sleep", "") for rule in after),
    }


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
    del made["index.html"]
    assert made == expected
