"""docs/size.md and its figure, from the measured rejection rates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import size_tables as tables
from benchmarks.size_figures import draw
from benchmarks.size_studies import FIXED, T_TESTS, TESTS, power_cells, size_cells

_DOCS = Path(__file__).parent.parent / "docs"
PAGE = _DOCS / "size.md"
FIGURE = _DOCS / "figures" / "size.svg"

_INTRODUCTION = """\
# Size of the tests

How often a test rejects a null hypothesis that is true, and what keeping the level costs in power.
Measured in {cells} cells: tests, 5 to 100 groups of 8 or of 4 to 12 rows, and a variance of the
random intercept of 0, 0.1, 1 or 10 times that of the residuals (a nested or crossed factor has half
of it, slopes have two fifths). 10,000 data sets a cell; where fits are dear 4,000 with 100 groups,
and 2,000 in t tests with slopes and up to 8 groups. Numbers are per cent.
`python -m benchmarks.size` makes this page; [size.json](../benchmarks/size.json) holds every cell
at 1, 5 and 10%.

"""
_SUMMARY = """\
## Summary

Rejected at the nominal 5%: median over the cells, lowest and highest in brackets. `auto` is what an
analysis decides by: the exact law for a variance against a linear model, else the large-sample law
calibrated by bootstrap replicates. "Above 5%" counts cells in which it rejects more than 5% by more
than 1.96 Monte Carlo errors (chance alone: one in forty), "above 6%" those of them beyond 6%.

"""
_COEFFICIENTS = """
Tables of coefficients are decided by Satterthwaite's t test, which is `auto` here.

"""
_FIGURE = """
![Rejection rates at the nominal 5% by number of groups](figures/size.svg)

A dot is a cell, a line the median; shaded is the 95% Monte Carlo interval of a true 5%.

"""
_WORDS = """\
What to take from it:

- **Fixed effects by likelihood ratio**: the plain χ² rejects too often with few groups, up to
  {plain:.0f}%. `auto` rejects {auto:.1f}% at most.
- **Variances**: the plain χ² rejects half as often as it should and the mixture is timid; `auto`
  is near 5% from 5 groups on.
- **Where `auto` is below 5%**: with few groups and small variances most null fits are singular.
  Such data look the same whether the variance is small or zero, and a test that is at 5% for the
  one is below it for the other. That is why `auto` calibrates among replicates that are singular as
  the data are: beside slopes it rejects {slopes:.1f}% at most, the bootstrap {bootstrap:.1f}%. A
  correlation is tested timidly where one of its variances is near zero.
- **t tests**: of an effect between groups where the slopes of another vary, Satterthwaite and
  Kenward-Roger reject too often with few groups (at most {satterthwaite:.0f}% and
  {kenward_roger:.0f}%): the effect's weights come from a covariance that is estimated from as few
  groups. The likelihood ratio by `auto` keeps the level there. In the other two designs
  Satterthwaite is near it ({others:.1f}% at most), timid where fits are singular, and Kenward-Roger
  more so.
- **At 1 and 10%** `auto` behaves alike ([last table](#what-decides-at-the-other-levels)); with 5 or
  6 groups the χ² is not quite the shape of a fixed effect's statistic: up to {ten:.0f}% at 10%, and
  as little as 0.1% at 1%.

"""
_HIGHEST = """\
### The highest cells

Those of likelihood ratios above {doubtful:.1f}%. As some of so many cells are high by chance, those
that are not plainly above 6% are measured again, with twice as many other data sets.

"""
_BESIDE_SLOPES = """
### Tests of an effect between groups beside slopes

"""
_ROWS = (
    ("t_between_slopes", "satterthwaite", "t test, Satterthwaite"),
    ("t_between_slopes", "kenward-roger", "t test, Kenward-Roger"),
    ("between_slopes", "chi2", "likelihood ratio, plain χ²"),
    ("between_slopes", "bootstrap", "likelihood ratio, bootstrap"),
    ("between_slopes", "auto", "likelihood ratio, `auto`"),
)
_LOWEST = """\
### The lowest cells

Of each kind the cell in which what decides rejects least, where that is below 4%.

"""
_ERRORS = """\
## Other laws than the normal

Random effects and residuals from a t distribution with 5 degrees of freedom, a centred χ² with 4
(skewed), or a normal with one draw in ten three times as wide (contaminated), scaled to the same
variance; or residuals whose standard deviation is three times as large in every other group
(heteroscedastic). 4 to 12 rows a group, ratio 1, nominal 5%.

Fixed effects mind little, except for slopes that are skewed. Tests of variances take heavier tails
and unequal residual variances for the variance they look for, `auto` like the mixture and the
bootstrap, and more groups do not mend it.

"""
_POWER = """\
## Power

At the nominal 5%, 4 to 12 rows a group, ratio 1; effects are in residual standard deviations. The
size-adjusted χ² takes its critical value from the true null, which no analysis knows: what the
plain χ² has beyond it is not power but size. `auto` is as powerful as the adjusted test; where the
plain χ² is timid, it gains.

"""
_METHOD = """\
## How it is measured

Each data set has two bootstrap samples of its own, and with them those of the 199 data sets whose
null fits are most like its own: 400 replicates from nulls near its own, at a hundredth of the
refits. The Monte Carlo error counts the replicates' own. In two cells this is held against 400
replicates of each data set's own, {verified:,} data sets each: rates at 1 / 5 / 10%, and the share
of data sets that are decided otherwise. There the data are also fitted with the further searches
that a fit of the package makes and those of replicates do without. At 5% the two columns differ by
chance with a standard error of a quarter of a point.

"""
_CLOSING = """
Data sets in which a fit did not converge are left out: {unusable:.2%} at most in a cell.

"""
_TABLES = """\
## Every cell at 5%

"""


def write_page(numbers: Mapping[str, Any]) -> None:
    """Write the page and the figure from what has been measured."""
    found = numbers["cells"]
    sizes = [(cell, found[cell.name]) for cell in size_cells() if cell.name in found]
    powers = [(cell, found[cell.name]) for cell in power_cells() if cell.name in found]
    grid = [(cell, record) for cell, record in sizes if cell.errors == "normal"]
    others = [(cell, record) for cell, record in sizes if cell.errors != "normal"]
    draw(grid, FIGURE)
    text = _head(grid) + _ERRORS + tables.by_errors(others) + "\n" + _POWER
    text += tables.power(powers) + "\n" + _method(numbers, sizes) + _every(grid)
    PAGE.write_text(text, encoding="utf-8")


def _head(grid: tables.Measured) -> str:
    ratio_tests = [test for test in TESTS if test.family != T_TESTS]
    t_tests = [test for test in TESTS if test.family == T_TESTS]
    text = _INTRODUCTION.format(cells=len(grid)) + _SUMMARY
    text += tables.summary(ratio_tests, grid, ("chi2", "chibar2", "bootstrap", "auto"))
    text += _COEFFICIENTS
    text += tables.summary(t_tests, grid, ("normal", "residual", "kenward-roger", "satterthwaite"))
    text += _FIGURE
    text += _words(grid) + _HIGHEST.format(doubtful=100 * tables.DOUBTFUL)
    ratios = [(cell, record) for cell, record in grid if not cell.test.tested]
    high = [(cell, record) for cell, record in ratios if tables.rejects_often(record)]
    text += tables.listing(high) if high else "None.\n"
    text += _BESIDE_SLOPES + tables.highest_by_groups(grid, _ROWS)
    return text + "\n" + _LOWEST + tables.listing(_lowest(grid)) + "\n"


def _words(grid: tables.Measured) -> str:
    def most(method: str, *kinds: str, level: int = tables.LEVEL) -> float:
        rates = [
            tables.rate(record, method, level)
            for cell, record in grid
            if (cell.test.kind in kinds if kinds else cell.test.family == FIXED)
        ]
        return 100 * max(rates)

    return _WORDS.format(
        plain=most("chi2"),
        auto=most("auto"),
        ten=most("auto", level=2),
        bootstrap=most("bootstrap", "between_slopes"),
        slopes=most("auto", "between_slopes"),
        others=most("satterthwaite", "t_between", "t_within_slopes"),
        satterthwaite=most("satterthwaite", "t_between_slopes"),
        kenward_roger=most("kenward-roger", "t_between_slopes"),
    )


def _lowest(grid: tables.Measured) -> tables.Measured:
    """Of every kind the cell that rejects least, where that is below 4%."""
    out = []
    for test in TESTS:
        own = [pair for pair in grid if pair[0].test is test]
        if own:
            least = min(own, key=lambda pair: tables.rate(pair[1], "auto"))
            out += [least] if tables.rate(least[1], "auto") < 0.04 else []
    return out


def _method(numbers: Mapping[str, Any], sizes: tables.Measured) -> str:
    records = numbers["agreement"]
    verified = max((record["datasets"] for record in records), default=0)
    text = _METHOD.format(verified=verified) + (tables.agreement(records) if records else "")
    lost = max(record["unusable"] / record["datasets"] for _, record in sizes)
    return text + _CLOSING.format(unusable=lost)


def _every(grid: tables.Measured) -> str:
    text = _TABLES
    for test in TESTS:
        methods = ("normal", "kenward-roger", "satterthwaite") if test.tested else _beside(test)
        shown = " / ".join(tables.WORDS[method] for method in methods)
        text += f"<details><summary>{test.title}: {shown.replace('`', '')}</summary>\n\n"
        text += tables.grid(test, grid, methods) + "\n</details>\n\n"
    return text + "### What decides, at the other levels\n\n" + tables.levels(TESTS, grid)


def _beside(test) -> tuple[str, ...]:
    return ("chi2", "chibar2", "auto") if test.edge else ("chi2", "bootstrap", "auto")
