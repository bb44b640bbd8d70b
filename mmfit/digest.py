"""Digests of what the results depend on besides their inputs: this package and its environment."""

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import mmfit

NUMERICAL = ("numpy", "scipy", "pandas", "pyarrow")
CODE, TEMPLATES = "**/*.py", "report/templates/*"


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


def environment_digest(packages: Iterable[str] = NUMERICAL) -> str:
    """SHA-256 over the versions of Python and of these installed packages."""
    versions = [platform.python_version(), *(f"{name} {version(name)}" for name in packages)]
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()
