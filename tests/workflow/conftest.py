import pytest

from tests.workflow.project import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A project that has run once with one core; tests copy it and leave it as it is."""
    project = Project.create(tmp_path_factory.mktemp("finished") / "project")
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A finished project to change."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path):
    """A project that has not run."""
    return Project.create(tmp_path / "project")
