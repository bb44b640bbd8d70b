"""The rows of the README's speed table that ``results.json`` has the numbers of."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

README = Path(__file__).parent.parent / "README.md"
ROWS = {
    r"sleepstudy, `(Days \| Subject)`": "sleepstudy",
    r"InstEval, `(1 \| s) + (1 \| d) + (1 \| dept:service)`": "InstEval 1",
    r"crossed, 100,000 rows, `(x \| subj) + (1 \| item)`": "crossed 100k",
    "nested, 1,000,000 rows, `(1 \\| region/clinic/patient)`": "nested 1M",
    "5 × 5 covariance, 10,000 rows": "5 x 5 covariance",
    "Satterthwaite's table of the crossed fit": "table, crossed 100k",
    "1,000 refits of sleepstudy": "refits, balanced",
    "1,000 refits, rows removed at random": "refits, rows removed",
}


def update_readme(results: Mapping[str, Any], path: Path = README) -> None:
    """Write the rows anew; those of other measurements stay as they are.

    Raises
    ------
    ValueError
        When the table has no row of one of the labels.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    for label, name in ROWS.items():
        if name not in results["cases"]:
            continue
        places = [i for i, line in enumerate(lines) if line.startswith(f"| {label} |")]
        if len(places) != 1:
            raise ValueError(f"{path.name} has {len(places)} rows named {label}")
        lines[places[0]] = f"| {label} | {' | '.join(_cells(results['cases'][name]))} |"
    path.write_text("\n".join(lines), encoding="utf-8")


def _cells(case: Mapping[str, Any]) -> list[str]:
    spent = {
        name: median(record["seconds"])
        for name, record in case["engines"].items()
        if "seconds" in record and "failed" not in record
    }
    cells = [_seconds(spent["mmfit"])]
    for peer in ("lme4", "mixedlm"):
        known = peer in spent
        cells += [_seconds(spent[peer]), _ratio(spent[peer] / spent["mmfit"])] if known else "––"
    return cells


def _seconds(value: float) -> str:
    return f"{_two(1000 * value)} ms" if value < 0.01 else f"{_two(value)} s"


def _ratio(value: float) -> str:
    return f"{value:.0f}×" if value >= 100 else f"{_two(value)}×"


def _two(value: float) -> str:
    """Two significant digits, without powers of ten."""
    return f"{value:.0f}" if value >= 9.95 else f"{float(f'{value:.2g}'):g}"
