"""Digests of what results depend on: files, this package, and the versions beside it."""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import mmfit

NUMERICAL = ("numpy", "scipy", "pandas", "pyarrow")
SOFTWARE = (*NUMERICAL, "pydantic", "matplotlib", "jinja2")
CODE, TEMPLATES = "**/*.py", "report/html/templates/*"


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises OSError when it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_digest(*patterns: str) -> str:
    """SHA-256 over the names and contents of the package's files that match a pattern."""
    root = Path(mmfit.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        content = path.read_bytes()
        # Lengths keep names and contents apart: no two trees give one stream of bytes.
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of these installed packages, by name."""
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
