"""What the README says of speed: which lme4 was timed, and the rows that ``results.json`` has."""

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
# A line of the README that begins so tells which lme4 was timed.
_LME4 = "lme4 is "
_AS_TODAY = (
    "as by default since 1.1-38 without derivatives at the end of the search from 10,000 rows on, "
    "and with its `refit` mended as in 1.1-33:"
)
_AS_BEFORE = (
    "with derivatives at the end of the search, which are left out by default since 1.1-38 from "
    "10,000 rows on, and with its `refit` as it was before 1.1-33 (by REML, of another criterion):"
)


def update_readme(results: Mapping[str, Any], path: Path = README) -> None:
    """Write the rows anew, and the line above them; rows of other measurements stay as they are.

    Raises
    ------
    ValueError
        When the table has no row of one of the labels.
    """
    if "lme4" not in results["environment"]["versions"]:
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    for label, name in ROWS.items():
        if name not in results["cases"]:
            continue
        places = [i for i, line in enumerate(lines) if line.startswith(f"| {label} |")]
        if len(places) != 1:
            raise ValueError(f"{path.name} has {len(places)} rows named {label}")
        lines[places[0]] = f"| {label} | {' | '.join(_cells(results['cases'][name]))} |"
    place = next(i for i, line in enumerate(lines) if line.startswith(_LME4))
    lines[place] = _which_lme4(results)
    path.write_text("\n".join(lines), encoding="utf-8")


def _which_lme4(results: Mapping[str, Any]) -> str:
    version = results["environment"]["versions"]["lme4"].split(",")[0].removeprefix("lme4 ")
    version = "-".join(version.rsplit(".", 1))
    large = results["cases"].get("5 x 5 covariance", {}).get("engines", {}).get("lme4", {})
    return f"{_LME4}{version}, {_AS_TODAY if large.get('derivatives') == 0 else _AS_BEFORE}"


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
