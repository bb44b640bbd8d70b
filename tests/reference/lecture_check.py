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
    ("nested model, REML", "variance: clinic:region (Intercept)"),
    ("nested model, REML", "std_dev: clinic:region (Intercept)"),
    ("nested model, REML", "variance: region (Intercept)"),
    ("nested model, REML", "fixed: (Intercept): estimate"),
    ("sleepall m2, REML", "variance: Subject (Intercept)"),
    ("lmerTest summary, sleepstudy", "std_dev: Subject (Intercept)"),
}
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
    def to_the_digit(self) -> bool:
        if self.bound:
            return self.found < float(self.printed)
        half_unit = 0.5 * 10.0 ** int(self.printed.as_tuple().exponent)
        return abs(self.found - float(self.printed)) <= half_unit * (1 + 1e-9)

    @property
    def agrees(self) -> bool:
        """To the digits printed, or within 2e-4 where lme4 stopped short of the optimum."""
        if self.to_the_digit:
            return True
        named = (self.block, self.number) in SHORT_OF_OPTIMUM
        return named and abs(self.found / float(self.printed) - 1) <= RELATIVE


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
            table, found = "comparisons", pair[number]
        yield Check(block["block"], f"{key}: {number}", table, printed, found)


def _leaves(tree: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Decimal]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def page(checks: list[Check]) -> str:
    """The comparison in Markdown, a table per block of the lecture."""
    exact = sum(check.to_the_digit for check in checks)
    near = sum(check.agrees and not check.to_the_digit for check in checks)
    lines = [
        "# The lecture's numbers",
        "",
        "Every number that the lecture “Mixed Models II” prints, beside the same number in the",
        "tables of the default run (`make run`). Made by",
        "`python -m tests.reference.lecture_check results > docs/lecture.md`; "
        "`tests/report/test_lecture.py`",
        "checks the same.",
        "",
        f"Of {len(checks)} numbers, {exact} agree to the digits printed and {near} within "
        f"{RELATIVE:g} relative:",
        "there lme4's default stop left the lecture a little off the optimum, which ours reaches.",
    ]
    for block in dict.fromkeys(check.block for check in checks):
        lines += ["", f"## {block}", "", "| number | lecture | mmfit | table | agreement |"]
        lines += ["|---|---:|---:|---|---|"]
        lines += [_line(check) for check in checks if check.block == block]
    return "\n".join(lines) + "\n"


def _line(check: Check) -> str:
    printed = f"< {check.printed}" if check.bound else str(check.printed)
    if check.to_the_digit:
        agreement = "below" if check.bound else "all digits"
    elif check.agrees:
        relative = abs(check.found / float(check.printed) - 1)
        agreement = f"{relative:.1e} relative (lme4 short of the optimum)"
    else:
        agreement = "**differs**"
    number = check.number.replace("|", "\\|")
    return f"| {number} | {printed} | {check.found:.8g} | {check.table} | {agreement} |"


if __name__ == "__main__":
    sys.stdout.write(page(compare_lecture(Path(sys.argv[1]))))
