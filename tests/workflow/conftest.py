import pytest

from tests.workflow.project import Project


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A project that has not run; tests copy it and leave it as it is."""
    return Project.create(tmp_path_factory.mktemp("template") / "project")


@pytest.fixture(scope="session")
def finished(template, tmp_path_factory):
    """A project that has run once with one core; tests copy it and leave it as it is."""
    project = template.copy(tmp_path_factory.mktemp("finished") / "project")
    done = project.snakemake()
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A finished project to change."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def fresh(template, tmp_path):
    """A project that has not run, to change."""
    return template.copy(tmp_path / "project")
