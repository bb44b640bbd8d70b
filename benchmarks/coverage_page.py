"""docs/selection.md, from the measured coverages."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "selection.md"
_INTRODUCTION = """\
# Intervals after a selection

`after_selection.csv` (Python: `mmfit.search(...).after_selection()`) has the coefficients of
the chosen model twice: with the model taken as given, and with its selection counted. How the
second is found says [Inference](inference.md#5-searches-and-how-stable-they-are). Here is
measured how often each interval covers the true value **among the data sets in which the
coefficient is reported**: what is read is what was selected, and an interval that covers in 95%
of all data sets covers in far fewer of those in which its coefficient came out large enough to
be kept. Errors, intercepts and covariates are drawn anew for each data set, nominal coverage
and level of the tests are 95% and 5%, intercepts of models are left out. `python -m
benchmarks.coverage` makes this page.

*Length* is that of the interval with the selection counted by that of the naive one, the mean
over reported coefficients. *p < 0.05* is the share of reported coefficients with such a
p-value; of coefficients that are truly zero it should be 5%.
"""
_HEADINGS = {
    "parametric": "## Standard errors of the richest model (`method: parametric`)",
    "cluster": "## Covariance over drawn levels (`method: cluster`, 100 samples)",
}
_CLOSING = """\
## What to take from it

- **An effect that is nothing** and was reported by a test at 5% has a naive interval that hardly
  ever covers zero, and a naive p-value below 0.05 nearly always. With the selection counted
  both are as they should be.
- **An effect that is left out** beside a correlated one is in the naive estimate of that one;
  the richest model tells them apart, and its intervals are longer because the data tell little
  there.
- **A strong effect** would have been selected anyway: its interval is that of the richest
  model.
- `cluster` takes no covariance to be true, and pays for it: its degrees of freedom are fewer
  than the levels, and it errs to the safe side near zero.

## What it does not do

The value is that of the coefficient in the richest model of the selection (the maximal model of
a search; the fixed parts of all candidates together). Where the truth lies outside of that, no
interval here covers it. A coefficient is told apart by name and column: the slope of a
covariate whose interaction was dropped is, in the richest model, the slope at the reference
level, and its interval is accordingly long. Errors and effects are taken to be normal or, for
`cluster`, levels to be many; with few of either the t law of the estimate is an approximation.
Intervals are one at a time, not simultaneous. The selections of this page go by the
large-sample laws of their tests, for the time that calibrated ones would take. Where the
replicates of a test take too long to be repeated, the large-sample law takes its place, and
where that changes whether the coefficient is reported on the data themselves, a note says so.
"""


def write_page(studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the page; ``studies`` by name, of each its records by method."""
    text = _INTRODUCTION
    for method, heading in _HEADINGS.items():
        records = [study[method] for study in studies.values() if method in study]
        if records:
            text += "\n".join(["", heading, "", *_table(records), ""])
    PAGE.write_text(f"{text}\n{_CLOSING}", encoding="utf-8")


def _table(records: list[Mapping[str, Any]]) -> Iterator[str]:
    sizes = sorted({record["datasets"] for record in records})
    number = " or ".join(f"{size:,}" for size in sizes)
    yield f"{number} data sets of each; ± is two standard errors."
    yield ""
    yield (
        "| design, true value | reported | naive covers, % | selection counted, % | length |"
        " naive p < 0.05, % | selection counted, % |"
    )
    yield "|---|---|---|---|---|---|---|"
    for record in records:
        yield _row(f"**{record['title']}**", record)
        truths = record["by_truth"]
        if len(truths) > 1:
            yield from (_row(f"{truth}", own) for truth, own in truths.items())
        missing = record["missing"] + record["failed"]
        if missing:
            yield f"| *without an interval* | {missing} | | | | | |"


def _row(label: str, record: Mapping[str, Any]) -> str:
    count = record["reported"]
    cells = [label, str(count)]
    for name in ("naive", "selection"):
        share = record[name]
        # Two of each kind more, as Agresti and Coull count: 100% of a few is not known exactly.
        middle = (share * count + 2) / (count + 4)
        error = 200 * (middle * (1 - middle) / (count + 4)) ** 0.5
        cells.append(f"{100 * share:.1f} ± {error:.1f}")
    cells.append(f"{record['length_ratio']:.2f}")
    cells += [f"{100 * record[f'{name}_below_alpha']:.0f}" for name in ("naive", "selection")]
    return f"| {' | '.join(cells)} |"
