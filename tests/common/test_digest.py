import os
import shutil
import sys
from pathlib import Path

import numpy
import pytest

import mmfit
from mmfit.common import digests as digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that ``mmfit.common.digests`` takes for the package."""
    root = tmp_path / "mmfit"
    shutil.copytree(Path(mmfit.__file__).parent, root)
    monkeypatch.setattr(mmfit, "__file__", str(root / "__init__.py"))
    return root


def test_an_edit_changes_the_digest_and_a_touch_does_not(package):
    before = digest.package_digest("**/*.py")
    os.utime(package / "errors.py")
    assert digest.package_digest("**/*.py") == before
    with (package / "engine" / "records.py").open("a") as file:
        file.write("#")
    assert digest.package_digest("**/*.py") != before


def test_a_moved_file_changes_the_digest(package):
    before = digest.package_digest("**/*.py")
    (package / "errors.py").rename(package / "mistakes.py")
    assert digest.package_digest("**/*.py") != before


def test_templates_have_a_digest_of_their_own(package):
    code = digest.package_digest("**/*.py")
    templates = digest.package_digest("report/html/templates/*")
    (package / "report" / "html" / "templates" / "style.css").write_text("p {}")
    assert digest.package_digest("**/*.py") == code
    assert digest.package_digest("report/html/templates/*") != templates


def test_the_versions_are_those_that_are_installed():
    found = digest.versions(digest.SOFTWARE)
    assert list(found) == ["python", *digest.SOFTWARE]
    assert found["numpy"] == numpy.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
