"""The columns of the tables of the inference, the null distributions and the searches.

One place for those who write the tables and those who read them back. A column holds ``text``
(None where missing), ``number`` (float, NaN where missing), ``integer`` (the same, a whole number
in the file), ``count`` (int, never missing) or ``truth`` (bool, never missing).
"""

import math
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

Columns = Mapping[str, str]

_KINDS = MappingProxyType(
    {"text": object, "number": float, "integer": float, "count": int, "truth": bool}
)


def _columns(names: str, kind: str = "number", /, **kinds: str) -> Columns:
    """``names`` in order; those without a kind of their own in ``kinds`` are of ``kind``."""
    return MappingProxyType({name: kinds.get(name, kind) for name in names.split()})


INFERENCE: Mapping[str, Columns] = MappingProxyType(
    {
        "intervals": _columns(
            "model method parameter estimate conf_low conf_high level",
            model="text",
            method="text",
            parameter="text",
        ),
        "profiles": _columns(
            "model parameter value zeta deviance_increase", model="text", parameter="text"
        ),
        "term_tests": _columns(
            "model term sum_sq mean_sq num_df den_df statistic p_value", model="text", term="text"
        ),
        "random_term_tests": _columns(
            "model term npar log_lik aic chisq df p_value p_value_boundary null_distribution note",
            model="text",
            term="text",
            npar="integer",
            df="integer",
            null_distribution="text",
            note="text",
        ),
        "measures": _columns("model measure group value note", "text", value="number"),
        "means": _columns(
            "model factor level estimate std_error df conf_low conf_high",
            model="text",
            factor="text",
            level="text",
        ),
        "contrasts": _columns(
            "model factor contrast estimate std_error df statistic p_value conf_low conf_high"
            " adjust",
            model="text",
            factor="text",
            contrast="text",
            adjust="text",
        ),
        "slopes": _columns(
            "model covariate by level estimate std_error df statistic p_value conf_low conf_high",
            model="text",
            covariate="text",
            by="text",
            level="text",
        ),
        "influence": _columns(
            "model group level rows cooks_distance covratio sigma verdict term estimate_without"
            " change change_se",
            model="text",
            group="text",
            level="text",
            rows="count",
            verdict="text",
            term="text",
        ),
        "diagnosis": _columns(
            "model check value p_value verdict text", "text", value="number", p_value="number"
        ),
        "predictions": _columns(
            "model row estimate std_error df conf_low conf_high", model="text", row="count"
        ),
        "inference_notes": _columns("model table text", "text"),
    }
)
"""The tables of the stage ``inference``, by name, in the order in which they are written."""

NULL_DISTRIBUTIONS: Columns = _columns(
    "null alternative method distribution p_value mc_low mc_high replicates holds condition",
    null="text",
    alternative="text",
    method="text",
    distribution="text",
    holds="truth",
    condition="text",
    replicates="integer",
)

SEARCHES: Mapping[str, Columns] = MappingProxyType(
    {
        "search": _columns(
            "step part standing candidate move criterion chisq df p_value p_value_kind"
            " null_distribution aic bic caic singular decision text",
            "text",
            step="count",
            chisq="number",
            df="integer",
            p_value="number",
            aic="number",
            bic="number",
            caic="number",
        ),
        "stability": _columns(
            "kind model chosen count frequency mc_low mc_high",
            kind="text",
            model="text",
            chosen="truth",
            count="count",
        ),
    }
)
"""The tables of the stage ``search``: its path, and how stable the selection is."""

TABLES: Mapping[str, Columns] = MappingProxyType(
    {**INFERENCE, "null_distributions": NULL_DISTRIBUTIONS, **SEARCHES}
)


def frame_of(name: str, columns: pd.DataFrame | Mapping[str, list]) -> pd.DataFrame:
    """The table ``name`` from its columns, each of the kind declared, in the declared order.

    Raises
    ------
    KeyError : a column is not there; columns that the table does not have are passed over.
    """
    kinds = TABLES[name]
    frame = {
        column: pd.Series(_values(columns[column], kind), dtype=_KINDS[kind])
        for column, kind in kinds.items()
    }
    return pd.DataFrame(frame)


def _values(values, kind: str) -> list:
    """A column as a list; a missing or empty text is None, a missing number NaN."""
    values = [None if v is None or v is pd.NA or v != v or v == "" else v for v in values]
    if kind == "text":
        return [None if v is None else str(v) for v in values]
    return [math.nan if v is None else v for v in values]


def as_written(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The table as its file holds it: integers without a decimal point."""
    whole = [column for column, kind in TABLES[name].items() if kind == "integer"]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def empty_tables() -> Mapping[str, pd.DataFrame]:
    """Every table without a row."""
    return MappingProxyType(
        {name: frame_of(name, {column: [] for column in TABLES[name]}) for name in TABLES}
    )
