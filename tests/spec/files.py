"""Analysis files written for tests."""

from pathlib import Path

import pytest

from mmfit.errors import SpecError
from mmfit.spec import load_analysis

DATA = "data: {file: data.csv}\n"
MODELS = "models:\n  m1: y ~ x + (1 | g)\n  m2: y ~ x + (x | g)\n"


def write(folder: Path, content: str | bytes, name: str = "trial.yaml") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems(folder: Path, content: str | bytes, name: str = "trial.yaml") -> list[str]:
    """What is wrong with an analysis file, each problem without the folder."""
    with pytest.raises(SpecError) as caught:
        load_analysis(write(folder, content, name))
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]
