"""Which rows are used: where, derive, missing values; how factors are coded; what is refused."""

import numpy as np
import pandas as pd
import pytest

from mmfit.data import MissingCount, RowReport, load_dataset
from mmfit.errors import DataError
from tests.data.files import TABLE, analysis, write_data


@pytest.fixture
def load(tmp_path):
    """Write a table and an analysis of it; load the dataset."""

    def write_and_load(content=TABLE, models=None, **rest):
        write_data(tmp_path, content)
        return load_dataset(analysis(tmp_path, models, **rest))

    return write_and_load


def changed(row, old, new):
    """The table with one field of a data row (from 1) replaced."""
    lines = TABLE.splitlines(keepends=True)
    lines[row] = lines[row].replace(old, new, 1)
    return "".join(lines)


def test_all_rows_are_used_unless_something_says_otherwise(load):
    dataset = load()
    assert dataset.row_report == RowReport(12, None, 0, 0, (), 12)
    assert list(dataset.frame.index) == list(range(12))
    assert dataset.frame["x"].tolist() == list(range(12))


def test_where_sees_the_columns_of_the_file_and_derive_works_in_order(load):
    derive = {"x": "x - 2", "twice": "2 * x", "late": "x > 4"}
    dataset = load(data={"where": "x >= 2", "derive": derive})
    assert dataset.row_report == RowReport(12, "x >= 2", 2, 0, (), 10)
    assert dataset.frame["x"].tolist() == list(range(10))
    assert dataset.frame["twice"].tolist() == list(range(0, 20, 2))
    assert dataset.frame["late"].tolist() == ["FALSE"] * 5 + ["TRUE"] * 5


def test_where_that_a_missing_value_leaves_open_does_not_hold(load):
    table = changed(5, ",4,", ",,")
    # In row 5 x is missing and g is b: the last condition holds there all the same.
    for where, kept in {"x >= 6": 6, "!(x >= 6)": 5, "x >= 6 | g == 'b'": 8}.items():
        report = load(table, {"m1": "y ~ 1 + (1 | g)"}, data={"where": where}).row_report
        assert (report.kept, report.excluded, report.incomplete) == (kept, 12 - kept, 0)


def test_rows_are_fixed_by_the_variables_of_all_candidates(load):
    table = changed(1, ",a,0", ",a,NA")
    table = table.replace("7.5,1,", ",1,").replace("g,h\n", "g,h,w,o,unused\n")
    lines = [f"{line},1,2,\n" for line in table.splitlines()[1:]]
    lines[3] = lines[3].replace(",1,2,", ",,2,")
    lines[4] = lines[4].replace(",1,2,", ",1,,")
    lines[1] = lines[1].replace(",1,2,", ",,2,")
    content = "y,x,g,h,w,o,unused\n" + "".join(lines)
    models = {
        "m1": "y ~ x + (1 | g)",
        "m2": {"formula": "y ~ x + (1 | h)", "weights": "w", "offset": "o"},
    }
    report = load(content, models).row_report
    assert report.missing == (
        MissingCount("y", 1),
        MissingCount("h", 1),
        MissingCount("w", 2),
        MissingCount("o", 1),
    )
    # Row 2 lacks both y and w and counts once.
    assert (report.incomplete, report.kept, report.dropped) == (4, 8, 4)
    assert report.sentences() == (
        "12 rows were read and 8 are used.",
        "4 had missing values: y (1), h (1), w (2), o (1).",
    )


def test_a_column_that_no_candidate_uses_may_be_missing(load):
    dataset = load(changed(3, ",c,2", ",c,"))
    assert dataset.row_report.kept == 12
    assert dataset.frame["h"].isna().sum() == 1


def test_factors_have_sorted_levels_that_occur(load):
    content = "y,x,g,n,f\n" + "".join(
        f"{i % 5}.5,{i},{'éZaz'[i % 4]},{[10, 9, 100][i % 3]},{[0.5, 10, 2][i % 3]}\n"
        for i in range(12)
    )
    dataset = load(content, data={"categorical": ["n", "f"], "where": "g != 'Z'"})
    levels = {name: list(dataset.frame[name].cat.categories) for name in "gnf"}
    assert levels == {"g": ["a", "z", "é"], "n": ["9", "10", "100"], "f": ["0.5", "2", "10"]}
    assert dataset.frame["n"].tolist()[:2] == ["10", "100"]


def test_a_categorical_of_a_parquet_file_keeps_its_order(tmp_path):
    frame = pd.DataFrame({"y": np.arange(12.0) % 5, "x": np.arange(12)})
    frame["g"] = pd.Categorical(["lo", "hi", "mid"] * 4, categories=["lo", "none", "mid", "hi"])
    frame.to_parquet(tmp_path / "trial.parquet")
    dataset = load_dataset(analysis(tmp_path, data={"file": str(tmp_path / "trial.parquet")}))
    assert list(dataset.frame["g"].cat.categories) == ["lo", "mid", "hi"]


# By kind: the table, the block `data`, the models, the message after the file's name.
MISTAKES = {
    "column_of_models": (
        TABLE,
        {},
        {"m1": "y ~ xx + (1 | g)", "m2": "yy ~ x + (1 | gg)"},
        "models.m1: the data have no column 'xx' (did you mean 'x'?); columns: y, x, g, h\n"
        "{file}: models.m2: the data have no column 'yy' (did you mean 'y'?); columns: y, x, g, h"
        "\n{file}: models.m2: the data have no column 'gg' (did you mean 'g'?); columns: y, x, g, ",
    ),
    "column_of_categorical": (
        TABLE,
        {"categorical": ["G"]},
        None,
        "data.categorical: the data have no column 'G' (did you mean 'g'?); columns: y, x, g, h",
    ),
    "column_of_where": (
        TABLE,
        {"where": "Days > 2"},
        None,
        "data.where: the data have no column 'Days'; columns: y, x, g, h",
    ),
    "column_of_derive": (
        TABLE,
        {"derive": {"z": "log(xs)"}},
        None,
        "data.derive.z: the data have no column 'xs' (did you mean 'x'?); columns: y, x, g, h",
    ),
    "derived_column_in_where": (
        TABLE,
        {"where": "z > 0", "derive": {"z": "x - 2"}},
        None,
        "data.where: the data have no column 'z'; columns: y, x, g, h",
    ),
    "where_of_text": (
        TABLE,
        {"where": "g"},
        None,
        "data.where: a condition such as Days >= 2 is needed, but this gives texts",
    ),
    "where_of_no_row": (
        TABLE,
        {"where": "x > 100"},
        None,
        "data.where: no rows are left: x > 100 holds in none of 12 rows",
    ),
    "derive_from_text": (
        TABLE,
        {"derive": {"z": "g + 1"}},
        None,
        "data.derive.z: a number is needed here, but g is categorical",
    ),
    "derive_without_value": (
        TABLE,
        {"derive": {"z": "log(x - 3)"}},
        None,
        "data.derive.z: log(x - 3) has no value in row 1 of the data (x = 0)",
    ),
    "derive_to_infinity": (
        TABLE,
        {"derive": {"x": "1 / x"}},
        None,
        "data: the column 'x' is infinite in row 1 of the data; finite numbers, or nothing for",
    ),
    "infinite": (
        changed(2, "7.5", "Inf").replace("10.5", "1e999"),
        {},
        None,
        "data: the column 'y' is infinite in rows 2, 4 of the data; finite numbers",
    ),
    "missing_error": (
        changed(2, "7.5", "NA"),
        {"missing": "error"},
        None,
        "data.missing: values are missing, and `missing: error` is set: 'y' in row 2 of the data; "
        "fill them in, or write `missing: drop`",
    ),
    "no_complete_row": (
        "y,x,g\n1,,a\n,2,b\n",
        {},
        None,
        "data: no rows are left: 2 rows were read and 0 are used. 2 had missing values: y (1), x",
    ),
}


@pytest.mark.parametrize(
    ("table", "data", "models", "message"), MISTAKES.values(), ids=MISTAKES.keys()
)
def test_rows_that_cannot_be_used(load, tmp_path, table, data, models, message):
    with pytest.raises(DataError) as caught:
        load(table, models, data=data)
    file = f"{tmp_path}/trial.yaml"
    assert str(caught.value).startswith(f"{file}: {message}".replace("{file}", file))


def test_a_column_of_dates_is_refused_where_it_is_used(tmp_path):
    frame = pd.DataFrame({"y": np.arange(12.0) % 5, "g": ["a", "b"] * 6})
    frame["x"] = pd.date_range("2020-01-01", periods=12)
    frame.to_parquet(tmp_path / "trial.parquet")
    data = {"file": str(tmp_path / "trial.parquet")}
    assert load_dataset(analysis(tmp_path, {"m": "y ~ 1 + (1 | g)"}, data=data)).row_report.kept
    with pytest.raises(DataError, match="the column 'x' holds values of kind datetime64"):
        load_dataset(analysis(tmp_path, data=data))
