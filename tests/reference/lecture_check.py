"""Every number that the lecture prints, beside the same number in the result tables.

    python -m tests.reference.lecture_check results > docs/lecture.md

writes the comparison as a page; ``compare_lecture`` gives it as records for the tests.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd

LECTURE = Path(__file__).with_name("lecture.json")
# lme4's default stop left these printed numbers short of the optimum; ours agree to this much.
RELATIVE = 2e-4
SHORT_OF_OPTIMUM = {
    ("nested model, REML", "scaled residuals: min"),
    ("nested model, REML", "variance: clinic:region (Intercept)"),
    ("nested model, REML", "std_dev: clinic:region (Intercept)"),
    ("nested model, REML", "variance: region (Intercept)"),
    ("nested model, REML", "fixed: (Intercept): estimate"),
    ("nested model, REML", "fixed: (Intercept): std_error"),
    ("sleepall m2, REML", "variance: Subject (Intercept)"),
    ("lmerTest summary, sleepstudy", "variance: Subject (Intercept)"),
    ("lmerTest summary, sleepstudy", "std_dev: Subject (Intercept)"),
}
# R rounds what a summary prints twice: 10.40545 to 10.405, and that to 10.40.
ROUNDED_TWICE = {("sleepall m1, REML", "fixed: Days: statistic")}
QUANTILES = {"min": "min", "1q": "q1", "median": "median", "3q": "q3", "max": "max"}
MODEL_COLUMNS = {
    "npar": "npar",
    "AIC": "aic",
    "BIC": "bic",
    "logLik": "log_lik",
    "deviance": "deviance",
}


@dataclass(frozen=True, slots=True)
class Check:
    """A printed number and ours.

    Attributes
    ----------
    block, number : str, where the lecture prints it.
    table : str, the table under ``results`` that holds ours.
    printed : Decimal, with the digits that were printed.
    found : float.
    """

    block: str
    number: str
    table: str
    printed: Decimal
    found: float

    @property
    def bound(self) -> bool:
        """Whether the lecture prints an upper bound only (``< 2e-16``)."""
        return self.number.endswith("p_value_below")

    @property
    def unit(self) -> float:
        """One in the last printed digit."""
        return 10.0 ** int(self.printed.as_tuple().exponent)

    @property
    def relative(self) -> float:
        """Relative distance of ours from the printed number."""
        return abs(self.found / float(self.printed) - 1)

    @property
    def agreement(self) -> str | None:
        """How ours agrees with the printed number, in words; None where it does not."""
        if self.bound:
            return "below" if self.found < float(self.printed) else None
        distance = abs(self.found - float(self.printed))
        if distance <= 0.5 * self.unit:
            return "all digits"
        place = (self.block, self.number)
        if place in SHORT_OF_OPTIMUM and self.relative <= RELATIVE:
            return f"{self.relative:.0e} relative: lme4 stopped short of the optimum"
        if place in ROUNDED_TWICE and distance <= 0.55 * self.unit:
            return "R rounded twice"
        return None


def compare_lecture(results: Path) -> list[Check]:
    """All checks, in the order of the lecture, from the tables under ``results``."""
    with open(LECTURE, encoding="utf-8") as file:
        blocks = json.load(file, parse_float=Decimal, parse_int=Decimal)
    checks = []
    for block in blocks:
        tables = Tables(results / block["data"] / "tables")
        if "models" in block:
            checks += _comparison_block(block, tables)
        else:
            checks += _summary_block(block, tables)
    return checks


class Tables:
    """The tables of one analysis, read when asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / name)

    def one(self, name: str, **where):
        """The only row with these values.

        Raises LookupError where there is none or more than one.
        """
        table = self.read(name)
        for column, value in where.items():
            same = table[column].isna() if value is None else table[column] == value
            table = table[same]
        if len(table) != 1:
            raise LookupError(f"{self.folder / name}: {len(table)} rows with {where}")
        return table.iloc[0]

    def model(self, formula: str) -> str:
        """Name of the model with this formula, however it is spaced."""
        table = self.read("models.csv")
        same = [_plain(text) == _plain(formula) for text in table["formula"]]
        names = table["model"][same].unique()
        if len(names) != 1:
            raise LookupError(f"{self.folder}: {len(names)} models with the formula {formula}")
        return names[0]


def _plain(formula: str) -> str:
    """Without spaces, and ``(1 + x | g)`` as ``(x | g)``: two spellings of one model."""
    return formula.replace(" ", "").replace("(1+", "(")


def _summary_block(block: dict, tables: Tables) -> Iterator[Check]:
    model = tables.model(block["formula"])
    for number, printed in _leaves(block["printed"]):
        table, found = _summary_number(tables, model, *number)
        yield Check(block["block"], ": ".join(number), table, printed, found)


def _summary_number(tables: Tables, model: str, kind: str, *key: str) -> tuple[str, float]:
    if kind == "REML criterion at convergence":
        return "models", tables.one("models.csv", model=model, criterion="REML")["deviance"]
    if kind == "nobs":
        return "models", tables.one("models.csv", model=model, criterion="REML")["nobs"]
    if kind == "groups":
        effects = tables.read("random_effects.csv")
        levels = effects[(effects["model"] == model) & (effects["group"] == key[0])]["level"]
        return "random_effects", levels.nunique()
    if kind == "scaled residuals":
        return "residual_quantiles", tables.one("residual_quantiles.csv", model=model)[
            QUANTILES[key[0]]
        ]
    if kind == "fixed":
        column = key[1].removesuffix("_below")
        return "coefficients", tables.one("coefficients.csv", model=model, term=key[0])[column]
    if kind == "correlation of fixed effects":
        second, first = key[0].replace("(Intr)", "(Intercept)").split(",")
        row = tables.one("fixed_correlation.csv", model=model, term_1=first, term_2=second)
        return "fixed_correlation", row["correlation"]
    return "variance_components", _variance_number(tables, model, kind, key[0])


def _variance_number(tables: Tables, model: str, kind: str, name: str) -> float:
    group, _, terms = name.partition(" ")
    first, _, second = terms.partition(",")
    row = tables.one(
        "variance_components.csv",
        model=model,
        group=group,
        term_1=first or None,
        term_2=second or None,
    )
    return row["vcov"] if kind == "variance" else row["sdcor"]


def _comparison_block(block: dict, tables: Tables) -> Iterator[Check]:
    names = {key: tables.model(formula) for key, formula in block["models"].items()}
    null, alternative = names.values()
    pair = tables.one("comparisons.csv", null=null, alternative=alternative)
    for (key, number), printed in _leaves(block["printed"]):
        if number in MODEL_COLUMNS:
            row = tables.one("models.csv", model=names[key], criterion=block["criterion"])
            table, found = "models", row[MODEL_COLUMNS[number]]
        else:
            if pair["criterion"] != block["criterion"]:
                raise LookupError(f"{null} and {alternative} were compared by {pair['criterion']}")
            # The lecture prints the plain chi-square's p-value.
            column = {"p_value": "p_value_chi2"}.get(number, number)
            table, found = "comparisons", pair[column]
        yield Check(block["block"], f"{key}: {number}", table, printed, found)


def _leaves(tree: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Decimal]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def page(checks: list[Check]) -> str:
    """The comparison in Markdown, a table per block of the lecture."""
    words = [check.agreement or "" for check in checks]
    lines = [
        "# The lecture's numbers",
        "",
        "Every number that the lecture “Mixed Models II” prints, beside the same number in the",
        "tables of the default run (`make run`). Made by",
        "`python -m tests.reference.lecture_check results > docs/lecture.md`;",
        "`tests/report/test_lecture.py` checks the same.",
        "",
        f"Of {len(checks)} numbers, {sum(word in ('all digits', 'below') for word in words)} agree "
        "to every digit printed.",
        f"{sum('short of' in word for word in words)} agree within {RELATIVE:g} relative: there "
        "lme4's default stopping rule left",
        "the lecture a little off the optimum, which ours reaches (lme4 itself, run with tight",
        "tolerances, gives our numbers).",
        f"{sum('twice' in word for word in words)} was rounded twice by R (10.40545 to 10.405 to "
        "10.40).",
    ]
    for block in dict.fromkeys(check.block for check in checks):
        lines += ["", f"## {block}", "", "| number | lecture | mmfit | table | agreement |"]
        lines += ["|---|---:|---:|---|---|"]
        lines += [_line(check) for check in checks if check.block == block]
    return "\n".join(lines) + "\n"


def _line(check: Check) -> str:
    """A row of the table; ours is shown with one digit more than the lecture prints."""
    number = check.number.replace("|", "\\|")
    agreement = check.agreement or "**differs**"
    if check.bound:
        printed, found = f"< {check.printed:.0e}", f"{check.found:.1e}"
    elif 0 < abs(check.printed) < Decimal("0.001"):
        digits = len(check.printed.as_tuple().digits)
        printed, found = f"{check.printed:.{digits - 1}e}", f"{check.found:.{digits}e}"
    else:
        decimals = max(-int(check.printed.as_tuple().exponent), 0)
        printed = str(check.printed)
        found = f"{check.found:.{decimals + 1 if decimals else 0}f}"
    return f"| {number} | {printed} | {found} | {check.table} | {agreement} |"


if __name__ == "__main__":
    sys.stdout.write(page(compare_lecture(Path(sys.argv[1]))))
