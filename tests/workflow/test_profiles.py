"""The profiles are accepted by the snakemake that is installed."""

import pytest

pytestmark = pytest.mark.workflow


def test_the_slurm_profile_plans_the_same_jobs(fresh):
    done = fresh.call(
        "snakemake",
        "--profile",
        "workflow/profiles/slurm",
        "--workflow-profile",
        "none",
        "--dry-run",
    )
    assert done.returncode == 0, done.stderr
    assert "rule fit:" in done.stdout + done.stderr


def test_the_catalogue_s_snakefile_is_the_workflow(fresh):
    done = fresh.call("snakemake", "--snakefile", "workflow/Snakefile", "--dry-run", "--cores", "1")
    assert done.returncode == 0, done.stderr
    assert "rule index:" in done.stdout + done.stderr
