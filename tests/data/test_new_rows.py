"""Rows to predict: read, derived and coded as the data are."""

import pandas as pd
import pytest

from mmfit.data import load_dataset
from mmfit.data.new_rows import read_new_rows
from mmfit.errors import DataError
from tests.data.files import TABLE, analysis, write_data


@pytest.fixture
def read(tmp_path):
    """Write the data, the new rows and an analysis; read the new rows."""

    def write_and_read(content, name="new.csv", models=None, **data):
        write_data(tmp_path, TABLE)
        file = write_data(tmp_path, content, name)
        spec = {"predictions": {"file": str(file)}}
        loaded = analysis(tmp_path, models, data=data, inference=spec)
        return read_new_rows(loaded, load_dataset(loaded).frame)

    return write_and_read


def test_nothing_is_read_where_nothing_is_predicted(tmp_path):
    write_data(tmp_path, TABLE)
    loaded = analysis(tmp_path)
    assert read_new_rows(loaded, load_dataset(loaded).frame) is None


def test_every_row_is_kept_whatever_the_data_leave_out(read):
    found = read("x,g\n1,a\n,b\n30,z\n", where="x < 10")
    assert found.index.tolist() == [1, 2, 3]
    assert found["x"].tolist()[::2] == [1, 30]
    assert found["g"].tolist() == ["a", "b", "z"]


def test_what_is_derived_from_the_response_is_left_out(read):
    derive = {"x": "x - 1", "twice": "2 * x", "logged": "log(y)", "more": "logged + x"}
    found = read("x,g\n1,a\n4,b\n", derive=derive)
    assert list(found) == ["x", "g", "twice"]
    assert found["twice"].tolist() == [0, 6]


def test_a_factor_is_one_even_if_its_few_labels_are_numbers(read):
    found = read("x,g,h\n1,1,1\n", models={"m": "y ~ h + (1 | g)"}, categorical=["h"])
    assert isinstance(found["g"].dtype, pd.CategoricalDtype)
    assert isinstance(found["h"].dtype, pd.CategoricalDtype)
    assert found["g"].tolist() == ["1"]
    assert found["x"].dtype == "int64"


def test_tab_separated_rows(read):
    assert read("x\tg\n1\ta\n", "new.tsv")["x"].tolist() == [1]


def test_a_derived_column_without_a_value_is_refused(read):
    with pytest.raises(DataError, match=r"new\.csv: data\.derive\.z: log\(x\) has no value in row"):
        read("x,g\n1,a\n-1,b\n", derive={"z": "log(x)"}, where="x > 0")


def test_a_file_without_rows_is_refused(read):
    with pytest.raises(DataError, match=r"new\.csv: a header but no rows"):
        read("x,g\n")
