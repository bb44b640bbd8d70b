"""Data files and analyses written for tests."""

from pathlib import Path

import yaml

from mmfit.spec import Analysis, load_analysis

HEADER = "y,x,g,h\n"
ROWS = "".join(f"{(7 * i) % 11}.5,{i},{'abc'[i % 3]},{i % 4}\n" for i in range(12))
TABLE = HEADER + ROWS


def write_data(folder: Path, content: str | bytes, name: str = "trial.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def analysis(folder: Path, models=None, *, data=None, **rest) -> Analysis:
    """An analysis of ``trial.csv``; ``data`` changes the block of that name."""
    block = {"file": str(folder / "trial.csv"), **(data or {})}
    if "simulate" in block:
        del block["file"]
    content = {"data": block, "models": models or {"m1": "y ~ x + (1 | g)"}, **rest}
    path = folder / "trial.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_analysis(path)
