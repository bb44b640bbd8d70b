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
        f"{SLEEP}:7: models.intercept",
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


def test_a_failing_fit_shows_its_message_and_leaves_no_file(fresh):
    # As many random effects as rows: the data are good, this model is not identified by them.
    fresh.edit(SLEEP, "derive: {Days: Days - 2}", "derive: {Days: Days - 2, Day: Days - 2}\n  ")
    fresh.edit(SLEEP, "  slope: ", "  impossible: Reaction ~ Days + (1 | Subject:Day)\n  slope: ")
    fresh.edit(SLEEP, "categorical: [Subject]", "categorical: [Subject, Day]")
    done = fresh.snakemake()
    assert done.returncode != 0
    assert "mmfit: error: " in done.stderr
    assert "impossible" in done.stderr
    assert "Traceback" not in done.stderr
    folder = fresh.folder / "results" / "sleep"
    written = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not {name for name in written if name.startswith((".", "impossible"))}
    assert "report.html" not in written
    # The other models and the other analysis were finished all the same.
    assert (folder / "fits" / "slope.REML.json").exists()
    assert (fresh.folder / "results" / "crossed" / "report.html").exists()


def test_a_repaired_project_goes_on_where_it_stopped(fresh):
    fresh.edit("config/config.yaml", ", config/analyses/crossed.yaml", "")
    fresh.edit(SLEEP, "(1 + Days | Subject)", "(1 | nobody)")
    assert fresh.snakemake().returncode != 0
    fresh.edit(SLEEP, "(1 | nobody)", "(1 + Days | Subject)")
    done = fresh.snakemake()
    assert done.returncode == 0, done.stderr
    assert (fresh.folder / "results" / "index.html").exists()


def test_a_killed_run_is_recovered_to_the_same_bytes(finished, fresh):
    fresh.kill_snakemake_after("results/sleep/data.parquet")
    assert "--unlock" in fresh.snakemake().stderr
    assert fresh.snakemake("--unlock").returncode == 0
    done = fresh.snakemake()
    assert done.returncode == 0, done.stderr
    assert fresh.digests() == finished.digests()
